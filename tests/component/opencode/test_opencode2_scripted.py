"""A scripted OpenCode 2 over a real socket: its turns by its routes, and what a client sees that comes back after a stop."""

import json
from collections.abc import AsyncIterator, Callable

import pytest

from component.opencode.conftest import PASSWORD, credentials
from simulator.opencode.prompt_language import parse
from simulator.opencode.script import Reaction, Script
from simulator.opencode.v2.server import OpenCode2Server
from waiting import eventually

BASH = {"op": "bash", "command": "git push"}
LONG = {"op": "text", "n": 400, "ms": 50}


def model(prompt: str) -> Reaction:
    return Reaction(parse(prompt) or Script(), "A title")


@pytest.fixture
async def scripted2(clock, journal) -> AsyncIterator[OpenCode2Server]:
    server = OpenCode2Server(clock, journal, password=PASSWORD, model=model)
    await server.start()
    yield server
    await server.close()


@pytest.fixture
def ask(scripted2, http) -> Callable:
    """`await ask("GET", "/path", body)`: the data of the answer, and its status if it has none."""

    async def request(method: str, path: str, body=None):
        url = f"{scripted2.url}/api{path}"
        async with http.request(method, url, json=body, headers=credentials()) as response:
            if response.content_type != "application/json":
                return response.status
            return (await response.json()).get("data", response.status)

    return request


@pytest.fixture
def prompt(ask) -> Callable:
    async def say(*script: dict, title: str | None = "a title") -> str:
        session_id = (await ask("POST", "/session", {"title": title}))["id"]
        await ask("POST", f"/session/{session_id}/prompt", {"text": f"Please. @@{json.dumps(script)}"})
        return session_id

    return say


async def test_a_turn_with_a_permission(scripted2, ask, prompt, listen2, ticking) -> None:
    listener = await listen2(scripted2)
    session_id = await prompt(BASH)
    await listener.until(lambda: "permission.asked" in listener.types)
    assert await ask("GET", "/session/active") == {session_id: {"type": "running"}}
    (asked,) = await ask("GET", f"/session/{session_id}/permission")
    assert asked["resources"] == ["git push"]
    path = f"/session/{session_id}/permission/{asked['id']}/reply"
    assert await ask("POST", path, {"decision": "once"}) == 204
    await listener.until(lambda: "session.execution.succeeded" in listener.types)
    assert await ask("GET", "/session/active") == {}
    assert (await ask("GET", f"/session/{session_id}"))["outcome"] == "succeeded"
    newest, answer, *_ = await ask("GET", f"/session/{session_id}/message")
    assert (newest["type"], newest["outcome"]) == ("idle", "succeeded")
    assert answer["content"][0]["text"] == "word0 word1 word2 word3 word4 "


async def test_a_question(scripted2, ask, prompt, ticking) -> None:
    session_id = await prompt({"op": "question"})
    await eventually(scripted2.process.state.pending_forms)
    (form,) = await ask("GET", f"/session/{session_id}/form")
    assert form["fields"][0]["description"] == "Which colour do you want?"
    path = f"/session/{session_id}/form/{form['id']}/reply"
    assert await ask("POST", path, {"answer": {"q0": "Blue"}}) == 204
    await eventually(lambda: session_id not in scripted2.process.state.active)
    content = [
        part
        for message in await ask("GET", f"/session/{session_id}/message")
        for part in message.get("content", [])
    ]
    (tool,) = [part for part in content if part["type"] == "tool"]
    assert tool["state"]["metadata"]["answers"] == [["Blue"]]


async def test_words_come_in_batches(scripted2, prompt, listen2, ticking) -> None:
    """Ten times a second, though twenty words a second are written; none is lost, and none comes after the whole text."""
    listener = await listen2(scripted2)
    await prompt({"op": "text", "n": 40, "ms": 50})
    await listener.until(lambda: "session.text.ended" in listener.types)
    words = [one["data"]["delta"] for one in listener.events if one["type"] == "session.text.delta"]
    assert "".join(words) == "".join(f"word{number} " for number in range(40))
    assert 15 <= len(words) <= 25


@pytest.mark.parametrize("killed", [False, True])
async def test_who_comes_back_after_a_stop_finds_the_turn_at_work(
    scripted2, ask, prompt, listen2, ticking, killed: bool
) -> None:
    listener = await listen2(scripted2)
    session_id = await prompt(LONG)
    await listener.until(lambda: "session.text.delta" in listener.types)
    await (scripted2.cut() if killed else scripted2.close())
    assert await listener.end() == "ClientPayloadError"
    assert "session.execution.interrupted" not in listener.types
    await scripted2.start()
    again = await listen2(scripted2)
    assert await ask("GET", "/session/active") == {session_id: {"type": "running"}}
    await again.until(lambda: "session.text.started" in again.types)
    assert "session.execution.started" not in again.types
    before = max(one["durable"]["seq"] for one in listener.events if "durable" in one)
    assert min(one["durable"]["seq"] for one in again.events if "durable" in one) > before
    messages = await ask("GET", f"/session/{session_id}/message")
    assert "Continuing after restart" in [one.get("description") for one in messages]


async def test_a_prompt_that_holds_no_script(ask) -> None:
    session_id = (await ask("POST", "/session", {}))["id"]
    assert await ask("POST", f"/session/{session_id}/prompt", {"text": '@@[{"op": "dance"}]'}) == 400
    assert await ask("GET", f"/session/{session_id}/inbox") == []


async def test_an_interrupt_that_goes_on_with_what_waits(scripted2, ask, prompt, ticking) -> None:
    session_id = await prompt(LONG)
    await ask("POST", f"/session/{session_id}/prompt", {"text": "And then?", "delivery": "queue"})
    assert len(await ask("GET", f"/session/{session_id}/inbox")) == 1
    assert await ask("POST", f"/session/{session_id}/interrupt?resume=true") == 200
    await eventually(lambda: session_id not in scripted2.process.state.active)
    assert await ask("GET", f"/session/{session_id}/inbox") == []


async def test_a_child_is_a_session_of_its_own(scripted2, ask, prompt, ticking) -> None:
    session_id = await prompt({"op": "task", "prompt": f"@@[{json.dumps(BASH)}]"})
    await eventually(lambda: bool(scripted2.process.state.permissions))
    (child,) = await ask("GET", f"/session?parentID={session_id}")
    assert set(await ask("GET", "/session/active")) == {session_id, child["id"]}
    assert [one["id"] for one in await ask("GET", "/session?parentID=null")] == [session_id]
    (asked,) = await ask("GET", f"/session/{child['id']}/permission")
    assert await ask("GET", f"/session/{session_id}/permission") == []
    path = f"/session/{child['id']}/permission/{asked['id']}/reply"
    assert await ask("POST", path, {"decision": "reject"}) == 204
    await eventually(lambda: not scripted2.process.state.active)
    assert (await ask("GET", f"/session/{session_id}"))["outcome"] == "succeeded"
    assert "outcome" not in await ask("GET", f"/session/{child['id']}")


async def test_a_command_is_sent_to_the_background(scripted2, ask, prompt, ticking) -> None:
    session_id = await prompt({"op": "bash", "command": "sleep 900", "reply": "once"}, {"op": "text", "n": 2})
    while session_id in scripted2.process.state.active:
        assert await ask("POST", f"/session/{session_id}/background") == 204
    content = [
        part
        for message in await ask("GET", f"/session/{session_id}/message")
        for part in message.get("content", [])
    ]
    (tool,) = [part for part in content if part["type"] == "tool"]
    assert tool["state"]["metadata"]["status"] == "running"


async def test_a_session_is_moved_at_once_or_between_two_steps(
    scripted2, ask, prompt, listen2, ticking
) -> None:
    listener = await listen2(scripted2)
    session_id = await prompt(BASH)
    await eventually(lambda: bool(scripted2.process.state.permissions))
    assert await ask("POST", f"/session/{session_id}/move", {"directory": "/code/other"}) == 204
    assert "session.moved" not in listener.types
    assert await ask("POST", f"/session/{session_id}/interrupt?resume=true") == 200
    await listener.until(lambda: "session.moved" in listener.types)
    await eventually(lambda: session_id not in scripted2.process.state.active)
    assert await ask("POST", f"/session/{session_id}/move", {"directory": "/code/third"}) == 204
    assert (await ask("GET", f"/session/{session_id}"))["location"] == {"directory": "/code/third"}
    assert await ask("POST", f"/session/{session_id}/move", {}) == 400


async def test_a_summary_that_is_asked_for(scripted2, ask, prompt, listen2, ticking) -> None:
    session_id = await prompt({"op": "text", "n": 2})
    await eventually(lambda: session_id not in scripted2.process.state.active)
    listener = await listen2(scripted2)
    await ask("POST", f"/session/{session_id}/compact", {})
    await listener.until(lambda: "session.execution.succeeded" in listener.types)
    assert "session.step.started" not in listener.types
    newest = await ask("GET", f"/session/{session_id}/message")
    assert "compaction" in [one["type"] for one in newest]
    assert await ask("GET", f"/session/{session_id}/inbox") == []
