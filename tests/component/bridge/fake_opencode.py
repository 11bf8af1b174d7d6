"""An OpenCode of a few lines, whose stream a test drives."""

import asyncio
import itertools
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from loopback_server import LoopbackServer

DIRECTORY = "/code/demo"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def hang(request: web.Request) -> web.StreamResponse:
    """What a route does in `broken` that answers too late."""
    await asyncio.sleep(5)
    return web.Response()


def now_ms() -> float:
    """The time, in the unit of OpenCode's times."""
    return time.time() * 1000


class FakeOpenCode(LoopbackServer):
    """The routes that the bridge asks, as OpenCode 1.18 answers them; it forgets statuses and requests with `crash`."""

    def __init__(self) -> None:
        routes = {
            "/global/health": ("health", lambda _: {"healthy": True, "version": self.version}),
            "/path": ("path", lambda _: self.paths),
            "/experimental/session": ("recent", lambda _: [one for one in self.sessions.values() if "parentID" not in one]),
            "/session/status": ("status", lambda request: self._here(request, self.statuses)),
            "/permission": ("permission", lambda request: [*self._here(request, self.permissions).values()]),
            "/question": ("question", lambda request: [*self._here(request, self.questions).values()]),
            "/session/{id}": ("session", lambda request: self.sessions[request.match_info["id"]]),
            "/session/{id}/message": ("message", self._newest),
        }  # fmt: skip
        super().__init__(
            web.get("/global/event", self._global_event),
            *(web.get(path, self._checked(*answer)) for path, answer in routes.items()),
            web.get("/{anything:.*}", self._web_ui),
        )
        self.sessions: dict[str, dict[str, Any]] = {}
        self.messages: dict[str, list[dict[str, Any]]] = {}
        self.statuses: dict[str, dict[str, Any]] = {}
        self.permissions: dict[str, dict[str, Any]] = {}
        self.questions: dict[str, dict[str, Any]] = {}
        self.version = "1.18.33"
        self.paths = {
            "home": "/home/me",
            "state": "/home/me/.local/state/opencode",
            "config": "/home/me/.config",
        }
        self.info: dict[str, Any] | None = None  # of generation 2 alone
        self.authorization: str | None = None  # what a request must bring
        # By route: "health", "event", "session", "message", "recent", "status", "permission", "question".
        self.broken: dict[str, Handler] = {}
        self.asked: list[str] = []  # REST calls
        self.streams: list[asyncio.Queue[bytes | None]] = []  # open ones
        self.connections = 0
        self._ids = itertools.count()

    def say(self, kind: str, /, **properties: Any) -> None:
        """Send an event to all streams."""
        payload = {"id": f"evt_{next(self._ids)}", "type": kind, "properties": properties}
        self.send(f"data: {json.dumps({'directory': DIRECTORY, 'payload': payload})}\n\n".encode())

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

    def _here(self, request: web.Request, found: dict[str, Any]) -> dict[str, Any]:
        return found if request.query.get("directory") == DIRECTORY else {}

    def _newest(self, request: web.Request) -> list[dict[str, Any]]:
        return self.messages.get(request.match_info["id"], [])[-int(request.query["limit"]) :]

    async def _web_ui(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/api/info" and self.info:
            return web.json_response(self.info)
        return web.Response(text="<html>", content_type="text/html")

    def _checked(self, route: str, answer: Callable[[web.Request], Any]) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.asked.append(request.path)
            if self.authorization and request.headers.get("Authorization") != self.authorization:
                return web.Response(status=401)
            if route in self.broken:
                return await self.broken[route](request)
            try:
                return web.json_response(answer(request))
            except KeyError:
                return web.json_response({"name": "NotFoundError"}, status=404)

        return handle

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
