"""Faults that a test stages, as a provider sees them on the wire."""

import asyncio

import pytest

from simulator.apns.faults import AnswerWith, CloseConnection, Delay, Fault, GoAway, Reset, Stall
from waiting import eventually

from .conftest import within

INTERNAL = 2


async def test_a_staged_answer(bench) -> None:
    bench.sandbox.faults.add(Fault(AnswerWith("Unregistered", timestamp=5), nth=2))
    provider = await bench.connect()
    answers = [await bench.ask(provider) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 410, 200]
    assert answers[1].body == b'{"reason":"Unregistered","timestamp":5}'
    assert len(bench.delivered) == 2
    assert bench.pushes()[1]["fault"] == "AnswerWith"


async def test_a_push_may_be_delivered_and_still_be_answered_with_a_failure(bench) -> None:
    bench.sandbox.faults.add(Fault(AnswerWith("InternalServerError"), accepts_first=True))
    answer = await bench.ask(await bench.connect())
    assert (answer.status, len(bench.delivered)) == (500, 1)


@pytest.mark.parametrize(("accepts_first", "delivered"), [(False, 0), (True, 1)])
async def test_a_reset(bench, accepts_first: bool, delivered: int) -> None:
    bench.sandbox.faults.add(Fault(Reset(), times=1, accepts_first=accepts_first))
    provider = await bench.connect()
    assert (await bench.ask(provider)).reset == INTERNAL
    assert len(bench.delivered) == delivered
    assert (await bench.ask(provider)).status == 200


async def test_a_goaway_before_the_push_is_judged_disowns_it(bench) -> None:
    provider = await bench.connect()
    await bench.ask(provider)
    bench.sandbox.faults.add(Fault(GoAway("Shutdown")))
    answer = bench.push(provider)
    await within(provider.lost)
    assert not answer.done.done()
    assert provider.goaway.last_stream_id == 1
    assert len(bench.delivered) == 1


async def test_a_goaway_after_the_push_is_judged_answers_it(bench) -> None:
    bench.sandbox.faults.add(Fault(GoAway("Shutdown"), accepts_first=True))
    provider = await bench.connect()
    assert (await bench.ask(provider)).status == 200
    await within(provider.lost)
    assert provider.goaway.last_stream_id == 1


async def test_a_connection_is_cut(bench) -> None:
    bench.sandbox.faults.add(Fault(CloseConnection()))
    provider = await bench.connect()
    answer = bench.push(provider)
    await within(provider.lost)
    assert provider.goaway is None
    assert not answer.done.done()


async def test_a_stalled_push_is_never_answered_and_others_are(bench) -> None:
    provider = await bench.connect()
    await bench.ask(provider)
    bench.sandbox.faults.add(Fault(Stall(), times=1))
    stalled = bench.push(provider)
    assert (await bench.ask(provider)).status == 200
    await bench.clock.advance(3600)
    assert not stalled.done.done()


async def test_a_delayed_answer_for_a_connection_that_is_gone_is_dropped(bench) -> None:
    bench.sandbox.faults.add(Fault(Delay(5)))
    provider = await bench.connect()
    bench.push(provider)
    await eventually(lambda: bench.pushes())
    provider.close()
    await eventually(lambda: bench.journal.entries("apns", "connection_closed"))
    await bench.clock.advance(10)
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("apns delay")]
