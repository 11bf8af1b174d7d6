"""A push that a provider sent, whole, and what became of it: a value for assertions. No I/O."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypedDict

from simulator.apns.messages import DEFAULT_PRIORITY, readable
from simulator.apns.request_log import KeptRequest
from simulator.lab.lines import summary
from simulator.lab.pushes import outcome, steps

Environment = Literal["sandbox", "production"]


@dataclass(frozen=True, slots=True, repr=False)
class Push:
    """One request to APNs, also a refused one, at the moment at which it was asked for: what came later is not in it.

    `number` counts from 1; `at` is UNIX seconds by the sandbox's clock. `headers` are those that came, without pseudo-headers, by their
    lower-case names (of the provider token no signature); `payload` is the JSON object of `body`, None if that is none. `status` is None where a fault
    left the push unanswered, `reason` None where it was accepted; `why` says in words what was wrong. `outcome` is one word, what became of it
    last: accepted, refused, unanswered, sent, stored, discarded, shown, replaced, dropped, deferred, woken, reloaded, started, updated, ended, badge, failed.
    """

    number: int
    at: float
    environment: Environment
    path: str
    token: str
    topic: str | None
    push_type: str
    priority: int
    expiration: int | None
    collapse_id: str | None
    apns_id: str | None
    headers: Mapping[str, str]
    body: bytes
    payload: dict[str, Any] | None
    status: int | None
    reason: str | None
    why: str | None
    outcome: str
    _summary: str = field(compare=False)

    @property
    def accepted(self) -> bool:
        """Whether APNs answered 200."""
        return self.status == 200

    @property
    def aps(self) -> dict[str, Any]:
        """The payload's `aps`; empty where there is none."""
        found = (self.payload or {}).get("aps")
        return found if isinstance(found, dict) else {}

    def __str__(self) -> str:
        """The line that `simulator apns` prints: `alert 200 shown "Fix the login"`."""
        return self._summary

    def __repr__(self) -> str:
        return f"<Push {self.number} to ...{self.token[-8:]}: {self._summary}>"


class Wanted(TypedDict, total=False):
    """What a push may be picked by; each is compared with the field of Push of this name."""

    topic: str
    token: str
    push_type: str
    collapse_id: str
    environment: Environment
    accepted: bool
    reason: str | None
    outcome: str


def fits(push: Push, wanted: Wanted) -> bool:
    """Whether all that is wanted holds. AttributeError for what a push has no field of."""
    return all(getattr(push, name) == value for name, value in wanted.items())


def push_of(kept: KeptRequest) -> Push:
    """The value of a request that was kept."""
    request, detail = kept.request, kept.entry.detail
    headers = {
        readable(name): readable(value)
        for name, value in reversed(request.headers.items())
        if not name.startswith(":")
    }
    return Push(
        number=kept.number,
        at=kept.entry.at,
        environment=detail["realm"],
        path=readable(request.path),
        token=readable(request.token),
        topic=detail["topic"],
        push_type=readable(request.push_type),
        priority=_number(headers.get("apns-priority")) or DEFAULT_PRIORITY,
        expiration=_number(headers.get("apns-expiration")),
        collapse_id=detail["collapse_id"],
        apns_id=detail["apns_id"],
        headers=MappingProxyType(headers),
        body=request.body,
        payload=request.payload(),
        status=detail["status"],
        reason=detail["reason"],
        why=detail.get("why"),
        outcome=outcome(steps(kept)).state,
        _summary=summary(kept.entry, kept.steps) or "",
    )


def _number(text: str | None) -> int | None:
    """A whole number in decimal digits; None for anything else."""
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 20 else None


# --- differences --------------------------------------------------------------------------------------------------


def differences(one: Push, other: Push) -> list[str]:
    """A line for each field in which two pushes differ, those that are the same left out."""
    fields = (each.name for each in dataclasses.fields(Push) if each.compare)
    pairs = ((name, getattr(one, name), getattr(other, name)) for name in fields)
    return [f"{name}: {left!r} != {right!r}" for name, left, right in pairs if left != right]
