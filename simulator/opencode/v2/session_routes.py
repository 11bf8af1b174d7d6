"""The routes of sessions: lists, one session, its transcript, its turns and its inbox."""

from collections.abc import Mapping

from quart import Quart, Response, request

from simulator.opencode.script import Json
from simulator.opencode.v2 import paging, requests, shapes
from simulator.opencode.v2.answers import answer, body, data, empty, event_stream, one_event, session, usable
from simulator.opencode.v2.api import Api
from simulator.opencode.v2.process import Process

_FILTERS = "search", "parentID", "directory", "project", "archived"
_MOST_MESSAGES = 200
_DELIVERIES = "steer", "queue"


def add(app: Quart, process: Process, api: Api) -> None:
    """Put them on the app."""
    _lists(app, process, api)
    _session(app, process, api)
    _transcript(app, process)
    _turns(app, process, api)
    _inbox(app, process)


def wanted(info: Json, filters: Mapping[str, str]) -> bool:
    """Whether a session is asked for: `parentID=null` means roots, and no directory means all."""
    parent = filters.get("parentID")
    if parent is not None and info.get("parentID") != (None if parent == "null" else parent):
        return False
    if filters.get("search", "").lower() not in info.get("title", "").lower():
        return False
    places = {"directory": info["location"]["directory"], "project": info["projectID"]}
    if any(key in filters and filters[key] != value for key, value in places.items()):
        return False
    return ("archived" in info["time"]) == (filters.get("archived") == "true")


def _lists(app: Quart, process: Process, api: Api) -> None:
    @app.get("/api/session")
    async def sessions() -> Response:
        asked = paging.asked(request.args, _FILTERS)
        newest = sorted(process.state.sessions.values(), key=lambda one: one["time"]["updated"], reverse=True)
        return answer(paging.page(newest, asked, lambda info: wanted(info, asked.filters)))

    @app.post("/api/session")
    async def create() -> Response:
        said = await body()
        if "id" in said:
            requests.checked_id(said["id"], "ses", "id", "Payload")
        return data(api.create(said))

    @app.get("/api/session/active")
    async def active() -> Response:
        return data(process.state.active)


def _session(app: Quart, process: Process, api: Api) -> None:
    @app.get("/api/session/<session_id>")
    async def one_session(session_id: str) -> Response:
        return data(session(process, session_id))

    @app.delete("/api/session/<session_id>")
    async def delete(session_id: str) -> Response:
        session(process, session_id)
        api.delete(session_id)
        return empty()

    async def change(session_id: str) -> Response:
        session(process, session_id)
        api.change(session_id, await body())
        return empty()

    async def rename(session_id: str) -> Response:
        session(process, session_id)
        api.rename(session_id, requests.text(await body(), "title"))
        return empty()

    if process.flavour.beta:
        app.post("/api/session/<session_id>/rename")(rename)
    else:
        app.patch("/api/session/<session_id>")(change)

    @app.post("/api/session/<session_id>/fork")
    async def fork(session_id: str) -> Response:
        session(process, session_id)
        said = await body()
        boundary = said.get("boundary") or {}
        before = said.get("before") or boundary.get("messageID")
        return data(api.fork(session_id, before))


def _transcript(app: Quart, process: Process) -> None:
    @app.get("/api/session/<session_id>/message")
    async def messages(session_id: str) -> Response:
        session(process, session_id)
        asked = paging.asked(request.args, ("type",), _MOST_MESSAGES)
        kind = asked.filters.get("type")
        newest = process.state.newest_messages(session_id)
        return answer(paging.page(newest, asked, lambda message: kind in (None, message["type"])))

    @app.get("/api/session/<session_id>/message/<message_id>")
    async def message(session_id: str, message_id: str) -> Response:
        session(process, session_id)
        found = process.state.transcripts[session_id].get(message_id)
        if found is None:
            raise requests.not_found("Message", "messageID", message_id)
        return data(found)

    @app.get("/api/experimental/session/<session_id>/log")
    async def log(session_id: str) -> Response:
        """The durable history, of which the shipped server keeps only the last number."""
        session(process, session_id)
        last = process.state.sequences.get(session_id)
        synced: Json = {"type": "log.synced", "aggregateID": session_id}
        synced = synced if last is None else {**synced, "seq": last}
        if request.args.get("follow") != "true":
            return one_event(synced)
        return event_stream(process.streams.follow(session_id, synced))


def _turns(app: Quart, process: Process, api: Api) -> None:
    @app.post("/api/session/<session_id>/prompt")
    async def prompt(session_id: str) -> Response:
        usable(process, session_id)
        said = await body()
        requests.text(said, "text")
        requests.choice(said.get("delivery", "steer"), "delivery", _DELIVERIES, "SessionInbox.Delivery")
        if "id" in said:
            requests.checked_id(said["id"], "msg", "id", "Payload")
        return data(shapes.shown_item(api.prompt(session_id, said), process.flavour))

    @app.post("/api/session/<session_id>/interrupt")
    async def interrupt(session_id: str) -> Response:
        session(process, session_id)
        interrupted = api.interrupt(session_id, resume=request.args.get("resume") == "true")
        return answer({"interrupted": interrupted}) if not process.flavour.beta else empty()


def _inbox(app: Quart, process: Process) -> None:
    @app.get(f"/api/session/<session_id>/{process.flavour.inbox}")
    async def inbox(session_id: str) -> Response:
        session(process, session_id)
        return data([shapes.shown_item(one, process.flavour) for one in process.state.inbox(session_id)])

    if process.flavour.beta:
        return

    @app.patch("/api/session/<session_id>/inbox/<item_id>")
    async def deliver(session_id: str, item_id: str) -> Response:
        _item(process, session_id, item_id)
        delivery = requests.choice(
            (await body()).get("delivery"), "delivery", _DELIVERIES, "SessionInbox.Delivery"
        )
        said = {"sessionID": session_id, "inboxID": item_id, "delivery": delivery}
        process.publish("session.inbox.delivery.changed", said)
        return empty()

    @app.delete("/api/session/<session_id>/inbox/<item_id>")
    async def take_back(session_id: str, item_id: str) -> Response:
        _item(process, session_id, item_id)
        process.publish("session.inbox.cancelled", {"sessionID": session_id, "inboxID": item_id})
        return empty()


def _item(process: Process, session_id: str, item_id: str) -> None:
    session(process, session_id)
    if item_id not in process.state.inboxes[session_id]:
        raise requests.not_found("Message", "messageID", item_id)
