"""The delivery engine over an outbox in memory: when it polls again, what it writes down together, what it says of a push."""

import asyncio
import logging
import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_gateway import FakeGateway
from outcomes import answered, delivery, not_sent
from relay.apns.push import Outcome
from relay.server import engine as module
from relay.server.app import lease_owner
from relay.server.delivery import DeliveryAttempt, DeliveryResult
from relay.server.engine import POLL_SECONDS, DeliveryEngine, Limits
from relay.server.store.sql import Unavailable
from relay.server.turns import Places
from waiting import eventually

NOW = 1_800_000_000_000


class StandingClock:
    """Its time stands; it notes for how long somebody wanted to sleep, and wakes nobody."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> float:
        return NOW / 1000

    def monotonic(self) -> float:
        return NOW / 1000

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.Event().wait()


class Outbox:
    """Gives what the test puts into `due`; notes what is saved together, when `gate` lets it."""

    def __init__(self) -> None:
        self.due: list[DeliveryAttempt] = []
        self.again: float | Exception = 7.5
        self.limits: list[int] = []
        self.saved: list[list[DeliveryResult]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def release_leases(self) -> None: ...

    async def bring_forward(self) -> None: ...

    async def claim(self, limit: int, held: Places) -> tuple[Sequence[DeliveryAttempt], float]:
        self.limits.append(limit)
        if isinstance(self.again, Exception):
            raise self.again
        found, self.due = self.due[:limit], self.due[limit:]
        return found, self.again

    def result(
        self, attempt: DeliveryAttempt, outcome: Outcome, *, at: int, latency_ms: int
    ) -> DeliveryResult:
        return DeliveryResult(
            delivery=attempt.delivery, outcome=outcome, status="sent", apns_env=outcome.apns_env, at=at,
            due_at=0, latency_ms=latency_ms,
        )  # fmt: skip

    async def save(self, results: Sequence[tuple[DeliveryAttempt, DeliveryResult]]) -> None:
        self.saved.append([result for _, result in results])
        await self.gate.wait()

    async def sweep(self) -> None: ...

    async def next_due_at(self) -> int | None:
        return None


def attempt(**changes: Any) -> DeliveryAttempt:
    planned = delivery(NOW, **changes)
    return DeliveryAttempt(delivery=planned, key=planned.push.apns_id)


@asynccontextmanager
async def running(
    outbox: Outbox, clock: StandingClock, **limits: int
) -> AsyncIterator[DeliveryEngine[DeliveryAttempt]]:
    bounds: dict[str, Any] = {"held": 100, "in_flight": 10, "claimed": 50, "sweep_seconds": 1000.0} | limits
    engine = DeliveryEngine(outbox, FakeGateway(), clock, name="test", limits=Limits(**bounds))
    await engine.start()
    try:
        yield engine
    finally:
        outbox.gate.set()
        await engine.stop(5)


@pytest.mark.parametrize(
    ("again", "seconds"),
    [
        (0.25, 0.25),
        (7.5, 7.5),
        (Unavailable("gone"), POLL_SECONDS),
        (ZeroDivisionError("a defect"), POLL_SECONDS),
    ],
    ids=str,
)
async def test_the_next_poll_is_when_the_outbox_says_or_in_a_second(
    again: float | Exception, seconds: float
) -> None:
    outbox, clock = Outbox(), StandingClock()
    outbox.again = again
    async with running(outbox, clock):
        await eventually(lambda: len(clock.slept) == 2)  # the poll's, and the sweep's
        assert sorted(clock.slept) == [seconds, 1000.0]


async def test_a_poll_takes_no_more_than_fits() -> None:
    outbox, clock = Outbox(), StandingClock()
    outbox.gate.clear()
    async with running(outbox, clock, held=5, claimed=3) as engine:
        await eventually(lambda: clock.slept)
        outbox.due = [attempt() for _ in range(9)]
        for room in (5, 2, 0):
            assert engine.held.room == room
            await engine.poll()
    assert outbox.limits == [3, 3, 2]


async def test_what_ends_while_results_are_saved_is_saved_next_and_together() -> None:
    outbox = Outbox()
    outbox.gate.clear()
    async with running(outbox, StandingClock()) as engine:
        first = engine.send(attempt())
        await eventually(lambda: outbox.saved)
        later = [engine.send(attempt()) for _ in range(7)]
        await eventually(lambda: len(engine._unsaved) == 7)
        assert [len(batch) for batch in outbox.saved] == [1]
        outbox.gate.set()
        assert set(await asyncio.gather(first, *later)) == {"sent"}
        assert [len(batch) for batch in outbox.saved] == [1, 7]


async def test_one_save_takes_so_many_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SAVE_LIMIT", 3)
    outbox = Outbox()
    outbox.gate.clear()
    async with running(outbox, StandingClock()) as engine:
        sending = [engine.send(attempt()) for _ in range(8)]
        await eventually(lambda: len(engine._unsaved) + sum(map(len, outbox.saved)) == 8)
        outbox.gate.set()
        await asyncio.gather(*sending)
    assert all(len(batch) <= 3 for batch in outbox.saved)
    assert sum(map(len, outbox.saved)) == 8


@pytest.mark.parametrize("attempts", [0, 1, 6])
async def test_the_line_of_a_push_says_which_attempt_it_was(
    caplog: pytest.LogCaptureFixture, attempts: int
) -> None:
    caplog.set_level(logging.INFO)
    async with running(Outbox(), StandingClock()) as engine:
        one = attempt(attempts=attempts)
        await engine.send(one)
    (text,) = [text for text in caplog.messages if text.startswith("delivery ")]
    assert f" attempt={attempts + 1} " in text
    assert f" apnsID={one.key} " in text


async def test_a_line_of_the_log_has_the_reason_and_only_the_end_of_a_token(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    outbox, clock = Failing(), StandingClock()
    gateway = FakeGateway()
    gateway.answers = [answered(400, "TopicDisallowed")]
    engine = DeliveryEngine(
        outbox, gateway, clock, name="test", limits=Limits(held=1, in_flight=1, claimed=1, sweep_seconds=1)
    )
    await engine.send(attempt())
    (record,) = [record for record in caplog.records if record.message.startswith("delivery ")]
    assert record.levelno == logging.ERROR
    assert re.search(r" httpStatus=400 reason=TopicDisallowed .*advice=", record.message)
    assert re.findall("ab" * 5, record.message) == []
    await engine.stop(5)


@pytest.mark.parametrize("machine", ["", "pi", "ip-10-0-0-1.eu-central-1.compute.internal." * 3])
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "0.0.0.0"])
def test_relays_of_one_machine_sign_their_leases_apart(machine: str, host: str) -> None:
    owners = [lease_owner(machine, host, port) for port in (1, 8787, 65535)]
    assert len(set(owners)) == 3
    for owner, port in zip(owners, (1, 8787, 65535), strict=True):
        assert owner.endswith(f"/{host}:{port}")
        assert len(owner) <= 60
    assert lease_owner("pi", host, 8787) == f"pi/{host}:8787"


class Failing(Outbox):
    """Every push fails, in one of three ways."""

    def result(
        self, attempt: DeliveryAttempt, outcome: Outcome, *, at: int, latency_ms: int
    ) -> DeliveryResult:
        return replace(super().result(attempt, outcome, at=at, latency_ms=latency_ms), status="failed")


async def test_a_flood_of_failures_is_a_line_for_each_reason_and_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """How often they came is said when the minute is over; every push has its row in delivery_log."""
    caplog.set_level(logging.INFO)
    clock, gateway, outbox = StandingClock(), FakeGateway(), Failing()
    ways = [answered(400, "TopicDisallowed"), answered(410, "Unregistered"), not_sent("connection refused")]
    gateway.answers = [way for _ in range(1000) for way in ways]
    engine = DeliveryEngine(
        outbox,
        gateway,
        clock,
        name="test",
        limits=Limits(held=9999, in_flight=50, claimed=9, sweep_seconds=1),
    )
    await asyncio.gather(*(engine.send(attempt()) for _ in range(3000)))
    said = [record for record in caplog.records if record.message.startswith("delivery ")]
    assert [record.levelno for record in said] == [logging.ERROR, logging.INFO, logging.INFO]
    assert sum(map(len, outbox.saved)) == 3000
    caplog.clear()
    await engine.stop(5)
    more = [record for record in caplog.records if record.message.startswith("and more of the same")]
    assert [record.levelno for record in more] == [logging.ERROR, logging.INFO, logging.INFO]
    assert [f" {word}" in record.message for word, record in zip(("reason=TopicDisallowed", "reason=Unregistered", 'error="connection refused"'), more, strict=True)] == [True] * 3  # fmt: skip
    assert all("lines=999 status=failed" in record.message for record in more)


async def test_what_was_sent_has_a_line_each(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with running(Outbox(), StandingClock()) as engine:
        await asyncio.gather(*(engine.send(attempt()) for _ in range(50)))
    assert len([text for text in caplog.messages if text.startswith("delivery status=sent")]) == 50


async def test_secrets_take_turns_and_a_backlog_leaves_room_to_others() -> None:
    """A flood of one secret keeps no other's alert waiting."""
    outbox, gateway = Outbox(), FakeGateway()
    engine = DeliveryEngine(
        outbox, gateway, StandingClock(), name="test", limits=Limits(held=9, in_flight=1, claimed=9, sweep_seconds=1, reserved=0.5)
    )  # fmt: skip
    letters = ["a1", "a2", "a3", "b4", "c5", "a6"]
    every = {letter: attempt(secret_hash=letter[0]) for letter in letters}
    for one in every.values():
        engine.send(one)
    assert [engine.held.room, engine.held.left("a"), engine.held.left("new")] == [3, 0, 2]
    outbox.gate.set()
    await engine.idle()
    by_id = {one.key: letter for letter, one in every.items()}
    assert [by_id[push.apns_id] for push in gateway.sent] == ["a1", "b4", "c5", "a2", "a3", "a6"]
    assert [engine.held.room, engine.held.left("a")] == [9, 5]


@given(st.lists(st.sampled_from("abcd"), max_size=40), st.integers(1, 5))
def test_whatever_waits_no_secret_waits_for_more_than_one_push_of_each_other_for_each_of_its_own(
    secrets: list[str], in_flight: int
) -> None:
    gateway = FakeGateway()

    async def story() -> list[str]:
        limits = Limits(held=99, in_flight=in_flight, claimed=9, sweep_seconds=1)
        engine = DeliveryEngine(Outbox(), gateway, StandingClock(), name="test", limits=limits)
        every = {(one := attempt(secret_hash=secret)).key: (one, secret) for secret in secrets}
        for one, _ in every.values():
            engine.send(one)
        await engine.idle()
        assert len(engine.held) == 0
        return [every[push.apns_id][1] for push in gateway.sent]

    order = asyncio.run(story())
    assert Counter(order) == Counter(secrets)
    for place, secret in enumerate(order):
        before = Counter(order[:place])
        assert all(before[other] <= before[secret] + 1 for other in set(order) - {secret})
