"""POST /v1/event, as plain ASGI before Quart: the one route that a busy relay spends its time in.

Quart's own handling of a request (contexts, signals, sessions, three tasks) costs as much as everything else that an
event needs together; nothing of it is needed here. Every other request goes on to Quart.
"""

import asyncio
from typing import Any, cast

from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendCallable, Scope

from relay import contract
from relay.contract import Event, Message
from relay.server.intake import Intake
from relay.server.routes.envelope import REFUSALS, refusal

PATH = "/v1/event"


class EventRoute:
    """ASGI middleware over one intake. A caller who hangs up meanwhile changes nothing."""

    def __init__(self, app: ASGIFramework, intake: Intake, *, max_body: int, body_timeout: float) -> None:
        self._app, self._intake = app, intake
        self._max_body, self._body_timeout = max_body, body_timeout

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Answer an event, or pass on."""
        if scope["type"] == "http" and scope["path"] == PATH and scope["method"] == "POST":
            await _respond(send, *await self._answer(receive))
        else:
            await self._app(scope, receive, send)

    async def _answer(self, receive: ASGIReceiveCallable) -> tuple[Message, int]:
        try:
            async with asyncio.timeout(self._body_timeout):
                body = await self._body(receive)
        except TimeoutError:
            return REFUSALS[408], 408
        if len(body) > self._max_body:
            return REFUSALS[413], 413
        try:
            return await self._intake.accept(contract.decode(body, Event)), 200
        except Exception as error:
            return refusal(error)

    async def _body(self, receive: ASGIReceiveCallable) -> bytes:
        """The body, or so much of it that it is too large. One that breaks off is no JSON."""
        body = b""
        more = True
        while more and len(body) <= self._max_body:
            message = cast(dict[str, Any], await receive())
            body += message.get("body", b"")
            more = message.get("more_body", False)
        return body


async def _respond(send: ASGISendCallable, message: Message, status: int) -> None:
    body = contract.encode(message)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
