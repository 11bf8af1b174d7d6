"""Requests, answers and streams, over real TLS and HTTP/2, against a server that misbehaves in every way we know of."""

import asyncio
import json
from typing import Any

import jwt
import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes

from component.transport.sending import (
    NOW,
    BuildGateway,
    Clock,
    allow,
    push,
    reason,
    send_all,
    start,
    unanswered,
)
from outcomes import answered, maybe_sent, not_sent
from relay.apns.gateway import ApnsGateway
from relay.apns.push import Outcome
from waiting import eventually

# Requests and answers.


async def test_a_push_on_the_wire(gateway: ApnsGateway, apns: Any) -> None:
    sent = push()
    assert await gateway.send(sent) == answered(200)
    (request,) = apns.requests
    authorization = request.headers.pop("authorization")
    assert request.headers == {
        ":method": "POST",
        ":scheme": "https",
        ":authority": f"127.0.0.1:{apns.port}",
        ":path": f"/3/device/{'ab' * 32}",
        "apns-id": sent.apns_id,
        "apns-topic": "com.example.app",
        "apns-push-type": "alert",
        "apns-priority": "10",
        "apns-expiration": str(int(NOW) + 3600),
        "apns-collapse-id": "c1",
    }
    assert request.body == sent.payload
    assert jwt.get_unverified_header(authorization.removeprefix("bearer "))["kid"] == "KEY1234567"


async def test_one_connection_and_one_provider_token_for_all(gateway: ApnsGateway, apns: Any) -> None:
    assert await send_all(gateway, 50) == [answered(200)] * 50
    assert await gateway.send(push()) == answered(200)
    assert len(apns.peers) == 1
    assert len({request.headers["authorization"] for request in apns.requests}) == 1


async def test_each_environment_has_its_own_connection(gateway: ApnsGateway, apns: Any) -> None:
    await gateway.send(push())
    await gateway.send(push(apns_env="sandbox"))
    assert len(apns.peers) == 2
    assert len({request.headers["authorization"] for request in apns.requests}) == 1


ANSWERS: dict[str, tuple[dict[str, Any], Outcome]] = {
    "200 without apns-id": ({"headers": []}, answered(200)),
    "200 with an upper-case id": ({"headers": [("apns-id", "ABCDEF00-0000-0000-0000-000000000000")]}, answered(200)),
    "200 with a body": ({"body": b"{}"}, answered(200)),
    "410 with its time": (
        {"status": 410, "body": reason("Unregistered", timestamp=1_799_999_999_000)},
        answered(410, "Unregistered", 1_799_999_999_000),
    ),
    "error without apns-id": (
        {"status": 400, "headers": [], "body": reason("BadDeviceToken")},
        answered(400, "BadDeviceToken"),
    ),
    "body in many frames": (
        {"status": 400, "body": reason("BadDeviceToken"), "parts": 9},
        answered(400, "BadDeviceToken"),
    ),
    "error without a body": ({"status": 503}, answered(503)),
    "HTML": ({"status": 502, "body": b"<html>Bad gateway</html>"}, answered(502)),
    "no UTF-8": ({"status": 502, "body": b"\xff\xfe"}, answered(502)),
    "an array": ({"status": 400, "body": b"[1]"}, answered(400)),
    "deep nesting": ({"status": 400, "body": b"[" * 10_000}, answered(400)),
    "no reason": ({"status": 400, "body": b"{}"}, answered(400)),
    "a number for a reason": ({"status": 400, "body": b'{"reason":7}'}, answered(400)),
    "a reason of two lines": ({"status": 400, "body": b'{"reason":"a\\nb"}'}, answered(400)),
    "a lone surrogate": ({"status": 400, "body": b'{"reason":"\\ud800"}'}, answered(400)),
    "an endless reason": ({"status": 400, "body": reason("R" * 5000)}, answered(400)),
    "a body of 15 KB": ({"status": 400, "body": reason("R", more="x" * 15_000), "parts": 4}, answered(400, "R")),
    "a body of 60 KB": ({"status": 400, "body": reason("R", more="x" * 60_000), "parts": 4}, answered(400)),
    "a time that is none": ({"status": 410, "body": b'{"reason":"Unregistered","timestamp":true}'}, answered(410, "Unregistered")),
    "a time beyond all tables": (
        {"status": 410, "body": b'{"reason":"Unregistered","timestamp":1' + b"0" * 40 + b"}"},
        answered(410, "Unregistered"),
    ),
    "a negative time": ({"status": 410, "body": b'{"reason":"ExpiredToken","timestamp":-5}'}, answered(410, "ExpiredToken")),
    "a status that is none": ({"status": "abc"}, maybe_sent("malformed answer: no status")),
    "a status beyond all tables": ({"status": "9" * 30}, maybe_sent("malformed answer: no status")),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
async def test_whatever_is_answered_the_next_push_goes_through(
    gateway: ApnsGateway, apns: Any, name: str
) -> None:
    how, expected = ANSWERS[name]
    apns.on_push = lambda request: request.answer(**how)
    assert await gateway.send(push()) == expected
    apns.on_push = lambda request: request.answer()
    assert await gateway.send(push()) == answered(200)
    assert len(apns.peers) == 1


async def test_2000_errors_on_one_connection(gateway: ApnsGateway, apns: Any) -> None:
    """Unacknowledged error bodies would fill the window of 64 KiB after some 1200."""
    apns.on_push = lambda request: request.answer(410, reason("Unregistered", timestamp=1_799_999_999_000))
    for _ in range(4):
        outcomes = await send_all(gateway, 500)
        assert outcomes == [answered(410, "Unregistered", 1_799_999_999_000)] * 500
    assert len(apns.peers) == 1


# Streams.


async def test_refused_streams_are_sent_once_more(gateway: ApnsGateway, apns: Any) -> None:
    def refuse_first(request: Any) -> None:
        if len(apns.requests) == 1:
            request.reset(ErrorCodes.REFUSED_STREAM)
        else:
            request.answer()

    apns.on_push = refuse_first
    sent = push()
    assert await gateway.send(sent) == answered(200)
    assert apns.apns_ids == [sent.apns_id] * 2


async def test_refused_again_it_is_left_to_the_caller(gateway: ApnsGateway, apns: Any) -> None:
    apns.on_push = lambda request: request.reset(ErrorCodes.REFUSED_STREAM)
    assert await gateway.send(push()) == not_sent("stream refused")
    assert len(apns.requests) == 2


@pytest.mark.parametrize("code", [ErrorCodes.INTERNAL_ERROR, ErrorCodes.CANCEL, ErrorCodes.NO_ERROR])
async def test_other_resets_may_have_been_processed(
    gateway: ApnsGateway, apns: Any, code: ErrorCodes
) -> None:
    apns.on_push = lambda request: request.reset(code)
    assert await gateway.send(push()) == maybe_sent(f"stream reset with code {code}")
    assert len(apns.requests) == 1


async def test_a_stream_limit_of_one_is_kept_until_it_is_raised(gateway: ApnsGateway, apns: Any) -> None:
    """As APNs does: one stream until the first good provider token, then 1000."""
    waiting: list[Any] = []
    apns.on_connect = lambda peer: peer.greet(streams=1)
    apns.on_push = waiting.append
    sending = asyncio.create_task(send_all(gateway, 20))
    await eventually(lambda: waiting)
    assert [peer.most_in_flight for peer in apns.peers] == [1]
    waiting[0].answer()
    await eventually(lambda: len(waiting) == 2)
    assert apns.peers[0].most_in_flight == 1
    apns.peers[0].allow(1000)
    await eventually(lambda: len(waiting) == 20)
    assert apns.peers[0].most_in_flight == 19
    for request in waiting[1:]:
        request.answer()
    assert await sending == [answered(200)] * 20
    assert len(apns.peers) == 1


async def test_a_lowered_limit_is_kept(gateway: ApnsGateway, apns: Any) -> None:
    sending, waiting = await unanswered(gateway, apns, 10)
    peer = apns.peers[0]
    peer.allow(2)
    for request in waiting:
        request.answer()
    assert await asyncio.gather(*sending) == [answered(200)] * 10
    waiting.clear()
    peer.most_in_flight = 0
    apns.on_push = lambda request: asyncio.get_running_loop().call_soon(request.answer)
    assert await send_all(gateway, 30) == [answered(200)] * 30
    assert peer.most_in_flight <= 2
    assert len(apns.peers) == 1


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


async def test_a_limit_of_no_streams_that_is_raised_in_time(build: BuildGateway, apns: Any) -> None:
    gateway = build(apns.port)
    apns.on_connect = lambda peer: peer.greet(streams=0)
    sending = start(gateway, 3)
    await eventually(lambda: apns.peers)
    apns.peers[0].allow(1)
    assert await asyncio.gather(*sending) == [answered(200)] * 3
    assert len(apns.peers) == 1


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


async def test_a_cancelled_caller_harms_nobody(gateway: ApnsGateway, apns: Any) -> None:
    waiting: list[Any] = []
    apns.on_connect = lambda peer: peer.greet(streams=4)
    apns.on_push = waiting.append
    tasks = [asyncio.create_task(gateway.send(push())) for _ in range(8)]
    await eventually(lambda: len(waiting) == 4)
    tasks[0].cancel()
    tasks[1].cancel()
    tasks[7].cancel()  # had no stream yet
    await eventually(lambda: len(waiting) == 6 and len(apns.peers[0].resets) == 2)
    apns.on_push = lambda request: request.answer()
    for request in waiting:
        if request.stream_id not in apns.peers[0].resets:
            request.answer()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes].count(asyncio.CancelledError) == 3
    assert outcomes.count(answered(200)) == 5
    assert len(apns.requests) == 7
    assert len(apns.peers) == 1


async def test_a_late_answer_to_a_given_up_stream_harms_nobody(gateway: ApnsGateway, apns: Any) -> None:
    waiting: list[Any] = []
    apns.on_push = waiting.append
    tasks = [asyncio.create_task(gateway.send(push())) for _ in range(2)]
    await eventually(lambda: len(waiting) == 2)
    tasks[0].cancel()
    peer = apns.peers[0]
    await eventually(lambda: peer.resets)
    stream = peer.resets[0].to_bytes(4, "big")
    body = reason("BadDeviceToken")
    frames = b"\x00\x00\x01\x01\x04" + stream + b"\x8c"  # HEADERS, :status 400
    frames += len(body).to_bytes(3, "big") + b"\x00\x01" + stream + body
    peer.transport.write(frames)
    next(request for request in waiting if request.stream_id not in peer.resets).answer()
    assert await tasks[1] == answered(200)
    apns.on_push = lambda request: request.answer()
    assert await gateway.send(push()) == answered(200)
    assert len(apns.peers) == 1
