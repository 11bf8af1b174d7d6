"""The HTTP face of the fake OpenCode server, as a Quart app: the event streams, the server itself, and what holds for all routes."""

from collections.abc import AsyncGenerator
from importlib.resources import files

from quart import Quart, Response, request
from werkzeug.exceptions import HTTPException

from simulator.opencode.v1 import requests, session_routes, shapes
from simulator.opencode.v1.api import Api
from simulator.opencode.v1.process import Process
from simulator.opencode.v1.requests import Refused
from simulator.opencode.v1.session_routes import answer, directory

STREAM_HEADERS = {
    "Cache-Control": "no-cache, no-transform",
    "X-Content-Type-Options": "nosniff",
    "Content-Type": "text/event-stream",
    "Vary": "Origin",
    "x-accel-buffering": "no",
}
"""As recorded from OpenCode 1.18.33, besides Date and Transfer-Encoding."""

_API = files("simulator.opencode") / "openapi.json"
_WEB_UI = "<!doctype html><html><head><title>OpenCode</title></head><body></body></html>"
_UNAUTHORIZED = {"WWW-Authenticate": 'Basic realm="Secure Area"'}


def create_app(process: Process, api: Api, credentials: str | None) -> Quart:
    """The app of one server process; `credentials` is `user:password`, or None for a server without password."""
    app = Quart("simulator.opencode")
    _guard(app, process, credentials)
    _streams(app, process, api)
    _server(app, process)
    _instances(app, process, api)
    session_routes.add_sessions(app, process, api)
    session_routes.add_requests(app, process, api)
    return app


def _guard(app: Quart, process: Process, credentials: str | None) -> None:
    """What holds for every route: the password, the journal, and the bodies of errors."""

    @app.before_request
    async def check_password() -> Response | None:
        if requests.authorized(
            request.headers.get("Authorization"), request.args.get("auth_token"), credentials
        ):
            return None
        return Response("", 401, _UNAUTHORIZED)

    @app.after_request
    async def write_down(response: Response) -> Response:
        process.journal.record(
            "opencode", "request", method=request.method, path=request.path, status=response.status_code
        )
        return response

    @app.errorhandler(Refused)
    async def refuse(error: Refused) -> Response:
        return answer(error.body, error.status)

    @app.errorhandler(HTTPException)
    async def unknown_route(error: HTTPException) -> Response:
        """The web UI answers every GET that no route takes: a client must check the content type."""
        if request.method in {"GET", "HEAD"}:
            return Response(_WEB_UI, 200, content_type="text/html;charset=utf-8")
        return Response("", error.code or 500)


def _streams(app: Quart, process: Process, api: Api) -> None:
    def stream(scope: str | None) -> Response:
        body: AsyncGenerator[bytes, None] = process.streams.stream(scope)
        response = Response(body, 200, STREAM_HEADERS)
        response.timeout = None  # Quart ends a body after RESPONSE_TIMEOUT (60 s) otherwise
        return response

    @app.get("/global/event")
    async def global_event() -> Response:
        return stream(None)

    @app.get("/event")
    async def event() -> Response:
        return stream(directory(process, api))


def _server(app: Quart, process: Process) -> None:
    @app.get("/global/health")
    async def health() -> Response:
        return answer({"healthy": True, "version": shapes.VERSION})

    @app.get("/doc")
    async def doc() -> Response:
        """The API document of OpenCode 1.18.33, of the routes and events that there are here."""
        return Response(_API.read_bytes(), 200, content_type="application/json")

    @app.get("/project")
    async def projects() -> Response:
        return answer(list(process.state.projects.values()))

    @app.get("/experimental/session")
    async def experimental_session() -> Response:
        archived = requests.flag(request.args, "archived")
        found = [
            {**info, "project": {"id": info["projectID"], "worktree": info["directory"]}}
            for info in process.state.newest_sessions()
            if archived or "archived" not in info["time"]
        ]
        return answer(requests.select(found, request.args))


def _instances(app: Quart, process: Process, api: Api) -> None:
    @app.post("/instance/dispose")
    async def dispose() -> Response:
        api.dispose(directory(process, api))
        return answer(True)

    @app.post("/global/dispose")
    async def dispose_all() -> Response:
        api.dispose_all()
        return answer(True)
