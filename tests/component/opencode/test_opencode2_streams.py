"""GET /api/event of OpenCode 2 over a real socket."""

import asyncio
import json

import pytest

from component.opencode.conftest import PASSWORD, credentials
from simulator.opencode.v2.server import OpenCode2Server
from simulator.opencode.v2.streams import HEARTBEAT_EVERY
from simulator.opencode.v2.wire import delta_of
from waiting import PATIENCE

DEMO = "/code/demo"


def create(server: OpenCode2Server, **body) -> str:
    return server.api.create({"location": {"directory": DEMO}, **body})["id"]


async def test_it_begins_with_server_connected_and_a_heartbeat(listen2, server2) -> None:
    stream = await listen2(server2)
    assert stream.raw.endswith(b"\n\n: heartbeat\n\n")
    (first,) = stream.events
    assert set(first) == {"id", "type", "data"}
    assert (first["type"], first["data"]) == ("server.connected", {})


async def test_the_headers_are_the_recorded_ones(listen2, server2) -> None:
    headers = (await listen2(server2)).headers
    assert len(headers.pop("Date")) == 29
    assert headers == {
        "Content-Type": "text/event-stream",
        "Cache-Control": "no-cache, no-transform",
        "x-accel-buffering": "no",
        "X-Content-Type-Options": "nosniff",
        "Vary": "Origin",
        "Transfer-Encoding": "chunked",
    }


async def test_a_heartbeat_comes_every_fifteen_seconds(listen2, server2, clock) -> None:
    stream = await listen2(server2)
    await clock.advance(HEARTBEAT_EVERY - 0.01)
    assert stream.heartbeats == 1
    await clock.advance(0.01)
    await stream.until(lambda: stream.heartbeats == 2)
    await clock.advance(HEARTBEAT_EVERY)
    await stream.until(lambda: stream.heartbeats == 3)


async def test_nothing_is_lost_from_the_first_byte_on(listen2, server2) -> None:
    """Generation 1 is deaf for milliseconds after server.connected; this one has subscribed before it says so."""
    stream = await listen2(server2)
    server2.process.publish("catalog.updated", {})
    await stream.count(2)


async def test_nothing_is_played_again(listen2, server2) -> None:
    create(server2)
    stream = await listen2(server2, **{"Last-Event-ID": "evt_1"})
    assert stream.types == ["server.connected"]
    stream = await listen2(server2, "/api/event?after=0&since=0")
    assert stream.types == ["server.connected"]


async def test_all_directories_are_on_every_stream(listen2, server2) -> None:
    streams = [await listen2(server2), await listen2(server2)]
    for directory in (DEMO, "/code/other"):
        server2.api.create({"location": {"directory": directory}})
    for stream in streams:
        events = await stream.count(3)
        assert [event["location"]["directory"] for event in events[1:]] == [DEMO, "/code/other"]


async def test_the_envelope(listen2, server2, clock) -> None:
    """Numbered per session with holes; no directory on executions and on what they cost."""
    stream = await listen2(server2)
    session_id = create(server2)
    owner = {"sessionID": session_id}
    server2.process.publish("session.execution.started", owner)
    server2.process.skip(session_id, 2)
    server2.process.publish("session.usage.updated", {**owner, "cost": 0, "tokens": {}})
    server2.process.publish(
        "session.tool.success", {**owner, "assistantMessageID": "msg_1", "id": "c", "content": []}
    )
    server2.process.publish("catalog.updated", {})
    _, *events = await stream.count(6)
    shown = [(event["type"], event.get("durable"), "location" in event) for event in events]
    assert shown == [
        ("session.created", {"aggregateID": session_id, "seq": 0, "version": 1}, True),
        ("session.execution.started", {"aggregateID": session_id, "seq": 1, "version": 1}, False),
        ("session.usage.updated", None, False),
        ("session.tool.success", {"aggregateID": session_id, "seq": 4, "version": 2}, True),
        ("catalog.updated", None, True),
    ]
    assert all(event["created"] == round(clock.now() * 1000) for event in events)


async def test_words_of_a_part_wait_for_each_other_for_a_tenth_of_a_second(listen2, server2, clock) -> None:
    stream = await listen2(server2)
    part = {"sessionID": create(server2), "assistantMessageID": "msg_1", "ordinal": 0}
    word = delta_of("session.text.delta", DEMO, part)
    for text in ("one ", "two "):
        assert server2.process.apply(DEMO, [word(text)]) == []
    await clock.advance(0.1)
    await stream.count(3)
    assert stream.events[2] | {"id": "", "created": 0} == {
        "id": "",
        "created": 0,
        "type": "session.text.delta",
        "location": {"directory": DEMO},
        "data": {**part, "delta": "one two "},
    }


async def test_what_follows_the_words_does_not_overtake_them(listen2, server2) -> None:
    stream = await listen2(server2)
    session_id, other = create(server2), create(server2)
    for owner in (session_id, other):
        part = {"sessionID": owner, "assistantMessageID": "msg_1", "ordinal": 0}
        server2.process.apply(DEMO, [delta_of("session.text.delta", DEMO, part)("word")])
    server2.process.publish(
        "session.text.ended",
        {"sessionID": session_id, "assistantMessageID": "msg_1", "ordinal": 0, "text": "word"},
    )
    events = (await stream.count(5))[3:]
    assert [(event["type"], event["data"]["sessionID"]) for event in events] == [
        ("session.text.delta", session_id),
        ("session.text.ended", session_id),
    ]


async def test_a_reader_that_is_too_slow_gets_what_waited_and_a_proper_end(http, clock, journal) -> None:
    server = OpenCode2Server(clock, journal, password=PASSWORD, queue=20)
    await server.start()
    async with http.get(server.url + "/api/event", headers=credentials()) as response:
        await response.content.readany()
        for number in range(30):  # nothing is written before this loop ends
            server.process.publish("catalog.updated", {"number": number})
        async with asyncio.timeout(PATIENCE):
            body = (await response.content.read()).decode()
        sent = [json.loads(line[6:]) for line in body.splitlines() if line.startswith("data: ")]
        assert [event["data"]["number"] for event in sent] == list(range(20))
    assert server.running
    async with http.get(server.url + "/api/event", headers=credentials()) as again:
        assert again.status == 200
    await server.close()


@pytest.mark.parametrize("how", ["cut", "close"])
async def test_no_end_of_the_server_is_announced(listen2, server2, how) -> None:
    stream = await listen2(server2)
    create(server2)
    await stream.count(2)
    await getattr(server2, how)()
    assert await stream.end() == "ClientPayloadError"
    assert stream.types == ["server.connected", "session.created"]


async def test_a_stream_can_end_alone(listen2, server2) -> None:
    stream = await listen2(server2)
    server2.process.streams.deafen()
    assert await stream.end() == "ClientPayloadError"
    stream = await listen2(server2)
    server2.process.streams.end()
    assert await stream.end() == "EOF"
    await listen2(server2)


async def test_who_waits_for_a_listener_gives_up_after_a_while(server2, listen2) -> None:
    with pytest.raises(TimeoutError, match="nobody opened GET /api/event within 0"):
        await server2.process.streams.subscribed(0.0)
    stream = await listen2(server2)
    await server2.process.streams.subscribed(PATIENCE)
    assert len(server2.process.streams.subscriptions) == 1
    await stream.close()


async def test_the_log_of_a_session_has_only_its_last_number(ask2, server2) -> None:
    session_id = create(server2)
    server2.process.skip(session_id, 3)
    status, text = await ask2("GET", f"/api/experimental/session/{session_id}/log?after=0")
    assert status == 200
    synced = json.loads(text.removeprefix("data: "))
    assert synced == {"type": "log.synced", "aggregateID": session_id, "seq": 3}


async def test_whoever_follows_a_log_gets_the_numbered_events_of_that_session(listen2, server2) -> None:
    session_id, other = create(server2), create(server2)
    log = await listen2(server2, f"/api/experimental/session/{session_id}/log?follow=true")
    part = {"sessionID": session_id, "assistantMessageID": "msg_1", "ordinal": 0}
    for owner in (other, session_id):
        server2.api.rename(owner, "renamed")
    server2.process.publish("session.text.delta", {**part, "delta": "word"})
    server2.process.publish("session.text.ended", {**part, "text": "word"})
    await log.count(3)
    assert log.types == ["log.synced", "session.renamed", "session.text.ended"]
    assert server2.process.streams.subscriptions == []


async def test_a_location_announces_what_it_loads(listen2, clock, journal) -> None:
    for flavour, count in [("2.1", 77), ("beta", 71)]:
        server = OpenCode2Server(clock, journal, password=PASSWORD, flavour=flavour, model=lambda _: None)
        await server.start()
        stream = await listen2(server)
        assert server.process.boot(DEMO)
        assert not server.process.boot(DEMO)
        await clock.advance(0.25)
        await stream.count(1 + count)
        assert {event["location"]["directory"] for event in stream.events[1:]} == {DEMO}
        await server.close()
