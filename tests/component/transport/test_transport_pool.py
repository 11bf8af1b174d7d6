"""Several connections under load and one when it is quiet, the queue before them, and pings."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from component.transport.sending import BuildGateway, Clock, prime, push, send_all, start
from outcomes import answered, not_sent
from relay.apns.gateway import ApnsGateway
from relay.apns.http2 import connection, pool
from relay.apns.http2.connector import Connector, client_tls
from relay.apns.http2.pool import ConnectionPool
from relay.apns.push import Outcome
from waiting import eventually

OK = answered(200)


class Held:
    """Requests that the server holds back; `answer()` answers them, and from now on all at once."""

    def __init__(self, apns: Any) -> None:
        self.requests: list[Any] = []
        self._apns = apns
        apns.on_push = self.requests.append

    def __len__(self) -> int:
        return len(self.requests)

    def answer(self) -> None:
        self._apns.on_push = lambda request: request.answer()
        for request in self.requests:
            request.answer()


@pytest.fixture
async def build_pool(
    apns: Any, certificates: Any, clock: Clock
) -> AsyncIterator[Callable[..., ConnectionPool]]:
    built: list[ConnectionPool] = []

    def make(**limits: int) -> ConnectionPool:
        connector = Connector(
            host="127.0.0.1",
            port=apns.port,
            tls=client_tls(certificates.ca_file),
            sign=lambda: "bearer t",
            serial=int,
        )
        built.append(
            ConnectionPool(
                connector, apns_env="production", monotonic=clock.monotonic, jitter=random.Random(1), **limits
            )
        )
        return built[-1]

    yield make
    for each in built:
        await each.close(0.1)


def send(pool: ConnectionPool, count: int, seconds: float = 5.0) -> "list[asyncio.Task[Outcome]]":
    return [asyncio.ensure_future(pool.send(push(), pool.time() + seconds)) for _ in range(count)]


def spread(apns: Any) -> list[int]:
    """How many requests each connection has in flight."""
    return [len(peer.in_flight) for peer in apns.peers]


# Load.


async def test_load_that_stays_calls_for_more_connections(
    apns: Any, build_pool: Callable[..., ConnectionPool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "GROW_SECONDS", 0.02)
    apns.on_connect = lambda peer: peer.greet(streams=10)
    sending = send(it := build_pool(max_connections=3), 1)
    await asyncio.gather(*sending)
    held = Held(apns)
    sending = send(it, 45)
    await eventually(lambda: spread(apns) == [10, 10])
    last = held.requests.pop()
    assert last.peer is apns.peers[1]
    last.answer()  # the second proved good
    await eventually(lambda: spread(apns) == [10, 10, 10])
    held.answer()
    assert await asyncio.gather(*sending) == [OK] * 45
    assert len(apns.peers) == 3


async def test_the_least_loaded_is_chosen_and_the_oldest_when_it_is_quiet(
    apns: Any, build_pool: Callable[..., ConnectionPool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "GROW_SECONDS", 0.02)
    apns.on_connect = lambda peer: peer.greet(streams=10)
    it = build_pool(max_connections=2)
    await asyncio.gather(*send(it, 1))
    held = Held(apns)
    sending = send(it, 20)
    await eventually(lambda: spread(apns) == [10, 10])
    held.answer()
    await asyncio.gather(*sending)
    held = Held(apns)
    sending = send(it, 6)
    await eventually(lambda: spread(apns) == [3, 3])
    held.answer()
    await asyncio.gather(*sending)
    before = len(apns.peers[0].requests)
    for _ in range(5):
        await asyncio.gather(*send(it, 1))
    assert len(apns.peers[0].requests) == before + 5


async def test_an_unproved_connection_is_not_multiplied(
    apns: Any, build_pool: Callable[..., ConnectionPool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first accepted provider token APNs allows one stream: waiting there is no load."""
    monkeypatch.setattr(pool, "GROW_SECONDS", 0.001)
    apns.on_connect = lambda peer: peer.greet(streams=1)
    held = Held(apns)
    it = build_pool()
    sending = send(it, 5)
    await eventually(lambda: len(held) == 1)
    wakings = 0
    grow = it._grow
    monkeypatch.setattr(it, "_grow", lambda: wake_again())

    def wake_again() -> None:
        nonlocal wakings
        wakings += 1
        grow()

    await eventually(lambda: wakings > 5)
    assert len(apns.peers) == 1
    held.answer()
    assert await asyncio.gather(*sending) == [OK] * 5


async def test_a_full_queue_is_an_outcome(apns: Any, build_pool: Callable[..., ConnectionPool]) -> None:
    apns.on_connect = lambda peer: peer.greet(streams=2)
    it = build_pool(max_waiting=3)
    held = Held(apns)
    sending = send(it, 2)
    await eventually(lambda: len(held) == 2)
    sending += send(it, 5)
    refused = [await sending[5], await sending[6]]
    assert refused == [not_sent("3 pushes are waiting already")] * 2
    held.answer()
    assert await asyncio.gather(*sending[:5]) == [OK] * 5


async def test_cancelled_and_expired_pushes_leave_nothing(
    apns: Any, build_pool: Callable[..., ConnectionPool]
) -> None:
    apns.on_connect = lambda peer: peer.greet(streams=3)
    it = build_pool()
    held = Held(apns)
    sending = send(it, 6) + send(it, 6, seconds=0.05)
    await eventually(lambda: len(held) >= 3)
    for task in sending[:6]:
        task.cancel()
    outcomes = await asyncio.gather(*sending, return_exceptions=True)
    assert all(getattr(each, "transmission", "cancelled") != "answered" for each in outcomes)
    assert not it._waiting
    assert not it._deadlines._pending
    assert all(each.in_flight == 0 for each in it._open)


async def test_what_waited_to_its_deadline_is_not_sent_any_more(
    apns: Any, build_pool: Callable[..., ConnectionPool]
) -> None:
    """The stream of a push that ran out of time is free for those behind it, but not for those that ran out with it."""
    apns.on_connect = lambda peer: peer.greet(streams=3)
    it = build_pool()
    await asyncio.gather(*send(it, 1))
    held = Held(apns)
    ends = it.time() + 0.1
    outcomes = await asyncio.gather(*(it.send(push(), ends) for _ in range(12)))
    assert [each.transmission for each in outcomes] == ["maybe_sent"] * 3 + ["not_sent"] * 9
    await eventually(lambda: all(peer.closed for peer in apns.peers))
    assert len(held) == 3
    assert await it.send(push(), it.time()) == not_sent("no time was left to send it")


async def test_an_outage_of_one_environment_does_not_slow_the_other(
    build: BuildGateway, apns: Any, raw_server: Any
) -> None:
    silent = await raw_server(asyncio.Protocol)
    gateway = build(apns.port, sandbox=silent)
    stuck = start(gateway, 500, apns_env="sandbox")
    assert await send_all(gateway, 100) == [OK] * 100
    assert not any(task.done() for task in stuck)
    for task in stuck:
        task.cancel()


# Idle connections.


@pytest.fixture
def quick_checks(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Idle connections are checked all the time."""
    monkeypatch.setattr(pool, "KEEP_ALIVE_SECONDS", 0.001)
    return monkeypatch


async def test_an_idle_connection_is_pinged_and_lives(
    gateway: ApnsGateway, apns: Any, quick_checks: pytest.MonkeyPatch
) -> None:
    quick_checks.setattr(connection, "PING_AFTER", 0.01)
    await prime(gateway, apns)
    it = gateway._pools["production"]
    (only,) = it._usable
    for _ in range(3):
        before = only._pinged_at
        await eventually(lambda before=before: only._received_at > only._pinged_at > before)
    assert await gateway.send(push()) == OK
    assert len(apns.peers) == 1


async def test_a_dead_connection_is_found_by_its_ping(
    gateway: ApnsGateway, apns: Any, quick_checks: pytest.MonkeyPatch
) -> None:
    quick_checks.setattr(connection, "PING_AFTER", 0.01)
    quick_checks.setattr(connection, "PING_ANSWER", 0.02)
    await prime(gateway, apns)
    apns.peers[0].flush = lambda: None  # it reads, and says nothing any more
    await eventually(lambda: apns.peers[0].closed)
    quick_checks.setattr(connection, "PING_ANSWER", 5.0)
    assert await gateway.send(push()) == OK
    assert len(apns.peers) == 2


async def test_a_spare_connection_goes_when_it_is_quiet(
    apns: Any, build_pool: Callable[..., ConnectionPool], quick_checks: pytest.MonkeyPatch
) -> None:
    quick_checks.setattr(pool, "GROW_SECONDS", 0.01)
    apns.on_connect = lambda peer: peer.greet(streams=2)
    it = build_pool()
    await asyncio.gather(*send(it, 1))
    held = Held(apns)
    sending = send(it, 4)
    await eventually(lambda: spread(apns) == [2, 2])
    held.answer()
    await asyncio.gather(*sending)
    quick_checks.setattr(connection, "SPARE_LIFE", 0.0)
    await eventually(lambda: [peer.closed for peer in apns.peers] == [False, True])


async def test_the_last_connection_goes_after_its_idle_life(
    gateway: ApnsGateway, apns: Any, quick_checks: pytest.MonkeyPatch
) -> None:
    await prime(gateway, apns)
    quick_checks.setattr(connection, "IDLE_LIFE", 0.0)
    await eventually(lambda: apns.peers[0].closed)
    quick_checks.setattr(connection, "IDLE_LIFE", 3600.0)
    assert await gateway.send(push()) == OK
