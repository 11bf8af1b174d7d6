"""Small real servers on loopback: an OpenCode whose stream a test drives, and a relay whose answers it chooses."""

import asyncio
import io
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from relay.bridge.options import BridgeOptions
from relay.bridge.run import run_bridge

DIRECTORY = "/code/demo"

SECRET = "s3cret-s3cret-s3cret"

Until = Callable[[Callable[[], Any]], Awaitable[None]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """An aiohttp server on a port of its own; it can stop and come back on the same port."""

    def __init__(self, *routes: web.RouteDef) -> None:
        self._routes = routes
        self._runner: web.AppRunner | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        app = web.Application(client_max_size=2**26)
        app.add_routes(self._routes)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()
            self._runner = None


class FakeOpenCode(Server):
    """The routes that the bridge asks, as OpenCode 1.18 answers them; it forgets statuses and requests with `crash`."""

    def __init__(self) -> None:
        super().__init__(
            web.get("/global/health", self._health),
            web.get("/global/event", self._global_event),
            web.get("/experimental/session", self._recent),
            web.get("/session/status", self._statuses),
            web.get("/permission", self._permissions),
            web.get("/question", self._questions),
            web.get("/session/{id}", self._session),
            web.get("/session/{id}/message", self._messages),
            web.get("/{anything:.*}", self._web_ui),
        )
        self.sessions: dict[str, dict[str, Any]] = {}
        self.messages: dict[str, list[dict[str, Any]]] = {}
        self.statuses: dict[str, dict[str, Any]] = {}
        self.permissions: dict[str, dict[str, Any]] = {}
        self.questions: dict[str, dict[str, Any]] = {}
        self.version = "1.18.33"
        self.authorization: str | None = None  # what a request must bring
        self.broken: dict[
            str, Handler
        ] = {}  # by route: "health", "event", "session", "message", "recent", "status", "permission", "question"
        self.asked: list[str] = []  # REST calls
        self.streams: list[asyncio.Queue[bytes | None]] = []  # open ones
        self.connections = 0
        self._ids = itertools.count()

    def say(self, kind: str, /, **properties: Any) -> None:
        """Send an event to all streams."""
        payload = {"id": f"evt_{next(self._ids)}", "type": kind, "properties": properties}
        self.send(f"data: {json.dumps({'directory': '/code/demo', 'payload': payload})}\n\n".encode())

    def send(self, wire: bytes) -> None:
        for stream in self.streams:
            stream.put_nowait(wire)

    def create(self, session_id: str, title: str = "Fix it", parent_id: str | None = None) -> None:
        """A session that exists, without the stream saying so."""
        parent = {"parentID": parent_id} if parent_id else {}
        self.sessions[session_id] = {"id": session_id, "title": title, "directory": DIRECTORY} | parent

    def update(self, session_id: str, ms: float) -> None:
        """When the session was last used."""
        self.sessions[session_id]["time"] = {"updated": ms}

    def write(self, session_id: str, text: str, role: str = "assistant", **info: Any) -> str:
        """One more message; its id."""
        message_id = f"msg_{next(self._ids):08}"
        message = {
            "info": {"id": message_id, "role": role} | info,
            "parts": [{"type": "text", "text": text}],
        }
        self.messages.setdefault(session_id, []).append(message)
        return message_id

    def status(self, session_id: str, kind: str, **more: Any) -> None:
        self.statuses[session_id] = {"type": kind} | more
        if kind == "idle":
            del self.statuses[session_id]
        self.say("session.status", sessionID=session_id, status={"type": kind} | more)

    def ask(self, session_id: str, request_id: str, command: str = "npm test") -> None:
        """A permission that waits."""
        request = {
            "id": request_id,
            "sessionID": session_id,
            "permission": "bash",
            "patterns": [command],
            "metadata": {"command": command},
        }
        self.permissions[request_id] = request
        self.say("permission.asked", **request)

    async def crash(self) -> None:
        """Stop as by SIGKILL; `start` it again on the same port."""
        self.statuses.clear()
        self.permissions.clear()
        self.questions.clear()
        self.cut()
        await self.stop()

    def turn(self, session_id: str) -> None:
        """Busy and idle, with OpenCode's doubled idle."""
        self.status(session_id, "busy")
        self.status(session_id, "idle")
        self.say("session.idle", sessionID=session_id)

    def cut(self) -> None:
        """End all streams."""
        for stream in self.streams:
            stream.put_nowait(None)

    async def _health(self, request: web.Request) -> web.StreamResponse:
        return await self._checked("health", request, lambda: {"healthy": True, "version": self.version})

    async def _session(self, request: web.Request) -> web.StreamResponse:
        return await self._checked("session", request, lambda: self.sessions[request.match_info["id"]])

    async def _recent(self, request: web.Request) -> web.StreamResponse:
        return await self._checked(
            "recent", request, lambda: [info for info in self.sessions.values() if "parentID" not in info]
        )

    async def _statuses(self, request: web.Request) -> web.StreamResponse:
        return await self._checked("status", request, lambda: self._here(request, self.statuses))

    async def _permissions(self, request: web.Request) -> web.StreamResponse:
        found = self._here(request, self.permissions)
        return await self._checked("permission", request, lambda: list(found.values()))

    async def _questions(self, request: web.Request) -> web.StreamResponse:
        found = self._here(request, self.questions)
        return await self._checked("question", request, lambda: list(found.values()))

    def _here(self, request: web.Request, found: dict[str, Any]) -> dict[str, Any]:
        return found if request.query.get("directory") == DIRECTORY else {}

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        limit = int(request.query["limit"])
        return await self._checked(
            "message", request, lambda: self.messages.get(request.match_info["id"], [])[-limit:]
        )

    async def _web_ui(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text="<html>", content_type="text/html")

    async def _checked(
        self, route: str, request: web.Request, answer: Callable[[], Any]
    ) -> web.StreamResponse:
        self.asked.append(request.path)
        if self.authorization and request.headers.get("Authorization") != self.authorization:
            return web.Response(status=401)
        if route in self.broken:
            return await self.broken[route](request)
        try:
            return web.json_response(answer())
        except KeyError:
            return web.json_response({"name": "NotFoundError"}, status=404)

    async def _global_event(self, request: web.Request) -> web.StreamResponse:
        self.connections += 1
        if self.authorization and request.headers.get("Authorization") != self.authorization:
            return web.Response(status=401)
        if "event" in self.broken:
            return await self.broken["event"](request)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        stream: asyncio.Queue[bytes | None] = asyncio.Queue()
        stream.put_nowait(
            b'data: {"payload":{"id":"evt_hello","type":"server.connected","properties":{}}}\n\n'
        )
        self.streams.append(stream)
        try:
            while (wire := await stream.get()) is not None:
                await response.write(wire)
        except ConnectionResetError:
            pass
        finally:
            self.streams.remove(stream)
        return response


@dataclass
class Posted:
    """What the relay got."""

    eventType: str  # noqa: N815  the wire's names
    sessionID: str  # noqa: N815
    title: str
    body: str
    eventID: str  # noqa: N815
    state: dict[str, Any]
    rest: dict[str, Any] = field(repr=False)


class FakeRelay(Server):
    """POST /v1/event: answers with `answers` in turn, then with 200; `gate`, when cleared, makes it hang."""

    def __init__(self) -> None:
        super().__init__(web.post("/v1/event", self._event))
        self.posted: list[Posted] = []  # every try
        self.accepted: list[Posted] = []  # what rings
        self.cards: list[Posted] = []  # what only moves a card
        self.seen_ids: set[str] = set()  # an eventID that comes again does nothing
        self.answers: list[tuple[int, Any]] = []
        self.refused_sessions: dict[str, tuple[int, Any]] = {}
        self.gate = asyncio.Event()
        self.gate.set()

    def told(self) -> list[tuple[str, str]]:
        """(eventType, sessionID) of all that rang, in order."""
        return [(event.eventType, event.sessionID) for event in self.accepted]

    def shown(self, session_id: str) -> list[tuple[str, str, str]]:
        """(eventType, status, lastMessage) of all that moved the session's card without ringing, in order."""
        return [
            (event.eventType, event.state["status"], event.state["lastMessage"])
            for event in self.cards
            if event.sessionID == session_id
        ]

    async def _event(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        event = Posted(
            *(body.pop(name, "") for name in ("eventType", "sessionID", "title", "body", "eventID")),
            body.pop("contentState", {}),
            body,
        )
        self.posted.append(event)
        await self.gate.wait()
        status, answer = 200, {"ok": True, "sent": 1, "failed": 0, "queued": 0}
        if event.sessionID in self.refused_sessions:
            status, answer = self.refused_sessions[event.sessionID]
        elif self.answers:
            status, answer = self.answers.pop(0)
        if status == 200 and event.eventID not in self.seen_ids:
            self.seen_ids.add(event.eventID)
            rings = event.eventType not in ("start", "progress")
            (self.accepted if rings else self.cards).append(event)
        if isinstance(answer, str):
            return web.Response(status=status, text=answer)
        return web.json_response(answer, status=status)


@pytest.fixture(autouse=True)
def state_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the bridge keeps its secret and state unless it is told otherwise."""
    home = tmp_path / "state-home"
    monkeypatch.setenv("XDG_STATE_HOME", str(home))
    return home


@pytest.fixture
async def fake_opencode() -> AsyncIterator[FakeOpenCode]:
    server = FakeOpenCode()
    await server.start()
    yield server
    server.cut()
    await server.stop()


@pytest.fixture
async def fake_relay() -> AsyncIterator[FakeRelay]:
    server = FakeRelay()
    await server.start()
    yield server
    server.gate.set()
    await server.stop()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def until() -> Callable[[Callable[[], Any]], Awaitable[None]]:
    """Wait for a condition; fails after 5 s."""

    async def wait(condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110  any condition, not one event
                await asyncio.sleep(0.002)

    return wait


@pytest.fixture
def running(
    fake_opencode: Any, fake_relay: Any, until: Until
) -> Callable[..., AbstractAsyncContextManager[io.StringIO]]:
    """Run the bridge; inside the block it is connected (unless `connect=False`), after it, it has stopped."""

    @asynccontextmanager
    async def run(*, connect: bool = True, **changed: Any) -> AsyncIterator[io.StringIO]:
        given: dict[str, Any] = {
            "opencode_url": fake_opencode.url,
            "relay_url": fake_relay.url,
            "relay_secret": SECRET,
            "permission_delay": 0.0,
        }
        stop, out = asyncio.Event(), io.StringIO()
        task = asyncio.create_task(run_bridge(BridgeOptions(**given | changed), stop=stop, out=out))
        try:
            if connect:
                await until(lambda: fake_opencode.streams)
            yield out
        finally:
            stop.set()
            await asyncio.wait_for(task, 5)

    return run
