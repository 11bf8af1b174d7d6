"""The clock that can be turned, and the journal."""

import asyncio

from simulator.clock import TurnableClock, VirtualClock
from simulator.journal import Entry, Journal


async def test_hours_pass_in_no_time_and_wake_sleepers_in_order() -> None:
    clock = VirtualClock(0.0)
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.now()))

    tasks = [
        asyncio.create_task(sleeper(name, seconds)) for name, seconds in (("b", 7200), ("a", 60), ("now", 0))
    ]
    await asyncio.sleep(0)
    await clock.advance(3600)
    assert woken == [("now", 0.0), ("a", 60.0)]
    assert clock.now() == 3600
    await clock.advance(3600)
    assert woken[-1] == ("b", 7200.0)
    await asyncio.gather(*tasks)


async def test_who_is_woken_may_sleep_again_within_the_same_advance() -> None:
    clock = VirtualClock(0.0)
    ticks: list[float] = []

    async def ticker() -> None:
        while True:
            await clock.sleep(10)
            ticks.append(clock.now())

    task = asyncio.create_task(ticker())
    await asyncio.sleep(0)
    await clock.advance(35)
    assert ticks == [10.0, 20.0, 30.0]
    task.cancel()


def test_entries_are_filtered_by_place_kind_and_time() -> None:
    journal = Journal(VirtualClock(10.0), size=2)
    received: list[str] = []
    stop = journal.listen(lambda entry: received.append(entry.what))
    journal.record("world", "pushed out of the ring")
    journal.record("apns", "push", status=200)
    journal.record_at(5.0, "relay", "event")
    assert [entry.what for entry in journal.entries()] == ["push", "event"]
    assert journal.entries("apns") == [Entry(10.0, "apns", "push", {"status": 200})]
    assert journal.entries(what="event") == [Entry(5.0, "relay", "event", {})]
    assert journal.entries(since=6.0) == journal.entries("apns")
    journal.clear()
    assert journal.entries() == []
    journal.record("world", "last")
    stop()
    journal.record("world", "never received")
    assert received[1:] == ["push", "event", "last"]


async def test_everybody_sleeps_again_when_all_is_done() -> None:
    clock = VirtualClock(0.0)
    sleeping = [asyncio.create_task(clock.sleep(seconds)) for seconds in (1, 2)]
    await asyncio.sleep(0)
    assert clock.sleepers == 2
    await clock.advance(1)
    assert clock.sleepers == 1
    sleeping[1].cancel()
    await asyncio.wait(sleeping)
    assert clock.sleepers == 0


async def test_the_next_alarm_is_that_of_the_first_who_sleeps_long_enough() -> None:
    """In seconds from now; who sleeps for less than asked for, is awake or was cancelled, does not count."""
    clock = VirtualClock(100.0)
    assert clock.next_alarm(0.0) is None
    sleeping = [asyncio.create_task(clock.sleep(seconds)) for seconds in (5, 30, 60)]
    await asyncio.sleep(0)
    assert [clock.next_alarm(at_least) for at_least in (0, 5, 6, 30, 31, 60, 61)] == [
        5,
        5,
        30,
        30,
        60,
        60,
        None,
    ]
    await clock.advance(10)  # the first is awake; the others are measured by how long they went to sleep for
    assert [clock.next_alarm(at_least) for at_least in (0, 30, 31, 61)] == [20, 20, 50, None]
    sleeping[1].cancel()
    await asyncio.wait(sleeping[:2])
    assert clock.next_alarm(0) == 50
    await clock.advance(50)
    assert clock.next_alarm(0) is None
    await asyncio.gather(*sleeping, return_exceptions=True)


async def test_a_clock_that_is_turned_knows_what_providers_outside_may_take_the_time_to_be() -> None:
    """It begins at the machine's time and stands still, while the machine's goes on."""
    machine = [1000.0]
    clock = TurnableClock(lambda: machine[0])
    assert (clock.now(), clock.outside()) == (1000.0, (1000.0, 1000.0))
    machine[0] = 1007.0
    assert (clock.now(), clock.outside()) == (1000.0, (1007.0, 1007.0))
    await clock.advance(3600)
    assert (clock.now(), clock.outside()) == (4600.0, (1007.0, 4607.0))
