"""The routes of what a person does to a session besides prompting it: commands of the shell, another model, going back."""

from quart import Quart, Response

from simulator.opencode.v2 import requests, shapes
from simulator.opencode.v2.answers import body, data, empty, session, usable
from simulator.opencode.v2.api import Api
from simulator.opencode.v2.process import Process


def add(app: Quart, process: Process, api: Api) -> None:
    """Put them on the app."""
    _items(app, process, api)
    _choices(app, process)
    _revert(app, process, api)
    _waiting(app, process)


def _items(app: Quart, process: Process, api: Api) -> None:
    @app.post("/api/session/<session_id>/synthetic")
    async def synthetic(session_id: str) -> Response:
        usable(process, session_id)
        said = await body()
        requests.text(said, "text")
        return data(
            shapes.shown_item(api.say(session_id, said, shapes.synthetic_item(said)), process.flavour)
        )

    @app.post("/api/session/<session_id>/compact")
    async def compact(session_id: str) -> Response:
        usable(process, session_id)
        said = await body()
        return data(
            shapes.shown_item(api.say(session_id, said, shapes.compaction_item(said)), process.flavour)
        )

    @app.post("/api/session/<session_id>/background")
    async def background(session_id: str) -> Response:
        usable(process, session_id)
        if api.agent is not None:
            api.agent.background(session_id)
        return empty()

    @app.post("/api/session/<session_id>/move")
    async def move(session_id: str) -> Response:
        usable(process, session_id)
        api.move(session_id, requests.text(await body(), "directory"))
        return empty()

    @app.post("/api/session/<session_id>/shell")
    async def shell(session_id: str) -> Response:
        usable(process, session_id)
        api.shell(session_id, requests.text(await body(), "command"))
        return empty()


def _choices(app: Quart, process: Process) -> None:
    @app.post("/api/session/<session_id>/agent")
    async def switch_agent(session_id: str) -> Response:
        usable(process, session_id)
        agent = requests.text(await body(), "agent")
        process.publish("session.agent.selected", {"sessionID": session_id, "agent": agent})
        return empty()

    @app.post("/api/session/<session_id>/model")
    async def switch_model(session_id: str) -> Response:
        usable(process, session_id)
        said = await body()
        if "model" not in said:
            raise requests.missing_key("model")
        process.publish("session.model.selected", {"sessionID": session_id, "model": said["model"]})
        return empty()

    if process.flavour.beta:
        return

    @app.post("/api/session/<session_id>/view")
    async def view(session_id: str) -> Response:
        session(process, session_id)
        idle = requests.count(await body(), "idle")
        process.publish("session.viewed", {"sessionID": session_id, "idle": idle})
        return empty()


def _revert(app: Quart, process: Process, api: Api) -> None:
    @app.post("/api/session/<session_id>/revert/stage")
    async def stage(session_id: str) -> Response:
        usable(process, session_id)
        message_id = requests.text(await body(), "messageID")
        if message_id not in process.state.transcripts[session_id]:
            raise requests.not_found("Message", "messageID", message_id)
        revert = shapes.revert(message_id)
        process.publish("session.revert.staged", {"sessionID": session_id, "revert": revert})
        return data(revert)

    async def clear(session_id: str) -> Response:
        usable(process, session_id)
        api.clear_revert(session_id)
        return empty()

    if not process.flavour.beta:
        app.delete("/api/session/<session_id>/revert")(clear)
    else:
        app.post("/api/session/<session_id>/revert/clear")(clear)


def _waiting(app: Quart, process: Process) -> None:
    path = "/api/experimental/session/<session_id>/wait"
    if process.flavour.beta:
        path = "/api/session/<session_id>/wait"

    @app.post(path)
    async def wait(session_id: str) -> Response:
        session(process, session_id)
        await process.idle(session_id)
        return empty()
