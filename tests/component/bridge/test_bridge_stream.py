"""The event stream over real sockets: it reads everything, notices silence, and always comes back."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from component.bridge.fake_opencode import FakeOpenCode, hang
from relay.backoff import Backoff
from relay.bridge.address import Address, address
from relay.bridge.errors import NotFound, NotOpenCode, Refused, Unreachable
from relay.bridge.sources.opencode1.client import OpenCode
from relay.bridge.sources.opencode1.source import event_stream
from relay.bridge.sources.opencode1.wire import Event
from waiting import eventually


class Reader:
    """Collects what a stream of events yields; its pauses are recorded instead of slept."""

    def __init__(self, opencode: OpenCode, read_deadline: float = 30.0) -> None:
        self.events: list[Event] = []
        self.pauses: list[float] = []
        self.stream = event_stream(
            opencode,
            read_deadline,
            backoff=Backoff(first=1.0, cap=8.0),
            sleep=self._pause,
            random=lambda: 1.0,
        )

    def types(self) -> list[str]:
        return [event.type for event in self.events]

    async def run(self) -> None:
        async for event in self.stream.events():
            self.events.append(event)

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0.005)


@pytest.fixture
async def reading() -> AsyncIterator[Callable[[Reader], Reader]]:
    tasks: list[asyncio.Task[None]] = []

    def start(reader: Reader) -> Reader:
        tasks.append(asyncio.create_task(reader.run()))
        return reader

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def reader(
    fake_opencode: FakeOpenCode, opencode: OpenCode, reading: Callable[[Reader], Reader]
) -> Reader:
    """It is connected."""
    reader = reading(Reader(opencode))
    await eventually(lambda: fake_opencode.streams)
    return reader


async def test_events_come_in_order_without_sync_twins_and_bad_lines(
    fake_opencode: FakeOpenCode, reader: Reader
) -> None:
    fake_opencode.say("one")
    fake_opencode.send(b'data: {"payload":{"type":"sync","syncEvent":{}}}\n\n')
    fake_opencode.send(b": heartbeat\n\ndata: {broken\n\ndata: 7\n\n")
    for byte in 'data: {"payload":{"type":"täst🙂","properties":{"sessionID":"ses_é"}}}\n\n'.encode():
        fake_opencode.send(bytes([byte]))
    fake_opencode.say("message.part.updated", text="ü" * 1_000_000)
    await eventually(lambda: len(reader.events) == 4)
    assert reader.types() == ["server.connected", "one", "täst🙂", "message.part.updated"]
    assert json.loads(bytes(reader.events[2].properties)) == {"sessionID": "ses_é"}
    assert len(bytes(reader.events[3].properties)) > 1_000_000


async def test_it_reconnects_after_the_end_of_the_stream(
    fake_opencode: FakeOpenCode, opencode: OpenCode, reading: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "relay.bridge")
    reader = reading(Reader(opencode))
    for round_ in range(3):
        await eventually(lambda: fake_opencode.streams)
        fake_opencode.say(f"event {round_}")
        await eventually(lambda: f"event {round_}" in reader.types())  # noqa: B023  waited for within the round
        fake_opencode.cut()
        await eventually(lambda: not fake_opencode.streams)
    await eventually(lambda: fake_opencode.connections == 4)
    assert reader.pauses == [1.0] * 3  # every connection that brought something starts the backoff afresh
    assert caplog.text.count(f"connected url={fake_opencode.url} version=1.18.33") >= 3
    assert "ended the stream of events" in caplog.text


async def test_it_reconnects_after_silence(
    fake_opencode: FakeOpenCode, opencode: OpenCode, reading: Any, caplog: pytest.LogCaptureFixture
) -> None:
    reader = reading(Reader(opencode, read_deadline=0.1))
    await eventually(lambda: fake_opencode.connections >= 3)
    assert reader.types()[:2] == ["server.connected"] * 2
    assert "/global/event is silent" in caplog.text


async def test_heartbeats_keep_the_connection(
    fake_opencode: FakeOpenCode, opencode: OpenCode, reading: Any
) -> None:
    reader = reading(Reader(opencode, read_deadline=1.0))
    await eventually(lambda: fake_opencode.streams)
    for _ in range(30):
        fake_opencode.send(b": heartbeat\n\n")  # bytes count, even if they are no event
        await asyncio.sleep(0.05)
    assert fake_opencode.connections == 1
    assert reader.pauses == []


async def test_it_waits_longer_and_longer_while_opencode_is_away(
    fake_opencode: FakeOpenCode, reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    await fake_opencode.stop()
    await eventually(lambda: len(reader.pauses) >= 6)
    await fake_opencode.start()
    await eventually(lambda: fake_opencode.connections == 2)
    await eventually(lambda: len(reader.events) == 2)
    assert reader.pauses[:6] == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    assert f'disconnected url={fake_opencode.url} reason="{fake_opencode.url} does not answer' in caplog.text
    warned = [record for record in caplog.records if record.levelname == "WARNING"]
    assert len(warned) < len(reader.pauses)  # not again and again all night


async def test_a_stream_that_is_refused_is_tried_again(
    fake_opencode: FakeOpenCode, opencode: OpenCode, reading: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse(_: web.Request) -> web.StreamResponse:
        return web.Response(text="<html>", content_type="text/html")

    fake_opencode.broken["event"] = refuse
    reader = reading(Reader(opencode))
    await eventually(lambda: len(reader.pauses) >= 2)
    assert "text/html instead of text/event-stream" in caplog.text
    fake_opencode.broken.clear()
    await eventually(lambda: reader.types() == ["server.connected"])


async def test_a_stream_cut_in_the_middle_of_a_line_loses_only_that_line(
    fake_opencode: FakeOpenCode, reader: Reader
) -> None:
    fake_opencode.send(b'data: {"payload":{"type":"half')
    fake_opencode.cut()
    await eventually(lambda: fake_opencode.connections == 2 and fake_opencode.streams)
    fake_opencode.say("whole")
    await eventually(lambda: "whole" in reader.types())
    assert reader.types() == ["server.connected", "server.connected", "whole"]


class TestRest:
    async def test_ids_cannot_leave_their_place_in_the_path(
        self, fake_opencode: FakeOpenCode, opencode: OpenCode
    ) -> None:
        with pytest.raises(NotFound):
            await opencode.session("../global/health?x=")
        assert fake_opencode.asked == ["/session/../global/health?x="]

    @pytest.mark.parametrize(
        ("status", "text", "kind", "error", "words"),
        [
            (200, "<html>", "text/html", NotOpenCode, "text/html instead"),
            (200, "{", "application/json", NotOpenCode, "unexpected"),
            (200, "[]", "application/json", NotOpenCode, "unexpected"),
            (403, "", "text/plain", Refused, "403"),
            (404, "", "text/plain", NotFound, "404"),
            (302, "", "text/plain", Unreachable, "answered 302"),
            (500, "", "text/plain", Unreachable, "answered 500"),
        ],
    )
    async def test_other_answers(
        self, fake_opencode: FakeOpenCode, opencode: OpenCode, status: int, text: str, kind: str,
        error: type[Exception], words: str,
    ) -> None:  # fmt: skip
        async def answer(_: web.Request) -> web.StreamResponse:
            return web.Response(status=status, text=text, content_type=kind, headers={"Location": "/"})

        fake_opencode.broken["health"] = answer
        with pytest.raises(error, match=words):
            await opencode.health()

    async def test_silence_and_absence_are_unreachable(
        self, fake_opencode: FakeOpenCode, http: aiohttp.ClientSession, opencode: OpenCode
    ) -> None:
        fake_opencode.broken["health"] = hang
        with pytest.raises(Unreachable, match="/global/health is silent"):
            await OpenCode(http, address(fake_opencode.url), deadline=0.05).health()
        await fake_opencode.stop()
        with pytest.raises(Unreachable, match="does not answer"):
            await opencode.health()
        with pytest.raises(Unreachable, match="does not answer"):
            await OpenCode(http, Address("http://host.invalid", "opencode", None)).health()
