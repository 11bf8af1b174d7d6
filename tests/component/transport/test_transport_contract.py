"""What every push transport must keep, asked of both. Where stock aioapns 4.0 is known to fail, the defect is named.

The marks are strict: were a defect mended, its test would fail here and say so.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

import pytest
from h2.errors import ErrorCodes

from component.transport.sending import BuildGateway, Clock, prime, push, reason, send_all, start
from relay.apns.gateway import Gateway
from relay.apns.provider_token import MIN_AGE
from relay.apns.push import Answered, MaybeSent, NotSent
from waiting import eventually

OK = Answered(200)
UNREGISTERED = reason("Unregistered", timestamp=1_799_999_999_000)
UNMATCHED = "answers are matched by apns-id and reason: without them the push hangs"
BODY = (
    "a body that is no JSON, or comes in parts, raises, and the connection is lost with all that is in flight"
)
RESENT = "what was in flight when a connection ends is sent again, though it may have been processed"
LEAK = "the stream of a push that failed is never given back"


def both(defect: str = "") -> pytest.MarkDecorator:
    """Run with each transport; `defect`: why stock aioapns fails."""
    marks = [pytest.mark.xfail(strict=True, reason=f"aioapns 4.0: {defect}")] if defect else []
    return pytest.mark.parametrize("transport", ["lean", pytest.param("aioapns", marks=marks)])


def each(cases: dict[str, tuple[str, Any]]) -> pytest.MarkDecorator:
    """Run each case with each transport; a case is a defect, or "", and what it is about."""
    params = []
    for name, (defect, value) in cases.items():
        marks = [pytest.mark.xfail(strict=True, reason=f"aioapns 4.0: {defect}")] if defect else []
        params.append(pytest.param("lean", value, id=f"lean-{name}"))
        params.append(pytest.param("aioapns", value, id=f"aioapns-{name}", marks=marks))
    return pytest.mark.parametrize(("transport", "case"), params)


# Answers.

ANSWERS: dict[str, tuple[str, Any]] = {
    "delivered": ("", ({}, OK)),
    "delivered, with a body": (BODY, ({"body": b"{"}, OK)),
    "no apns-id": (UNMATCHED, ({"headers": []}, OK)),
    "an upper-case id": (UNMATCHED, ({"headers": [("apns-id", "ABCDEF00-0000-0000-0000-000000000000")]}, OK)),
    "an error": ("", ({"status": 400, "body": reason("BadDeviceToken")}, Answered(400, "BadDeviceToken"))),
    "a token that died": (
        "",
        ({"status": 410, "body": UNREGISTERED}, Answered(410, "Unregistered", 1_799_999_999_000)),
    ),
    "an error without apns-id": (
        UNMATCHED,
        ({"status": 400, "headers": [], "body": reason("BadTopic")}, Answered(400, "BadTopic")),
    ),
    "a body in parts": (
        BODY,
        ({"status": 400, "body": reason("BadTopic"), "parts": 5}, Answered(400, "BadTopic")),
    ),
    "an error without a body": (UNMATCHED, ({"status": 503}, Answered(503))),
    "a body without a reason": (UNMATCHED, ({"status": 400, "body": b"{}"}, Answered(400))),
    "HTML": (BODY, ({"status": 502, "body": b"<html>Bad gateway</html>"}, Answered(502))),
}


@each(ANSWERS)
async def test_every_answer_is_told_and_leaves_its_stream_free(
    build: BuildGateway, apns: Any, transport: str, case: Any
) -> None:
    """The server allows one stream, so that the next push shows whether it is free again."""
    how, expected = case
    gateway = build(apns.port, transport=transport, deadline=0.25)
    apns.on_connect = lambda peer: peer.greet(streams=1)
    await prime(gateway, apns)
    apns.on_push = lambda request: request.answer(**how)
    assert await gateway.send(push()) == expected
    apns.on_push = lambda request: request.answer()
    assert await gateway.send(push()) == OK
    assert len(apns.peers) == 1


@both("received DATA is never acknowledged: after 64 KiB of bodies no error is heard any more")
async def test_two_thousand_errors_on_one_connection(build: BuildGateway, apns: Any, transport: str) -> None:
    gateway = build(apns.port, transport=transport, deadline=1.5)
    apns.on_push = lambda request: request.answer(410, UNREGISTERED)
    for _ in range(40):
        assert await send_all(gateway, 50) == [Answered(410, "Unregistered", 1_799_999_999_000)] * 50
    assert len(apns.peers) == 1


@both("two pushes with one id in flight: the first hangs")
async def test_the_same_id_twice_in_flight(build: BuildGateway, apns: Any, transport: str) -> None:
    gateway = build(apns.port, transport=transport, deadline=0.25)
    assert await send_all(gateway, 2, apns_id="0123abcd-4567-89ef-0123-456789abcdef") == [OK] * 2


@both()
async def test_illegal_values_never_leave(build: BuildGateway, apns: Any, transport: str) -> None:
    """A header that could be broken out of, and a payload too large, are answered as APNs would."""
    gateway = build(apns.port, transport=transport)
    await prime(gateway, apns)
    assert await gateway.send(push(collapse_id="a\r\nb")) == Answered(400, "BadCollapseId")
    assert await gateway.send(push(device_token="ab\n")) == Answered(400, "BadDeviceToken")
    assert await gateway.send(push(apns_id="7")) == Answered(400, "BadMessageId")
    assert await gateway.send(push(payload=b'"' + b"x" * 4095 + b'"')) == Answered(413, "PayloadTooLarge")
    assert await gateway.send(push()) == OK
    assert len(apns.requests) == 2
    assert len(apns.peers) == 1


# Streams.


@both(UNMATCHED)
async def test_a_refused_stream_is_sent_once_more(build: BuildGateway, apns: Any, transport: str) -> None:
    gateway = build(apns.port, transport=transport, deadline=0.25)
    apns.on_push = lambda request: (
        request.reset(ErrorCodes.REFUSED_STREAM) if len(apns.requests) == 1 else request.answer()
    )
    assert await gateway.send(push()) == OK
    assert len(apns.requests) == 2


@both(LEAK)
async def test_a_reset_may_have_been_processed_and_frees_its_stream(
    build: BuildGateway, apns: Any, transport: str
) -> None:
    gateway = build(apns.port, transport=transport, deadline=0.25)
    apns.on_connect = lambda peer: peer.greet(streams=1)
    await prime(gateway, apns)
    apns.on_push = lambda request: request.reset(ErrorCodes.INTERNAL_ERROR)
    assert isinstance(await gateway.send(push()), MaybeSent)
    apns.on_push = lambda request: request.answer()
    assert await gateway.send(push()) == OK
    assert len(apns.peers) == 1


@both("it opens a thousand streams before the server's SETTINGS are here")
async def test_one_stream_until_the_first_accepted_token(
    build: BuildGateway, apns: Any, transport: str
) -> None:
    """As APNs does it: one stream first; the limit rises with the first answer."""
    gateway = build(apns.port, transport=transport, deadline=1.0)
    apns.on_connect = lambda peer: peer.greet(streams=1)
    waiting: list[Any] = []
    apns.on_push = waiting.append
    sending = start(gateway, 20)
    await eventually(lambda: waiting)
    assert [peer.most_in_flight for peer in apns.peers] == [1]
    apns.peers[0].allow(1000)
    await eventually(lambda: len(waiting) == 20, within=1.0)
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
    gateway = build(apns.port, transport=transport, deadline=1.5)
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
    waiting: list[Any] = []
    apns.on_push = waiting.append
    sending = start(gateway, 6)
    await eventually(lambda: len(waiting) == 6)
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


# Ends.


@both(RESENT)
async def test_a_graceful_goaway_loses_and_doubles_nothing(
    build: BuildGateway, apns: Any, transport: str
) -> None:
    gateway = build(apns.port, transport=transport, deadline=1.0)
    await prime(gateway, apns)
    waiting: list[Any] = []
    apns.on_push = waiting.append
    sending = start(gateway, 5)
    await eventually(lambda: len(waiting) == 5)
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
    gateway = build(apns.port, transport=transport, deadline=1.0)
    await prime(gateway, apns)
    waiting: list[Any] = []
    apns.on_push = waiting.append
    sending = start(gateway, 4)
    await eventually(lambda: len(waiting) == 4)
    first, apns.on_push = list(waiting), lambda request: request.answer()
    apns.peers[0].go_away(first[1].stream_id)
    for request in first[:2]:
        request.answer()
    assert await asyncio.gather(*sending) == [OK] * 4
    again = [request.apns_id for request in apns.requests[5:]]
    assert sorted(again) == sorted(request.apns_id for request in first[2:])


@both(RESENT)
async def test_a_cut_connection_doubles_nothing(build: BuildGateway, apns: Any, transport: str) -> None:
    gateway = build(apns.port, transport=transport, deadline=1.0)
    await prime(gateway, apns)
    apns.on_push = lambda request: request.peer.transport.abort()
    outcomes = await send_all(gateway, 3)
    assert all(isinstance(outcome, MaybeSent) for outcome in outcomes)
    assert len(apns.apns_ids) == len(set(apns.apns_ids))
    apns.on_push = lambda request: request.answer()
    assert await gateway.send(push()) == OK


@both()
async def test_silence_ends_at_the_deadline(build: BuildGateway, apns: Any, transport: str) -> None:
    gateway = build(apns.port, transport=transport, deadline=0.2)
    await prime(gateway, apns)
    apns.on_push = lambda request: None
    assert all(isinstance(outcome, MaybeSent) for outcome in await send_all(gateway, 3))
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
    waiting: list[Any] = []
    apns.on_push = waiting.append
    sending = start(gateway, 3)
    await eventually(lambda: len(waiting) == 3)
    closing = asyncio.ensure_future(gateway.close(5.0))
    await eventually(lambda: not closing.done())
    for request in waiting:
        request.answer()
    await closing
    assert await asyncio.gather(*sending) == [OK] * 3
    assert len(apns.requests) == 3
    await eventually(lambda: all(peer.closed for peer in apns.peers))
    assert isinstance(await gateway.send(push()), NotSent)


@both()
async def test_closing_gives_up_what_is_not_answered(build: BuildGateway, apns: Any, transport: str) -> None:
    gateway = build(apns.port, transport=transport)
    apns.on_push = lambda request: None
    sending = start(gateway, 3)
    await eventually(lambda: len(apns.requests) == 3)
    await gateway.close(0.05)
    found = await asyncio.gather(*sending, return_exceptions=True)
    assert all(isinstance(outcome, MaybeSent | asyncio.CancelledError) for outcome in found)
    await eventually(lambda: all(peer.closed for peer in apns.peers))
    assert len(apns.requests) == 3


# Connecting.

UNREACHABLE = "a push that cannot have left is not told from one that may have"


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
        assert all(isinstance(outcome, NotSent) for outcome in await send_all(gateway, 20))
    finally:
        close()


# The provider token.


@both()
async def test_one_provider_token_for_all_connections(build: BuildGateway, apns: Any, transport: str) -> None:
    gateway = build(apns.port, transport=transport)
    await prime(gateway, apns)
    assert await gateway.send(push(apns_env="sandbox")) == OK
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
