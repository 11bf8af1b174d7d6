"""The control API as a Quart app, made from the table of its routes, on a socket of this machine."""

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from typing import Any, cast
from urllib.parse import urlsplit

import msgspec
from hypercorn.asyncio import serve
from quart import Quart, Response, request
from werkzeug.exceptions import HTTPException, NotFound

from simulator.lab.control import page
from simulator.lab.control.reading import decode
from simulator.lab.control.route import (
    FOREIGN,
    UNREADABLE,
    Call,
    Fields,
    Raw,
    Refusal,
    Route,
    Stream,
    encode,
    problem,
)
from simulator.lab.control.table import ROUTES
from simulator.lab.lab import Lab
from simulator.loopback import HOST, LoopbackConfig, listen

MAX_BODY = 1024 * 1024
"""Bytes; a table of a thousand faults fits."""
STREAM_HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",
}

OnChange = Callable[[], None]


def create_app(lab: Lab, on_change: OnChange = lambda: None) -> Quart:
    """The app over one lab. `on_change` is called after every request that may have changed something."""
    app = Quart("simulator.lab.control", static_folder=None)
    app.url_map.merge_slashes = False
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    for route in ROUTES:
        app.add_url_rule(
            route.path.replace("{", "<").replace("}", ">"),
            endpoint=f"{route.method} {route.path}",
            view_func=_view(route, lab, on_change),
            methods=[route.method],
            provide_automatic_options=False,
        )
    for path in PAGE_PATHS:
        app.add_url_rule(
            path, endpoint=f"page {path}", view_func=_page, methods=["GET"], provide_automatic_options=False
        )
    app.before_request(_only_this_machine)
    app.after_request(_guarded)
    app.register_error_handler(Exception, _refuse)
    return app


PAGE_PATHS = ("/", "/page/<name>")
"""Where the page is, and its parts."""


async def _page(name: str = "index.html") -> Response:
    found = page.part(name)
    if found is None:
        raise NotFound
    return Response(found.content, 200, {**page.HEADERS, "Content-Type": found.media_type})


async def _guarded(response: Response) -> Response:
    """No other page may load a reply as a script, a picture or a frame."""
    response.headers.update(page.GUARDS)
    return response


def _view(route: Route, lab: Lab, on_change: OnChange) -> Callable[..., Awaitable[Response]]:
    async def view(**path: str) -> Response:
        call = Call(lab, path, _query(route), await _body(route))
        lab.run_due()
        reply = await route.handle(call)
        if route.method != "GET":
            lab.run_due()
            on_change()
        return _response(reply, route.status)

    return view


def _query(route: Route) -> Any:
    if route.query is None:
        return None
    return msgspec.convert(request.args.to_dict(), route.query, strict=False)


async def _body(route: Route) -> Any:
    """The body as the route's type; none at all counts as an empty object, so that curl needs no -d '{}'."""
    if route.body is None:
        return None
    text = cast(bytes, await request.get_data(as_text=False))
    if text and request.mimetype != "application/json":
        raise Refusal(UNREADABLE)
    return decode(text, route.body)


def _only_this_machine() -> None:
    """A web page must not reach us through the browser of this machine: we hold tokens and keys.

    Neither across origins, another page of this machine included, nor by a name of its own that leads here (DNS rebinding).
    """
    origin = request.headers.get("Origin")
    same = origin is None or origin.partition("://")[2] == request.host
    if not same or _is_from_elsewhere() or not _is_local(request.host):
        raise Refusal(FOREIGN)


def _is_from_elsewhere() -> bool:
    """Whether a browser says that another page asks, as it does also where it sends no Origin; to follow a link is well."""
    opens = request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate"
    return request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site") and not opens


def _is_local(host: str) -> bool:
    """Whether a Host header means this machine to everybody."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _response(reply: Fields | Raw | Stream, status: int) -> Response:
    if isinstance(reply, Stream):
        return _stream(reply)
    return _json(reply.fields if isinstance(reply, Raw) else {"ok": True, **reply}, status)


def _json(fields: Fields, status: int = 200) -> Response:
    return Response(encode(fields), status, content_type="application/json")


def _stream(reply: Stream) -> Response:
    response = Response(reply.chunks, 200, STREAM_HEADERS)
    response.timeout = None  # Quart ends a body after RESPONSE_TIMEOUT (60 s) otherwise
    return response


async def _refuse(error: Exception) -> Response:
    found = problem(error)
    response = _json(found.fields(), found.status)
    if isinstance(error, HTTPException) and (allow := error.get_response().headers.get("Allow")):
        response.headers["Allow"] = allow
    return response


_STOP_SECONDS = 3.0


class ControlServer:
    """Serves one app on 127.0.0.1, from `start` to `close`."""

    def __init__(self, app: Quart) -> None:
        self._app = app
        self._stop = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None
        self._listener: socket.socket | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens, with the path that all its routes begin with."""
        return f"http://{HOST}:{self.port}/control"

    @property
    def page_url(self) -> str:
        """Where a browser finds the page."""
        return f"http://{HOST}:{self.port}/"

    def listen(self, port: int = 0) -> None:
        """Have a port, or a free one if it is 0; who connects waits for `start`. OSError if it is taken."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listen(listener, port)
        self._listener, self.port = listener, int(listener.getsockname()[1])

    async def start(self, port: int = 0) -> None:
        """Serve where it listens; else listen first, as `listen` does."""
        if self._listener is None:
            self.listen(port)
        assert self._listener is not None
        served = serve(self._app, LoopbackConfig(self._listener), shutdown_trigger=self._stop.wait)
        self._serving = asyncio.create_task(served, name="control-server")

    async def close(self) -> None:
        """Stop. Event streams must have been ended before; otherwise they cost a second."""
        if self._serving is None:
            if self._listener is not None:
                self._listener.close()
            return
        self._stop.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await self._serving
        self._serving = None
