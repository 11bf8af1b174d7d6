"""POST /v1/event, and what becomes of whatever goes wrong in a request.

The route is plain ASGI before Quart, because a busy relay spends its time in it: Quart's own handling of a request
(contexts, signals, sessions, three tasks) costs as much as everything else that an event needs together, and nothing of it
is needed here. Every other request goes on to Quart.
"""

import logging
from collections.abc import Callable
from typing import Any, cast

import msgspec
from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendCallable, Scope

from relay import contract, http_errors
from relay.contract import Event, Message, Refusal
from relay.log import line
from relay.server.admission import SecretRefused
from relay.server.intake import Intake
from relay.server.routes.limits import respond, with_rate_limits
from relay.server.routes.table import EVENT
from relay.server.store.sql import Refused, Unavailable

log = logging.getLogger("relay.server.routes.events")

DATABASE_UNAVAILABLE = Refusal(error="The database is not available, try again", code="database_unavailable")
NOT_STORED = Refusal(
    error="The database does not take this; sending it again would not help", code="not_stored"
)


class EventRoute:
    """ASGI middleware over one intake. A caller who hangs up meanwhile changes nothing. `count` is called with the code of each refusal.
    `traces`: the intake is told which trace an event belongs to.
    """

    def __init__(
        self,
        app: ASGIFramework,
        intake: Intake,
        *,
        count: Callable[[str], None] = lambda _: None,
        traces: bool = False,
    ) -> None:
        self._app, self._intake, self._count, self._traces = app, intake, count, traces

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Answer an event, or pass on."""
        if scope["type"] == "http" and (scope["path"], scope["method"]) == (EVENT.path, EVENT.method):
            message, status = await self._answer(cast(dict[str, Any], scope), receive)
            if isinstance(message, Refusal):
                self._count(message.code)
            await respond(send, message, status)
        else:
            await self._app(scope, receive, send)

    async def _answer(self, scope: dict[str, Any], receive: ASGIReceiveCallable) -> tuple[Message, int]:
        body = cast(dict[str, Any], await receive()).get("body", b"")  # whole: see `routes/limits.py`
        try:
            event = contract.decode(body, Event)
            more = (_trace_headers(scope),) if self._traces else ()
            reply = await self._intake.accept(event, *more)
        except Exception as error:
            return refusal(error)
        return with_rate_limits(reply, scope), 200


def _trace_headers(scope: dict[str, Any]) -> dict[str, str]:
    """Those of W3C Trace Context."""
    headers = scope["headers"]
    return {name.decode(): value.decode("latin-1") for name, value in headers if name in _TRACE_HEADERS}


_TRACE_HEADERS = frozenset({b"traceparent", b"tracestate"})


def refusal(error: Exception) -> tuple[Refusal, int]:
    """The reply to an error, and the status. What is the relay's own fault is logged."""
    if isinstance(error, SecretRefused):
        return error.refusal, 403
    if isinstance(error, Unavailable | TimeoutError):
        log.error(line("database unavailable", error=str(error) or type(error).__name__))
        return DATABASE_UNAVAILABLE, 503
    if isinstance(error, Refused):
        log.error(line("refused by the database", error=error))
        return msgspec.structs.replace(NOT_STORED, details=error.why), 422
    return http_errors.refusal(error, log)
