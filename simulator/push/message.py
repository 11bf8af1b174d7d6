"""What `simulator push` sends, made of the command line and of what the sandbox says of its phone. No I/O.

A file is one that Xcode's `simctl push` takes: the payload, with the app's bundle id under "Simulator Target Bundle".
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from simulator.phone.app.content_state import FLAT, ContentState, Status
from simulator.process import CommandError

Json = dict[str, Any]
Card = Literal["start", "update", "end"]

TARGET: Final = "Simulator Target Bundle"
SUFFIXES: Final = {
    "liveactivity": ".push-type.liveactivity",
    "voip": ".voip",
    "widgets": ".push-type.widgets",
}
"""What the topic adds to the bundle id (Apple: Sending notification requests to APNs)."""
TOKENS: Final = {"liveactivity": "push-to-start", "voip": "voip", "widgets": "widgets"}
"""The kind of token that a push type goes to; all others go to that of alerts."""
STATUS_OF: Final[dict[Card, Status]] = {"start": "working", "update": "working", "end": "complete"}
SESSION: Final = "ses_push"
"""The session that a card started from here is about."""


@dataclass(frozen=True, slots=True)
class PushOptions:
    """The command line. What is None is found: the topic and the token at the phone, the push type in the payload.

    `payload` is that of a file; `attributes` and `content_state` are JSON for an app of one's own.
    """

    payload: Json | None = None
    title: str | None = None
    body: str | None = None
    card: Card | None = None
    status: Status | None = None
    attributes_type: str | None = None
    attributes: Json | None = None
    content_state: Json | None = None
    token: str | None = None
    topic: str | None = None
    push_type: str | None = None
    priority: int | None = None
    collapse_id: str | None = None
    expiration: int | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """Device token, the headers of APNs, and the payload as it goes out."""

    token: str
    headers: dict[str, str]
    payload: bytes


def message(options: PushOptions, phone: Mapping[str, Any], now: float) -> Message:
    """The push. `phone` is the reply of GET /control/devices/{name}; `now` UNIX seconds. CommandError says what is missing."""
    running = _running(phone)
    payload = _payload(options, running, now)
    push_type = options.push_type or _push_type(payload)
    payload = {name: value for name, value in payload.items() if name != TARGET}
    headers = {
        "apns-topic": options.topic or _topic(options, phone, push_type),
        "apns-push-type": push_type,
        "apns-priority": str(options.priority or (5 if push_type == "background" else 10)),
    }
    given = {"apns-collapse-id": options.collapse_id, "apns-expiration": options.expiration}
    headers |= {name: str(value) for name, value in given.items() if value is not None}
    octets = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return Message(options.token or _token(phone, push_type, payload, running), headers, octets)


def _payload(options: PushOptions, running: Json | None, now: float) -> Json:
    if options.card is not None:
        return {"aps": _card(options, options.card, running, now)}
    if options.payload is not None:
        return options.payload
    if options.title is None and options.body is None:
        raise CommandError("what is to be pushed? --title, a FILE.apns, or --card start, update or end")
    return {"aps": {"alert": _alert(options), "sound": "default"}}


def _alert(options: PushOptions) -> Json:
    texts = {"title": options.title, "body": options.body}
    return {name: text for name, text in texts.items() if text is not None}


def _card(options: PushOptions, card: Card, running: Json | None, now: float) -> Json:
    """A start has its alert, without which no phone shows it; later states keep what is not said anew."""
    if card != "start" and running is None and options.token is None:
        raise CommandError("no card runs on the phone: start one with --card start")
    aps: Json = {"timestamp": int(now), "event": card, "content-state": _content(options, card, running)}
    if card == "start":
        aps |= {
            "attributes-type": options.attributes_type or FLAT.activity_type.name,
            "attributes": FLAT.attributes(SESSION) if options.attributes is None else options.attributes,
            "alert": {"title": options.title or "OpenCode", "body": options.body or "Working"},
            "input-push-token": 1,
        }
    return aps


def _content(options: PushOptions, card: Card, running: Json | None) -> Json:
    before: Json = {} if running is None or card == "start" else dict(running["content_state"])
    if options.content_state is not None:
        return before | options.content_state
    state = ContentState(options.status or STATUS_OF[card], options.title or "OpenCode", options.body or "")
    said = FLAT.content_state(state)
    if before:
        kept = {"sessionTitle": options.title, "lastMessage": options.body}
        said = {name: value for name, value in said.items() if name not in kept or kept[name] is not None}
    return before | said


def _push_type(payload: Json) -> str:
    aps = payload.get("aps")
    aps = aps if isinstance(aps, dict) else {}
    if isinstance(aps.get("event"), str):
        return "liveactivity"
    if aps.get("content-changed") is True:
        return "widgets"
    seen = any(name in aps for name in ("alert", "badge", "sound"))
    return "background" if aps.get("content-available") == 1 and not seen else "alert"


def _topic(options: PushOptions, phone: Mapping[str, Any], push_type: str) -> str:
    target = (options.payload or {}).get(TARGET)
    bundle_id = target if isinstance(target, str) else str(phone["bundle_id"])
    return bundle_id + SUFFIXES.get(push_type, "")


def _token(phone: Mapping[str, Any], push_type: str, payload: Json, running: Json | None) -> str:
    """The newest card's for what is no start; else the token that the app has from the beginning."""
    aps = payload.get("aps")
    starts = isinstance(aps, dict) and aps.get("event") == "start"
    if push_type == "liveactivity" and not starts and running is not None:
        if running["token"] is None:
            raise CommandError("the card has no update token: it was started without input-push-token")
        return str(running["token"])
    kind = TOKENS.get(push_type, "alert")
    token = phone["tokens"].get(kind)
    if token is None:
        raise CommandError(f"the app on the phone has no token of the kind {kind}; name one with --token")
    return str(token)


def _running(phone: Mapping[str, Any]) -> Json | None:
    """The newest Live Activity that has not ended."""
    active = [one for one in phone["activities"] if one["state"] in ("active", "stale")]
    return active[-1] if active else None
