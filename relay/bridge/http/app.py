"""The bridge's own routes: GET /health, and the push routes that the first implementation had in `opencode serve`.

Those ask for OpenCode's HTTP Basic credentials if there is a password, as they did there.
"""

import hmac
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from quart import Quart, Response, request
from werkzeug.exceptions import HTTPException

from relay import contract
from relay.bridge.http.health import BridgeHealth
from relay.bridge.http.push_test import PushEnabled, PushTest, not_tested, push_test_event, push_test_reply
from relay.bridge.notify.mapping import Sender
from relay.bridge.notify.relay_client import RelayClient
from relay.contract import ContractError, Message, Refusal

log = logging.getLogger("relay.bridge.http.app")

MAX_BODY = 16 * 1024
"""Bytes."""

REFUSALS: dict[int, Refusal] = {
    401: Refusal(error="OpenCode's username and password are wanted", code="unauthorized"),
    404: Refusal(error="Not found", code="not_found"),
    405: Refusal(error="Method not allowed", code="method_not_allowed"),
    413: Refusal(error="Request body too large", code="body_too_large"),
    500: Refusal(error="Internal error", code="internal_error"),
}
"""Replies by status, in the relay's words."""


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
        return _reply(now, 200 if now.ok else 503)

    @app.get("/experimental/push")
    async def push() -> Response:
        return _reply(PushEnabled()) if _authorized(parts) else _unauthorized()

    @app.post("/experimental/push/test")
    async def push_test() -> Response:
        if not _authorized(parts):
            return _unauthorized()
        return await _test(parts, contract.decode(await request.get_data(), PushTest))

    _install_error_replies(app)
    return app


async def _test(parts: Parts, asked: PushTest) -> Response:
    if not hmac.compare_digest(asked.secret.encode(), parts.sender.secret.encode()):
        return _reply(not_tested("Invalid push relay secret", "invalid_secret"), 400)
    now_ms = int(parts.clock() * 1000)
    event = push_test_event(parts.sender, now_ms, event_type=asked.event_type, session_id=asked.session_id)
    return _reply(*push_test_reply(await parts.relay.post(event)))


def _authorized(parts: Parts) -> bool:
    given = request.headers.get("Authorization", "")
    return parts.authorization is None or hmac.compare_digest(given.encode(), parts.authorization.encode())


def _unauthorized() -> Response:
    response = _reply(REFUSALS[401], 401)
    response.headers["WWW-Authenticate"] = 'Basic realm="OpenCode"'
    return response


def _reply(message: Message, status: int = 200) -> Response:
    return Response(contract.encode(message), status=status, content_type="application/json")


def _install_error_replies(app: Quart) -> None:
    async def refuse_body(error: ContractError) -> Response:
        return _reply(Refusal(error="Invalid request body", code="invalid_body", details=str(error)), 400)

    async def refuse(error: HTTPException) -> Response:
        status = error.code or 500
        return _reply(REFUSALS.get(status) or Refusal(error=error.name, code=f"http_{status}"), status)

    async def broken(error: Exception) -> Response:
        log.exception("request broken", exc_info=error)
        return _reply(REFUSALS[500], 500)

    app.register_error_handler(ContractError, refuse_body)
    app.register_error_handler(HTTPException, refuse)
    app.register_error_handler(Exception, broken)
