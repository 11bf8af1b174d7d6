"""A program that is started as `opencode` and behaves as one of generation 2, as far as the live tests need it.

It is no OpenCode: it asks the scripted provider itself, and its orders are those of the recordings. Where there is no real
OpenCode 2, it shows that the live tests can be passed, and that they find their way to a server, its service file and its pid.
"""

import asyncio
import json
import os
import signal
import sys
import uuid
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from component.bridge.fake_opencode import now_ms
from component.bridge.fake_opencode2 import FakeOpenCode2

Json = dict[str, Any]
VERSION = "2.1.2"
DOCUMENT = Path(__file__).parents[1] / "recordings" / "openapi2-2.1.json"


class DeclinedError(Exception):
    """The user does not want a tool to run, or does not answer a question."""


class StandIn(FakeOpenCode2):
    """`data`: the file of the database; `managed`: open turns are resumed at the start."""

    def __init__(self, provider: str, data: Path, managed: bool) -> None:
        post, named = web.post, "/api/session/{id}"
        super().__init__(
            web.get("/openapi.json", self._document),
            post("/api/session", self._guarded(self._new)),
            post(f"{named}/prompt", self._guarded(self._prompted)),
            post(f"{named}/interrupt", self._guarded(self._interrupted)),
            post(f"{named}/permission/{{request}}/reply", self._guarded(self._replied)),
            post(f"{named}/form/{{request}}/reply", self._guarded(self._replied)),
            web.delete(f"{named}/form/{{request}}", self._guarded(self._replied)),
            web.get(
                f"{named}/permission", self._guarded(lambda one, _: self._waiting(self.permissions, one))
            ),
            web.get(f"{named}/form", self._guarded(lambda one, _: self._waiting(self.forms, one))),
        )
        self.version, self.pid = VERSION, os.getpid()
        self._provider, self._data, self._managed = provider, data, managed
        self._turns: dict[str, asyncio.Task[None]] = {}
        self._prompts: dict[str, str] = {}
        self._answers: dict[str, asyncio.Future[Json]] = {}

    async def resume(self) -> None:
        """Read what an earlier process left. Call it before anybody can connect."""
        if self._data.exists():
            left = json.loads(self._data.read_text())
            self.sessions, self.messages = left["sessions"], left["messages"]
            for session_id, prompt in left["prompts"].items() if self._managed else ():
                self._begin(session_id, prompt)

    def keep(self) -> None:
        left = {"sessions": self.sessions, "messages": self.messages, "prompts": self._prompts}
        self._data.parent.mkdir(parents=True, exist_ok=True)
        self._data.write_text(json.dumps(left))

    # What is asked of it.

    def _guarded(self, act: Any) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            if self._refuses(request):
                return web.json_response({"_tag": "UnauthorizedError"}, status=401)
            body = await request.json() if request.can_read_body else {}
            said = act(request.match_info, body)
            self.keep()
            return web.Response(status=204) if said is None else web.json_response({"data": said})

        return handle

    async def _document(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=401) if self._refuses(request) else web.FileResponse(DOCUMENT)

    def _new(self, _: Any, body: Json) -> Json:
        session_id = self._id("ses")
        self.create(session_id, body.get("title", ""), body.get("parentID"))
        session = self.sessions[session_id] | {"location": body.get("location", {})}
        self.sessions[session_id] = {
            name: value for name, value in session.items() if name != "title" or value
        }
        self.say(
            "session.created",
            sessionID=session_id,
            **{name: value for name, value in session.items() if value},
        )
        return self.sessions[session_id]

    def _prompted(self, named: Any, body: Json) -> Json:
        session_id, text = named["id"], body["text"]
        item = {"type": "user", "payload": {"text": text}, "delivery": "steer"}
        message = self._write(session_id, {"type": "user", "text": text})
        self.say("session.inbox.enqueued", sessionID=session_id, inboxID=message, item=item)
        self._begin(session_id, text)
        return {"id": message, "sessionID": session_id}

    def _interrupted(self, named: Any, _: Json) -> Json:
        turn = self._turns.get(named["id"])
        return {"interrupted": bool(turn and turn.cancel())}

    def _replied(self, named: Any, body: Json) -> None:
        self._answers[named["request"]].set_result(body)

    def _waiting(self, requests: dict[str, Json], named: Any) -> list[Json]:
        return [one for one in requests.values() if one["sessionID"] == named["id"]]

    # A turn.

    def _begin(self, session_id: str, prompt: str) -> None:
        self.executions.add(session_id)
        self._prompts[session_id] = prompt
        self._turns[session_id] = asyncio.create_task(self._turn(session_id, prompt))

    async def _turn(self, session_id: str, prompt: str) -> None:
        self.say("session.execution.started", sessionID=session_id)
        how, why = "succeeded", {}
        try:
            while not await self._step(session_id, prompt):
                pass
            await self._name(session_id)
        except web.HTTPException as refused:
            how, why = (
                "failed",
                {"error": {"type": "provider.error", "message": refused.text, "status": refused.status}},
            )
            self.say("session.step.failed", sessionID=session_id, **why)
        except DeclinedError:
            how, why = "interrupted", {"reason": "shutdown"}
        except asyncio.CancelledError:
            how, why = "interrupted", {"reason": "user"}
        self._close(session_id, how, why)

    def _close(self, session_id: str, how: str, why: Json) -> None:
        self.executions.discard(session_id)
        del self._prompts[session_id]
        if why.get("reason") != "shutdown":
            self.sessions[session_id]["outcome"] = how
            self.sessions[session_id]["time"]["idle"] = now_ms()
        for message in self.messages[session_id]:
            message["time"]["completed"] = now_ms()  # of a server that was killed it is not
        if why.get("reason") != "shutdown":
            self._write(session_id, {"type": "idle", "outcome": how} | why)
        for waiting in (self.permissions, self.forms):
            for request in self._waiting(waiting, {"id": session_id}):
                del waiting[request["id"]]
        self.keep()
        self.say(f"session.execution.{how}", sessionID=session_id, **why)

    async def _step(self, session_id: str, prompt: str) -> bool:
        """One call of the model and its tools; whether the turn is done."""
        asked = {
            "model": "scripted",
            "stream": True,
            "tools": [{}],
            "messages": [{"role": "user", "content": prompt}],
        }
        message, text, calls = "", "", dict[int, Json]()
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{self._provider}/chat/completions", json=asked) as reply,
        ):
            if reply.status == 429:
                return await self._wait(session_id, float(reply.headers["Retry-After"]))
            if reply.status != 200:
                raise web.HTTPBadRequest(text=(await reply.json())["error"]["message"])
            async for line in reply.content:
                for choice in json.loads(line[6:])["choices"] if line.startswith(b"data: {") else ():
                    message = message or self._stored(session_id)
                    text += choice["delta"].get("content") or ""
                    calls |= {one["index"]: one for one in choice["delta"].get("tool_calls", ())}
        about = {"sessionID": session_id, "assistantMessageID": message}
        if text:
            self.messages[session_id][-1]["content"].append({"type": "text", "text": text})
            self.say("session.text.ended", text=text, **about)
        await asyncio.gather(*(self._tool(about, one) for one in calls.values()))
        self.say("session.step.ended", finish="tool-calls" if calls else "stop", **about)
        return not calls

    def _stored(self, session_id: str) -> str:
        """The model has begun; what it says is stored as a message that is not complete."""
        message = self.step(session_id)
        self.keep()
        return message

    async def _wait(self, session_id: str, seconds: float) -> bool:
        error = {"type": "provider.rate-limit", "message": "Rate limit reached", "status": 429}
        self.say(
            "session.retry.scheduled",
            sessionID=session_id,
            attempt=2,
            at=now_ms() + seconds * 1000,
            error=error,
        )
        await asyncio.sleep(seconds)
        return False

    async def _tool(self, about: Json, call: Json) -> None:
        name, arguments = call["function"]["name"], json.loads(call["function"]["arguments"])
        self.say("session.tool.input.started", id=call["id"], name=name, **about)
        self.say("session.tool.called", id=call["id"], input=arguments, **about)
        await getattr(self, f"_run_{name}")(about["sessionID"], arguments)
        self.say("session.tool.success", id=call["id"], content=[], **about)

    async def _run_shell(self, session_id: str, arguments: Json) -> None:
        request = {
            "id": self._id("per"),
            "sessionID": session_id,
            "action": "shell",
            "resources": [arguments["command"]],
        }
        self.permissions[request["id"]] = request
        self.say("permission.asked", **request)
        body = await self._answered(request["id"])
        del self.permissions[request["id"]]
        self.say("permission.replied", sessionID=session_id, requestID=request["id"], reply=body["decision"])
        if body["decision"] == "reject":
            raise DeclinedError

    async def _run_question(self, session_id: str, arguments: Json) -> None:
        fields = [
            {
                "key": f"q{number}",
                "type": "string",
                "title": one["header"],
                "description": one["question"],
                "options": one["options"],
            }
            for number, one in enumerate(arguments["questions"])
        ]
        form = {
            "id": self._id("frm"),
            "sessionID": session_id,
            "title": "Questions",
            "metadata": {"kind": "question"},
            "fields": fields,
        }
        self.forms[form["id"]] = form
        self.say("form.created", form=form)
        body = await self._answered(form["id"])
        del self.forms[form["id"]]
        self.say("form.replied" if body else "form.cancelled", id=form["id"], sessionID=session_id, **body)
        if not body:
            raise DeclinedError

    async def _run_subagent(self, session_id: str, arguments: Json) -> None:
        child = self._new({}, {"title": arguments["description"], "parentID": session_id})
        self._begin(child["id"], arguments["prompt"])
        await self._turns[child["id"]]

    async def _answered(self, request_id: str) -> Json:
        self._answers[request_id] = asyncio.get_running_loop().create_future()
        return await self._answers[request_id]

    async def _name(self, session_id: str) -> None:
        """A session that nobody named is named by the model."""
        if "title" in self.sessions[session_id]:
            return
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{self._provider}/chat/completions", json={}) as reply,
        ):
            parts = [json.loads(line[6:]) async for line in reply.content if line.startswith(b"data: {")]
        deltas = [choice["delta"] for part in parts for choice in part["choices"]]
        self.sessions[session_id]["title"] = "".join(one.get("content") or "" for one in deltas)
        self.say("session.renamed", sessionID=session_id, title=self.sessions[session_id]["title"])


def server_of(words: list[str]) -> tuple[StandIn, Path | None]:
    """The server that the words and the user's files ask for, and where it registers itself."""
    options = dict(word.lstrip("-").split("=", 1) for word in words if "=" in word)
    managed = "--service" in words
    homes = {name: Path(os.environ[f"XDG_{name}_HOME"]) / "opencode" for name in ("CONFIG", "DATA", "STATE")}
    settings = json.loads((homes["CONFIG"] / "service.json").read_text()) if managed else options
    provider = json.loads(Path(os.environ["OPENCODE_CONFIG"]).read_text())["providers"]["scripted"]
    server = StandIn(provider["settings"]["baseURL"], homes["DATA"] / "data.json", managed)
    server.password = settings["password"] if managed else os.environ["OPENCODE_PASSWORD"]
    server.port = int(settings["port"])
    return server, homes["STATE"] / "service.json" if managed else None


async def main(words: list[str]) -> None:
    server, file = server_of(words)
    await server.resume()
    await server.start()
    if file:
        _register(file, server.service(id=str(uuid.uuid4())))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    if file:
        file.unlink()
    os._exit(130)  # as the engine: the streams break, and no event says why


def _register(file: Path, said: Json) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    half = file.with_suffix(".half")
    half.write_text(json.dumps(said))
    half.chmod(0o600)
    half.rename(file)


def run() -> None:
    if sys.argv[1:] == ["--version"]:
        print(f"opencode v{VERSION}")
    else:
        asyncio.run(main(sys.argv[2:]))
