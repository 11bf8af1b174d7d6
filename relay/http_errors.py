"""The JSON that every HTTP route of server and bridge answers with, and the error replies of a whole Quart app."""

import logging
from collections.abc import Callable

from quart import Quart, Response
from werkzeug.exceptions import HTTPException

from relay.contract import ContractError, Message, Refusal, encode

REFUSALS: dict[int, Refusal] = {
    404: Refusal(error="Not found", code="not_found"),
    405: Refusal(error="Method not allowed", code="method_not_allowed"),
    408: Refusal(error="The request body did not arrive in time", code="request_timeout"),
    413: Refusal(error="Request body too large", code="body_too_large"),
    500: Refusal(error="Internal error", code="internal_error"),
}
"""Replies by status. None shows anything of the inside."""


def reply(message: Message, status: int = 200) -> Response:
    """The message as a JSON response."""
    response = Response(encode(message), status=status, content_type="application/json")
    if isinstance(message, Refusal) and message.retry_after is not None:
        response.headers["Retry-After"] = str(message.retry_after)
    return response


def refusal(error: Exception, log: logging.Logger) -> tuple[Refusal, int]:
    """The reply to an error, and the status. What is our own fault is logged."""
    if isinstance(error, ContractError):
        return Refusal(error="Invalid request body", code="invalid_body", details=str(error)), 400
    log.error("request broken", exc_info=error)
    return REFUSALS[500], 500


def install_error_replies(
    app: Quart,
    refused: Callable[[Exception], tuple[Refusal, int]],
    count: Callable[[str], None] = lambda _: None,
) -> None:
    """Every error of the app becomes `{ok:false, error, code}` with an honest status; `refused` decides on our own. `count` is called
    with each code.
    """

    async def refuse(error: HTTPException) -> Response:
        status = error.code or 500
        said = REFUSALS.get(status) or Refusal(error=error.name, code=f"http_{status}")
        count(said.code)
        response = reply(said, status)
        if status == 405 and (allow := error.get_response().headers.get("Allow")):
            response.headers["Allow"] = allow
        return response

    async def fail(error: Exception) -> Response:
        said, status = refused(error)
        count(said.code)
        return reply(said, status)

    app.register_error_handler(HTTPException, refuse)
    app.register_error_handler(Exception, fail)
