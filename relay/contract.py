"""The wire contract: every request and reply of the relay, what the types of events mean, and the pairing link. No I/O.

Field names on the wire are those of the first implementation (`secret`, `deviceToken`, `sessionID`, ...), so an old
server and an old app work unchanged. Unknown fields are accepted and ignored; everything new is optional.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import parse_qs, quote, urlsplit

import msgspec
from msgspec import UNSET, Struct, UnsetType

from relay.fields import (
    BundleID,
    Ciphertext,
    EventID,
    KeyID,
    Name,
    NonEmpty,
    PhoneTime,
    SealNonce,
    Secret,
    Token,
    wire_name,
)
from relay.json_body import repaired, what_is_wrong

EventType = Literal["complete", "permission", "error", "progress", "start"]
Status = Literal["working", "retry", "permission", "complete", "error"]
ApnsEnv = Literal["sandbox", "production"]
ActivityFormat = Literal["flat", "expo-widgets"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventKind:
    """What a type of event means to bridge and server; the texts are for events that do not bring their own.

    `status` and `message`: what the Live Activity shows. `alerts`: whether a notification comes, with `title` and `body`;
    the bridge puts `title_prefix` before a session's title. A start has title and body for the alert that iOS wants with
    a new Live Activity; the session's title follows its body. Progress has them for a sealed one that replaces an alert.
    """

    status: Status
    message: str
    alerts: bool = False
    title: str = ""
    title_prefix: str = ""
    body: str = ""
    interruption_level: Literal["active", "time-sensitive"] = "active"


EVENT_KINDS: dict[EventType, EventKind] = {
    "start": EventKind(
        status="working", message="Starting...", title="Session Started", body="OpenCode is working on: "
    ),
    "progress": EventKind(
        status="working", message="Working...", title="Session updated", body="OpenCode goes on."
    ),
    "permission": EventKind(
        status="permission",
        message="Needs your decision",
        alerts=True,
        title="Action needed",
        title_prefix="Action Needed: ",
        body="OpenCode needs your permission decision.",
        # Apple, UNNotificationInterruptionLevel: it breaks through Focus (documented); only a waiting decision may.
        interruption_level="time-sensitive",
    ),
    "complete": EventKind(
        status="complete",
        message="Done",
        alerts=True,
        title="Session complete",
        body="OpenCode finished your session.",
    ),
    "error": EventKind(
        status="error",
        message="Failed",
        alerts=True,
        title="Session error",
        title_prefix="Error: ",
        body="OpenCode reported an error for your session.",
    ),
}
"""Titles, prefixes and bodies word for word as in the first implementation; what a start says is the plan's."""

ALERT_TYPES: frozenset[EventType] = frozenset(name for name, kind in EVENT_KINDS.items() if kind.alerts)
FINAL_STATUSES: frozenset[Status] = frozenset({"complete", "error"})
"""A state with one of these is the last of its run, also in a progress event: then the Live Activity ends without an alert."""

PROGRESS_SECONDS = 12
"""Between two updates of one session that show the same status. The plan: about one progress push per 10-15 seconds."""


class Message(Struct, frozen=True, kw_only=True, rename=wire_name):
    """A JSON object of the contract."""


class BundleMessage(Message, frozen=True, kw_only=True):
    """A request that may name the app; its bundle id is spelled `bundleId`, as the first implementation did."""

    bundle_id: BundleID | None = msgspec.field(default=None, name="bundleId")


class Envelope(Message, frozen=True, kw_only=True):
    """Texts that only the phones of a pairing can read (`relay.encryption`): which key, nonce, ciphertext; base64url without padding."""

    kid: KeyID
    n: SealNonce
    ct: Ciphertext
    v: int = 1


class DeviceRegister(BundleMessage, frozen=True, kw_only=True):
    """POST /v1/device/register: this phone wants the alerts of this secret.

    Without `push_to_start_token` the one that was registered before stays; null takes it back. `kid`: the key that the
    app has from the pairing link; without it the phone cannot read what is sealed.
    """

    secret: Secret
    device_token: Token
    apns_env: ApnsEnv = "production"
    push_to_start_token: Token | UnsetType | None = UNSET
    activity_format: ActivityFormat | None = None
    kid: KeyID | None = None


class DeviceUnregister(Message, frozen=True, kw_only=True):
    """POST /v1/device/unregister: this phone no longer wants them."""

    secret: Secret
    device_token: Token


class ActivityRegister(BundleMessage, frozen=True, kw_only=True):
    """POST /v1/activity/register: the update token of one session's Live Activity on one phone, new or rotated.

    What is left out is taken from the phone's device registration. `timestamp`: UNIX seconds on the phone's clock as it
    registers; pushes are then never older to the phone than what the app itself showed.
    """

    secret: Secret
    session_id: Name
    activity_token: Token
    timestamp: PhoneTime | None = None
    apns_env: ApnsEnv | None = None
    device_token: Token | None = None
    activity_format: ActivityFormat | None = None


class ActivityUnregister(Message, frozen=True, kw_only=True):
    """POST /v1/activity/unregister: the phone ended this session's Live Activity itself."""

    secret: Secret
    session_id: Name
    device_token: Token | None = None


class SecretPhones(Message, frozen=True, kw_only=True):
    """POST /v1/secret/phones: how many phones there are under this secret, and how many have the key `kid`. Nothing rings."""

    secret: Secret
    kid: KeyID | None = None


class SecretForget(Message, frozen=True, kw_only=True):
    """POST /v1/secret/forget: delete all that is kept of this secret. Doing it again is harmless.

    `refuse`: the secret's hash stays, and no phone can register under it again.
    """

    secret: Secret
    refuse: bool = False


class ContentState(Message, frozen=True, kw_only=True, omit_defaults=True):
    """What the Live Activity shows. `last_message` is about 120 characters; `retry_info` reads "Retry 2 in 8s".

    `stale`: the card is marked as stale at once, because nobody knows what the session does. `enc`: title, message and
    retry info, sealed; the texts in clear are then for apps without the key.
    """

    status: Status
    session_title: str
    last_message: str
    retry_info: str | None = None
    stale: bool = False
    enc: Envelope | None = None


class Choice(Message, frozen=True, kw_only=True, omit_defaults=True):
    """One of the ways to answer a request: what the answer says, and what the button says (left out where texts are sealed)."""

    value: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    label: Annotated[str, msgspec.Meta(max_length=80)] | None = None


class Request(Message, frozen=True, kw_only=True, omit_defaults=True):
    """A request that a phone may answer (`relay.answers`), once, with this `nonce`, until `expires_at` (UNIX seconds).

    `multiple`: several of the choices may be chosen; `typed`: an answer of one's own may be typed. `kid`: the answer needs a proof made
    with this key.
    """

    id: Name
    kind: Literal["permission", "question"]
    nonce: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{22,64}$(?!\n)")]
    expires_at: Annotated[int, msgspec.Meta(ge=0, lt=2**40)]
    choices: Annotated[list[Choice], msgspec.Meta(max_length=8)] = []
    multiple: bool = False
    typed: bool = False
    kid: KeyID | None = None


class Event(Message, frozen=True, kw_only=True, omit_defaults=True):
    """POST /v1/event: something happened in a session. `event_id` makes sending it again harmless.

    `replaces`: the `event_id` of an alert that title and body take the place of on the phone, without a sound.
    `enc`: title and body, sealed; those in clear are then for apps without the key, and may be left out.
    `request`: what a phone may answer to; `withdraws`: the ids of those that are over.

    Fields without a value are left out: the first implementation refuses null where a text may be.
    """

    secret: Secret
    event_type: EventType
    session_id: Name
    server_id: Name | None = None
    title: NonEmpty | None = None
    body: NonEmpty | None = None
    content_state: ContentState | None = None
    event_id: EventID | None = None
    replaces: EventID | None = None
    enc: Envelope | None = None
    request: Request | None = None
    withdraws: Annotated[list[Name], msgspec.Meta(max_length=100)] | None = None


class Ok(Message, frozen=True, kw_only=True):
    """Reply of the registration routes."""

    ok: bool = True


class PhonesReply(Message, frozen=True, kw_only=True):
    """Reply of the routes about a secret: phones that are registered under it, or were until it was forgotten.

    `with_key`: those of them that registered with the key that was asked for.
    """

    phones: int
    with_key: int | UnsetType = UNSET
    ok: bool = True


class RateLimits(Message, frozen=True, kw_only=True):
    """What is left of the events that a secret may send in a day, and when it would be whole again if none came (UTC, RFC 3339)."""

    maximum: int
    remaining: int
    resets_at: str


class EventReply(Message, frozen=True, kw_only=True):
    """Reply of /v1/event: pushes that APNs accepted, that failed for good, and that are still being tried.

    The first implementation has no `queued`. Without a limit of events a day there are no `rate_limits`.
    """

    sent: int
    failed: int
    queued: int = 0
    rate_limits: RateLimits | UnsetType = UNSET
    ok: bool = True


class Health(Message, frozen=True, kw_only=True):
    """Reply of GET /health: the relay and its database work. Rows in the tables are for whoever sends the admin token."""

    devices: int | UnsetType = UNSET
    deliveries: int | UnsetType = UNSET
    ok: bool = True


class Refusal(Message, frozen=True, kw_only=True, omit_defaults=True):
    """Every error reply: one sentence, a stable code, and for a 400 which field was wrong.

    `retry_after`: seconds, as in the header Retry-After of the same reply.
    """

    error: str
    code: str
    details: str | None = None
    retry_after: int | None = None
    ok: bool = msgspec.field(default_factory=lambda: False)


class ContractError(ValueError):
    """The body is not what the route expects; the text says which field and why, never the value."""


T = TypeVar("T", bound=Message)


def decode(body: bytes | str, kind: type[T]) -> T:
    """The request in `body`. Raises ContractError for broken JSON, wrong types and missing or invalid fields.

    A text with broken characters (`json_body.repaired`) is taken, a secret is not: two of them could become the same.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise ContractError(what_is_wrong(error, kind)) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return _decode_repaired(body, kind)


def _decode_repaired(body: bytes | str, kind: type[T]) -> T:
    given = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    try:
        message = msgspec.json.decode(repaired(given), type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ContractError(what_is_wrong(error, kind) if given.strip() else "the body is empty") from None
    if "\ufffd" in getattr(message, "secret", ""):
        raise ContractError("secret must be text without broken characters")
    return message


def encode(message: Message) -> bytes:
    """The message as JSON."""
    return msgspec.json.encode(message)


def secret_hash(secret: str) -> str:
    """SHA-256 of the secret in hex: the only form in which the relay keeps it."""
    return hashlib.sha256(secret.encode()).hexdigest()


def normal_relay_url(url: str) -> str:
    """Without surrounding space and trailing slashes, as pairing and server id spell it."""
    return url.strip().rstrip("/")


def server_id(relay_url: str, relay_secret: str) -> str:
    """First 16 hex digits of sha256("relayURL|relaySecret"): how app and pushes name one OpenCode server."""
    return hashlib.sha256(f"{normal_relay_url(relay_url)}|{relay_secret}".encode()).hexdigest()[:16]


class Pairing(Message, frozen=True, kw_only=True):
    """What the QR code carries: where the server can be reached and the secret that both sides share.

    `connect`: a path of OpenCode 2 that lets one device in, once, within five minutes; the same at each of the hosts.
    `key`: 32 bytes, base64url, with which texts are sealed (`relay.encryption`); the relay never has it.
    """

    relay_url: str
    relay_secret: str
    hosts: list[str]
    server_id: str
    v: int = 1
    connect: str | None = None
    key: str | None = None


PAIRING_SCHEME = "mobilevoice"
_LINK = re.compile(rf"^{PAIRING_SCHEME}:///?\?")


def pairing(relay_url: str, relay_secret: str, hosts: list[str]) -> Pairing:
    """The pairing of a server that is reachable at `hosts` (in order of preference)."""
    url = normal_relay_url(relay_url)
    return Pairing(
        relay_url=url, relay_secret=relay_secret, hosts=hosts, server_id=server_id(url, relay_secret)
    )


def pairing_link(pair: Pairing) -> str:
    """`mobilevoice:///?pair=<urlencoded JSON>`: opens the app, and is what the QR code shows."""
    fields: dict[str, Any] = msgspec.to_builtins(pair)
    names = ("v", "serverID", "relayURL", "relaySecret", "hosts", "connect", "key")
    ordered = {name: fields[name] for name in names if fields[name] is not None}
    return f"{PAIRING_SCHEME}:///?pair={quote(json.dumps(ordered, separators=(',', ':')), safe=':,/')}"


def session_link(session_id: str) -> str:
    """`mobilevoice://session/<id>`: a tap on a notification or a Live Activity opens this session."""
    return f"{PAIRING_SCHEME}://session/{quote(session_id, safe='')}"


def parse_pairing_link(link: str) -> Pairing:
    """The pairing in a link. Raises ContractError if it is not one."""
    if not _LINK.match(link):
        raise ContractError(f"not a pairing link: expected {PAIRING_SCHEME}:///?pair=...")
    values = parse_qs(urlsplit(link).query).get("pair")
    if not values:
        raise ContractError("the pairing link has no 'pair' parameter")
    return decode(values[0], Pairing)
