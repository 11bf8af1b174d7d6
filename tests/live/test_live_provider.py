"""The scripted model: its steps in order, and what is beyond them is a fault that no test overlooks."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest_asyncio

from live.provider import Call, Provider, Refuse, Say

Json = dict[str, Any]
TOOLS = [{"type": "function", "function": {"name": "bash"}}]


@pytest_asyncio.fixture
async def provider() -> AsyncIterator[Provider]:
    async with Provider() as provider:
        yield provider


async def ask(provider: Provider, prompt: Any, tools: list[Json] | None = None) -> tuple[int, str, Any]:
    """Status, the reason to finish or the Retry-After, and the deltas or the error of one model call."""
    body = {"messages": [{"role": "user", "content": prompt}], "tools": TOOLS if tools is None else tools}
    url = f"{provider.url}/chat/completions"
    async with aiohttp.ClientSession() as http, http.post(url, json=body) as answer:
        if answer.status != 200:
            return (
                answer.status,
                answer.headers.get("Retry-After", ""),
                (await answer.json())["error"]["message"],
            )
        *lines, done = [line async for line in answer.content if line.strip()]
    assert done == b"data: [DONE]\n"
    choices = [one for line in lines for one in json.loads(line.removeprefix(b"data: "))["choices"]]
    return 200, choices[-1]["finish_reason"], [choice["delta"] for choice in choices[:-1]]


async def test_the_steps_of_a_prompt_come_in_order(provider: Provider) -> None:
    provider.learn(
        "Go", Refuse(429, "Slowly", {"Retry-After": "3"}), Call("bash", {"command": "ls"}), Say("So be it")
    )
    assert await ask(provider, "Go") == (429, "3", "Slowly")
    status, reason, (delta,) = await ask(provider, [{"type": "text", "text": "Go"}])
    assert (status, reason) == (200, "tool_calls")
    (call,) = delta["tool_calls"]
    assert call["function"] == {"name": "bash", "arguments": '{"command": "ls"}'}
    status, reason, deltas = await ask(provider, "Go")
    assert (status, reason) == (200, "stop")
    assert "".join(delta["content"] for delta in deltas) == "So be it"
    assert provider.calls("Go") == 3
    assert provider.faults == []


async def test_what_no_script_has_is_a_fault(provider: Provider) -> None:
    provider.learn("Once", Say("Yes."))
    await ask(provider, "Once")
    assert (await ask(provider, "Once"))[0] == 400
    assert (await ask(provider, "Never learnt"))[0] == 400
    assert provider.faults == ["'Once' has no step 2", "no script for ['Never learnt']"]
