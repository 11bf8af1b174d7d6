"""The event streams over a real socket."""

import asyncio

import pytest

from simulator.opencode.v1.effects import Effect
from simulator.opencode.v1.replay import replay
from simulator.opencode.v1.streams import HEARTBEAT_EVERY
from simulator.scenario import load
from waiting import PATIENCE

D = "/code/demo"
PAST_THE_ATTACH_WINDOW = 0.021


def idle(session_id: str = "ses_1") -> Effect:
    return Effect((("session.idle", {"sessionID": session_id}),))


async def test_the_first_event_is_server_connected(listen) -> None:
    (first,) = (await listen("/global/event")).events
    assert first == {"payload": {"id": first["payload"]["id"], "type": "server.connected", "properties": {}}}
    (first,) = (await listen("/event")).events
    assert first == {"id": first["id"], "type": "server.connected", "properties": {}}


async def test_the_headers_are_the_recorded_ones(listen) -> None:
    headers = (await listen("/global/event")).headers
    assert len(headers.pop("Date")) == 29
    assert headers == {
        "Cache-Control": "no-cache, no-transform",
        "X-Content-Type-Options": "nosniff",
        "Content-Type": "text/event-stream",
        "Vary": "Origin",
        "x-accel-buffering": "no",
        "Transfer-Encoding": "chunked",
    }


async def test_the_global_stream_loses_events_at_first(listen, server, clock) -> None:
    """OpenCode 1.18.33 attaches its listener milliseconds after server.connected; events in between are lost."""
    both = [await listen("/global/event"), await listen("/event")]
    server.process.act(D, idle("ses_lost"))
    await clock.advance(PAST_THE_ATTACH_WINDOW)
    server.process.act(D, idle("ses_kept"))
    await both[0].count(2)
    await both[1].count(3)
    assert [event["payload"]["properties"].get("sessionID") for event in both[0].events] == [
        None,
        "ses_kept",
    ]
    assert [event["properties"].get("sessionID") for event in both[1].events] == [
        None,
        "ses_lost",
        "ses_kept",
    ]


async def test_event_is_of_one_directory(listen, server, clock) -> None:
    one, other, header = (
        await listen("/event?directory=/code/one/"),
        await listen("/event?directory=%2Fcode%2Fother"),
        await listen("/event", headers={"x-opencode-directory": "%2Fcode%2Fone"}),
    )
    everything = await listen("/global/event")
    await clock.advance(PAST_THE_ATTACH_WINDOW)
    server.process.act("/code/one", idle("ses_1"))
    server.process.act("/code/other", idle("ses_2"))
    for listener, session_id in ((one, "ses_1"), (other, "ses_2"), (header, "ses_1")):
        await listener.count(2)
        assert [event["properties"]["sessionID"] for event in listener.events[1:]] == [session_id]
    await everything.count(3)
    assert [event["directory"] for event in everything.events[1:]] == ["/code/one", "/code/other"]


async def test_durable_events_have_a_twin_on_the_global_stream_only(listen, ask, clock) -> None:
    both = [await listen("/global/event"), await listen("/event")]
    await clock.advance(PAST_THE_ATTACH_WINDOW)
    _, info = await ask("POST", "/session", {"title": "mine"})
    await both[0].count(3)
    await both[1].count(2)
    created, twin = (event["payload"] for event in both[0].events[1:])
    assert both[1].events[1] == created
    assert created["properties"]["info"] == info
    assert twin == {
        "type": "sync",
        "syncEvent": {
            "id": created["id"],
            "type": "session.created.1",
            "seq": 0,
            "aggregateID": info["id"],
            "data": created["properties"],
        },
        "id": created["id"],
    }


async def test_events_due_at_once_arrive_as_one_chunk(listen, server, clock) -> None:
    listener = await listen()
    await clock.advance(PAST_THE_ATTACH_WINDOW)
    seen = len(listener.raw)
    frames = [cue.due for cue in replay(load("c_error_400").recording, 0, 1.0).cues]
    server.process.publish(frames)
    await listener.until(lambda: len(listener.raw) > seen)
    assert len(listener.events) == 1 + len(frames)


async def test_a_stalled_reader_loses_nothing(server, clock) -> None:
    """The server buffers without limit: bytes wait in it until the reader reads."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=2**16)
    writer.write(b"GET /global/event HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"server.connected")
    await clock.advance(PAST_THE_ATTACH_WINDOW)
    frames = [cue.due for cue in replay(load("g_child_session").recording, 0, 1.0).cues]
    for _ in range(100):
        server.process.publish(frames)
        await asyncio.sleep(0)
    server.process.act(D, idle("ses_the_last"))
    body = b""
    async with asyncio.timeout(PATIENCE):
        while b"ses_the_last" not in body:
            body += await reader.read(2**20)
    assert body.count(b"data: ") == 100 * len(frames) + 1
    writer.close()


async def test_a_listener_that_leaves_is_forgotten(listen, server, journal, happened) -> None:
    listener = await listen()
    assert len(server.process.streams.global_subscriptions) == 1
    await listener.close()
    await happened("stream ended")
    assert not server.process.streams.global_subscriptions
    assert [entry.what for entry in journal.entries("opencode") if "stream" in entry.what] == [
        "stream opened",
        "stream ended",
    ]


async def test_waiting_for_a_listener(listen, server, clock, ticking) -> None:
    waiting = asyncio.create_task(server.process.streams.subscribed(5.0))
    await asyncio.sleep(0)
    assert not waiting.done()
    await listen("/event")
    await listen("/global/event")
    async with asyncio.timeout(PATIENCE):
        await waiting


async def test_nobody_listens(server) -> None:
    with pytest.raises(TimeoutError, match=r"nobody opened GET /global/event within 0\.01 s"):
        await server.process.streams.subscribed(0.01)


@pytest.mark.parametrize("traffic", [False, True])
async def test_a_heartbeat_every_ten_seconds(listen, server, clock, traffic: bool) -> None:
    both = [await listen("/global/event"), await listen("/event")]
    await clock.advance(HEARTBEAT_EVERY - 0.001)
    assert [listener.types for listener in both] == [["server.connected"]] * 2
    for beats in (1, 2, 3):
        await clock.advance(HEARTBEAT_EVERY / 2)
        if traffic:
            server.process.act(D, idle())
        await clock.advance(HEARTBEAT_EVERY / 2)
        for listener in both:
            await listener.count(1 + beats * (1 + traffic))
    assert [one.types.count("server.heartbeat") for one in both] == [3, 3]
    beat = next(event for event in both[1].events if event["type"] == "server.heartbeat")
    assert set(both[0].events[1]) == {"payload"}
    assert set(beat) == {"id", "type", "properties"}
