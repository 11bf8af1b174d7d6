"""What every push transport must keep, asked of both: the ends of connections, ways to them, and the provider token."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from component.transport.contract import RESENT, both, each
from component.transport.sending import (
    BuildGateway,
    Clock,
    allow,
    prime,
    push,
    reason,
    send_all,
    start,
    unanswered,
)
from outcomes import answered
from relay.apns.aioapns_gateway import AioapnsGateway
from relay.apns.gateway import MIN_AGE, ApnsGateway, Gateway
from waiting import eventually

OK = answered(200)
UNREGISTERED = reason("Unregistered", timestamp=1_799_999_999_000)


# Ends.


@both(RESENT)
async def test_a_graceful_goaway_loses_and_doubles_nothing(
    build: BuildGateway, apns: Any, transport: str
) -> None:
    gateway = build(apns.port, transport=transport, hang=1.0)
    await prime(gateway, apns)
    sending, waiting = await unanswered(gateway, apns, 5)
    first, apns.on_push = list(waiting), lambda request: request.answer()
    apns.peers[0].go_away(2**31 - 1, b'{"reason":"Shutdown"}')
    for request in first:
        request.answer()
    assert await asyncio.gather(*sending) == [OK] * 5
    assert len(apns.requests) == 1 + 5
    assert await gateway.send(push()) == OK


@both(RESENT)
async def test_only_what_goaway_excludes_is_sent_again(
    build: BuildGateway, apns: Any, transport: str
) -> None:
    gateway = build(apns.port, transport=transport, hang=1.0)
    await prime(gateway, apns)
    sending, waiting = await unanswered(gateway, apns, 4)
    first, apns.on_push = list(waiting), lambda request: request.answer()
    apns.peers[0].go_away(first[1].stream_id)
    for request in first[:2]:
        request.answer()
    assert await asyncio.gather(*sending) == [OK] * 4
    again = [request.apns_id for request in apns.requests[5:]]
    assert sorted(again) == sorted(request.apns_id for request in first[2:])


@both(RESENT)
async def test_a_cut_connection_doubles_nothing(build: BuildGateway, apns: Any, transport: str) -> None:
    gateway = build(apns.port, transport=transport, hang=1.0)
    await prime(gateway, apns)
    apns.on_push = lambda request: request.peer.transport.abort()
    outcomes = await send_all(gateway, 3)
    assert all(outcome.transmission == "maybe_sent" for outcome in outcomes)
    assert len(apns.apns_ids) == len(set(apns.apns_ids))
    apns.on_push = lambda request: request.answer()
    assert await gateway.send(push()) == OK


@both()
async def test_silence_ends_at_the_deadline(build: BuildGateway, apns: Any, transport: str) -> None:
    gateway = build(apns.port, transport=transport)
    await prime(gateway, apns)
    apns.on_push = lambda request: None
    allow(gateway, 0.2)
    assert all(outcome.transmission == "maybe_sent" for outcome in await send_all(gateway, 3))
    allow(gateway)
    apns.on_push = lambda request: request.answer()
    assert await gateway.send(push()) == OK


@both()
async def test_a_connection_closed_while_idle_costs_nothing(
    build: BuildGateway, apns: Any, transport: str
) -> None:
    gateway = build(apns.port, transport=transport)
    await prime(gateway, apns)
    apns.peers[0].transport.close()
    await eventually(lambda: apns.peers[0].closed)
    assert await gateway.send(push()) == OK


@both()
async def test_closing_waits_for_answers_and_closes_sockets(
    build: BuildGateway, apns: Any, transport: str
) -> None:
    gateway: Gateway = build(apns.port, transport=transport)
    sending, waiting = await unanswered(gateway, apns, 3)
    closing = asyncio.ensure_future(gateway.close(5.0))
    await eventually(lambda: not closing.done())
    for request in waiting:
        request.answer()
    await closing
    assert await asyncio.gather(*sending) == [OK] * 3
    assert len(apns.requests) == 3
    await eventually(lambda: all(peer.closed for peer in apns.peers))
    assert (await gateway.send(push())).transmission == "not_sent"


@both()
async def test_closing_gives_up_what_is_not_answered(build: BuildGateway, apns: Any, transport: str) -> None:
    gateway = build(apns.port, transport=transport)
    apns.on_push = lambda request: None
    sending = start(gateway, 3)
    await eventually(lambda: len(apns.requests) == 3)
    await gateway.close(0.05)
    found = await asyncio.gather(*sending, return_exceptions=True)
    assert all(getattr(each, "transmission", "maybe_sent") == "maybe_sent" for each in found)
    await eventually(lambda: all(peer.closed for peer in apns.peers))
    assert len(apns.requests) == 3


# Connecting.

UNREACHABLE = "a push that cannot have left is not distinguished from one that may have"


def refused() -> tuple[int, Callable[[], None]]:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1], lambda: None


def slow_tls() -> tuple[int, Callable[[], None]]:
    """A port that accepts, and then says nothing: TLS never begins."""
    listener = socket.create_server(("127.0.0.1", 0))
    return listener.getsockname()[1], listener.close


@each({"refused TCP": (UNREACHABLE, refused), "slow TLS": (UNREACHABLE, slow_tls)})
async def test_what_cannot_leave_is_not_sent(build: BuildGateway, transport: str, case: Any) -> None:
    port, close = case()
    try:
        gateway = build(port, transport=transport, deadline=0.3)
        assert all(outcome.transmission == "not_sent" for outcome in await send_all(gateway, 20))
    finally:
        close()


# The provider token.


@both()
async def test_one_provider_token_for_all_connections(build: BuildGateway, apns: Any, transport: str) -> None:
    gateway = build(apns.port, transport=transport)
    await prime(gateway, apns)
    assert await gateway.send(push(apns_env="sandbox")) == answered(200, apns_env="sandbox")
    apns.peers[0].transport.close()
    await eventually(lambda: apns.peers[0].closed)
    assert await gateway.send(push()) == OK
    assert len(apns.peers) == 3
    assert len({request.headers["authorization"] for request in apns.requests}) == 1


@both("an expired provider token is not renewed, and its connection is used again")
async def test_an_expired_provider_token_is_renewed_on_a_new_connection(
    build: BuildGateway, apns: Any, clock: Clock, transport: str
) -> None:
    gateway = build(apns.port, transport=transport)
    await prime(gateway, apns)
    clock.now += MIN_AGE
    old = apns.requests[0].headers["authorization"]
    wedged = apns.peers[0]

    def refuse_the_old(request: Any) -> None:
        if request.peer is wedged or request.headers["authorization"] == old:
            request.answer(403, reason("ExpiredProviderToken"))
        else:
            request.answer()

    apns.on_push = refuse_the_old
    assert await send_all(gateway, 10) == [OK] * 10
    assert len({request.headers["authorization"] for request in apns.requests}) == 2


async def test_the_transport_is_chosen_by_its_name(build: BuildGateway) -> None:
    assert isinstance(build(1), ApnsGateway)
    assert isinstance(build(1, transport="aioapns"), AioapnsGateway)
