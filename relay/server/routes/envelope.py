"""The JSON that every route answers with, and the error replies of the whole app."""

import logging

from quart import Quart, Response
from werkzeug.exceptions import HTTPException

from relay.contract import ContractError, Message, Refusal, encode
from relay.log import line
from relay.server.store.sql import Unavailable

log = logging.getLogger("relay.server.routes")

REFUSALS: dict[int, Refusal] = {
    404: Refusal(error="Not found", code="not_found"),
    405: Refusal(error="Method not allowed", code="method_not_allowed"),
    408: Refusal(error="The request body did not arrive in time", code="request_timeout"),
    413: Refusal(error="Request body too large", code="body_too_large"),
    500: Refusal(error="Internal error", code="internal_error"),
    503: Refusal(error="The database is not available, try again", code="database_unavailable"),
}
"""Replies by status. None shows anything of the inside."""


def reply(message: Message, status: int = 200) -> Response:
    """The message as a JSON response."""
    return Response(encode(message), status=status, content_type="application/json")


def refusal(error: Exception) -> tuple[Refusal, int]:
    """The reply to an error, and its status. What is the relay's own fault is logged."""
    if isinstance(error, ContractError):
        return Refusal(error="Invalid request body", code="invalid_body", details=str(error)), 400
    if isinstance(error, Unavailable | TimeoutError):
        log.error(line("database unavailable", error=str(error) or type(error).__name__))
        return REFUSALS[503], 503
    log.error("request broken", exc_info=error)
    return REFUSALS[500], 500


def install_error_replies(app: Quart) -> None:
    """Every error of the app becomes `{ok:false, error, code}` with an honest status."""

    async def refuse(error: HTTPException) -> Response:
        status = error.code or 500
        response = reply(REFUSALS.get(status) or Refusal(error=error.name, code=f"http_{status}"), status)
        if status == 405 and (allow := error.get_response().headers.get("Allow")):
            response.headers["Allow"] = allow
        return response

    async def fail(error: Exception) -> Response:
        return reply(*refusal(error))

    app.register_error_handler(HTTPException, refuse)
    app.register_error_handler(Exception, fail)
