"""The journal as a stream: nothing missed, nothing unbounded, an end."""

import asyncio

from simulator.clock import VirtualClock
from simulator.journal import Entry, Journal
from simulator.lab.feed import BEHIND, HEARTBEAT, HELLO, Feed


def _word(entry: Entry) -> bytes | None:
    return None if entry.what == "hidden" else entry.what.encode()


def _journal() -> Journal:
    return Journal(VirtualClock())


async def test_entries_come_as_they_are_written() -> None:
    journal = _journal()
    stream = Feed(journal).stream(_word)
    assert await anext(stream) == HELLO
    journal.record("apns", "one")
    journal.record("apns", "hidden")
    journal.record("phone", "two")
    assert [await anext(stream), await anext(stream)] == [b"one", b"two"]


async def test_without_entries_there_are_signs_of_life() -> None:
    stream = Feed(_journal(), heartbeat=0.001).stream(_word)
    assert [await anext(stream) for _ in range(3)] == [HELLO, HEARTBEAT, HEARTBEAT]


async def test_close_ends_every_stream_after_what_was_written() -> None:
    journal = _journal()
    feed = Feed(journal)
    streams = [feed.stream(_word), feed.stream(_word)]
    assert [await anext(stream) for stream in streams] == [HELLO, HELLO]
    assert feed.readers == 2
    journal.record("apns", "last")
    feed.close()
    assert [[chunk async for chunk in stream] for stream in streams] == [[b"last"], [b"last"]]
    assert feed.readers == 0


async def test_a_reader_that_goes_is_forgotten() -> None:
    journal = _journal()
    feed = Feed(journal)
    stream = feed.stream(_word)
    await anext(stream)
    await stream.aclose()
    assert feed.readers == 0
    assert journal._listeners == []


async def test_a_reader_that_waits_can_be_cancelled() -> None:
    feed = Feed(_journal())
    stream = feed.stream(_word)
    await anext(stream)
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert feed.readers == 0


async def test_a_reader_that_is_too_slow_is_reported_what_it_lost() -> None:
    journal = _journal()
    stream = Feed(journal, size=3).stream(_word)
    await anext(stream)
    for number in range(5):
        journal.record("apns", str(number))
    assert [await anext(stream) for _ in range(3)] == [BEHIND, b"3", b"4"]
