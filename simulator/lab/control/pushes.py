"""Pushes: the newest requests whole with what became of them, one sent from here, and provider tokens."""

from typing import Annotated, Any

import msgspec

from simulator.apns.authentication import ProviderState
from simulator.apns.messages import DEVICE_PATH, read_request
from simulator.apns.registry import Realm
from simulator.apns.request_log import MOST_REQUESTS
from simulator.lab.control.route import Body, Call, Fields, Query, Route, encode
from simulator.lab.errors import Impossible, Unknown
from simulator.lab.pushes import decoded, push_fields

MOST_OCTETS = 16 * 1024
"""Of a body APNs reads no more."""
FieldName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]+$", max_length=100)]
FieldValue = Annotated[str, msgspec.Meta(pattern=r"^[\x20-\x7e]*$", max_length=4096)]


class PushQuery(Query):
    """`since` is a revision: only what came or changed after it. Of what is left, the newest `limit`."""

    since: int = 0
    status: int | None = None
    push_type: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST_REQUESTS)] = MOST_REQUESTS


async def list_pushes(call: Call) -> Fields:
    """The newest requests, oldest first, whole, refused ones too. `revision` is that of the newest change, for the next `since`.

    `cleared_at` is the revision at which all was forgotten, `first` the number of the oldest that is kept.
    """
    query: PushQuery = call.query
    log = call.lab.sandbox.requests
    found = [
        kept
        for kept in log.since(query.since)
        if query.status in (None, kept.entry.detail["status"])
        and query.push_type in (None, kept.request.push_type)
    ]
    return {
        "pushes": [push_fields(kept) for kept in found[-query.limit :]],
        "revision": log.revision,
        "cleared_at": log.cleared_at,
        "first": log.first,
    }


async def show_push(call: Call) -> Fields:
    """One request by its number."""
    number = call.path["number"]
    kept = call.lab.sandbox.requests.find(int(number)) if number.isdecimal() and len(number) < 10 else None
    if kept is None:
        raise Unknown(f"no request {number!r} is kept; GET /control/pushes has those that are")
    return {"push": push_fields(kept)}


async def clear_pushes(call: Call) -> Fields:
    """Forget the requests; phones, deliveries and the journal stay as they are."""
    call.lab.sandbox.requests.clear()
    return {}


class NewPush(Body):
    """A push from here. Its `token` is a whole device token; `headers` are those of APNs, in lower case.

    `payload` is a JSON value, `body` the text itself in its place. Without an authorization header the push is signed with the
    key `key_id`, or with the oldest.
    """

    token: Annotated[str, msgspec.Meta(pattern=r"^[^/\s]*$", max_length=400)]
    realm: Realm = "sandbox"
    headers: dict[FieldName, FieldValue] = msgspec.field(default_factory=dict)
    payload: Any = None
    body: str | None = None
    key_id: str | None = None


async def send_push(call: Call) -> Fields:
    """It goes the way of every push, but over no connection: a fault rule that would cut one only leaves it unanswered."""
    given: NewPush = call.body
    headers = dict(given.headers)
    if "authorization" not in headers:
        headers["authorization"] = f"bearer {call.lab.provider_token(given.key_id)}"
    octets = encode(given.payload) if given.body is None else given.body.encode("utf-8", "replace")
    if given.payload is not None and given.body is not None:
        raise Impossible("a push has a payload or a body, not both")
    if given.payload is None and given.body is None:
        octets = b""
    fields = [(":method", "POST"), (":path", f"{DEVICE_PATH}{given.token}"), *headers.items()]
    request = read_request(fields, octets[:MOST_OCTETS], len(octets))
    call.lab.sandbox.hosts[given.realm].handle(request, ProviderState())
    [*_, kept] = call.lab.sandbox.requests.since(0)
    return {"push": push_fields(kept)}


PUSH_ROUTES = (
    Route(
        "GET",
        "/control/pushes",
        "the newest 500 requests whole, refused ones too; filters since, status, push_type, limit",
        list_pushes,
        query=PushQuery,
    ),
    Route("GET", "/control/pushes/{number}", "one request and what became of it", show_push),
    Route(
        "POST",
        "/control/pushes",
        "push from here: token, realm, headers, payload or body, key_id",
        send_push,
        NewPush,
        status=201,
    ),
    Route("DELETE", "/control/pushes", "forget the requests", clear_pushes),
)


class WantedToken(Body):
    """`key_id` None: the oldest key that may push to everything."""

    key_id: str | None = None


async def sign_token(call: Call) -> Fields:
    """A provider token of now, as a provider would sign it; APNs takes it for an hour."""
    body: WantedToken = call.body
    token = call.lab.provider_token(body.key_id)
    header, claims = decoded(token)
    return {"token": token, "header": header, "claims": claims}


class GivenToken(Body):
    """A provider token, with or without the word bearer before it."""

    token: Annotated[str, msgspec.Meta(max_length=16_384)]
    realm: Realm = "sandbox"


async def check_token(call: Call) -> Fields:
    """What it says, and what APNs would say of it on a new connection: `checks` in APNs' order, `ok_for_apns` if none failed."""
    body: GivenToken = call.body
    token = body.token.strip()
    token = token[7:].strip() if token[:7].lower() == "bearer " else token
    checks = call.lab.sandbox.check_provider_token(token, body.realm)
    header, claims = decoded(token)
    failed = next((check for check in checks if check.result == "failed"), None)
    return {
        "ok_for_apns": failed is None,
        "reason": None if failed is None else failed.reason,
        "why": None if failed is None else failed.why,
        "header": header,
        "claims": claims,
        "now": call.lab.clock.now(),
        "checks": [check._asdict() for check in checks],
    }


TOKEN_ROUTES = (
    Route("POST", "/control/provider-tokens", "sign a provider token: key_id", sign_token, WantedToken),
    Route(
        "POST",
        "/control/provider-tokens/check",
        "what APNs would say of a provider token: token, realm",
        check_token,
        GivenToken,
    ),
)
