"""The bridge's own routes, on one port of 127.0.0.1: GET /health, and the push routes of the first implementation.

Those were in `opencode serve`; they want OpenCode's HTTP Basic credentials if there is a password, as they did there.
"""

import asyncio
import hmac
import logging
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart, Response, request

from relay import contract
from relay.bridge.http.replies import (
    BridgeHealth,
    PushEnabled,
    PushTest,
    not_tested,
    push_test_event,
    push_test_reply,
)
from relay.bridge.notify.mapping import Sender
from relay.bridge.notify.relay_client import RelayClient
from relay.contract import Refusal
from relay.http_errors import install_error_replies, refusal, reply
from relay.log import line

log = logging.getLogger("relay.bridge.http.app")

MAX_BODY = 16 * 1024
"""Bytes."""

UNAUTHORIZED = Refusal(error="OpenCode's username and password are wanted", code="unauthorized")


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes work with. `authorization`: the header that the push routes want; None: none."""

    health: Callable[[], BridgeHealth]
    relay: RelayClient
    sender: Sender
    authorization: str | None = None
    clock: Callable[[], float] = time.time


def create_app(parts: Parts) -> Quart:
    """The bridge's routes over these parts."""
    app = Quart("relay.bridge", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.config["BODY_TIMEOUT"] = 10

    @app.get("/health")
    async def health() -> Response:
        now = parts.health()
        return reply(now, 200 if now.ok else 503)

    @app.get("/experimental/push")
    async def push() -> Response:
        return reply(PushEnabled()) if _authorized(parts) else _unauthorized()

    @app.post("/experimental/push/test")
    async def push_test() -> Response:
        if not _authorized(parts):
            return _unauthorized()
        return await _test(parts, contract.decode(await request.get_data(), PushTest))

    install_error_replies(app, lambda error: refusal(error, log))
    return app


async def _test(parts: Parts, asked: PushTest) -> Response:
    if not hmac.compare_digest(asked.secret.encode(), parts.sender.secret.encode()):
        return reply(not_tested("Invalid push relay secret", "invalid_secret"), 400)
    now_ms = int(parts.clock() * 1000)
    event = push_test_event(parts.sender, now_ms, event_type=asked.event_type, session_id=asked.session_id)
    return reply(*push_test_reply(await parts.relay.post(event)))


def _authorized(parts: Parts) -> bool:
    given = request.headers.get("Authorization", "")
    return parts.authorization is None or hmac.compare_digest(given.encode(), parts.authorization.encode())


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
