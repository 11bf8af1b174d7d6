"""Recordings played over real sockets, in virtual time."""

import asyncio
import math

import pytest

from simulator.opencode.ids import renamed
from simulator.scenario import load, recorded_events, scenarios

KILLED = [name for name in scenarios() if load(name).recording.killed_at is not None]


def without_own(events: list[dict]) -> list[dict]:
    own = {"server.connected", "server.heartbeat"}
    return [event for event in events if event.get("payload", event)["type"] not in own]


@pytest.mark.parametrize("name", scenarios())
async def test_both_streams_carry_what_was_recorded(player, listen, ticking, name: str) -> None:
    wrapped, bare = await listen("/global/event"), await listen("/event?directory=/code/demo")
    recording = load(name).recording
    played = await player.play(recording, retime=False)
    assert played.events == len(recording.events)
    await wrapped.until(lambda: len(without_own(wrapped.events)) == played.events)
    assert without_own(wrapped.events) == [line.event for line in recording.events]
    if not recording.actions:  # only /global/event was recorded
        return
    recorded = [line.event for line in recorded_events(name, "event")]
    await bare.until(lambda: len(without_own(bare.events)) == len(recorded))
    assert without_own(bare.events) == recorded


async def test_events_come_at_their_recorded_times(player, listen, clock, server) -> None:
    listener = await listen()
    recording = load("c_error_400").recording
    playing = asyncio.create_task(player.play(recording, retime=False))
    await asyncio.sleep(0)
    await clock.advance(0.02)
    for t in (0.3, 0.43, 0.45, 0.488, 0.5):
        await clock.advance(t - (clock.now() - 1_795_226_400.02))
        due = sum(line.t <= t for line in recording.events)
        assert len(server.process.state.sequences) == (1 if due else 0)
        await listener.until(lambda due=due: len(without_own(listener.events)) == due)
    await clock.advance(1.0)
    await playing


@pytest.mark.parametrize(("speed", "seconds"), [(1.0, 3.9), (10.0, 0.39), (math.inf, 0.0)])
async def test_a_play_takes_as_long_as_it_says(
    player, listen, clock, ticking, speed: float, seconds: float
) -> None:
    await listen()
    began = clock.now()
    await player.play(load("a_text").recording, speed)
    assert clock.now() - began == pytest.approx(seconds, abs=0.15)


async def test_the_first_play_keeps_the_ids_and_the_next_has_its_own(player, listen, ticking, server) -> None:
    await listen()
    recording = load("a_reason").recording
    first, second, third = [await player.play(recording, math.inf) for _ in range(3)]
    (session_id,) = first.sessions
    assert first.sessions == {session_id: session_id}
    assert second.sessions == {session_id: renamed(session_id, 1)}
    assert third.sessions == {session_id: renamed(session_id, 2)}
    assert (first.number, second.number, third.number) == (0, 1, 2)
    assert len(server.process.state.sessions) == 3
    messages = [server.process.state.message_list(one) for one in server.process.state.sessions]
    assert [len(one) for one in messages] == [2, 2, 2]


@pytest.mark.parametrize("name", KILLED)
async def test_a_killed_server_cuts_its_streams_and_comes_back_without_memory(
    player, listen, ticking, server, ask, journal, name: str
) -> None:
    listener, port = await listen(), server.port
    played = await player.play(load(name).recording)
    assert await listener.end() == "ClientPayloadError"
    assert len(without_own(listener.events)) == played.events
    assert "session.idle" not in listener.types
    assert server.port == port
    assert await ask("GET", "/session/status") == (200, {})
    (session_id,) = played.sessions
    _, (message,) = await ask("GET", f"/session/{session_id}/message?limit=1")
    assert "completed" not in message["info"]["time"]
    lives = [entry for entry in journal.entries("opencode") if entry.what in {"started", "cut"}]
    assert [entry.what for entry in lives] == ["started", "cut", "started"]
    assert lives[2].at - lives[1].at == pytest.approx(1.0, abs=0.06)


async def test_it_shows_it_before_anybody_listens(player, ask) -> None:
    """A bridge takes its snapshot as soon as it has connected."""
    playing = asyncio.create_task(player.play(load("i_after_restart").recording))
    await asyncio.sleep(0)
    _, (info,) = await ask("GET", "/session")
    assert info["title"] == "pending at kill"
    playing.cancel()


async def test_plays_are_in_the_journal(player, listen, ticking, journal) -> None:
    await listen()
    await player.play(load("e_abort").recording, math.inf)
    began, ended = (entry for entry in journal.entries("opencode") if entry.what.startswith("play"))
    assert (began.what, began.detail) == ("play began", {"recording": "e_abort", "play": 0})
    assert ended.detail["events"] == len(load("e_abort").recording.events)


async def test_two_recordings_at_once(player, listen, ticking, server) -> None:
    listener = await listen()
    one, other = await asyncio.gather(
        player.play(load("a_reason").recording), player.play(load("c_finish_length").recording)
    )
    await listener.until(lambda: len(without_own(listener.events)) == one.events + other.events)
    assert server.process.state.statuses == {}
    assert len(server.process.state.sessions) == 2


@pytest.mark.parametrize("reply", ["once", "reject"])
async def test_what_a_person_answers_is_sent_once(player, listen, clock, ask, reply: str) -> None:
    listener = await listen()
    playing = asyncio.create_task(player.play(load("b_permission_once").recording))
    await asyncio.sleep(0)
    await clock.advance(1.2)
    _, (asked,) = await ask("GET", "/permission")
    await ask("POST", f"/permission/{asked['id']}/reply", {"reply": reply})
    await clock.advance(3.0)
    played = await playing
    if reply == "once":
        await listener.until(lambda: len(without_own(listener.events)) == played.events + 1)
    else:
        await listener.until(lambda: "session.idle" in listener.types)
        assert listener.types[-3:] == ["permission.replied", "session.status", "session.idle"]
    assert [listener.types.count(kind) for kind in ("permission.replied", "session.idle")] == [1, 1]
