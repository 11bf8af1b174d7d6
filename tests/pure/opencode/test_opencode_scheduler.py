"""When beats are played, and how many writes it takes."""

import asyncio
import gc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.opencode.scheduler import TICK, Aborted, Beat, Ending, Running, Scheduler

D = "/code/demo"


def event(name: str) -> tuple[str, dict]:
    return name, {}


def says(*pauses: float):
    """An event, a pause, an event, ..."""
    for number, pause in enumerate(pauses):
        yield Beat((event(f"e{number}"),), pause)


@pytest.fixture
def stage(scripted):
    stage = Scheduler(scripted.process)
    yield stage
    stage.clear()


def start(stage: Scheduler, beats) -> list:
    """What it ended with, once it has."""
    endings: list = []
    stage.resume(Running(beats, D, endings.append))
    return endings


async def test_beats_without_pause_go_out_at_once_and_together(scripted, stage) -> None:
    ended = start(stage, says(0.0, 0.0, 0.0))
    assert [one["type"] for one in scripted.sent] == ["e0", "e1", "e2"]
    assert [count for _, count in scripted.writes] == [3]
    assert ended == [None]


async def test_what_is_due_within_a_tick_is_one_write(scripted, stage) -> None:
    began = scripted.clock.now()
    for _ in range(100):
        start(stage, says(*[0.01 / 3] * 60))
    begun = len(scripted.writes)
    await scripted.clock.advance(1.0)
    assert len(scripted.sent) == 100 * 60
    assert len(scripted.writes) - begun <= 0.2 / TICK + 2
    assert max(at for at, _ in scripted.writes) <= began + 0.2 + 2 * TICK


async def test_who_waits_is_not_woken_by_time(scripted, stage) -> None:
    def waits():
        answer = yield Beat(pause=None, waits=frozenset({"per_1"}))
        yield Beat((event(f"got {answer}"),))

    running = Running(waits(), D, lambda _: None)
    stage.resume(running)
    await scripted.clock.advance(1e6)
    assert running.waits == {"per_1"}
    stage.resume(running, "it")
    assert [one["type"] for one in scripted.sent] == ["got it"]


async def test_who_was_answered_early_is_not_woken_again_by_the_old_time(scripted, stage) -> None:
    def waits():
        answer = yield Beat(pause=5.0, waits=frozenset({"per_1"}))
        yield Beat((event(f"got {answer}"),), 60.0)
        yield Beat((event("later"),))

    running = Running(waits(), D, lambda _: None)
    stage.resume(running)
    await scripted.clock.advance(1.0)
    stage.resume(running, "it")
    await scripted.clock.advance(30.0)
    assert [one["type"] for one in scripted.sent] == ["got it"]
    await scripted.clock.advance(60.0)
    assert [one["type"] for one in scripted.sent] == ["got it", "later"]


async def test_work_beside_begins_at_once_and_goes_its_own_way(scripted, stage) -> None:
    def main():
        yield Beat((event("a"),), 1.0, beside=says(2.0, 0.0))
        yield Beat((event("b"),))

    start(stage, main())
    await scripted.clock.advance(5.0)
    assert [one["type"] for one in scripted.sent] == ["a", "e0", "b", "e1"]


async def test_a_stop_is_thrown_where_the_beats_are(scripted, stage) -> None:
    def stubborn():
        try:
            yield Beat((event("a"),), 60.0)
        except Aborted as aborted:
            yield Beat((event(f"aborted {aborted.session_id}"),))
        return Ending("aborted")

    endings: list = []
    running = Running(stubborn(), D, endings.append)
    stage.resume(running)
    stage.resume(running, Aborted("ses_1"))
    assert [one["type"] for one in scripted.sent] == ["a", "aborted ses_1"]
    assert endings == [Ending("aborted")]


async def test_a_turn_that_breaks_does_not_stop_the_others(scripted, stage) -> None:
    def broken():
        yield Beat((event("a"),), 1.0)
        raise LookupError("a mistake in a turn")

    reported: list = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
    start(stage, broken())
    start(stage, says(2.0, 0.0))
    await scripted.clock.advance(3.0)
    gc.collect()
    assert [one["type"] for one in scripted.sent] == ["a", "e0", "e1"]
    assert [type(one) for one in reported] == [LookupError]


async def test_nothing_plays_after_clear(scripted, stage) -> None:
    start(stage, says(1.0, 1.0, 1.0))
    stage.clear()
    await scripted.clock.advance(10.0)
    assert len(scripted.sent) == 1
    assert scripted.clock.sleepers == 0


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # every example makes a server of its own
@given(pauses=st.lists(st.lists(st.floats(0.0, 0.5), min_size=1, max_size=20), min_size=1, max_size=10))
async def test_each_beat_comes_within_a_tick_of_its_time(scripted_by, pauses: list[list[float]]) -> None:
    scripted = scripted_by(None)
    stage = Scheduler(scripted.process)
    began, due = scripted.clock.now(), []
    for one in pauses:
        start(stage, says(*one))
        due += [began + sum(one[:number]) for number in range(len(one))]
    await scripted.clock.advance(sum(map(sum, pauses)) + 1.0)
    written = [at for at, count in scripted.writes for _ in range(count)]
    assert len(written) == len(due)
    for at, expected in zip(sorted(written), sorted(due), strict=True):
        assert expected - 1e-6 <= at <= expected + TICK + 1e-6
