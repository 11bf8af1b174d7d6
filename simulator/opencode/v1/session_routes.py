"""The REST routes of sessions: listing, making, prompting, aborting, deleting."""

from quart import Quart, Response, request

from simulator.opencode.v1 import requests
from simulator.opencode.v1.desk import Desk
from simulator.opencode.v1.exchange import answer, body, directory, session
from simulator.opencode.v1.process import Process


def add(app: Quart, process: Process, desk: Desk) -> None:
    """Put them on the app."""
    _lists(app, process, desk)
    _session(app, process, desk)
    _turns(app, process, desk)


def _lists(app: Quart, process: Process, desk: Desk) -> None:
    state = process.state

    @app.get("/session")
    async def sessions() -> Response:
        everywhere = request.args.get("scope") == "project"
        here = directory(process, desk)
        found = [info for info in state.newest_sessions() if everywhere or info["directory"] == here]
        return answer(requests.select(found, request.args))

    @app.post("/session")
    async def create() -> Response:
        return answer(desk.create(directory(process, desk), await body()))

    @app.get("/session/status")
    async def status() -> Response:
        return answer(state.session_status(directory(process, desk)))


def _session(app: Quart, process: Process, desk: Desk) -> None:
    state = process.state

    @app.get("/session/<session_id>")
    async def one(session_id: str) -> Response:
        return answer(session(process, session_id))

    @app.patch("/session/<session_id>")
    async def change(session_id: str) -> Response:
        return answer(desk.change(session(process, session_id), await body()))

    @app.delete("/session/<session_id>")
    async def delete(session_id: str) -> Response:
        desk.delete(session(process, session_id))
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


def _turns(app: Quart, process: Process, desk: Desk) -> None:
    @app.post("/session/<session_id>/prompt_async")
    async def prompt_async(session_id: str) -> Response:
        info, said = session(process, session_id), await body()
        requests.listing(said, "parts")
        desk.prompt(info, said)
        return Response("", 204)

    @app.post("/session/<session_id>/message")
    async def message(session_id: str) -> Response:
        info, said = session(process, session_id), await body()
        requests.listing(said, "parts")
        return answer(await desk.message(info, said))

    @app.post("/session/<session_id>/abort")
    async def abort(session_id: str) -> Response:
        desk.abort(session_id, directory(process, desk))
        return answer(True)
