"""The case format as types: what a case, a step and an assertion may say. No I/O.

Whatever a case says must be something that the runner does: a key that it does not know, at any depth, and an assertion
that asserts nothing would pass in silence.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

Json = dict[str, Any]

FILE_KEYS = ("version", "confidence", "columns", "remark", "schema", "cases")
"""The keys of a file; all but `cases` are for people."""

Text = Annotated[str, msgspec.Meta(min_length=1)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Changes = Annotated[Json, msgspec.Meta(min_length=1)]


class Part(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """An object that knows all its keys."""


class Something(Part):
    """One whose keys may all be left out, but not at once: then it would say nothing."""

    def __post_init__(self) -> None:
        if all(getattr(self, name) is UNSET for name in self.__struct_fields__):
            raise ValueError(f"says nothing: it has one of {', '.join(self.__struct_fields__)}")


class Request(Part):
    """`headers`: a string, or a list of them for a header that is sent several times."""

    method: str
    host: str
    path: str
    headers: dict[str, str | int | list[str | int]] = {}
    payload: Any = UNSET
    payload_size: int | UnsetType = UNSET


class Jwt(Part):
    """Which provider token."""

    variant: str = "valid"


class Answered(Something):
    """What a step's answer is compared with."""

    status: int | UnsetType | None = UNSET
    reason: str | UnsetType | None = UNSET


# Assertions.


class Settings(Something):
    """Of the connection's SETTINGS frames."""

    first_max_concurrent_streams: int | UnsetType | None = UNSET
    current_max_concurrent_streams: int | UnsetType | None = UNSET
    raised_before_response: bool | UnsetType = UNSET


class Stream(Part):
    """The `index`-th request stream, from 1."""

    index: int
    status: int | UnsetType | None = UNSET
    reset: str | UnsetType | None = UNSET

    def __post_init__(self) -> None:
        if self.status is UNSET and self.reset is UNSET:
            raise ValueError("says nothing: it has one of status, reset")


class Connection(Something):
    """The case's connection."""

    state: Literal["open", "closed", "refused", "refused_or_closed"] | UnsetType = UNSET
    http1_answer: bool | UnsetType = UNSET
    goaway: bool | UnsetType = UNSET
    goaway_error: str | UnsetType | None = UNSET
    goaway_reason: str | UnsetType | None = UNSET
    ping_ack: bool | UnsetType = UNSET


class NextRequest(Part):
    """The case's request once more."""

    connection: Literal["same", "new"]
    status: int | None
    reason: str | None
    after_s: float = 0


class Notifications(Something):
    """What is in the notification centre."""

    count: int | UnsetType = UNSET
    last_title: str | UnsetType | None = UNSET
    last_body: str | UnsetType | None = UNSET
    last_level: str | UnsetType | None = UNSET


class Activities(Something):
    """How many Live Activities."""

    started: int | UnsetType = UNSET
    active: int | UnsetType = UNSET


class Activity(Something):
    """The newest Live Activity."""

    state: Literal["active", "stale", "ended", "dismissed"] | UnsetType = UNSET
    visible: bool | UnsetType = UNSET
    island: bool | UnsetType = UNSET
    content_state: Literal["request", "previous"] | UnsetType = UNSET
    update_token: bool | UnsetType = UNSET
    alerts: int | UnsetType = UNSET


class Delivery(Something):
    """The delivery log's entry of the request."""

    outcome: Literal["sent", "stored", "discarded"] | UnsetType = UNSET
    why: str | UnsetType | None = UNSET


class Budget(Part):
    """What was used of a budget, below zero."""

    kind: Literal["update", "start"]
    remaining_delta: int


HeaderKind = Literal["present", "absent", "echo", "uuid-upper"]
BodyKind = Literal["array", "integer", "string", "ms-since-1970"]


class Assertion(Something):
    """One or several assertions."""

    response_headers: Annotated[dict[str, HeaderKind], msgspec.Meta(min_length=1)] | UnsetType = UNSET
    response_body: (
        Literal["empty"] | Annotated[dict[str, BodyKind], msgspec.Meta(min_length=1)] | UnsetType
    ) = UNSET
    settings: Settings | UnsetType = UNSET
    stream: Stream | UnsetType = UNSET
    connection: Connection | UnsetType = UNSET
    next_request: NextRequest | UnsetType = UNSET
    notifications: Notifications | UnsetType = UNSET
    badge: int | UnsetType = UNSET
    background_wakes: int | UnsetType = UNSET
    nse_invocations: int | UnsetType = UNSET
    activities: Activities | UnsetType = UNSET
    activity: Activity | UnsetType = UNSET
    devices_updated: int | UnsetType = UNSET
    log_contains: Text | UnsetType = UNSET
    delivery: Delivery | UnsetType = UNSET
    budget: Budget | UnsetType = UNSET


# Steps.


class Connect(Part, tag_field="op", tag="connect"):
    """A new connection."""

    alpn: list[str] | None = None
    tls_max: str | None = None
    client_cert: bool = False


class Send(Part, tag_field="op", tag="send"):
    """The case's request, perhaps changed."""

    jwt: str | None = None
    headers: dict[str, Any] = {}
    payload: Any = UNSET
    wait: bool = True
    expect: Answered | UnsetType = UNSET


class Repeat(Part, tag_field="op", tag="repeat"):
    """The same `n` times."""

    n: Count
    interval_s: float = 0
    payload: Any = UNSET
    expect: Answered | UnsetType = UNSET


class Advance(Part, tag_field="op", tag="advance"):
    """Time passes."""

    seconds: float


class Ping(Part, tag_field="op", tag="ping"):
    """An HTTP/2 PING."""


class Device(Part, tag_field="op", tag="device"):
    """The phone changes; its own table knows the keys."""

    set: Changes


class Profile(Part, tag_field="op", tag="profile"):
    """APNs or the phone behaves otherwise; their own tables know the keys."""

    set: Changes


class Fault(Part, tag_field="op", tag="fault"):
    """Something goes wrong; steps.FAULTS knows which kind has which option."""

    kind: Literal["status", "goaway", "shutdown", "idle_timeout", "hold", "release"]
    status: int | UnsetType = UNSET
    reason: str | UnsetType = UNSET


class SeedChannels(Part, tag_field="op", tag="seed_channels"):
    """`n` channels."""

    n: Count


class Expect(Part, tag_field="op", tag="expect"):
    """Assertions before the end."""

    assertions: Annotated[list[Assertion], msgspec.Meta(min_length=1)] = msgspec.field(name="assert")


Step = Connect | Send | Repeat | Advance | Ping | Device | Profile | Fault | SeedChannels | Expect


class Expected(Part):
    """What the request's answer must be, and the assertions; `note` is for people."""

    status: int | UnsetType | None = UNSET
    reason: str | None = None
    assertions: list[Assertion] | None = msgspec.field(name="assert", default=None)
    note: str | None = None


class Whole(Part):
    """A case; `source` is for people."""

    id: str | int
    group: str
    description: str
    expect: Expected
    confidence: Literal["documented", "observed", "assumed", "unknown"] = "unknown"
    source: Any = None
    request: Request | None = None
    jwt: Jwt | None = None
    token_state: str | None = None
    setup: list[Step] | None = None
    then: list[Step] | None = None
    send_request: bool = True

    def __post_init__(self) -> None:
        if self.send_request and self.request is None:
            raise ValueError("has no request to send")
        if self.send_request and self.expect.status is UNSET:
            raise ValueError("has a request and expects no status")
        if not self.send_request and not self._asserts():
            raise ValueError("asserts nothing: it sends no request and has no assertion")

    def _asserts(self) -> bool:
        steps = [*(self.setup or ()), *(self.then or ())]
        checked = (isinstance(step, Expect) or getattr(step, "expect", UNSET) is not UNSET for step in steps)
        return bool(self.expect.assertions) or any(checked)


_PLACE = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<where>.*)`)?\Z", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`\Z", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`\Z", re.DOTALL)


def problem(data: Mapping[str, Any]) -> str:
    """What a case says that the runner cannot do, as a sentence; "" if there is nothing."""
    try:
        msgspec.convert(data, Whole)
    except msgspec.ValidationError as error:
        return _sentence(str(error))
    return ""


def _sentence(error: str) -> str:
    """msgspec's error in words: the place, and what is wrong there."""
    found = _PLACE.match(error)
    assert found is not None
    what, where = found["what"], found["where"] or "the case"
    if unknown := _UNKNOWN.match(what):
        return f"{where} has the unknown key {unknown[1]!r}"
    if missing := _MISSING.match(what):
        return f"{where} has no {missing[1]!r}"
    return f"{where} {what}" if what[:1].islower() else f"{where}: {what}"
