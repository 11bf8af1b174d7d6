"""The HTTP face of the fake OpenCode 2 server, as a Quart app: who may ask, the server itself, its stream, and the web app."""

from quart import Quart, Response, request
from werkzeug.exceptions import HTTPException

from simulator.opencode.v2 import command_routes, location_routes, request_routes, requests, session_routes
from simulator.opencode.v2.access import CODE_LIVES, Access
from simulator.opencode.v2.answers import answer, empty, event_stream
from simulator.opencode.v2.api import Api
from simulator.opencode.v2.document import document
from simulator.opencode.v2.process import Process
from simulator.opencode.v2.requests import Refused
from simulator.opencode.v2.service import Service

STREAM_HEADERS = {
    "Cache-Control": "no-cache, no-transform",
    "x-accel-buffering": "no",
    "X-Content-Type-Options": "nosniff",
}
"""As recorded, besides Content-Type, Date, Transfer-Encoding and Vary."""

_DOCUMENT = "/openapi.json"
_WEB_APP = "<!doctype html><html><head><title>OpenCode</title></head><body></body></html>"
_CHALLENGE = {"WWW-Authenticate": 'Basic realm="Secure Area"'}


def create_app(process: Process, api: Api, access: Access, service: Service) -> Quart:
    """The app of one server process."""
    app = Quart("simulator.opencode2")
    _guard(app, process, access, service)
    _server(app, process, service)
    if not process.flavour.beta:
        _pairing(app, access)
    session_routes.add(app, process, api)
    request_routes.add(app, process, api)
    location_routes.add(app, process, api)
    command_routes.add(app, process, api)
    return app


def operations(app: Quart) -> list[tuple[str, str]]:
    """Methods and paths of the API's routes, without what is only there for browsers."""
    return [
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
        if method not in ("HEAD", "OPTIONS") and rule.endpoint != "static" and rule.rule != _DOCUMENT
    ]


def _guard(app: Quart, process: Process, access: Access, service: Service) -> None:
    """What holds for every route: readiness, the password, the journal, and the bodies of errors."""

    @app.before_request
    async def check() -> Response | None:
        own = request.path == service.names_itself_at
        unready = service.unready()
        if unready is not None and not own:
            return answer(unready, 503, {"retry-after": "1"})
        given = requests.password_of(request.headers.get("Authorization"), request.args.get("auth_token"))
        cookie = request.cookies.get(_cookie())
        if not _guarded(process, request.path) or access.admits(given) or access.admits(cookie):
            return None
        return _unauthorized(process, service)

    @app.after_request
    async def write_down(response: Response) -> Response:
        response.headers["Vary"] = "Origin"
        process.journal.record(
            "opencode", "request", method=request.method, path=request.path, status=response.status_code
        )
        return response

    @app.errorhandler(Refused)
    async def refuse(error: Refused) -> Response:
        return empty(error.status) if error.body is None else answer(error.body, error.status)

    @app.errorhandler(HTTPException)
    async def unknown_route(_: HTTPException) -> Response:
        """The web app answers every GET outside /api: a client must check the content type."""
        if process.flavour.beta or request.path == "/api" or request.path.startswith("/api/"):
            return empty(404)
        if request.method in {"GET", "HEAD"}:
            return Response(_WEB_APP, 200, content_type="text/html; charset=utf-8")
        return empty(405)


def _guarded(process: Process, path: str) -> bool:
    """Whether a path needs the password: the web app's files do not, but in the beta."""
    named = path in ("/api", _DOCUMENT) or path.startswith("/api/")
    return named or process.flavour.beta


def _unauthorized(process: Process, service: Service) -> Response:
    """Scripts of a web page get no challenge, so that the browser asks nobody for a password."""
    navigates = request.headers.get("sec-fetch-mode", "navigate") == "navigate"
    challenge = _CHALLENGE if navigates else {}
    if service.empty_401 or process.flavour.beta:
        return empty(401, challenge)
    return answer(requests.unauthorized(), 401, challenge)


def _server(app: Quart, process: Process, service: Service) -> None:
    @app.get("/api/event")
    async def event() -> Response:
        return event_stream(process.streams.open(), STREAM_HEADERS)

    @app.get(service.names_itself_at)
    async def info() -> Response:
        return answer(service.info(), service.info_status)

    @app.get("/api/experimental/migration/v1")
    async def migration() -> Response:
        """Nothing of generation 1 waits to be taken over."""
        return answer({"status": "completed"})

    if process.flavour.beta:

        @app.get("/api/server")
        async def server() -> Response:
            return answer({"urls": [service.url]})

    @app.get(_DOCUMENT)
    async def openapi() -> Response:
        return answer(document(process.flavour, service.version, operations(app)))


def _cookie() -> str:
    """The name of a browser's cookie: servers on other ports have others."""
    return f"opencode_session_{request.host.rpartition(':')[2]}"


def _pairing(app: Quart, access: Access) -> None:
    @app.post("/api/pair")
    async def pair() -> Response:
        return answer({"code": access.pair(), "expires_in": CODE_LIVES})

    @app.get("/auth/connect/<code>")
    async def connect(code: str) -> Response:
        """A program gets a token, a browser a cookie and the web app."""
        token = access.token(code)
        if token is None:
            return answer(requests.unauthorized(), 401)
        if "text/html" not in request.headers.get("Accept", ""):
            return answer({"token": token})
        cookie = f"{_cookie()}={token}; HttpOnly; Path=/; SameSite=Lax"
        return Response("", 302, {"Location": "/", "Set-Cookie": cookie})
