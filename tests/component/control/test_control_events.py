"""The journal as Server-Sent Events, over real HTTP."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from waiting import PATIENCE, eventually

from .conftest import Stage


class Listener:
    """Reads one stream, event by event; comments are kept apart."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.comments: list[str] = []

    async def line(self) -> str:
        octets = await asyncio.wait_for(self.response.content.readline(), PATIENCE)
        return octets.decode()

    async def next(self) -> dict[str, Any]:
        """The next event; AssertionError if the stream ends."""
        while True:
            line = await self.line()
            assert line, "the stream has ended"
            if line.startswith(":"):
                self.comments.append(line.strip())
            elif line.startswith("data: "):
                assert await self.line() == "\n"
                event: dict[str, Any] = json.loads(line.removeprefix("data: "))
                return event

    async def comment(self) -> str:
        line = "\n"
        while line == "\n":
            line = await self.line()
        assert line.startswith(":"), line
        return line.strip()


@asynccontextmanager
async def _listening(stage: Stage, query: str = "") -> AsyncIterator[Listener]:
    """Returns when the stream has begun."""
    async with stage.http.get(f"{stage.control.url}/events{query}") as response:
        listener = Listener(response)
        assert (response.status, response.content_type) == (200, "text/event-stream")
        assert "from now on" in await listener.comment()
        yield listener


async def test_a_push_is_received_at_apns_and_on_the_phone(stage: Stage) -> None:
    token = await stage.token()
    async with _listening(stage, "?what=shown") as phone, _listening(stage, "?where=apns&what=push") as apns:
        sent = await stage.push("Hello", token=token)
        shown, push = await phone.next(), await apns.next()
    assert set(shown) == {"at", "where", "what", "detail"}
    assert (shown["where"], shown["detail"]["title"]) == ("phone", "Hello")
    assert (push["detail"]["apns_id"], push["detail"]["status"]) == (sent.notification_id, 200)
    [written] = (await stage.get("/journal", params={"what": "shown"}))["entries"]
    assert written == shown


async def test_what_json_has_no_word_for_is_text(stage: Stage) -> None:
    async with _listening(stage) as listener:
        stage.journal.record("world", "odd", thing=ValueError("x"))
        assert (await listener.next())["detail"] == {"thing": "x"}
    [entry] = (await stage.get("/journal", params={"what": "odd"}))["entries"]
    assert entry["detail"] == {"thing": "x"}


async def test_the_stream_of_a_reader_that_goes_is_closed(stage: Stage) -> None:
    async with _listening(stage):
        assert stage.lab.feed.readers == 1
    await eventually(lambda: stage.lab.feed.readers == 0)


async def test_open_streams_end_with_the_lab_and_do_not_hold_up_its_end(stage: Stage) -> None:
    async with _listening(stage) as listener:
        began = time.monotonic()
        await stage.lab.close()
        await stage.control.close()
        assert time.monotonic() - began < 1
        assert await listener.response.content.read() in (b"", b"\n")


async def test_thirty_readers_receive_everything(stage: Stage) -> None:
    async def receive() -> int:
        async with _listening(stage, "?where=world") as listener:
            ready.append(listener)
            return sum([(await listener.next())["detail"]["number"] for _ in range(50)])

    ready: list[Listener] = []
    readers = [asyncio.create_task(receive()) for _ in range(30)]
    await eventually(lambda: len(ready) == 30)
    for number in range(50):
        stage.journal.record("world", "count", number=number)
    assert await asyncio.gather(*readers) == [sum(range(50))] * 30
