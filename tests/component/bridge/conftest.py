"""Small real servers on loopback: an OpenCode whose stream a test drives, and a relay whose answers it chooses."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

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
    """GET /global/health, /global/event, /session/:id and /session/:id/message, as OpenCode 1.18 answers them."""

    def __init__(self) -> None:
        super().__init__(
            web.get("/global/health", self._health),
            web.get("/global/event", self._global_event),
            web.get("/session/{id}", self._session),
            web.get("/session/{id}/message", self._messages),
            web.get("/{anything:.*}", self._web_ui),
        )
        self.sessions: dict[str, dict[str, Any]] = {}
        self.messages: dict[str, list[dict[str, Any]]] = {}
        self.authorization: str | None = None  # what a request must bring
        self.broken: dict[str, Handler] = {}  # by route: "health", "event", "session", "message"
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
        self.sessions[session_id] = {"id": session_id, "title": title} | (
            {"parentID": parent_id} if parent_id else {}
        )

    def write(self, session_id: str, text: str, role: str = "assistant") -> None:
        """One more message."""
        message = {
            "info": {"id": f"msg_{next(self._ids)}", "role": role},
            "parts": [{"type": "text", "text": text}],
        }
        self.messages.setdefault(session_id, []).append(message)

    def status(self, session_id: str, kind: str) -> None:
        self.say("session.status", sessionID=session_id, status={"type": kind})

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
        return await self._checked("health", request, lambda: {"healthy": True, "version": "1.18.33"})

    async def _session(self, request: web.Request) -> web.StreamResponse:
        return await self._checked("session", request, lambda: self.sessions[request.match_info["id"]])

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
    rest: dict[str, Any] = field(repr=False)


class FakeRelay(Server):
    """POST /v1/event: answers with `answers` in turn, then with 200; `gate`, when cleared, makes it hang."""

    def __init__(self) -> None:
        super().__init__(web.post("/v1/event", self._event))
        self.posted: list[Posted] = []  # every try
        self.accepted: list[Posted] = []
        self.answers: list[tuple[int, Any]] = []
        self.refused_sessions: dict[str, tuple[int, Any]] = {}
        self.gate = asyncio.Event()
        self.gate.set()

    def told(self) -> list[tuple[str, str]]:
        """(eventType, sessionID) of all that was accepted, in order."""
        return [(event.eventType, event.sessionID) for event in self.accepted]

    async def _event(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        event = Posted(
            *(body.pop(name) for name in ("eventType", "sessionID", "title", "body", "eventID")), body
        )
        self.posted.append(event)
        await self.gate.wait()
        status, answer = 200, {"ok": True, "sent": 1, "failed": 0, "queued": 0}
        if event.sessionID in self.refused_sessions:
            status, answer = self.refused_sessions[event.sessionID]
        elif self.answers:
            status, answer = self.answers.pop(0)
        if status == 200:
            self.accepted.append(event)
        if isinstance(answer, str):
            return web.Response(status=status, text=answer)
        return web.json_response(answer, status=status)


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
