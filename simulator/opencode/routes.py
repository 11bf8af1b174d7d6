"""The HTTP face of the fake OpenCode server: its REST routes and event streams, as a Quart app."""

import json
from collections.abc import AsyncGenerator, Callable
from typing import Any

from quart import Quart, Response, request
from werkzeug.exceptions import HTTPException

from simulator.opencode import answers, requests
from simulator.opencode.process import Process
from simulator.opencode.requests import Refused
from simulator.opencode.state import Json, Pending, pending_in
from simulator.opencode.wire import compact

STREAM_HEADERS = {
    "Cache-Control": "no-cache, no-transform",
    "X-Content-Type-Options": "nosniff",
    "Content-Type": "text/event-stream",
    "Vary": "Origin",
    "x-accel-buffering": "no",
}
"""As recorded from OpenCode 1.18.33, besides Date and Transfer-Encoding."""

_WEB_UI = "<!doctype html><html><head><title>OpenCode</title></head><body></body></html>"
_UNAUTHORIZED = {"WWW-Authenticate": 'Basic realm="Secure Area"'}


def create_app(process: Process, credentials: str | None) -> Quart:
    """The app of one server process; `credentials` is `user:password`, or None for a server without password."""
    app = Quart("simulator.opencode")
    _guard(app, process, credentials)
    _streams(app, process)
    _server(app, process)
    _sessions(app, process)
    _turns(app, process)
    _requests(app, process)
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
        return _json(error.body, error.status)

    @app.errorhandler(HTTPException)
    async def unknown_route(error: HTTPException) -> Response:
        """The web UI answers every GET that no route takes: a client must look at the content type."""
        if request.method in {"GET", "HEAD"}:
            return Response(_WEB_UI, 200, content_type="text/html;charset=utf-8")
        return Response("", error.code or 500)


def _streams(app: Quart, process: Process) -> None:
    def stream(directory: str | None) -> Response:
        body: AsyncGenerator[bytes, None] = process.streams.stream(directory)
        response = Response(body, 200, STREAM_HEADERS)
        response.timeout = None  # Quart ends a body after RESPONSE_TIMEOUT (60 s) otherwise
        return response

    @app.get("/global/event")
    async def global_event() -> Response:
        return stream(None)

    @app.get("/event")
    async def event() -> Response:
        return stream(_directory(process))


def _server(app: Quart, process: Process) -> None:
    @app.get("/global/health")
    async def health() -> Response:
        return _json({"healthy": True, "version": answers.VERSION})

    @app.get("/project")
    async def projects() -> Response:
        return _json(list(process.state.projects.values()))

    @app.get("/experimental/session")
    async def experimental_session() -> Response:
        archived = requests.flag(request.args, "archived")
        found = [
            {**info, "project": {"id": info["projectID"], "worktree": info["directory"]}}
            for info in process.state.newest_sessions()
            if archived or "archived" not in info["time"]
        ]
        return _json(requests.select(found, request.args))


def _sessions(app: Quart, process: Process) -> None:
    state = process.state

    @app.get("/session")
    async def sessions() -> Response:
        everywhere = request.args.get("scope") == "project"
        directory = _directory(process)
        found = [info for info in state.newest_sessions() if everywhere or info["directory"] == directory]
        return _json(requests.select(found, request.args))

    @app.post("/session")
    async def create() -> Response:
        directory = _directory(process)
        project = process.project_of(directory)
        info, answer = answers.new_session(process.ids, directory, project, await _body(), process.now_ms())
        process.act(directory, answer)
        return _json(info)

    @app.get("/session/status")
    async def status() -> Response:
        return _json(state.session_status(_directory(process)))

    @app.get("/session/<session_id>")
    async def session(session_id: str) -> Response:
        return _json(_session(process, session_id))

    @app.get("/session/<session_id>/children")
    async def children(session_id: str) -> Response:
        _session(process, session_id)
        return _json(state.children(session_id))

    @app.get("/session/<session_id>/todo")
    async def todo(session_id: str) -> Response:
        _session(process, session_id)
        return _json(state.todos.get(session_id, []))

    @app.get("/session/<session_id>/message")
    async def messages(session_id: str) -> Response:
        _session(process, session_id)
        return _json(state.message_list(session_id, requests.number(request.args, "limit")))


def _turns(app: Quart, process: Process) -> None:
    @app.post("/session/<session_id>/prompt_async")
    async def prompt_async(session_id: str) -> Response:
        info = _session(process, session_id)
        body = await _body()
        requests.listing(body, "parts")
        process.act(info["directory"], answers.prompt(process.ids, info, body, process.now_ms()))
        return Response("", 204)

    @app.post("/session/<session_id>/abort")
    async def abort(session_id: str) -> Response:
        directory = process.state.directory_of(session_id) or _directory(process)
        process.act(directory, answers.abort(process.state, session_id))
        return _json(True)


def _requests(app: Quart, process: Process) -> None:
    state = process.state

    @app.get("/permission")
    async def permissions() -> Response:
        return _json(pending_in(_directory(process), state.permissions))

    @app.get("/question")
    async def questions() -> Response:
        return _json(pending_in(_directory(process), state.questions))

    @app.post("/permission/<request_id>/reply")
    async def permission_reply(request_id: str) -> Response:
        reply = requests.choice(await _body(), "reply", answers.REPLIES)
        asked = _pending(state.permissions, request_id, _directory(process), requests.permission_not_found)
        process.act(asked.directory, answers.permission_reply(state, request_id, reply))
        return _json(True)

    @app.post("/session/<session_id>/permissions/<request_id>")
    async def legacy_reply(session_id: str, request_id: str) -> Response:
        """The older route finds the directory by the session."""
        reply = requests.choice(await _body(), "response", answers.REPLIES)
        directory = _session(process, session_id)["directory"]
        asked = _pending(state.permissions, request_id, directory, requests.permission_not_found)
        process.act(asked.directory, answers.permission_reply(state, request_id, reply))
        return _json(True)

    @app.post("/question/<request_id>/reply")
    async def question_reply(request_id: str) -> Response:
        chosen = requests.listing(await _body(), "answers")
        asked = _pending(state.questions, request_id, _directory(process), requests.question_not_found)
        process.act(asked.directory, answers.question_reply(state, request_id, chosen))
        return _json(True)

    @app.post("/question/<request_id>/reject")
    async def question_reject(request_id: str) -> Response:
        asked = _pending(state.questions, request_id, _directory(process), requests.question_not_found)
        process.act(asked.directory, answers.question_reject(state, request_id))
        return _json(True)


def _json(value: Any, status: int = 200) -> Response:
    return Response(compact(value), status, content_type="application/json")


def _directory(process: Process) -> str:
    header = request.headers.get(requests.DIRECTORY_HEADER)
    return requests.directory(request.args.get("directory"), header, process.directory)


async def _body() -> Json:
    """The JSON object in the body; none at all counts as an empty one."""
    text = await request.get_data(as_text=True)
    try:
        body = json.loads(text or "{}")
    except ValueError:
        raise Refused(400, {"_tag": "BadRequest"}) from None
    if not isinstance(body, dict):
        raise Refused(400, {"_tag": "BadRequest"})
    return body


def _session(process: Process, session_id: str) -> Json:
    info = process.state.sessions.get(session_id)
    if info is None:
        raise requests.session_not_found(session_id)
    return info


def _pending(
    table: dict[str, Pending], request_id: str, directory: str, not_found: Callable[[str], Refused]
) -> Pending:
    waiting = table.get(request_id)
    if waiting is None or waiting.directory != directory:
        raise not_found(request_id)
    return waiting
