"""Recordings of generation 2 played over real sockets, in virtual time."""

import asyncio
import json
import math
from dataclasses import replace

import aiohttp
import pytest

from simulator.opencode.ids import renamed
from simulator.opencode.v2.player import Player
from simulator.opencode.v2.server import OpenCode2Server
from simulator.scenario import load, scenarios
from waiting import eventually

PASSWORD = "secret"
STOPPED = [name for name in scenarios(2) if load(name).recording.killed_at is not None]
RESUMED = [name for name in STOPPED if "sigkill" not in name and "idle" not in name]


@pytest.fixture
async def server(clock, journal):
    server = OpenCode2Server(clock, journal, password=PASSWORD, managed=False)
    await server.start()
    yield server
    await server.close()


@pytest.fixture
def player(server, clock, journal) -> Player:
    return Player(server, clock, journal)


@pytest.fixture
async def http():
    headers = {"Authorization": aiohttp.encode_basic_auth("opencode", PASSWORD)}
    async with aiohttp.ClientSession(headers=headers) as session:
        yield session


def happened(listener) -> list[dict]:
    """The events of a stream, without its own first one and the comments."""
    blocks = [block for block in listener.raw.split(b"\n\n") if block.startswith(b"data: ")]
    return [json.loads(block.removeprefix(b"data: ")) for block in blocks][1:]


async def until(listener, count: int) -> None:
    await listener.until(lambda: len(happened(listener)) >= count)


@pytest.mark.parametrize("name", [name for name in scenarios(2) if name not in STOPPED])
async def test_the_stream_carries_what_was_recorded(player, listen, ticking, name: str) -> None:
    listener = await listen("/api/event")
    recording = load(name).recording
    played = await player.play(recording, 10.0, retime=False)
    assert played.events == len(recording.events)
    await until(listener, played.events)
    assert happened(listener) == [line.event for line in recording.events]


@pytest.mark.parametrize("name", STOPPED)
async def test_a_server_that_is_stopped_comes_back_and_waits_for_who_listened(
    player, listen, clock, ticking, server, name: str
) -> None:
    """Its stream ends with no farewell; the next one is told what happened from there on."""
    recording, port, pid = load(name).recording, server.port, server.pid
    before = await listen("/api/event")
    playing = asyncio.create_task(player.play(recording, 10.0, retime=False))
    assert await before.end() == "ClientPayloadError"
    assert happened(before) == [line.event for line in recording.events]
    await until_up(server)
    again = await listen("/api/event")
    played = await playing
    await until(again, len(recording.restart.events))
    assert happened(again) == [line.event for line in recording.restart.events]
    assert played.events == len(recording.events) + len(recording.restart.events)
    assert (server.port, server.pid) == (port, pid + 1)


async def until_up(server) -> None:
    await eventually(lambda: server.running)


@pytest.mark.parametrize("name", STOPPED)
async def test_what_runs_after_the_restart_runs_before_anybody_listens(
    player, listen, ticking, server, ask, name: str
) -> None:
    first = await listen("/api/event")
    playing = asyncio.create_task(player.play(load(name).recording, 10.0))
    await first.end()
    await until_up(server)
    _, active = await ask("GET", "/api/session/active")
    assert len(active["data"]) == (name in RESUMED)
    session_id = next(iter(server.process.state.sessions))
    _, found = await ask("GET", f"/api/session/{session_id}/permission")
    assert found["data"] == []
    playing.cancel()


async def test_how_a_turn_ends_by_an_orderly_stop_is_stored_and_by_a_kill_is_not(
    player, listen, ticking, server, ask
) -> None:
    newest = {}
    for name in ("opencode2/i_sigterm_while_streaming", "opencode2/i_sigkill_while_streaming"):
        first = await listen("/api/event")
        playing = asyncio.create_task(player.play(load(name).recording, 10.0))
        await first.end()
        await until_up(server)
        session_id = list(server.process.state.sessions)[-1]
        _, found = await ask("GET", f"/api/session/{session_id}/message?limit=1")
        newest[name] = found["data"][0]
        playing.cancel()
    stopped, killed = newest.values()
    assert (stopped["error"]["type"], "completed" in stopped["time"]) == ("aborted", True)
    assert ("error" in killed, "completed" in killed["time"]) == (False, False)


async def test_a_listener_that_does_not_come_back_is_missed(player, listen, ticking) -> None:
    await listen("/api/event")
    with pytest.raises(TimeoutError, match=r"nobody opened GET /api/event within 0\.2 s"):
        await player.play(load(STOPPED[0]).recording, math.inf, subscribed_within=0.2)


async def test_the_folders_of_a_recording_are_loaded_while_it_is_played(player, listen, ticking, ask) -> None:
    await listen("/api/event")
    await player.play(load("opencode2/f_two_directories").recording, math.inf)
    _, loaded = await ask("GET", "/api/debug/location")
    assert [one["directory"] for one in loaded] == ["/code/demo", "/code/other"]


@pytest.mark.parametrize(
    ("name", "seconds"), [("a_text", 1.58), ("j_heartbeat", 45.0), ("i_sigterm_idle", 16.34)]
)
@pytest.mark.parametrize("speed", [1.0, 10.0])
async def test_a_play_takes_as_long_as_it_was_recorded(
    player, listen, server, clock, ticking, name: str, seconds: float, speed: float
) -> None:
    await listen("/api/event")
    began = clock.now()
    playing = asyncio.create_task(player.play(load(f"opencode2/{name}").recording, speed))
    while not playing.done():
        if not server.process.streams.subscriptions and server.running:
            await listen("/api/event")
        await asyncio.sleep(0)
    assert clock.now() - began == pytest.approx(seconds / speed, abs=1.0)


async def test_the_first_play_keeps_the_ids_and_the_next_has_its_own(player, listen, ticking, server) -> None:
    await listen("/api/event")
    recording = load("opencode2/b_permission_once").recording
    first, second = [await player.play(recording, math.inf) for _ in range(2)]
    (session_id,) = first.sessions
    assert first.sessions == {session_id: session_id}
    assert second.sessions == {session_id: renamed(session_id, 1)}
    transcripts = [server.process.state.newest_messages(one) for one in server.process.state.sessions]
    assert [len(one) for one in transcripts] == [4, 4]
    assert server.process.state.permissions == {}


async def test_what_a_person_answers_is_sent_once(player, listen, clock, ask) -> None:
    """The recorded answer comes too late then."""
    listener = await listen("/api/event")
    playing = asyncio.create_task(player.play(load("opencode2/h_form_answered").recording))
    await asyncio.sleep(0)
    await clock.advance(1.0)
    _, asked = await ask("GET", "/api/form?location[directory]=/code/demo")
    (form,) = asked["data"]
    path = f"/api/session/{form['sessionID']}/form/{form['id']}/reply"
    await ask("POST", path, {"answer": {"q0": "Red"}})
    await clock.advance(3.0)
    await playing
    await listener.until(lambda: b"session.execution.succeeded" in listener.raw)
    replies = [one for one in happened(listener) if one["type"] == "form.replied"]
    assert [one["data"]["answer"] for one in replies] == [{"q0": "Red"}]


async def test_what_the_server_knew_from_before_is_there_before_anybody_listens(player, ask) -> None:
    """A bridge takes its snapshot as soon as it has connected."""
    recording = load("opencode2/a_text").recording
    older = replace(recording, events=recording.events[-1:])
    playing = asyncio.create_task(player.play(older))
    await asyncio.sleep(0)
    _, found = await ask("GET", "/api/session")
    assert [info["title"] for info in found["data"]] == ["plain text"]
    playing.cancel()
