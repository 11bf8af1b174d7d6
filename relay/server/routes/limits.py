"""The one door before all routes: how much a secret and an address may ask, how large a body is, and how long it may take.

Plain ASGI, outermost. A request that may not go on is answered here: 429 with Retry-After, 413 or 408; all others go on with their
whole body. What a secret may have registered is asked of the database, by the routes of registrations.
"""

import asyncio
import contextlib
import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import msgspec
from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendCallable, Scope

from relay import contract
from relay.contract import ALERT_TYPES, ContractError, Message, RateLimits, Refusal
from relay.http_errors import REFUSALS
from relay.log import Folded, line
from relay.openapi import Route
from relay.server.addresses import Clients, forwards
from relay.server.limits import Hit, InProgress, Limit, Limits, Taken
from relay.server.metrics import Recorder
from relay.server.routes import table

log = logging.getLogger("relay.server.routes.limits")

REST_SECONDS, REST_BYTES = 1.0, 1 << 20
"""So long, and so far, the body of a refused request is read: with it unread the connection would end, and perhaps the reply be lost."""
CONNECTION_SECONDS: Final = 10
"""After so long a client whose connections are all taken may try again: bodies that are too slow are over by then."""
_RESPONSE: Final = (
    b"HTTP/1.1 429 \r\nconnection: close\r\ncontent-type: application/json\r\n"
    b"retry-after: %d\r\ncontent-length: %d\r\n\r\n%s"
)
RATE_LIMITS: Final = "relay.rate_limits"
"""Where the scope of an event says what is left of its secret's day."""

OF_SECRET: Final[Mapping[Route, tuple[Limit, ...]]] = {
    table.REGISTER_DEVICE: ("address_registrations", "registrations"),
    table.UNREGISTER_DEVICE: ("registrations",),
    table.REGISTER_ACTIVITY: ("address_registrations", "registrations"),
    table.UNREGISTER_ACTIVITY: ("registrations",),
    table.COUNT_PHONES: ("registrations",),
    table.FORGET_SECRET: ("registrations",),
    table.EVENT: ("events_minute", "events_day"),
    table.ANSWER: ("answers",),
    table.FETCH_ANSWERS: ("fetches",),
    table.ACKNOWLEDGE_ANSWER: ("fetches",),
}
"""By route, beside `requests`, which every request of an address counts for, whatever it asks."""
_OF_SECRET: Final = {(route.method, route.path): (route, limits) for route, limits in OF_SECRET.items()}
_OF_ADDRESS: Final = ("address_registrations",)


class _Asking(Message, frozen=True, kw_only=True):
    """What counts of a body. Its route decodes the rest, and refuses whatever is wrong."""

    secret: str = ""
    event_type: Any = None
    server_id: Any = None


class LimitsRoute:
    """ASGI middleware. `at_once`: requests of one client that are being answered; `max_body`: bytes; `body_seconds`: for a whole body; 0: any. `day_limit_reached` is called, once a day, with the
    secret whose day is used up, the server's id in the event that was refused, and the limit.
    """

    def __init__(
        self,
        app: ASGIFramework,
        limits: Limits,
        clients: Clients,
        *,
        at_once: int,
        max_body: int,
        body_seconds: float,
        recorder: Recorder,
        monotonic: Callable[[], float],
        day_limit_reached: Callable[[str, object, int], None],
    ) -> None:
        self._app, self._limits, self._clients = app, limits, clients
        self._at_once, self._in_progress = at_once, InProgress(at_once)
        self._max_body, self._body_seconds = max_body or sys.maxsize, body_seconds or None
        self._recorder, self._lines = recorder, Folded(log, monotonic)
        self._day_limit_reached = day_limit_reached

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Refuse, or pass on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request = _Request(cast(dict[str, Any], scope), self._clients, receive, send)
        if hit := self._in_progress.begin(request.client):
            await self._refuse(request, hit)
            return
        try:
            await self._answer(request)
        finally:
            self._in_progress.end(request.client)

    def counts_as(self, peer: str) -> str | None:
        """Whose limit a connection from `peer` counts for; None for that of a proxy, which stands for many, and without a limit."""
        return None if not self._at_once or self._clients.trusts(peer) else self._clients.name(peer, ())

    def connection_refused(self, client: str) -> bytes:
        """What one connection too many of a client is answered, whatever it wanted to ask: a whole HTTP/1.1 response."""
        refusal = Hit("connections", self._at_once, CONNECTION_SECONDS).refusal
        self._count(refusal, "connections", {"address": client})
        body = contract.encode(refusal)
        return _RESPONSE % (CONNECTION_SECONDS, len(body), body)

    async def _answer(self, request: "_Request") -> None:
        if hit := self._limits.take(Taken("requests", request.client)):
            await self._refuse(request, hit)
        elif request.scope["type"] == "websocket":
            await self._app(cast(Scope, request.scope), request.receive, request.send)
        else:
            await self._with_body(request)

    async def _with_body(self, request: "_Request") -> None:
        try:
            body = await request.body(self._max_body, self._body_seconds)
        except TimeoutError:
            await self._refuse_body(request, "slow_body", 408)
            return
        if len(body) > self._max_body:
            await self._refuse_body(request, "body", 413)
        elif hit := self._take_of_secret(request, body):
            await self._refuse(request, hit)
        else:
            await self._app(cast(Scope, request.scope), request.again(body), request.send)

    def _take_of_secret(self, request: "_Request", body: bytes) -> Hit | None:
        route, limits = _OF_SECRET.get((request.scope["method"], request.scope["path"]), (None, ()))
        asking = _asking(body) if route else None
        if asking is None:
            return None
        secret_hash = contract.secret_hash(asking.secret)
        for_card = route is table.EVENT and str(asking.event_type) not in ALERT_TYPES
        hit = self._limits.take(
            *(Taken(one, request.client if one in _OF_ADDRESS else secret_hash, for_card) for one in limits)
        )
        request.secret_hash = secret_hash
        if hit and hit.limit == "events_day" and self._limits.first_of_day(secret_hash):
            self._day_limit_reached(asking.secret, asking.server_id, hit.most)
        if route is table.EVENT:
            request.scope[RATE_LIMITS] = self._limits.rate_limits(secret_hash)
        return hit

    async def _refuse(self, request: "_Request", hit: Hit) -> None:
        refusal = hit.refusal
        self._count(refusal, hit.limit, request.fields)
        if request.scope["type"] == "websocket":
            await request.send({"type": "websocket.close", "code": 1013, "reason": None})
            return
        await request.drop_rest()
        await respond(request.send, refusal, 429, head=request.is_head)

    async def _refuse_body(self, request: "_Request", limit: Limit, status: int) -> None:
        self._count(REFUSALS[status], limit, request.fields)
        if limit == "body":
            await request.drop_rest()
        await respond(request.send, REFUSALS[status], status, head=request.is_head)

    def _count(self, refusal: Refusal, limit: Limit, fields: Mapping[str, object]) -> None:
        self._recorder.limit_hit(limit)
        self._recorder.request_refused(refusal.code)
        self._lines.write(logging.WARNING, line("limit hit", limit=limit, **fields), limit=limit)


class _Request:
    """One that came, and what is known of it so far."""

    def __init__(
        self, scope: dict[str, Any], clients: Clients, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        self.scope, self.receive, self.send = scope, receive, send
        peer = scope.get("client")
        self._peer = str(peer[0]) if peer else ""
        self.client = clients.name(self._peer, scope["headers"])
        self._is_proxied = not clients.trusts(self._peer) and forwards(scope["headers"])
        self.secret_hash: str | None = None
        self._has_more = True

    @property
    def is_head(self) -> bool:
        return bool(self.scope["method"] == "HEAD")

    @property
    def fields(self) -> dict[str, object]:
        """For the log."""
        remedy = f"if {self._peer} is your proxy, name it in RELAY_TRUSTED_PROXIES"
        return {
            "address": self.client,
            "secretHash": self.secret_hash and f"{self.secret_hash[:12]}…",
            "remedy": remedy if self._is_proxied else None,
        }

    async def body(self, most: int, seconds: float | None) -> bytes:
        """The body, or so much of it that it is too large. One that breaks off is what came of it. Raises TimeoutError."""
        body = b""
        async with asyncio.timeout(seconds):
            while self._has_more and len(body) <= most:
                body += await self._piece()
        return body

    async def drop_rest(self) -> None:
        """Read what comes of the body within a moment."""
        size = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REST_SECONDS):
                while self._has_more and size < REST_BYTES:
                    size += len(await self._piece())

    async def _piece(self) -> bytes:
        message = cast(dict[str, Any], await self.receive())
        self._has_more = message.get("more_body", False)
        return cast(bytes, message.get("body", b""))

    def again(self, body: bytes) -> Callable[[], Any]:
        """The body once more, at once, then whatever comes."""
        first: list[Any] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Any:
            return first.pop() if first else await self.receive()

        return receive


def _asking(body: bytes) -> _Asking | None:
    try:
        return contract.decode(body, _Asking)
    except ContractError:
        return None  # and its route says why


def with_rate_limits(reply: contract.EventReply, scope: Mapping[str, Any]) -> contract.EventReply:
    """The reply to an event, with what is left of its secret's day."""
    rate_limits: RateLimits | None = scope.get(RATE_LIMITS)
    return msgspec.structs.replace(reply, rate_limits=rate_limits) if rate_limits else reply


async def respond(send: ASGISendCallable, message: Message, status: int, *, head: bool = False) -> None:
    """The message as JSON."""
    body = contract.encode(message)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if isinstance(message, Refusal) and message.retry_after is not None:
        headers.append((b"retry-after", b"%d" % message.retry_after))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else body, "more_body": False})
