"""A scripted server over a real socket: what a client sees of prompts, answers, aborts, deletion, disposal and death."""

import asyncio
import json

import aiohttp
import pytest

from simulator.opencode.prompt_language import parse
from simulator.opencode.script import Reaction, Script
from simulator.opencode.v1.server import OpenCodeServer
from waiting import PATIENCE

D = "/code/demo"
PAIR = ["idle", "session.idle"]
ASKING = '[{"op": "bash", "command": "echo x"}]'
LONG = '[{"op": "text", "n": 5000}]'


def model(prompt: str) -> Reaction:
    return Reaction(parse(prompt) or Script(), "a title")


@pytest.fixture
async def server(clock, journal):
    server = OpenCodeServer(clock, journal, model=model)
    await server.start()
    yield server
    await server.close()


@pytest.fixture
async def prompt(ask):
    """`await prompt(script)`: a new session that was prompted."""

    async def start(script: str, directory: str = D) -> dict:
        _, session = await ask("POST", f"/session?directory={directory}", {"title": "t"})
        assert (await say(ask, session, script))[0] == 204
        return session

    return start


async def say(ask, session: dict, script: str, route: str = "prompt_async"):
    body = {"parts": [{"type": "text", "text": f"Please. @@{script}"}]}
    return await ask("POST", f"/session/{session['id']}/{route}", body)


async def waiting(ask, path: str) -> list:
    """What GET `path` lists, as soon as it lists anything."""
    async with asyncio.timeout(PATIENCE):
        while not (listed := (await ask("GET", path))[1]):
            pass
    return listed


def statuses(listener, session: dict) -> list[str]:
    """What the global stream sent of the session's end and errors."""
    found = []
    for event in listener.events:
        payload = event["payload"]
        properties = payload.get("properties", {})
        if properties.get("sessionID") == session["id"]:
            found += {
                "session.status": lambda one: [one["status"]["type"]],
                "session.idle": lambda _: ["session.idle"],
                "session.error": lambda one: [one["error"]["name"]],
            }.get(payload["type"], lambda _: [])(properties)
    return [one for one in found if one != "busy"]


async def test_a_prompt_is_answered_on_the_stream_and_in_the_messages(listen, prompt, ask, ticking) -> None:
    listener = await listen()
    session = await prompt('[{"op": "text", "n": 30, "word": "w"}]')
    await listener.until(lambda: "session.idle" in listener.types)
    deltas = [
        event["payload"] for event in listener.events if event["payload"]["type"] == "message.part.delta"
    ]
    text = "".join(one["properties"]["delta"] for one in deltas)
    _, (_, answer) = await ask("GET", f"/session/{session['id']}/message")
    assert [part["text"] for part in answer["parts"] if part["type"] == "text"] == [text]
    assert text.startswith("w0 w1 ")
    assert len(deltas) == 30


async def test_a_message_waits_for_its_answer(ask, ticking) -> None:
    _, session = await ask("POST", "/session", {})
    status, answer = await say(ask, session, '[{"op": "text", "n": 3, "word": "w"}]', "message")
    assert (status, answer["info"]["finish"]) == (200, "stop")
    assert [part["text"] for part in answer["parts"] if part["type"] == "text"] == ["w0 w1 w2 "]


@pytest.mark.parametrize("route", ["message", "prompt_async"])
async def test_prompts_that_are_refused(ask, route: str) -> None:
    _, session = await ask("POST", "/session", {})
    status, error = await say(ask, session, "[", route)
    assert (status, error["name"]) == (400, "BadRequest")
    assert "no JSON" in error["data"]["message"]
    assert (await ask("POST", f"/session/{session['id']}/{route}", {}))[0] == 400
    assert (await ask("POST", f"/session/ses_x/{route}", {"parts": []}))[0] == 404


async def test_a_refusal_with_a_message_goes_to_the_model(listen, prompt, ask, ticking) -> None:
    listener = await listen()
    session = await prompt(ASKING)
    (asked,) = await waiting(ask, "/permission")
    await ask("POST", f"/permission/{asked['id']}/reply", {"reply": "reject", "message": "use ls"})
    await listener.until(lambda: "session.idle" in listener.types)
    assert b"with the following feedback: use ls" in listener.raw
    assert statuses(listener, session) == PAIR, "the turn went on"


async def test_disposal_ends_the_streams_of_the_instance_properly(listen, prompt, ask, clock) -> None:
    everything, own = await listen("/global/event"), await listen(f"/event?directory={D}")
    other = await listen("/event?directory=/code/other")
    await clock.advance(0.1)
    session = await prompt(LONG)
    await clock.advance(1)
    assert await ask("POST", "/instance/dispose") == (200, True)
    assert await own.end() == "EOF"
    assert own.types[-1] == "server.instance.disposed"
    await everything.until(lambda: "server.instance.disposed" in everything.types)
    assert statuses(everything, session) == ["MessageAbortedError", *PAIR, *PAIR]
    assert (everything.ended, other.ended) == (None, None)
    assert (await ask("GET", "/session/status"))[1] == {}


async def test_death_in_the_middle_of_a_turn(listen, prompt, ask, server, clock) -> None:
    listener = await listen()
    await clock.advance(0.1)
    streaming, asking = await prompt(LONG), await prompt(ASKING)
    await clock.advance(2)
    assert len((await ask("GET", "/permission"))[1]) == 1
    await server.cut()
    assert await listener.end() == "ClientPayloadError"
    assert "session.idle" not in listener.types
    await server.start()
    for path, nothing in (("/session/status", {}), ("/permission", []), ("/question", [])):
        assert await ask("GET", path) == (200, nothing)
    _, (last,) = await ask("GET", f"/session/{streaming['id']}/message?limit=1")
    assert "completed" not in last["info"]["time"]
    _, (last,) = await ask("GET", f"/session/{asking['id']}/message?limit=1")
    assert [part["state"]["status"] for part in last["parts"] if part["type"] == "tool"] == ["running"]
    await clock.advance(120)
    assert (await ask("GET", "/session/status"))[1] == {}
    assert (await say(ask, streaming, '[{"op": "text", "n": 1}]'))[0] == 204, "it can be prompted again"
    await clock.advance(5)
    _, (last,) = await ask("GET", f"/session/{streaming['id']}/message?limit=1")
    assert last["info"]["finish"] == "stop"


async def test_a_client_that_waits_for_an_answer_is_cut_off_too(ask, server, clock) -> None:
    _, session = await ask("POST", "/session", {})
    waits = asyncio.ensure_future(say(ask, session, LONG, "message"))
    async with asyncio.timeout(PATIENCE):
        while session["id"] not in server.process.state.statuses:
            await clock.advance(0.1)
    await server.cut()
    with pytest.raises(aiohttp.ClientError):
        await waits


async def test_the_api_document_names_the_routes_that_there_are(server, ask, http) -> None:
    status, document = await ask("GET", "/doc")
    assert (status, document["openapi"], document["info"]["title"]) == (200, "3.1.0", "opencode")
    for path, methods in document["paths"].items():
        for method in methods:
            if path.endswith("/event"):
                continue
            url = server.url + path.replace("{sessionID}", "ses_x").replace("{requestID}", "per_x")
            async with http.request(method, url.replace("{permissionID}", "per_x"), json={}) as response:
                assert (response.status, response.content_type) != (404, "text/html")
                assert response.content_type == "application/json", (method, path)
                json.loads(await response.text())
