"""An OpenCode 2 of a few lines, whose stream a test drives."""

import asyncio
import itertools
import json
import time
from base64 import b64encode
from collections.abc import Callable
from typing import Any

from aiohttp import web

from component.bridge.fake_opencode import DIRECTORY, Handler, now_ms
from loopback_server import LoopbackServer

PASSWORD = "kennwort"
ENDS = {"succeeded": {}, "failed": {"error": {"type": "provider.auth", "message": "Bad key"}}, "interrupted": {"reason": "user"}}  # fmt: skip


class FakeOpenCode2(LoopbackServer):
    """The routes that the bridge asks, as 2.0.6 and later answer them, with a password always.

    What happens is on the stream, if somebody reads it, and in the answers. `executions` are those that run now.
    """

    def __init__(self, *more: web.RouteDef) -> None:
        routes: dict[str, tuple[str, Callable[[web.Request], Any]]] = {
            "/api/info": ("info", lambda _: {"version": self.version, "pid": self.pid, "urls": [], "paths": {"tmp": "/tmp"}}),
            "/api/session": ("recent", self._recent),
            "/api/session/active": ("active", lambda _: {"data": {one: {"type": "running"} for one in self.executions}}),
            "/api/session/{id}": ("session", lambda request: {"data": self.sessions[request.match_info["id"]]}),
            "/api/session/{id}/message": ("message", self.newest),
            "/api/debug/location": ("location", lambda _: [{"directory": DIRECTORY}]),
            "/api/permission/request": ("permission", lambda request: self._here(request, self.permissions)),
            "/api/form": ("form", lambda request: self._here(request, self.forms)),
        }  # fmt: skip
        super().__init__(
            web.get("/api/event", self._event_stream),
            *(web.get(path, self._checked(*answer)) for path, answer in routes.items()),
            *more,
            web.get("/{anything:.*}", self._web_app),
        )
        self.version = "2.1.2"
        self.pid = 7
        self.password = PASSWORD
        self.sessions: dict[str, dict[str, Any]] = {}
        self.messages: dict[str, list[dict[str, Any]]] = {}
        self.executions: set[str] = set()
        self.permissions: dict[str, dict[str, Any]] = {}
        self.forms: dict[str, dict[str, Any]] = {}
        self.broken: dict[str, Handler] = {}
        self.asked: list[str] = []
        self.streams: list[asyncio.Queue[bytes | None]] = []
        self._ids = itertools.count(1)

    def say(self, kind: str, /, **data: Any) -> None:
        """Send an event to all streams."""
        event: dict[str, Any] = {"id": self._id("evt"), "created": now_ms(), "type": kind, "data": data}
        if not kind.startswith("session.execution."):
            event["location"] = {"directory": DIRECTORY}
        self.send(f"data: {json.dumps(event)}\n\n".encode())

    def send(self, wire: bytes) -> None:
        for stream in self.streams:
            stream.put_nowait(wire)

    def create(self, session_id: str, title: str = "Fix it", parent_id: str | None = None) -> None:
        """A session that exists, without the stream saying so."""
        parent = {"parentID": parent_id} if parent_id else {}
        self.sessions[session_id] = {
            "id": session_id,
            "title": title,
            "location": {"directory": DIRECTORY},
            "time": {"created": now_ms(), "updated": now_ms()},
        } | parent

    def begin(self, session_id: str) -> str:
        """A prompt starts an execution, and the model is called; the id of the assistant's message."""
        self.executions.add(session_id)
        self.say("session.execution.started", sessionID=session_id)
        self._write(session_id, {"type": "user", "text": "Fix it"})
        return self.step(session_id)

    def step(self, session_id: str) -> str:
        """The model is called."""
        message = self._write(session_id, {"type": "assistant", "content": []})
        self.say("session.step.started", sessionID=session_id, assistantMessageID=message)
        return message

    def end(self, session_id: str, how: str, text: str = "") -> None:
        """The model has said `text`, and the execution ends as `how`."""
        newest = self.messages[session_id][-1]
        newest["content"].append({"type": "text", "text": text})
        newest["time"] = {"completed": now_ms()}
        self.say("session.text.ended", sessionID=session_id, assistantMessageID=newest["id"], text=text)
        self.executions.discard(session_id)
        session = self.sessions[session_id]
        session["outcome"], session["time"]["idle"] = how, now_ms()
        error = {"error": ENDS["failed"]["error"]} if how == "failed" else {}
        self._write(session_id, {"type": "idle", "outcome": how} | error)
        self.say(f"session.execution.{how}", sessionID=session_id, **ENDS[how])

    def ask(self, session_id: str, request_id: str) -> None:
        """A permission that waits."""
        request = {"id": request_id, "sessionID": session_id, "action": "shell", "resources": ["npm test"]}
        self.permissions[request_id] = request
        self.say("permission.asked", **request)

    def question(self, session_id: str, form_id: str) -> None:
        """A form that waits."""
        field = {"key": "q0", "type": "string", "description": "Which?", "options": [{"label": "Red"}]}
        form = {"id": form_id, "sessionID": session_id, "title": "Questions", "fields": [field]}
        self.forms[form_id] = form
        self.say("form.created", form=form)

    def service(self, **changed: Any) -> dict[str, Any]:
        """What the managed service writes into its file."""
        return {
            "id": "b1f0",
            "version": self.version,
            "url": self.url,
            "pid": self.pid,
            "password": self.password,
        } | changed

    async def restart(self, resumed: str = "") -> None:
        """As by SIGTERM of the managed service: what waits is gone, and this session runs again before anybody connects."""
        self.permissions.clear()
        self.forms.clear()
        self.executions.clear()
        self.cut()
        await self.stop()
        self.executions |= {resumed} if resumed else set()
        await self.start()

    def cut(self) -> None:
        """End all streams."""
        for stream in self.streams:
            stream.put_nowait(None)

    def _id(self, kind: str) -> str:
        return f"{kind}_{int(time.time() * 1000) * 4096 % (1 << 48):012x}{next(self._ids):014}"

    def _write(self, session_id: str, message: dict[str, Any]) -> str:
        message_id = self._id("msg")
        self.messages.setdefault(session_id, []).append(
            {"id": message_id, "time": {"created": now_ms()}} | message
        )
        return message_id

    def _here(self, request: web.Request, found: dict[str, Any]) -> dict[str, Any]:
        here = request.query.get("location[directory]") == DIRECTORY
        return {"location": {"directory": DIRECTORY}, "data": [*found.values()] if here else []}

    def newest(self, request: web.Request) -> dict[str, Any]:
        """The answer to a question about messages."""
        newest = self.messages.get(request.match_info["id"], [])[::-1]
        return {"data": newest[: int(request.query["limit"])], "cursor": {}}

    def _recent(self, request: web.Request) -> dict[str, Any]:
        """Roots, or the children of one."""
        parent = request.query.get("parentID", "null")
        wanted = None if parent == "null" else parent
        found = [one for one in self.sessions.values() if one.get("parentID") == wanted]
        return {"data": found, "cursor": {}}

    def _refuses(self, request: web.Request) -> bool:
        credentials = b64encode(f"opencode:{self.password}".encode()).decode()
        return request.headers.get("Authorization") != f"Basic {credentials}"

    async def _web_app(self, request: web.Request) -> web.StreamResponse:
        if request.path.startswith("/api"):
            return web.Response(status=401 if self._refuses(request) else 404)
        return web.Response(text="<html>", content_type="text/html")

    def _checked(self, route: str, answer: Callable[[web.Request], Any]) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.asked.append(request.path)
            if self._refuses(request):
                return web.json_response({"_tag": "UnauthorizedError"}, status=401)
            if route in self.broken:
                return await self.broken[route](request)
            try:
                return web.json_response(answer(request))
            except KeyError:
                return web.json_response({"_tag": "SessionNotFoundError"}, status=404)

        return handle

    async def _event_stream(self, request: web.Request) -> web.StreamResponse:
        if self._refuses(request):
            return web.Response(status=401)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        stream: asyncio.Queue[bytes | None] = asyncio.Queue()
        hello = {"id": self._id("evt"), "type": "server.connected", "data": {}}
        stream.put_nowait(f"data: {json.dumps(hello)}\n\n: heartbeat\n\n".encode())
        self.streams.append(stream)
        try:
            while (wire := await stream.get()) is not None:
                await response.write(wire)
        except ConnectionResetError:
            pass
        finally:
            self.streams.remove(stream)
        return response
