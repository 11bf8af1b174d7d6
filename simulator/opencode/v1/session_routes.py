"""The REST routes of sessions, and of what they ask: permissions and questions."""

import json
from collections.abc import Callable
from typing import Any

from quart import Quart, Response, request

from simulator.opencode.script import PERMISSION_REPLIES, Json
from simulator.opencode.v1 import requests
from simulator.opencode.v1.api import Api
from simulator.opencode.v1.process import Process
from simulator.opencode.v1.requests import Refused
from simulator.opencode.v1.state import Pending, pending_in
from simulator.opencode.v1.wire import compact


def answer(value: Any, status: int = 200) -> Response:
    """JSON as the server writes it."""
    return Response(compact(value), status, content_type="application/json")


def directory(process: Process, api: Api) -> str:
    """The instance that the request is about; it is started if it is none yet."""
    header = request.headers.get(requests.DIRECTORY_HEADER)
    named = requests.directory(request.args.get("directory"), header, process.directory)
    api.visit(named)
    return named


async def body() -> Json:
    """The JSON object in the body; none at all counts as an empty one. Raises Refused (400)."""
    text = await request.get_data(as_text=True)
    try:
        value = json.loads(text or "{}")
    except ValueError:
        raise Refused(400, {"_tag": "BadRequest"}) from None
    if not isinstance(value, dict):
        raise Refused(400, {"_tag": "BadRequest"})
    return value


def session(process: Process, session_id: str) -> Json:
    """The info of a session. Raises Refused (404)."""
    info = process.state.sessions.get(session_id)
    if info is None:
        raise requests.session_not_found(session_id)
    return info


def pending(
    table: dict[str, Pending], request_id: str, directory: str, not_found: Callable[[str], Refused]
) -> Pending:
    """A request that waits in this directory. Raises Refused (404)."""
    waiting = table.get(request_id)
    if waiting is None or waiting.directory != directory:
        raise not_found(request_id)
    return waiting


def add_sessions(app: Quart, process: Process, api: Api) -> None:
    """Put them on the app."""
    _lists(app, process, api)
    _session(app, process, api)
    _turns(app, process, api)


def _lists(app: Quart, process: Process, api: Api) -> None:
    state = process.state

    @app.get("/session")
    async def sessions() -> Response:
        everywhere = request.args.get("scope") == "project"
        here = directory(process, api)
        found = [info for info in state.newest_sessions() if everywhere or info["directory"] == here]
        return answer(requests.select(found, request.args))

    @app.post("/session")
    async def create() -> Response:
        return answer(api.create(directory(process, api), await body()))

    @app.get("/session/status")
    async def status() -> Response:
        return answer(state.session_status(directory(process, api)))


def _session(app: Quart, process: Process, api: Api) -> None:
    state = process.state

    @app.get("/session/<session_id>")
    async def one(session_id: str) -> Response:
        return answer(session(process, session_id))

    @app.patch("/session/<session_id>")
    async def change(session_id: str) -> Response:
        return answer(api.change(session(process, session_id), await body()))

    @app.delete("/session/<session_id>")
    async def delete(session_id: str) -> Response:
        api.delete(session(process, session_id))
        return answer(True)

    @app.get("/session/<session_id>/children")
    async def children(session_id: str) -> Response:
        session(process, session_id)
        return answer(state.children(session_id))

    @app.get("/session/<session_id>/todo")
    async def todo(session_id: str) -> Response:
        session(process, session_id)
        return answer(state.todos.get(session_id, []))

    @app.get("/session/<session_id>/message")
    async def messages(session_id: str) -> Response:
        session(process, session_id)
        return answer(state.message_list(session_id, requests.number(request.args, "limit")))


def _turns(app: Quart, process: Process, api: Api) -> None:
    @app.post("/session/<session_id>/prompt_async")
    async def prompt_async(session_id: str) -> Response:
        info, said = session(process, session_id), await body()
        requests.listing(said, "parts")
        api.prompt(info, said)
        return Response("", 204)

    @app.post("/session/<session_id>/message")
    async def message(session_id: str) -> Response:
        info, said = session(process, session_id), await body()
        requests.listing(said, "parts")
        return answer(await api.message(info, said))

    @app.post("/session/<session_id>/abort")
    async def abort(session_id: str) -> Response:
        api.abort(session_id, directory(process, api))
        return answer(True)


def add_requests(app: Quart, process: Process, api: Api) -> None:
    """Put them on the app."""
    _permissions(app, process, api)
    _questions(app, process, api)


def _permissions(app: Quart, process: Process, api: Api) -> None:
    state = process.state

    @app.get("/permission")
    async def permissions() -> Response:
        return answer(pending_in(directory(process, api), state.permissions))

    @app.post("/permission/<request_id>/reply")
    async def permission_reply(request_id: str) -> Response:
        given = await body()
        word = requests.choice(given, "reply", PERMISSION_REPLIES)
        here = directory(process, api)
        asked = pending(state.permissions, request_id, here, requests.permission_not_found)
        api.permission(asked, word, given.get("message"))
        return answer(True)

    @app.post("/session/<session_id>/permissions/<request_id>")
    async def legacy_reply(session_id: str, request_id: str) -> Response:
        """The older route finds the directory by the session."""
        word = requests.choice(await body(), "response", PERMISSION_REPLIES)
        here = session(process, session_id)["directory"]
        asked = pending(state.permissions, request_id, here, requests.permission_not_found)
        api.permission(asked, word, None)
        return answer(True)


def _questions(app: Quart, process: Process, api: Api) -> None:
    state = process.state

    @app.get("/question")
    async def questions() -> Response:
        return answer(pending_in(directory(process, api), state.questions))

    @app.post("/question/<request_id>/reply")
    async def question_reply(request_id: str) -> Response:
        chosen = requests.listing(await body(), "answers")
        here = directory(process, api)
        api.question(pending(state.questions, request_id, here, requests.question_not_found), chosen)
        return answer(True)

    @app.post("/question/<request_id>/reject")
    async def question_reject(request_id: str) -> Response:
        here = directory(process, api)
        api.question(pending(state.questions, request_id, here, requests.question_not_found), None)
        return answer(True)
