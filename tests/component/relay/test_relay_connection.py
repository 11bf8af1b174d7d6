"""The way to APNs over real TLS and HTTP/2, against a server that misbehaves in every way we know of."""

import asyncio
import json
import socket
import time
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
import trustme
from h2.errors import ErrorCodes

from relay.apns import backoff, connector
from relay.apns.gateway import ApnsGateway
from relay.apns.provider_token import MIN_AGE, ProviderToken
from relay.apns.push import Answered, MaybeSent, NotSent, Outcome, Push
from waiting import eventually

NOW = 1_800_000_000.0
BuildGateway = Callable[..., ApnsGateway]


class Clock:
    """UNIX seconds, turned by the test."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def push(**changes: Any) -> Push:
    fields: dict[str, Any] = {
        "apns_id": str(uuid.uuid4()),
        "device_token": "ab" * 32,
        "apns_env": "production",
        "topic": "com.example.app",
        "push_type": "alert",
        "priority": 10,
        "expiration": int(NOW) + 3600,
        "collapse_id": "c1",
        "payload": b'{"aps":{}}',
    }
    return Push(**(fields | changes))


def reason(text: str, **fields: Any) -> bytes:
    return json.dumps({"reason": text} | fields).encode()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def build(certificates: Any, private_key: str, clock: Clock) -> AsyncIterator[BuildGateway]:
    """Builds gateways, closes them, and sees that they leave no task behind."""
    built: list[ApnsGateway] = []

    def make(
        port: int, *, deadline: float = 5.0, ca_file: Path | None = certificates.ca_file, **hosts: int
    ) -> ApnsGateway:
        token = ProviderToken(private_key=private_key, key_id="KEY1234567", team_id="TEAM123456")
        gateway = ApnsGateway(
            hosts={
                "production": ("127.0.0.1", hosts.get("production", port)),
                "sandbox": ("127.0.0.1", hosts.get("sandbox", port)),
            },
            ca_file=ca_file,
            provider_token=token,
            deadline=deadline,
            now=clock,
        )
        built.append(gateway)
        return gateway

    yield make
    for gateway in built:
        await gateway.close(1.0)
    await eventually(lambda: asyncio.all_tasks() == {asyncio.current_task()})


@pytest.fixture
def gateway(build: BuildGateway, apns: Any) -> ApnsGateway:
    return build(apns.port)


async def send_all(gateway: ApnsGateway, count: int, **changes: Any) -> list[Outcome]:
    return await asyncio.gather(*(gateway.send(push(**changes)) for _ in range(count)))


# Requests and answers.


async def test_a_push_on_the_wire(gateway: ApnsGateway, apns: Any) -> None:
    sent = push()
    assert await gateway.send(sent) == Answered(200)
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
    assert await send_all(gateway, 50) == [Answered(200)] * 50
    assert await gateway.send(push()) == Answered(200)
    assert len(apns.peers) == 1
    assert len({request.headers["authorization"] for request in apns.requests}) == 1


async def test_each_environment_has_its_own_connection(gateway: ApnsGateway, apns: Any) -> None:
    await gateway.send(push())
    await gateway.send(push(apns_env="sandbox"))
    assert len(apns.peers) == 2
    assert len({request.headers["authorization"] for request in apns.requests}) == 1


ANSWERS: dict[str, tuple[dict[str, Any], Outcome]] = {
    "200 without apns-id": ({"headers": []}, Answered(200)),
    "200 with an upper-case id": ({"headers": [("apns-id", "ABCDEF00-0000-0000-0000-000000000000")]}, Answered(200)),
    "200 with a body": ({"body": b"{}"}, Answered(200)),
    "410 with its time": (
        {"status": 410, "body": reason("Unregistered", timestamp=1_799_999_999_000)},
        Answered(410, "Unregistered", 1_799_999_999_000),
    ),
    "error without apns-id": (
        {"status": 400, "headers": [], "body": reason("BadDeviceToken")},
        Answered(400, "BadDeviceToken"),
    ),
    "body in many frames": (
        {"status": 400, "body": reason("BadDeviceToken"), "parts": 9},
        Answered(400, "BadDeviceToken"),
    ),
    "error without a body": ({"status": 503}, Answered(503)),
    "HTML": ({"status": 502, "body": b"<html>Bad gateway</html>"}, Answered(502)),
    "no UTF-8": ({"status": 502, "body": b"\xff\xfe"}, Answered(502)),
    "an array": ({"status": 400, "body": b"[1]"}, Answered(400)),
    "deep nesting": ({"status": 400, "body": b"[" * 10_000}, Answered(400)),
    "no reason": ({"status": 400, "body": b"{}"}, Answered(400)),
    "a number for a reason": ({"status": 400, "body": b'{"reason":7}'}, Answered(400)),
    "a reason of two lines": ({"status": 400, "body": b'{"reason":"a\\nb"}'}, Answered(400)),
    "a lone surrogate": ({"status": 400, "body": b'{"reason":"\\ud800"}'}, Answered(400)),
    "an endless reason": ({"status": 400, "body": reason("R" * 5000)}, Answered(400)),
    "a body of 15 KB": ({"status": 400, "body": reason("R", more="x" * 15_000), "parts": 4}, Answered(400, "R")),
    "a body of 60 KB": ({"status": 400, "body": reason("R", more="x" * 60_000), "parts": 4}, Answered(400)),
    "a time that is none": ({"status": 410, "body": b'{"reason":"Unregistered","timestamp":true}'}, Answered(410, "Unregistered")),
    "a time beyond all tables": (
        {"status": 410, "body": b'{"reason":"Unregistered","timestamp":1' + b"0" * 40 + b"}"},
        Answered(410, "Unregistered"),
    ),
    "a negative time": ({"status": 410, "body": b'{"reason":"ExpiredToken","timestamp":-5}'}, Answered(410, "ExpiredToken")),
    "a status that is none": ({"status": "abc"}, MaybeSent("malformed answer: no status")),
    "a status beyond all tables": ({"status": "9" * 30}, MaybeSent("malformed answer: no status")),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
async def test_whatever_is_answered_the_next_push_goes_through(
    gateway: ApnsGateway, apns: Any, name: str
) -> None:
    how, expected = ANSWERS[name]
    apns.on_push = lambda request: request.answer(**how)
    assert await gateway.send(push()) == expected
    apns.on_push = lambda request: request.answer()
    assert await gateway.send(push()) == Answered(200)
    assert len(apns.peers) == 1


async def test_2000_errors_on_one_connection(gateway: ApnsGateway, apns: Any) -> None:
    """Unacknowledged error bodies would fill the window of 64 KiB after some 1200."""
    apns.on_push = lambda request: request.answer(410, reason("Unregistered", timestamp=1_799_999_999_000))
    for _ in range(4):
        outcomes = await send_all(gateway, 500)
        assert outcomes == [Answered(410, "Unregistered", 1_799_999_999_000)] * 500
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
    assert await gateway.send(sent) == Answered(200)
    assert apns.apns_ids == [sent.apns_id] * 2


async def test_refused_again_it_is_left_to_the_caller(gateway: ApnsGateway, apns: Any) -> None:
    apns.on_push = lambda request: request.reset(ErrorCodes.REFUSED_STREAM)
    assert await gateway.send(push()) == NotSent("stream refused")
    assert len(apns.requests) == 2


@pytest.mark.parametrize("code", [ErrorCodes.INTERNAL_ERROR, ErrorCodes.CANCEL, ErrorCodes.NO_ERROR])
async def test_other_resets_may_have_been_processed(
    gateway: ApnsGateway, apns: Any, code: ErrorCodes
) -> None:
    apns.on_push = lambda request: request.reset(code)
    assert await gateway.send(push()) == MaybeSent(f"stream reset with code {code}")
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
    assert await sending == [Answered(200)] * 20
    assert len(apns.peers) == 1


async def test_a_lowered_limit_is_kept(gateway: ApnsGateway, apns: Any) -> None:
    waiting: list[Any] = []
    apns.on_push = waiting.append
    sending = asyncio.create_task(send_all(gateway, 10))
    await eventually(lambda: len(waiting) == 10)
    peer = apns.peers[0]
    peer.allow(2)
    for request in waiting:
        request.answer()
    assert await sending == [Answered(200)] * 10
    waiting.clear()
    peer.most_in_flight = 0
    apns.on_push = lambda request: asyncio.get_running_loop().call_soon(request.answer)
    assert await send_all(gateway, 30) == [Answered(200)] * 30
    assert peer.most_in_flight <= 2
    assert len(apns.peers) == 1


async def test_no_stream_at_all_is_certainly_not_sent(build: BuildGateway, apns: Any) -> None:
    gateway = build(apns.port, deadline=0.1)
    apns.on_connect = lambda peer: peer.greet(streams=0)
    outcome = await gateway.send(push())
    assert isinstance(outcome, NotSent)
    assert "no free stream" in outcome.why
    apns.peers[0].allow(5)
    assert await gateway.send(push()) == Answered(200)


async def test_hundreds_of_large_pushes_at_once(gateway: ApnsGateway, apns: Any) -> None:
    """More than the flow-control window holds: they wait for it, and none is torn."""
    bodies = [json.dumps({"n": n, "fill": "x" * 4070}).encode()[:4096] for n in range(400)]
    outcomes = await asyncio.gather(*(gateway.send(push(payload=body)) for body in bodies))
    assert outcomes == [Answered(200)] * 400
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
    assert outcomes.count(Answered(200)) == 5
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
    assert await tasks[1] == Answered(200)
    apns.on_push = lambda request: request.answer()
    assert await gateway.send(push()) == Answered(200)
    assert len(apns.peers) == 1


# Silence.


async def test_silence_ends_at_the_deadline_and_the_next_push_takes_a_new_connection(
    build: BuildGateway, apns: Any
) -> None:
    gateway = build(apns.port, deadline=0.1)
    apns.on_push = lambda request: None
    began = time.monotonic()
    outcome = await gateway.send(push())
    assert isinstance(outcome, MaybeSent)
    assert "no answer" in outcome.why
    assert time.monotonic() - began < 1
    apns.on_push = lambda request: request.answer()
    clock_turned(gateway)
    assert await gateway.send(push()) == Answered(200)
    assert [peer.closed or not peer.in_flight for peer in apns.peers] == [True, True]
    assert len(apns.peers) == 2


def clock_turned(gateway: ApnsGateway) -> None:
    """Past every pause between connections."""
    gateway._now.now += backoff.LONGEST_PAUSE  # type: ignore[attr-defined]


async def test_what_is_in_flight_beside_a_silent_stream_is_still_answered(
    build: BuildGateway, apns: Any
) -> None:
    gateway = build(apns.port, deadline=0.3)
    waiting: list[Any] = []
    apns.on_push = waiting.append
    first = asyncio.create_task(gateway.send(push()))
    await eventually(lambda: waiting)
    await asyncio.sleep(0.15)  # the second begins later, so that its deadline is later
    second = asyncio.create_task(gateway.send(push()))
    await eventually(lambda: len(waiting) == 2)
    assert isinstance(await first, MaybeSent)
    waiting[1].answer()
    assert await second == Answered(200)
    assert len(apns.peers) == 1


async def test_an_answer_that_is_in_counts_though_the_deadline_passed(build: BuildGateway, apns: Any) -> None:
    """As when the process was held up: both the answer and the deadline are found at once."""
    gateway = build(apns.port, deadline=0.2)
    await prime(gateway, apns)

    def answer_and_hold_up(request: Any) -> None:
        request.answer()
        time.sleep(0.3)

    apns.on_push = answer_and_hold_up
    assert await gateway.send(push()) == Answered(200)


async def test_one_silent_stream_among_answered_ones_keeps_the_connection(
    build: BuildGateway, apns: Any
) -> None:
    gateway = build(apns.port, deadline=0.3)
    apns.on_push = lambda request: None
    silent = asyncio.create_task(gateway.send(push()))
    await eventually(lambda: apns.requests)
    apns.on_push = lambda request: request.answer()
    assert await gateway.send(push()) == Answered(200)
    assert isinstance(await silent, MaybeSent)
    assert await gateway.send(push()) == Answered(200)
    assert len(apns.peers) == 1
    await eventually(lambda: apns.peers[0].resets == [1])


async def test_a_window_that_is_never_opened_again_takes_a_new_connection(
    build: BuildGateway, apns: Any
) -> None:
    gateway = build(apns.port, deadline=0.2)  # before the pool grows for it
    apns.on_connect = shut_window
    large = b"x" * 4096
    outcomes = [await gateway.send(push(payload=large)) for _ in range(16)]
    assert outcomes.pop() == NotSent("no free stream within 0.2 s")
    assert outcomes == [Answered(200)] * 15
    assert await gateway.send(push(payload=large)) == Answered(200)
    assert len(apns.peers) == 2
    await eventually(lambda: apns.peers[0].closed)


def shut_window(peer: Any) -> None:
    """A server that reads and never says so."""
    peer.greet()
    peer.h2.acknowledge_received_data = lambda size, stream_id: None


async def test_a_server_without_settings(build: BuildGateway, apns: Any) -> None:
    gateway = build(apns.port, deadline=0.1)
    apns.on_connect = lambda peer: None
    outcome = await gateway.send(push())
    assert isinstance(outcome, NotSent)
    assert outcome.why == "no free stream within 0.1 s"


# The end of a connection.


async def test_a_graceful_goaway_loses_and_doubles_nothing(gateway: ApnsGateway, apns: Any) -> None:
    waiting: list[Any] = []
    apns.on_push = waiting.append
    sending = asyncio.create_task(send_all(gateway, 5))
    await eventually(lambda: len(waiting) == 5)
    old = apns.peers[0]
    old.go_away(2**31 - 1, b'{"reason":"Shutdown"}')
    await eventually(lambda: not gateway._pools["production"]._usable)
    apns.on_push = lambda request: request.answer()
    assert await gateway.send(push()) == Answered(200)
    assert len(apns.peers) == 2
    for request in waiting:
        request.answer()
    assert await sending == [Answered(200)] * 5
    assert len(apns.requests) == 6
    await eventually(lambda: old.closed)


async def test_streams_above_a_goaway_are_sent_again_and_the_others_are_not(
    gateway: ApnsGateway, apns: Any
) -> None:
    waiting: list[Any] = []
    apns.on_push = waiting.append
    sending = asyncio.create_task(send_all(gateway, 4))
    await eventually(lambda: len(waiting) == 4)
    first = {request.stream_id: request for request in waiting}
    apns.on_push = lambda request: request.answer()
    apns.peers[0].go_away(3)
    first[1].answer()
    first[3].answer()
    assert await sending == [Answered(200)] * 4
    again = {request.apns_id for request in apns.peers[1].requests.values()}
    assert again == {first[5].apns_id, first[7].apns_id}
    assert len(apns.requests) == 6


async def test_an_abrupt_goaway(gateway: ApnsGateway, apns: Any) -> None:
    waiting: list[Any] = []
    apns.on_push = waiting.append
    await prime(gateway, apns)
    sending = asyncio.create_task(send_all(gateway, 4))
    await eventually(lambda: len(waiting) == 4)
    apns.on_push = lambda request: request.answer()
    apns.peers[0].go_away(waiting[1].stream_id)
    apns.peers[0].transport.close()
    outcomes = await sending
    assert sum(isinstance(outcome, MaybeSent) for outcome in outcomes) == 2
    assert outcomes.count(Answered(200)) == 2
    assert len(apns.requests) == 1 + 6


async def prime(gateway: ApnsGateway, apns: Any) -> None:
    """One answered push, so that the connection counts as a good one."""
    before, apns.on_push = apns.on_push, lambda request: request.answer()
    assert await gateway.send(push()) == Answered(200)
    apns.on_push = before


async def test_a_cut_connection_may_have_taken_what_was_written(gateway: ApnsGateway, apns: Any) -> None:
    await prime(gateway, apns)
    apns.on_push = lambda request: request.peer.transport.abort()
    outcomes = await send_all(gateway, 3)
    assert all(isinstance(outcome, MaybeSent) for outcome in outcomes)
    apns.on_push = lambda request: request.answer()
    assert await gateway.send(push()) == Answered(200)
    assert len(apns.peers) == 2


async def test_a_connection_closed_while_idle_costs_nothing(gateway: ApnsGateway, apns: Any) -> None:
    await prime(gateway, apns)
    apns.peers[0].transport.close()
    await eventually(lambda: apns.peers[0].closed)
    assert await gateway.send(push()) == Answered(200)


async def test_a_server_that_hangs_up_at_once_is_left_alone_for_a_while(
    gateway: ApnsGateway, apns: Any, clock: Clock
) -> None:
    apns.on_connect = lambda peer: peer.transport.close()
    for _ in range(5):
        assert isinstance(await gateway.send(push()), NotSent)
    assert len(apns.peers) == 1
    apns.on_connect = lambda peer: peer.greet()
    clock.now += backoff.LONGEST_PAUSE
    assert await gateway.send(push()) == Answered(200)


async def test_goaway_as_a_greeting_pauses_too(gateway: ApnsGateway, apns: Any) -> None:
    def refuse(peer: Any) -> None:
        peer.greet()
        peer.go_away(0, b'{"reason":"BadCertificateEnvironment"}')

    apns.on_connect = refuse
    for _ in range(5):
        assert isinstance(await gateway.send(push()), NotSent)
    assert len(apns.peers) <= 2


async def test_what_is_no_http2_is_not_sent(build: BuildGateway, apns: Any) -> None:
    gateway = build(apns.port, deadline=0.5)
    apns.on_connect = lambda peer: peer.transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 5)
    assert isinstance(await gateway.send(push()), NotSent)


async def test_a_protocol_error_amid_answers_loses_no_push(gateway: ApnsGateway, apns: Any) -> None:
    waiting: list[Any] = []
    apns.on_push = waiting.append
    sending = asyncio.create_task(send_all(gateway, 3))
    await eventually(lambda: len(waiting) == 3)
    waiting[0].answer()
    await eventually(lambda: not apns.peers[0].closed)
    apns.peers[0].transport.write(b"\x00\x00\x01\x06\x00\x00\x00\x00\x07!")  # PING on a stream, of one byte
    outcomes = await sending
    assert outcomes.count(Answered(200)) + sum(isinstance(o, MaybeSent) for o in outcomes) == 3
    await eventually(lambda: apns.peers[0].closed)


# Connecting.


async def test_nobody_listens(build: BuildGateway, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    gateway = build(port)
    outcome = await gateway.send(push())
    assert isinstance(outcome, NotSent)
    assert f"cannot connect to 127.0.0.1:{port}" in outcome.why
    pauses = []
    for _ in range(12):
        before = clock.now
        while "waiting" in (outcome := await gateway.send(push())).why:
            clock.now += 0.05
        pauses.append(clock.now - before)
    assert pauses[0] <= backoff.FIRST_PAUSE + 0.1
    assert backoff.LONGEST_PAUSE / 2 - 0.1 <= pauses[-1] <= backoff.LONGEST_PAUSE + 0.1
    assert caplog.text.count("connect failed") == 13


async def test_a_black_hole_is_given_up(
    build: BuildGateway, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr(connector, "CONNECT_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gateway = build(listener.getsockname()[1])
        began = time.monotonic()
        outcomes = await send_all(gateway, 50)
        assert time.monotonic() - began < 2
    assert all(isinstance(outcome, NotSent) for outcome in outcomes)
    assert caplog.text.count("timed out") == 1


async def test_the_deadline_holds_while_connecting(build: BuildGateway) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gateway = build(listener.getsockname()[1], deadline=0.1)
        began = time.monotonic()
        outcomes = await send_all(gateway, 50)
        assert time.monotonic() - began < 1
    assert all(isinstance(outcome, NotSent) for outcome in outcomes)


async def test_a_caller_cancelled_while_connecting_harms_nobody(gateway: ApnsGateway, apns: Any) -> None:
    tasks = [asyncio.create_task(gateway.send(push())) for _ in range(5)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert outcomes[1:] == [Answered(200)] * 4
    assert len(apns.requests) == 4
    assert len(apns.peers) == 1


async def test_another_ca_is_refused(build: BuildGateway, apns: Any, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    outcome = await build(apns.port, ca_file=tmp_path / "other.pem").send(push())
    assert isinstance(outcome, NotSent)
    assert "CERTIFICATE_VERIFY_FAILED" in outcome.why
    assert apns.requests == []


async def test_without_a_ca_file_the_systems_are_trusted(build: BuildGateway, apns: Any) -> None:
    assert isinstance(await build(apns.port, ca_file=None).send(push()), NotSent)


# The provider token.


def only_tokens_from(iat: float) -> Callable[[Any], None]:
    """APNs that knows a token as expired if it is older, and goes on refusing on that connection."""
    wedged: set[Any] = set()

    def judge(request: Any) -> None:
        token = request.headers["authorization"].removeprefix("bearer ")
        if request.peer in wedged or jwt.decode(token, options={"verify_signature": False})["iat"] < iat:
            wedged.add(request.peer)
            request.answer(403, reason("ExpiredProviderToken"))
        else:
            request.answer()

    return judge


async def test_an_expired_provider_token_is_renewed_once_on_a_new_connection(
    gateway: ApnsGateway, apns: Any, clock: Clock
) -> None:
    await prime(gateway, apns)
    clock.now += MIN_AGE
    apns.on_push = only_tokens_from(clock.now)
    assert await send_all(gateway, 10) == [Answered(200)] * 10
    assert len(apns.peers) == 2
    assert len({request.headers["authorization"] for request in apns.requests}) == 2


async def test_the_other_environments_connection_is_replaced_too(
    gateway: ApnsGateway, apns: Any, clock: Clock
) -> None:
    await prime(gateway, apns)
    assert await gateway.send(push(apns_env="sandbox")) == Answered(200)
    clock.now += MIN_AGE
    apns.on_push = only_tokens_from(clock.now)
    both = [gateway.send(push()), gateway.send(push(apns_env="sandbox"))]
    assert await asyncio.gather(*both) == [Answered(200)] * 2
    assert len({request.headers["authorization"] for request in apns.requests}) == 2


async def test_a_young_token_is_not_renewed(gateway: ApnsGateway, apns: Any, clock: Clock) -> None:
    """Apple allows one in twenty minutes: if a young one counts as expired, a clock is wrong."""
    apns.on_push = only_tokens_from(clock.now + 1)
    assert await gateway.send(push()) == Answered(403, "ExpiredProviderToken")
    assert len(apns.requests) == 1


async def test_still_expired_after_renewal_is_told(gateway: ApnsGateway, apns: Any, clock: Clock) -> None:
    await prime(gateway, apns)
    clock.now += MIN_AGE
    apns.on_push = only_tokens_from(clock.now + 1)
    assert await gateway.send(push()) == Answered(403, "ExpiredProviderToken")
    assert len(apns.requests) == 3


# Closing.


async def test_close_waits_for_the_answers(gateway: ApnsGateway, apns: Any) -> None:
    waiting: list[Any] = []
    apns.on_push = waiting.append
    sending = asyncio.create_task(send_all(gateway, 3))
    await eventually(lambda: len(waiting) == 3)
    closing = asyncio.create_task(gateway.close(5.0))
    for request in waiting:
        request.answer()
    assert await sending == [Answered(200)] * 3
    await closing
    assert len(apns.requests) == 3
    await eventually(lambda: apns.peers[0].closed)


async def test_close_ends_when_its_grace_is_over(gateway: ApnsGateway, apns: Any) -> None:
    apns.on_push = lambda request: None
    sending = asyncio.create_task(send_all(gateway, 3))
    await eventually(lambda: len(apns.requests) == 3)
    began = time.monotonic()
    await gateway.close(0.1)
    assert time.monotonic() - began < 1
    assert all(isinstance(outcome, MaybeSent) for outcome in await sending)
    assert len(apns.requests) == 3


async def test_both_environments_close_at_once(gateway: ApnsGateway, apns: Any) -> None:
    apns.on_push = lambda request: None
    both = [asyncio.create_task(gateway.send(push(apns_env=env))) for env in ("production", "sandbox")]
    await eventually(lambda: len(apns.requests) == 2)
    began = time.monotonic()
    await gateway.close(0.5)
    assert time.monotonic() - began < 0.9
    assert all(isinstance(outcome, MaybeSent) for outcome in await asyncio.gather(*both))


async def test_a_closed_gateway_sends_nothing(gateway: ApnsGateway, apns: Any) -> None:
    await gateway.close(1.0)
    assert isinstance(await gateway.send(push()), NotSent)
    assert apns.peers == []


async def test_closing_while_connecting_leaves_no_connection(gateway: ApnsGateway, apns: Any) -> None:
    sending = asyncio.create_task(gateway.send(push()))
    await asyncio.sleep(0)
    await gateway.close(1.0)
    assert isinstance(await sending, NotSent)
    await eventually(lambda: all(peer.closed for peer in apns.peers))
    assert apns.requests == []


async def test_an_unused_gateway_closes_at_once(gateway: ApnsGateway) -> None:
    await gateway.close(60.0)
