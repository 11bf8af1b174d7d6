"""The bridge's own routes, on one port of 127.0.0.1: GET /health, and the push routes of the first implementation.

Those were in `opencode serve`; they want OpenCode's HTTP Basic credentials if there is a password, as they did there.
"""

import asyncio
import hmac
import ipaddress
import logging
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart, Response, request

from relay.bridge.http.replies import (
    BridgeHealth,
    PushEnabled,
    PushNotTested,
    PushTest,
    PushTested,
    not_tested,
    push_test_event,
    push_test_reply,
)
from relay.bridge.notify.mapping import Sender
from relay.bridge.notify.relay_client import RelayClient
from relay.contract import Refusal
from relay.http_errors import install_error_replies, refusal, reply
from relay.http_routes import install_routes
from relay.log import line
from relay.openapi import Route

log = logging.getLogger("relay.bridge.http.app")

MAX_BODY = 16 * 1024
"""Bytes."""

HEALTH = Route(
    method="GET",
    path="/health",
    summary="whether OpenCode's events are coming in, and what the relay replied last",
    reply=BridgeHealth,
    others={503: (BridgeHealth,)},
)
PUSH = Route(
    method="GET",
    path="/experimental/push",
    summary="that pushes are on",
    reply=PushEnabled,
    authorized=True,
)
PUSH_TEST = Route(
    method="POST",
    path="/experimental/push/test",
    summary="a test push to every phone",
    body=PushTest,
    reply=PushTested,
    others={400: (PushNotTested, Refusal), 502: (PushNotTested,)},
    authorized=True,
)
ROUTES = (HEALTH, PUSH, PUSH_TEST)
WITH_PASSWORD = {route.path for route in ROUTES if route.authorized}

FOREIGN = Refusal(error="Only programs of this machine may ask here, and no web page", code="foreign_origin")
NOT_JSON = Refusal(error="The body must be sent as application/json", code="unsupported_media_type")
UNAUTHORIZED = Refusal(error="OpenCode's username and password are wanted", code="unauthorized")


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes work with. `authorization`: the header that the push routes want at the moment; None: none."""

    health: Callable[[], BridgeHealth]
    relay: RelayClient
    sender: Sender
    authorization: Callable[[], str | None] = lambda: None
    clock: Callable[[], float] = time.time


def create_app(parts: Parts) -> Quart:
    """The bridge's routes over these parts."""
    app = Quart("relay.bridge", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.config["BODY_TIMEOUT"] = 10

    async def authorize() -> Response | None:
        wanted = request.url_rule is not None and request.url_rule.rule in WITH_PASSWORD
        return _unauthorized() if wanted and not _authorized(parts) else None

    async def health(_: None) -> tuple[BridgeHealth, int]:
        now = parts.health()
        return now, 200 if now.ok else 503

    async def push(_: None) -> PushEnabled:
        return PushEnabled()

    async def push_test(asked: PushTest) -> tuple[PushTested | PushNotTested, int]:
        return await _test(parts, asked)

    app.before_request(_only_this_machine)
    app.before_request(authorize)
    install_routes(app, "Bridge", {HEALTH: health, PUSH: push, PUSH_TEST: push_test})
    install_error_replies(app, lambda error: refusal(error, log))
    return app


async def _only_this_machine() -> Response | None:
    """A web page must not reach the bridge through the browser of this machine.

    Not by a request across origins (https://fetch.spec.whatwg.org/#origin-header), nor by a name of its own that leads to
    127.0.0.1 (DNS rebinding: its Host header still says whose page it is), nor by a form, which cannot send JSON.
    """
    origin = request.headers.get("Origin")
    same = origin is None or origin.partition("://")[2] == request.host
    if not same or not _is_loopback(request.host):
        return reply(FOREIGN, 403)
    if request.content_length and request.mimetype != "application/json":
        return reply(NOT_JSON, 415)
    return None


def _is_loopback(host: str) -> bool:
    """Whether a Host header means this machine to everybody."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


async def _test(parts: Parts, asked: PushTest) -> tuple[PushTested | PushNotTested, int]:
    if not hmac.compare_digest(asked.secret.encode(), parts.sender.secret.encode()):
        return not_tested("Invalid push relay secret", "invalid_secret"), 400
    now_ms = int(parts.clock() * 1000)
    event = push_test_event(parts.sender, now_ms, event_type=asked.event_type, session_id=asked.session_id)
    return push_test_reply(await parts.relay.post(event))


def _authorized(parts: Parts) -> bool:
    given, wanted = request.headers.get("Authorization", ""), parts.authorization()
    return wanted is None or hmac.compare_digest(given.encode(), wanted.encode())


def _unauthorized() -> Response:
    response = reply(UNAUTHORIZED, 401)
    response.headers["WWW-Authenticate"] = 'Basic realm="OpenCode"'
    return response


HOST = "127.0.0.1"


class Listener:
    """Serves `app` on `port`; 0: nowhere. A port that is taken costs these routes, not the pushes."""

    def __init__(self, app: Quart, port: int) -> None:
        self._app = app
        self._port = port
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Listen, or say in the log why not."""
        if self._port == 0:
            return
        try:
            bound = socket.create_server((HOST, self._port))
            # Connections inherit it; else an answer may wait 40 ms for an acknowledgement.
            bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            reason = error.strerror or error
            log.warning(
                line("no status page", port=self._port, reason=reason, remedy="--port chooses another")
            )
            return
        serving = serve(self._app, _hypercorn(bound), shutdown_trigger=self._stop.wait)
        self._task = asyncio.create_task(serving, name="bridge-http")
        log.info(line("listening", url=f"http://{HOST}:{self._port}"))

    async def close(self, drain_seconds: float) -> None:
        """Stop listening; requests under way get `drain_seconds`."""
        self._stop.set()
        if self._task is None:
            return
        _, late = await asyncio.wait({self._task}, timeout=drain_seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def _hypercorn(bound: socket.socket) -> Config:
    config = Config()
    config.bind = [f"fd://{bound.detach()}"]  # Hypercorn closes it
    config.graceful_timeout = 1.0
    config.include_server_header = False
    config.errorlog = logging.getLogger("relay.hypercorn")
    config.errorlog.setLevel(logging.WARNING)
    return config
