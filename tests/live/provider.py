"""A model with its words learnt by heart: an OpenAI-compatible provider on loopback that follows a script for each prompt.

Wire format: OpenAI's "Create chat completion" with `stream: true`, as `@ai-sdk/openai-compatible` reads it.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Json = dict[str, Any]

KEY = "sk-live-canary-5f1d0c"
"""The provider's key in OpenCode's configuration: it must never be seen on a phone or in a log."""
MODEL = "scripted"
TITLE = "A title by the model"
"""What the model calls a session that has no title yet."""


@dataclass(frozen=True, slots=True)
class Say:
    """Text, and the turn is done. With `after` only the first word comes at once, the rest when the event is set."""

    text: str
    after: asyncio.Event | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool."""

    tool: str
    arguments: Json


@dataclass(frozen=True, slots=True)
class Refuse:
    """An HTTP error."""

    status: int
    message: str
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Calls:
    """Several calls of tools at once."""

    calls: tuple[Call, ...]

    def __init__(self, *calls: Call) -> None:
        object.__setattr__(self, "calls", calls)


Step = Say | Call | Calls | Refuse


class Provider:
    """`async with Provider() as provider`: it listens. Every model call of a prompt is answered by its next step."""

    def __init__(self) -> None:
        self._scripts: dict[str, tuple[Step, ...]] = {}
        self._calls: Counter[str] = Counter()
        self.faults: list[str] = []
        """What was asked for beyond the scripts; OpenCode gets a 400 for it."""

    async def __aenter__(self) -> "Provider":
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/v1/chat/completions", self._answer)
        # Without cancellation an answer that waits for its `after` would outlive an aborted turn.
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    def learn(self, prompt: str, *steps: Step) -> None:
        """What the model does when the newest thing a user said is `prompt`: one step for each time it is called."""
        self._scripts[prompt] = steps

    def calls(self, prompt: str) -> int:
        """How often the model was called for this prompt."""
        return self._calls[prompt]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        step = self._step(asked)
        return await _STEPS[type(step)](request, step)

    def _step(self, asked: Json) -> Step:
        if not asked.get("tools"):
            return Say(TITLE)  # OpenCode asks for titles, and only for those, without tools
        prompt = next((text for text in _user_said(asked["messages"]) if text in self._scripts), None)
        if prompt is None:
            return self._fault(f"no script for {_user_said(asked['messages'])}")
        steps, number = self._scripts[prompt], self._calls[prompt]
        self._calls[prompt] += 1
        return steps[number] if number < len(steps) else self._fault(f"{prompt!r} has no step {number + 1}")

    def _fault(self, what: str) -> Refuse:
        self.faults.append(what)
        return Refuse(400, what)


def _user_said(messages: list[Json]) -> list[str]:
    """The texts of the newest message of the user."""
    newest = next((one["content"] for one in reversed(messages) if one["role"] == "user"), "")
    parts = [newest] if isinstance(newest, str) else [part.get("text", "") for part in newest]
    return [part.strip() for part in parts]


async def _say(request: web.Request, step: Say) -> web.StreamResponse:
    first, *rest = step.text.split(" ", 1)
    stream = await _opened(request)
    await _send(stream, {"role": "assistant", "content": first})
    if step.after is not None:
        await step.after.wait()
    for words in rest:
        await _send(stream, {"content": f" {words}"})
    return await _finished(stream, "stop")


async def _call(request: web.Request, step: Call) -> web.StreamResponse:
    return await _calls(request, Calls(step))


async def _calls(request: web.Request, step: Calls) -> web.StreamResponse:
    stream = await _opened(request)
    for index, one in enumerate(step.calls):
        function = {"name": one.tool, "arguments": json.dumps(one.arguments)}
        call = {"index": index, "id": f"call_{id(one):x}", "type": "function", "function": function}
        await _send(stream, {"role": "assistant", "content": None, "tool_calls": [call]})
    return await _finished(stream, "tool_calls")


async def _refuse(_: web.Request, step: Refuse) -> web.StreamResponse:
    error = {"message": step.message, "type": "scripted", "code": None}
    return web.json_response({"error": error}, status=step.status, headers=step.headers)


_STEPS: dict[type[Step], Callable[[web.Request, Any], Awaitable[web.StreamResponse]]] = {
    Say: _say,
    Call: _call,
    Calls: _calls,
    Refuse: _refuse,
}


async def _opened(request: web.Request) -> web.StreamResponse:
    stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await stream.prepare(request)
    return stream


async def _send(stream: web.StreamResponse, delta: Json, finish: str | None = None) -> None:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    await _write(stream, json.dumps(_chunk(choices=[choice])))


async def _finished(stream: web.StreamResponse, reason: str) -> web.StreamResponse:
    await _send(stream, {}, reason)
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    await _write(stream, json.dumps(_chunk(choices=[], usage=usage)))
    await _write(stream, "[DONE]")
    await stream.write_eof()
    return stream


def _chunk(**fields: Any) -> Json:
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": MODEL, **fields}


async def _write(stream: web.StreamResponse, data: str) -> None:
    await stream.write(f"data: {data}\n\n".encode())
