"""A request that came to APNs, for people: what it asked, what became of it step by step, and the rule behind it. No I/O."""

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, NamedTuple

from simulator.apns.checks import CHECKS
from simulator.apns.messages import readable
from simulator.apns.provider_token import bearer
from simulator.apns.request_log import KeptRequest
from simulator.journal import Entry
from simulator.lab.why import explain

Json = dict[str, Any]
Tone = Literal["good", "waits", "bad"]

PROVIDER_REASONS: Final = frozenset(check.reason for check in CHECKS if check.stage == "provider")
"""With these APNs refuses the provider itself, whatever it pushes."""


class Step(NamedTuple):
    """`where` is APNs or a phone's name; `state` one word for programs, `text` the same for people; `title` what is on the screen."""

    at: float
    where: str
    state: str
    text: str
    tone: Tone
    title: str | None = None
    rule: Json | None = None


def push_fields(kept: KeptRequest) -> Json:
    """All that is known of it; times are UNIX seconds, `token` is whole, `body` the text as it came, `payload` its JSON object.

    `body_size` may be more than `body` holds, of which APNs reads no more than 16 KiB. `outcome` is the last of `steps` that counts.
    """
    request, detail = kept.request, kept.entry.detail
    found = steps(kept)
    payload = request.payload()
    return {
        "number": kept.number,
        "revision": kept.revision,
        "at": kept.entry.at,
        "realm": detail["realm"],
        "kind": _kind(kept),
        "method": readable(request.method),
        "path": readable(request.path),
        "token": readable(request.token),
        "headers": _headers(kept),
        "repeated": sorted(map(readable, request.repeated)),
        "body": request.body.decode("utf-8", "replace"),
        "body_size": request.body_size,
        "payload": payload,
        "provider": provider(kept),
        **{name: detail.get(name) for name in _SHOWN},
        "session": _session(payload or {}, kept.steps),
        "outcome": outcome(found)._asdict(),
        "steps": [step._asdict() for step in found],
    }


_SHOWN: Final = ("topic", "push_type", "status", "reason", "why", "fault", "apns_id", "apns_unique_id")


def _kind(kept: KeptRequest) -> str:
    """Its push type; a broadcast and a request about channels are called so."""
    if kept.entry.what == "channel":
        return "channel"
    if kept.request.path.startswith("/4/"):
        return "broadcast"
    return readable(kept.request.push_type)


def _headers(kept: KeptRequest) -> list[list[str]]:
    """Name and value as they came, pseudo-headers left out; of one that came again the first value."""
    fields = reversed(kept.request.headers.items())
    return [[readable(name), readable(value)] for name, value in fields if not name.startswith(":")]


def _session(payload: Json, later: Sequence[Entry]) -> str | None:
    """The session of OpenCode that it is about: the payload names it, or the card that it changed."""
    body = payload.get("body")
    aps = payload.get("aps")
    attributes = aps.get("attributes") if isinstance(aps, dict) else None
    named = [
        source.get(name)
        for source, name in ((payload, "sessionID"), (body, "sessionID"), (attributes, "sessionId"))
        if isinstance(source, dict)
    ] + [entry.detail.get("sessionID") for entry in later]
    return next((name for name in named if isinstance(name, str)), None)


# --- the provider -------------------------------------------------------------------------------------------------


def provider(kept: KeptRequest) -> Json | None:
    """What the provider token says and whether APNs took it: `{header, claims, age, ok, why}`; None without one.

    `age` is in seconds at the time of the request, None if the token names no time.
    """
    text = bearer(kept.request.headers.get("authorization"))
    if text is None:
        return None
    header, claims = decoded(text)
    detail = kept.entry.detail
    refused = detail.get("reason") in PROVIDER_REASONS
    issued_at = _seconds(claims.get("iat"))
    return {
        "header": header,
        "claims": claims,
        "age": None if issued_at is None else kept.entry.at - issued_at,
        "ok": not refused,
        "why": detail.get("why") if refused else None,
    }


def _seconds(issued_at: object) -> float | None:
    if isinstance(issued_at, bool) or not isinstance(issued_at, int | float):
        return None
    return float(issued_at) if abs(issued_at) < _LATEST else None


_LATEST: Final = 1e15


def decoded(token: str) -> tuple[Json, Json]:
    """Header and claims of a JWT; what cannot be read is empty."""
    header, claims = (_object(part) for part in [*token.split("."), "", ""][:2])
    return header, claims


def _object(part: str) -> Json:
    try:
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


# --- what became of it ----------------------------------------------------------------------------------------------


def steps(kept: KeptRequest) -> list[Step]:
    """APNs' answer, what APNs did with the push, and what the phone made of it."""
    later = (_later(entry) for entry in kept.steps)
    return [_answer(kept.entry), *(step for step in later if step is not None)]


def outcome(found: list[Step]) -> Step:
    """What a list says of it: the last step."""
    return found[-1]


def _answer(entry: Entry) -> Step:
    detail = entry.detail
    status, reason, fault = detail["status"], detail["reason"], detail["fault"]
    by_fault = "" if fault is None else f", by a fault rule ({FAULTS.get(fault, fault)})"
    if status is None:
        return Step(entry.at, "APNs", "unanswered", f"no answer{by_fault}", "bad")
    if reason is None:
        return Step(entry.at, "APNs", "accepted", f"{status} accepted{by_fault}", "good")
    rule = None if fault is not None else _rule(entry)
    return Step(entry.at, "APNs", "refused", f"{status} {reason}{by_fault}", "bad", rule=rule)


FAULTS: Final = {
    "AnswerWith": "a staged answer",
    "Delay": "the answer waits",
    "Stall": "silence",
    "Reset": "its stream is reset",
    "GoAway": "GOAWAY",
    "CloseConnection": "the connection is cut",
    "StreamLimit": "fewer streams",
    "Misshape": "an answer of an odd form",
}
"""What fault rules do, in words, by the journal's names."""


def _rule(entry: Entry) -> Json | None:
    found = explain(entry)
    return None if found is None else found._asdict()


def _later(entry: Entry) -> Step | None:
    sentence = _SENTENCES.get((entry.where, entry.what))
    if sentence is None:
        return None
    state, text, tone, title = sentence(entry.detail)
    where = "APNs" if entry.where == "apns" else str(entry.detail.get("phone", "phone"))
    return Step(entry.at, where, state, text, tone, title, _rule(entry))


Sentence = tuple[str, str, Tone, str | None]


def _delivery(detail: Json) -> Sentence:
    device, result = detail["device"], detail["outcome"]
    if result == "sent":
        return ("sent", f"sent to {device}", "good", None) if device else _NOBODY
    if result == "stored":
        return "stored", f"stored until {device} can be reached", "waits", None
    return "discarded", f"discarded: {_short(Entry(0, 'apns', 'delivery', detail))}", "bad", None


_NOBODY: Final[Sentence] = ("sent", "sent, but the token leads to no phone here", "bad", None)


def _short(entry: Entry) -> str:
    found = explain(entry)
    return str(entry.detail.get("why")) if found is None else found.short


def _shown(detail: Json) -> Sentence:
    title = detail.get("title") or detail.get("body") or ""
    return "shown", "shown", "good", str(title)


def _dropped(detail: Json) -> Sentence:
    return "dropped", f"dropped: {_short(Entry(0, 'phone', 'dropped', detail))}", "bad", None


def _deferred(detail: Json) -> Sentence:
    return "deferred", f"waits: {_short(Entry(0, 'phone', 'deferred', detail))}", "waits", None


def _card(state: str, text: str) -> Callable[[Json], Sentence]:
    def sentence(detail: Json) -> Sentence:
        content = detail.get("contentState") or {}
        title = content.get("sessionTitle") if isinstance(content, dict) else None
        return state, text, "good", title if isinstance(title, str) else None

    return sentence


def _updated(detail: Json) -> Sentence:
    if "badge" in detail:
        return "badge", f"the icon's badge is {detail['badge']}", "good", None
    return _card("updated", "card updated")(detail)


_SENTENCES: Final[dict[tuple[str, str], Callable[[Json], Sentence]]] = {
    ("apns", "delivery"): _delivery,
    ("apns", "delivery_failed"): lambda d: ("failed", f"the phone failed: {d['error']}", "bad", None),
    ("phone", "shown"): _shown,
    ("phone", "replaced"): lambda d: ("replaced", "shown in the place of an older one", "good", _shown(d)[3]),
    ("phone", "dropped"): _dropped,
    ("phone", "deferred"): _deferred,
    ("phone", "woken"): lambda _: ("woken", "the app ran in the background", "good", None),
    ("phone", "reloaded"): lambda _: ("reloaded", "the app's widgets were reloaded", "good", None),
    ("phone", "started"): _card("started", "card started"),
    ("phone", "updated"): _updated,
    ("phone", "ended"): _card("ended", "card ended"),
}
"""The later steps of a push and what they are called; "text" is for people."""
