"""Requests, answers and streams, over real TLS and HTTP/2, against a server that misbehaves in every way we know of."""

import asyncio
import json
from typing import Any

import jwt
from h2.errors import ErrorCodes
from h2.settings import SettingCodes

from component.transport.sending import (
    NOW,
    BuildGateway,
    Clock,
    allow,
    push,
)
from outcomes import answered, not_sent
from relay.apns.gateway import ApnsGateway

# Requests and answers.


async def test_a_push_on_the_wire(gateway: ApnsGateway, apns: Any) -> None:
    sent = push()
    assert await gateway.send(sent) == answered(200)
    (request,) = apns.requests
    authorization = request.headers.pop("authorization")
    assert request.headers == {
        ":method": "POST", ":scheme": "https", ":authority": f"127.0.0.1:{apns.port}",
        ":path": f"/3/device/{'ab' * 32}", "apns-id": sent.apns_id, "apns-topic": "com.example.app",
        "apns-push-type": "alert", "apns-priority": "10", "apns-expiration": str(int(NOW) + 3600),
        "apns-collapse-id": "c1",
    }  # fmt: skip
    assert request.body == sent.payload
    assert jwt.get_unverified_header(authorization.removeprefix("bearer "))["kid"] == "KEY1234567"


# Streams.


async def test_refused_again_it_is_left_to_the_caller(gateway: ApnsGateway, apns: Any) -> None:
    apns.on_push = lambda request: request.reset(ErrorCodes.REFUSED_STREAM)
    assert await gateway.send(push()) == not_sent("stream refused")
    assert len(apns.requests) == 2


async def test_no_stream_at_all_is_certainly_not_sent_and_the_next_push_takes_a_new_connection(
    build: BuildGateway, apns: Any, clock: Clock
) -> None:
    """RFC 9113 6.5.2: a limit of 0 is for a short time only."""
    gateway = build(apns.port, deadline=1.0)
    apns.on_connect = lambda peer: peer.greet(streams=0)
    outcome = await gateway.send(push())
    assert outcome.transmission == "not_sent"
    assert "no free stream" in outcome.error
    apns.on_connect = lambda peer: peer.greet(streams=1)
    clock.pass_every_pause()
    allow(gateway)
    assert await gateway.send(push()) == answered(200)
    assert len(apns.peers) == 2


async def test_what_no_window_let_out_whole_is_certainly_not_sent(build: BuildGateway, apns: Any) -> None:
    """The server has the headers and no end of the body: it cannot have processed it."""
    gateway = build(apns.port, deadline=1.0)

    def no_windows(peer: Any) -> None:
        peer.h2.local_settings[SettingCodes.INITIAL_WINDOW_SIZE] = 0
        peer.h2.local_settings.acknowledge()
        peer.greet()

    apns.on_connect = no_windows
    assert await gateway.send(push()) == not_sent("no window for all of it within 1.0 s")
    assert apns.requests == []


async def test_hundreds_of_large_pushes_at_once(gateway: ApnsGateway, apns: Any) -> None:
    """More than the flow-control window holds: they wait for it, and none is torn."""
    bodies = [json.dumps({"n": n, "fill": "x" * 4070}).encode()[:4096] for n in range(400)]
    outcomes = await asyncio.gather(*(gateway.send(push(payload=body)) for body in bodies))
    assert outcomes == [answered(200)] * 400
    assert sorted(request.body for request in apns.requests) == sorted(bodies)
    assert len(apns.peers) == 1
