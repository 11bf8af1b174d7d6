"""The routes of a Quart app, made from a table: requests decoded, replies encoded, and the document that describes them."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from quart import Quart, Response, request

from relay.contract import Message, Refusal, decode
from relay.http_errors import reply
from relay.openapi import DOCUMENT_PATH, Route, document

Handler = Callable[[Any], Awaitable[Message | tuple[Message, int]]]
"""It is called with the message in the body, or None where the route has no body; the status is 200 if it says none."""


def install_routes(
    app: Quart,
    title: str,
    handlers: Mapping[Route, Handler | None],
    count: Callable[[str], None] = lambda _: None,
) -> None:
    """Every route, and GET /openapi.json. None: somebody before Quart replies, except to other methods: those are 405. `count` is called
    with the code of each refusal that a handler gives.
    """
    for route, handler in handlers.items():
        view = handler and _view(route, handler, count)
        app.add_url_rule(route.path, f"{route.method} {route.path}", view, methods=[route.method])
    text = document(title, tuple(handlers))

    async def openapi() -> Response:
        return Response(text, content_type="application/json")

    app.add_url_rule(DOCUMENT_PATH, DOCUMENT_PATH, openapi, methods=["GET"])


def _view(route: Route, handler: Handler, count: Callable[[str], None]) -> Callable[[], Awaitable[Response]]:
    async def view() -> Response:
        body = decode(await request.get_data(), route.body) if route.body else None
        result = await handler(body)
        message, status = result if isinstance(result, tuple) else (result, 200)
        if isinstance(message, Refusal):
            count(message.code)
        return reply(message, status)

    return view
