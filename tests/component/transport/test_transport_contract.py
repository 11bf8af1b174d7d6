"""What every push transport must keep, asked of both: answers and streams."""

import asyncio
import contextlib
from typing import Any

from h2.errors import ErrorCodes

from component.transport.contract import BODY, LEAK, UNMATCHED, both, each
from component.transport.sending import BuildGateway, prime, push, reason, send_all, start, unanswered
from outcomes import answered
from waiting import PATIENCE, eventually

OK = answered(200)
UNREGISTERED = reason("Unregistered", timestamp=1_799_999_999_000)


# Answers.

ANSWERS: dict[str, tuple[str, Any]] = {
    "delivered": ("", ({}, OK)),
    "delivered, with a body": (BODY, ({"body": b"{"}, OK)),
    "no apns-id": (UNMATCHED, ({"headers": []}, OK)),
    "an upper-case id": (UNMATCHED, ({"headers": [("apns-id", "ABCDEF00-0000-0000-0000-000000000000")]}, OK)),
    "an error": ("", ({"status": 400, "body": reason("BadDeviceToken")}, answered(400, "BadDeviceToken"))),
    "a token that died": (
        "",
        ({"status": 410, "body": UNREGISTERED}, answered(410, "Unregistered", 1_799_999_999_000)),
    ),
    "an error without apns-id": (
        UNMATCHED,
        ({"status": 400, "headers": [], "body": reason("BadTopic")}, answered(400, "BadTopic")),
    ),
    "a body in parts": (BODY, ({"status": 400, "body": reason("BadTopic"), "parts": 5}, answered(400, "BadTopic"))),
    "an error without a body": (UNMATCHED, ({"status": 503}, answered(503))),
    "a body without a reason": (UNMATCHED, ({"status": 400, "body": b"{}"}, answered(400))),
    "HTML": (BODY, ({"status": 502, "body": b"<html>Bad gateway</html>"}, answered(502))),
}  # fmt: skip


@each(ANSWERS)
async def test_every_answer_is_the_outcome_and_leaves_its_stream_free(
    build: BuildGateway, apns: Any, transport: str, case: Any
) -> None:
    """The server allows one stream, so that the next push shows whether it is free again."""
    how, expected = case
    gateway = build(apns.port, transport=transport, hang=0.25)
    apns.on_connect = lambda peer: peer.greet(streams=1)
    await prime(gateway, apns)
    apns.on_push = lambda request: request.answer(**how)
    assert await gateway.send(push()) == expected
    apns.on_push = lambda request: request.answer()
    assert await gateway.send(push()) == OK
    assert len(apns.peers) == 1


@both("received DATA is never acknowledged: after 64 KiB of bodies no error is received any more")
async def test_two_thousand_errors_on_one_connection(build: BuildGateway, apns: Any, transport: str) -> None:
    gateway = build(apns.port, transport=transport, hang=1.5)
    apns.on_push = lambda request: request.answer(410, UNREGISTERED)
    for _ in range(40):
        assert await send_all(gateway, 50) == [answered(410, "Unregistered", 1_799_999_999_000)] * 50
    assert len(apns.peers) == 1


@both("two pushes with one id in flight: the first hangs")
async def test_the_same_id_twice_in_flight(build: BuildGateway, apns: Any, transport: str) -> None:
    gateway = build(apns.port, transport=transport, hang=0.25)
    assert await send_all(gateway, 2, apns_id="0123abcd-4567-89ef-0123-456789abcdef") == [OK] * 2


@both()
async def test_illegal_values_never_leave(build: BuildGateway, apns: Any, transport: str) -> None:
    """A header that could be broken out of, and a payload too large, are answered as APNs would."""
    gateway = build(apns.port, transport=transport)
    await prime(gateway, apns)
    assert await gateway.send(push(collapse_id="a\r\nb")) == answered(400, "BadCollapseId")
    assert await gateway.send(push(device_token="ab\n")) == answered(400, "BadDeviceToken")
    assert await gateway.send(push(apns_id="7")) == answered(400, "BadMessageId")
    assert await gateway.send(push(payload=b'"' + b"x" * 4095 + b'"')) == answered(413, "PayloadTooLarge")
    assert await gateway.send(push()) == OK
    assert len(apns.requests) == 2
    assert len(apns.peers) == 1


# Streams.


@both(UNMATCHED)
async def test_a_refused_stream_is_sent_once_more(build: BuildGateway, apns: Any, transport: str) -> None:
    gateway = build(apns.port, transport=transport, hang=0.25)
    apns.on_push = lambda request: (
        request.reset(ErrorCodes.REFUSED_STREAM) if len(apns.requests) == 1 else request.answer()
    )
    assert await gateway.send(push()) == OK
    assert len(apns.requests) == 2


@both(LEAK)
async def test_a_reset_may_have_been_processed_and_frees_its_stream(
    build: BuildGateway, apns: Any, transport: str
) -> None:
    gateway = build(apns.port, transport=transport, hang=0.25)
    apns.on_connect = lambda peer: peer.greet(streams=1)
    await prime(gateway, apns)
    apns.on_push = lambda request: request.reset(ErrorCodes.INTERNAL_ERROR)
    assert (await gateway.send(push())).transmission == "maybe_sent"
    apns.on_push = lambda request: request.answer()
    assert await gateway.send(push()) == OK
    assert len(apns.peers) == 1


@both("it opens a thousand streams before the server's SETTINGS are here")
async def test_one_stream_until_the_first_accepted_token(
    build: BuildGateway, apns: Any, transport: str
) -> None:
    """As APNs does it: one stream first; the limit rises with the first answer."""
    gateway = build(apns.port, transport=transport, hang=1.0)
    apns.on_connect = lambda peer: peer.greet(streams=1)
    waiting: list[Any] = []
    apns.on_push = waiting.append
    sending = start(gateway, 20)
    await eventually(lambda: waiting)
    assert [peer.most_in_flight for peer in apns.peers] == [1]
    apns.peers[0].allow(1000)
    await eventually(lambda: len(waiting) == 20, within=PATIENCE if transport == "lean" else 1.0)
    for request in waiting:
        request.answer()
    assert await asyncio.gather(*sending) == [OK] * 20
    assert len(apns.peers) == 1


@both()
async def test_a_lowered_limit_is_kept(build: BuildGateway, apns: Any, transport: str) -> None:
    gateway = build(apns.port, transport=transport)
    await prime(gateway, apns)
    peer = apns.peers[0]
    peer.allow(2)
    await prime(gateway, apns)  # by now the client has read it
    peer.most_in_flight = 0
    apns.on_push = lambda request: asyncio.get_running_loop().call_soon(request.answer)
    assert await send_all(gateway, 30) == [OK] * 30
    assert 1 <= peer.most_in_flight <= 2


@both("a push that finds the window shut leaves its stream half open, for good")
async def test_a_burst_beyond_the_flow_control_window(build: BuildGateway, apns: Any, transport: str) -> None:
    gateway = build(apns.port, transport=transport, hang=1.5)
    await prime(gateway, apns)
    for _ in range(3):
        assert await send_all(gateway, 200, payload=b'"' + b"x" * 1000 + b'"') == [OK] * 200
    assert len(apns.peers) == 1
    assert not apns.peers[0].in_flight
    assert all(request.body for request in apns.peers[0].requests.values())


@both()
async def test_more_pushes_than_streams(build: BuildGateway, apns: Any, transport: str) -> None:
    gateway = build(apns.port, transport=transport)
    assert await send_all(gateway, 500) == [OK] * 500


@both()
async def test_a_cancelled_caller_harms_no_other(build: BuildGateway, apns: Any, transport: str) -> None:
    gateway = build(apns.port, transport=transport)
    await prime(gateway, apns)
    sending, waiting = await unanswered(gateway, apns, 6)
    for task in sending[:3]:
        task.cancel()
    outcomes = asyncio.gather(*sending, return_exceptions=True)
    for request in waiting:
        with contextlib.suppress(Exception):  # of a stream that was reset
            request.answer()
    assert (await outcomes)[3:] == [OK] * 3
    apns.on_push = lambda request: request.answer()
    assert await gateway.send(push()) == OK
    assert len(apns.peers) == 1
