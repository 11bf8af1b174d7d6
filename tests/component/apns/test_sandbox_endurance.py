"""Long runs: memory is bounded, a seed repeats a day of faults, and nothing of it is a defect of ours."""

import asyncio
import gc
import os
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any

import pytest

from simulator.apns.http2 import frames
from simulator.apns.sandbox import Sandbox
from simulator.clock import VirtualClock
from simulator.journal import Entry, Journal
from waiting import eventually

from .conftest import AUTHORITY, TOPIC, Bench, Provider, within

PUSHES, WARM_UP, AT_ONCE = 50_000, 5_000, 500
GROWTH = 8_000_000  # bytes: 200 a push are noticed, and the allocator may breathe
STATM = Path("/proc/self/statm")
DAY, DAYS_PUSHES = 86_400, 1_500

RULES: list[dict[str, Any]] = [
    {"match": {"share": 0.02}, "do": {"answer": {"reason": "InternalServerError"}}},
    {"match": {"share": 0.02}, "do": {"answer": {"reason": "ServiceUnavailable"}, "html_body": True}},
    {"match": {"share": 0.02}, "do": {"reset": "REFUSED_STREAM"}},
    {"match": {"share": 0.02}, "do": {"reset": "CANCEL"}, "accepts_first": True},
    {"match": {"share": 0.02}, "do": {"delay_s": 3}},
    {"match": {"share": 0.01}, "do": {"goaway": "Shutdown"}},
    {"match": {"share": 0.01}, "do": {"goaway": "Shutdown", "last_stream_offset": -1}, "accepts_first": True},
    {"match": {"share": 0.01}, "do": {"close": True}},
    {"match": {"share": 0.01}, "do": {"stall": True}},
    {"match": {"share": 0.02}, "do": {"stream_limit": 1}},
    {"match": {"share": 0.02}, "do": {"split_body": True, "upper_apns_id": True}},
    {"match": {"share": 0.02, "after_s": 3600, "until_s": 7200}, "do": {"no_apns_id": True}},
]


class Flood:
    """Pushes the same request over and over, encoded by hand: h2 in Python would take most of the time."""

    def __init__(self, bench: Bench, provider: Provider) -> None:
        self._transport = provider.transport
        self._cutter = provider.cutter
        # Never indexed, so the block leaves HPACK's table alone and may be sent again and again.
        self._block = provider.h2.encoder.encode([(*field, True) for field in bench.headers()])
        self._stream = 1
        self._answered = 0
        provider.data_received = self._count  # type: ignore[method-assign]

    def _count(self, data: bytes) -> None:
        self._cutter.feed(data)
        while (frame := self._cutter.next()) is not None:
            self._answered += frame.type == frames.FrameType.HEADERS

    async def push(self, count: int) -> None:
        for _ in range(count // AT_ONCE):
            self._answered = 0
            self._transport.write(b"".join(self._requests()))
            await eventually(lambda: self._answered == AT_ONCE)

    def _requests(self):
        for _ in range(AT_ONCE):
            self._stream += 2
            yield frames.headers(self._stream, self._block, end_stream=False)
            yield frames.data(self._stream, b'{"aps":{}}', end_stream=True)


@pytest.mark.skipif(not STATM.exists(), reason="this system does not show a process its memory in /proc")
@pytest.mark.usefixtures("untraced")
async def test_fifty_thousand_pushes_leave_nothing_behind(bench) -> None:
    """Client and sandbox are one process; the two rings are full after the warm-up, so nothing has a reason to grow."""
    bench.sandbox.profile.set({"device_rate": None})
    bench.journal._entries = type(bench.journal._entries)(maxlen=1000)
    bench.sandbox.delivery_log._size = 1000
    bench.sandbox.registry.attach(bench.token, None)
    provider = await bench.connect()
    assert (await bench.ask(provider)).status == 200
    flood = Flood(bench, provider)
    await flood.push(WARM_UP)
    before = memory()
    await flood.push(PUSHES - WARM_UP)
    assert memory() - before < GROWTH
    assert len(bench.journal.entries()) == 1000


def memory() -> int:
    """Bytes that this process holds in memory."""
    gc.collect()
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Day:
    """A day of one provider: pushes one after the other, each on a connection that works."""

    def __init__(self, bench: Bench, seed: int) -> None:
        self._bench = bench
        self._choices = Random(seed)
        self._provider: Provider | None = None
        self._faults: list[
            str | None
        ] = []  # one for each push; to read the whole journal each time takes a minute
        self.answered = 0
        bench.journal.listen(self._note)

    def _note(self, entry: Entry) -> None:
        if entry.what == "push":
            self._faults.append(entry.detail["fault"])

    async def run(self) -> None:
        for _ in range(DAYS_PUSHES):
            await within(self._push())
            await self._bench.clock.advance(self._choices.random() * 2 * DAY / DAYS_PUSHES)

    async def _push(self) -> None:
        provider = await self._connection()
        before = len(self._faults)
        answer = self._bench.push(provider, apns_topic=TOPIC if self._choices.random() > 0.05 else None)
        while len(self._faults) == before:  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0)
        if self._faults[-1] == "Delay":
            await self._bench.clock.advance(3)
        if self._faults[-1] == "Stall":
            self._provider = None
            provider.close()
            return
        while not (answer.done.done() or provider.lost.done()):  # noqa: ASYNC110 - whichever comes first
            await asyncio.sleep(0)
        self.answered += answer.done.done() and answer.reset is None

    async def _connection(self) -> Provider:
        provider = self._provider
        if provider is None or provider.goaway or provider.lost.done() or provider.transport.is_closing():
            provider = self._provider = await self._bench.connect()
        return provider


async def a_day(folder: Path, seed: int) -> tuple[list[Any], Journal, int]:
    """The day's pushes as the journal has them, the journal, and how many were answered."""
    async with AsyncExitStack() as stack:
        bench = Bench(folder, stack)
        clock = bench.clock = VirtualClock()
        journal = bench.journal = Journal(clock)
        sandbox = bench.sandbox = Sandbox(
            clock, journal, random=Random(seed), folder=folder, authority=AUTHORITY
        )
        sandbox.add_app(TOPIC)
        bench.key = sandbox.issue_key()
        bench.token = sandbox.registry.mint_token(TOPIC, "sandbox")
        sandbox.faults.load(RULES)
        await sandbox.start()
        stack.push_async_callback(sandbox.close)
        day = Day(bench, seed)
        await day.run()
        return [(each.at, each.detail) for each in journal.entries("apns", "push")], journal, day.answered


async def test_a_day_of_faults_is_the_same_for_the_same_seed_and_no_defect(tmp_path, caplog) -> None:
    first, journal, answered = await a_day(tmp_path, 7)
    assert len(first) >= DAYS_PUSHES
    assert DAYS_PUSHES * 0.85 < answered < DAYS_PUSHES
    assert {detail["fault"] for _, detail in first} >= {
        "AnswerWith", "Reset", "Delay", "GoAway", "CloseConnection", "Stall", "StreamLimit", "Misshape",
    }  # fmt: skip
    assert first[-1][0] - first[0][0] > DAY / 2
    assert journal.entries("apns", "connection_crashed") == []
    assert journal.entries("apns", "protocol_error") == []
    assert [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []
    second, _, _ = await a_day(tmp_path, 7)
    assert second == first
    other, _, _ = await a_day(tmp_path, 8)
    assert other != first
