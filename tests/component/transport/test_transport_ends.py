"""Silence, and the ends that connections come to, over real TLS and HTTP/2, against a server that misbehaves in every way we know of."""

import asyncio
from typing import Any

import pytest

from component.transport.sending import BuildGateway, Clock, allow, prime, push, start, unanswered
from outcomes import answered, not_sent
from relay.apns.gateway import ApnsGateway
from relay.apns.http2 import connector
from waiting import eventually

# Silence.


async def test_an_answer_that_is_in_counts_though_the_deadline_passed(
    gateway: ApnsGateway, apns: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the process was held up: both the answer and the deadline are found at once."""
    await prime(gateway, apns)
    loop = asyncio.get_running_loop()

    def answer_and_hold_up(request: Any) -> None:
        request.answer()
        much_later = loop.time() + 1000
        monkeypatch.setattr(loop, "time", lambda: much_later)

    apns.on_push = answer_and_hold_up
    outcome = await gateway.send(push())
    monkeypatch.undo()
    assert outcome == answered(200)


async def test_one_silent_stream_among_answered_ones_keeps_the_connection(
    build: BuildGateway, apns: Any
) -> None:
    gateway = build(apns.port, deadline=1.0)
    apns.on_push = lambda request: None
    silent = asyncio.create_task(gateway.send(push()))
    await eventually(lambda: apns.requests)
    allow(gateway)
    apns.on_push = lambda request: request.answer()
    assert await gateway.send(push()) == answered(200)
    assert (await silent).transmission == "maybe_sent"
    assert await gateway.send(push()) == answered(200)
    assert len(apns.peers) == 1
    await eventually(lambda: apns.peers[0].resets == [1])


async def test_a_window_that_is_never_opened_again_takes_a_new_connection(
    build: BuildGateway, apns: Any
) -> None:
    gateway = build(apns.port)
    apns.on_connect = shut_window
    large = b"x" * 4096
    assert [await gateway.send(push(payload=large)) for _ in range(15)] == [answered(200)] * 15
    allow(gateway, 0.2)
    assert await gateway.send(push(payload=large)) == not_sent("no window for all of it within 0.2 s")
    allow(gateway)
    assert await gateway.send(push(payload=large)) == answered(200)
    assert len(apns.peers) == 2
    await eventually(lambda: apns.peers[0].closed)


def shut_window(peer: Any) -> None:
    """A server that reads and never says so."""
    peer.greet()
    peer.h2.acknowledge_received_data = lambda size, stream_id: None


async def test_a_server_without_settings(build: BuildGateway, apns: Any) -> None:
    gateway = build(apns.port, deadline=1.0)
    apns.on_connect = lambda peer: None
    outcome = await gateway.send(push())
    assert outcome.transmission == "not_sent"
    assert outcome.error == "no free stream within 1.0 s"


# The end of a connection.


async def test_an_abrupt_goaway(gateway: ApnsGateway, apns: Any) -> None:
    await prime(gateway, apns)
    sending, waiting = await unanswered(gateway, apns, 4)
    apns.on_push = lambda request: request.answer()
    apns.peers[0].go_away(waiting[1].stream_id)
    apns.peers[0].transport.close()
    outcomes = await asyncio.gather(*sending)
    assert sum(outcome.transmission == "maybe_sent" for outcome in outcomes) == 2
    assert outcomes.count(answered(200)) == 2
    assert len(apns.requests) == 1 + 6


async def test_a_server_that_hangs_up_at_once_is_left_alone_for_a_while(
    gateway: ApnsGateway, apns: Any, clock: Clock
) -> None:
    apns.on_connect = lambda peer: peer.transport.close()
    for _ in range(5):
        assert (await gateway.send(push())).transmission == "not_sent"
    assert len(apns.peers) == 1
    apns.on_connect = lambda peer: peer.greet()
    clock.now += connector.LONGEST_PAUSE
    assert await gateway.send(push()) == answered(200)


# Closing.


async def test_no_environment_waits_for_the_other_to_close(gateway: ApnsGateway, apns: Any) -> None:
    waiting: list[Any] = []
    apns.on_push = waiting.append
    production = start(gateway)
    await eventually(lambda: len(waiting) == 1)
    sandbox = start(gateway, apns_env="sandbox")
    await eventually(lambda: len(waiting) == 2)
    closing = asyncio.create_task(gateway.close(5.0))
    for request in reversed(waiting):
        request.answer()
        await eventually(lambda request=request: request.peer.closed)
    await closing
    assert await asyncio.gather(*production, *sandbox) == [answered(200), answered(200, apns_env="sandbox")]


async def test_closing_while_connecting_leaves_no_connection(gateway: ApnsGateway, apns: Any) -> None:
    sending = asyncio.create_task(gateway.send(push()))
    await asyncio.sleep(0)
    await gateway.close(1.0)
    assert (await sending).transmission == "not_sent"
    await eventually(lambda: all(peer.closed for peer in apns.peers))
    assert apns.requests == []
