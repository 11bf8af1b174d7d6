"""APNs refuses the key: once more over a new connection, with a new provider token, before that is believed.

Observed: one machine of APNs refused a good key for a while (ostinelli/apnotic#109); several teams or keys on one connection
(AndrewBarba/apns2#90). Documented by Apple: UnrelatedKeyIdInToken asks for a new connection.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from component.transport.sending import Clock, prime, push, reason, send_all, unanswered
from outcomes import answered
from relay.apns.gateway import MIN_AGE, ApnsGateway
from relay.apns.reasons import REASONS, Verdict

REFUSED = reason("InvalidProviderToken")
REASONS_OF_THE_KEY = [name for name, row in REASONS.items() if row.verdict is Verdict.KEY_REFUSED]


def refusing(*connections: int, body: bytes = REFUSED) -> Callable[[Any], None]:
    """An APNs whose n-th connections (0, 1, ...) refuse every key."""

    def answer(request: Any) -> None:
        bad = request.peer.server.peers.index(request.peer) in connections
        request.answer(403, body) if bad else request.answer()

    return answer


def tokens(apns: Any) -> list[str]:
    return [request.headers["authorization"] for request in apns.requests]


@pytest.mark.parametrize("primed", [True, False])
@pytest.mark.parametrize("name", [*REASONS_OF_THE_KEY, "OfTomorrow", ""])
async def test_a_machine_that_is_wrong_costs_nothing(
    gateway: ApnsGateway, apns: Any, name: str, primed: bool
) -> None:
    if primed:
        await prime(gateway, apns)
    apns.on_push = refusing(0, body=reason(name) if name else b"<html>")
    assert await gateway.send(push()) == answered(200)
    assert await gateway.send(push()) == answered(200)
    first, second, third = apns.requests[primed:]
    assert (first.apns_id, first.body) == (second.apns_id, second.body)
    assert first.peer is not second.peer is third.peer
    assert [len({*tokens(apns)[primed:2]}), len({*tokens(apns)})] == [1 if primed else 2, 2]


async def test_all_that_was_out_there_goes_over_the_next_connection(gateway: ApnsGateway, apns: Any) -> None:
    await prime(gateway, apns)
    sending, requests = await unanswered(gateway, apns, 30)
    apns.on_push = refusing(0)
    for request in list(requests):
        request.answer(403, REFUSED)
    assert await asyncio.gather(*sending) == [answered(200)] * 30
    assert set(Counter(request.apns_id for request in apns.requests[1:]).values()) == {2}
    assert len(apns.peers) == 2


async def test_refused_twice_it_is_believed(gateway: ApnsGateway, apns: Any) -> None:
    """And as long as nothing is accepted, each push that asks again asks once, over a connection of its own."""
    apns.on_push = refusing(0, 1, 2)
    for asked in (2, 3):
        assert await gateway.send(push()) == answered(403, "InvalidProviderToken")
        assert len(apns.requests) == asked
    assert await gateway.send(push()) == answered(200)
    assert len(apns.peers) == 4


async def test_what_waits_for_a_stream_is_not_tried_with_a_refused_key(
    gateway: ApnsGateway, apns: Any
) -> None:
    apns.on_connect = lambda peer: peer.greet(streams=1)
    apns.on_push = refusing(0, 1)
    outcomes = await send_all(gateway, 20)
    assert Counter(outcome.transmission for outcome in outcomes) == {"answered": 1, "not_sent": 19}
    assert len(apns.requests) == 2


async def test_the_other_environment_gets_the_new_token_over_a_new_connection(
    gateway: ApnsGateway, apns: Any
) -> None:
    """Apple: not more than one new token in 20 minutes over one connection."""
    await prime(gateway, apns)
    assert await gateway.send(push(apns_env="sandbox")) == answered(200, apns_env="sandbox")
    apns.on_push = refusing(0)
    assert await gateway.send(push()) == answered(200)
    assert await gateway.send(push(apns_env="sandbox")) == answered(200, apns_env="sandbox")
    used: dict[Any, set[str]] = {}
    for request in apns.requests:
        used.setdefault(request.peer, set()).add(request.headers["authorization"])
    assert [len(each) for each in used.values()] == [1, 1, 1, 1]
    assert len({*tokens(apns)}) == 2


def only_tokens_until(latest: Callable[[], float]) -> Callable[[Any], None]:
    """APNs that refuses a token of a time to come."""

    def answer(request: Any) -> None:
        token = request.headers["authorization"].removeprefix("bearer ")
        future = jwt.decode(token, options={"verify_signature": False})["iat"] > latest()
        request.answer(403, REFUSED) if future else request.answer()

    return answer


@pytest.mark.parametrize("ahead", [3600.0, MIN_AGE - 1, 600.0])
async def test_a_clock_that_was_ahead_is_forgotten_when_it_is_set_right(
    gateway: ApnsGateway, apns: Any, clock: Clock, ahead: float
) -> None:
    """node-apn/node-apn#590. However little it was ahead, and however young the token is."""
    apns.on_push = only_tokens_until(lambda: clock.now + 300)
    clock.ahead = ahead
    assert await gateway.send(push()) == answered(403, "InvalidProviderToken")
    clock.ahead = 0.0
    assert await gateway.send(push()) == answered(200)
