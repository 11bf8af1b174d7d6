"""TLS, SETTINGS, stream limits, PING, GOAWAY, and bytes that are no HTTP/2 at all."""

import asyncio
import os
import random

from h2.settings import SettingCodes

from simulator.apns.faults import Delay, Fault
from simulator.apns.http2 import frames
from simulator.apns.http2.server import ServerConnection
from waiting import eventually

from .conftest import within

MAX_STREAMS = int(SettingCodes.MAX_CONCURRENT_STREAMS)
REFUSED, INTERNAL = 7, 2


# --- TLS --------------------------------------------------------------------------------------------------------


async def test_http1_never_gets_an_http1_answer(bench) -> None:
    tls = bench.tls("http/1.1")
    reader, writer = await asyncio.open_connection("127.0.0.1", bench.sandbox.ports["sandbox"], ssl=tls)
    writer.write(b"POST /3/device/ab HTTP/1.1\r\nHost: localhost\r\n\r\n")
    received = await within(reader.read())
    assert b"HTTP/" not in received.replace(b"HTTP/2", b"")
    assert b'{"reason":' in received
    writer.close()
    [entry] = bench.journal.entries("apns", "protocol_error")
    assert entry.detail["code"] == frames.ErrorCode.PROTOCOL_ERROR


# --- stream limit -----------------------------------------------------------------------------------------------


async def test_one_stream_at_first_and_a_thousand_before_the_first_200(bench) -> None:
    provider = await bench.connect()
    assert provider.settings[0][MAX_STREAMS] == 1
    await bench.ask(provider)
    assert provider.settings[1] == {MAX_STREAMS: 1000}
    assert provider.log == ["settings", "settings", "answer"]
    await bench.ask(provider)
    assert len(provider.settings) == 2


async def test_a_second_stream_is_refused_while_the_first_is_unanswered(bench) -> None:
    bench.sandbox.faults.add(Fault(Delay(5), times=1))
    provider = await bench.connect()
    provider.forget_the_limit()
    first, second = bench.push(provider), bench.push(provider)
    assert (await within(second.done)).reset == REFUSED
    assert len(provider.settings) == 1
    await bench.clock.advance(5)
    assert (await within(first.done)).status == 200
    assert (await bench.ask(provider)).status == 200
    assert len(bench.delivered) == 2
    [entry] = bench.journal.entries("apns", "stream_refused")
    assert entry.detail == {"limit": 1}


async def test_two_thousand_refusals_on_one_connection_are_all_answered(bench) -> None:
    bench.sandbox.registry.unregister(bench.token, 1.0)
    provider = await bench.connect()
    await bench.ask(provider)
    for _ in range(10):
        answers = [bench.push(provider) for _ in range(200)]
        assert {(await within(each.done)).status for each in answers} == {410}


# --- PING and GOAWAY ----------------------------------------------------------------------------------------------


async def test_the_clients_own_goaway_is_no_error_of_the_protocol(bench) -> None:
    provider = await bench.connect()
    provider.transport.write(frames.goaway(0, 0) + frames.frame(0xEE, 0, 0, b"extension"))
    provider.close()
    await eventually(lambda: bench.journal.entries("apns", "connection_closed"))
    assert not bench.journal.entries("apns", "protocol_error")


async def test_a_stream_that_breaks_the_rules_leaves_the_connection_alive(bench) -> None:
    provider = await bench.connect()
    answer = provider.send([*bench.headers(), ("content-length", "3")], b"ab")
    assert (await within(answer.done)).reset == 1
    assert (await bench.ask(provider)).status == 200


async def test_goaway_carries_its_reason_and_the_connection_closes(bench) -> None:
    provider = await bench.connect()
    await bench.ask(provider)
    bench.sandbox.goaway("Shutdown")
    await within(provider.lost)
    assert provider.goaway.additional_data == b'{"reason":"Shutdown"}'
    assert (provider.goaway.error_code, provider.goaway.last_stream_id) == (0, 1)
    assert (await bench.ask(await bench.connect())).status == 200


# --- robustness ---------------------------------------------------------------------------------------------------


async def test_garbage_on_many_connections_harms_no_other(bench) -> None:
    seeded, steady = random.Random(4), await bench.connect()
    port = bench.sandbox.ports["sandbox"]
    greeting = frames.PREFACE + frames.settings({})
    for number in range(25):
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=bench.tls("h2"))
        noise = [
            frames.frame(
                seeded.randrange(11), seeded.randrange(256), seeded.randrange(9), seeded.randbytes(30)
            )
        ]
        writer.write((greeting if number % 2 else b"") + b"".join(noise * 3) + seeded.randbytes(200))
        writer.close()
        assert (await bench.ask(steady)).status == 200
    _, plain = await asyncio.open_connection("127.0.0.1", port)
    plain.write(os.urandom(500))
    plain.close()
    assert (await bench.ask(steady)).status == 200
    assert not bench.journal.entries("apns", "connection_crashed")


async def test_a_defect_of_ours_ends_one_connection_only(bench, monkeypatch) -> None:
    steady, other = await bench.connect(), await bench.connect()
    monkeypatch.setattr("simulator.apns.http2.server.read_request", lambda *_: 1 / 0)
    bench.push(other)
    await within(other.lost)
    assert other.goaway.error_code == INTERNAL
    monkeypatch.undo()
    assert (await bench.ask(steady)).status == 200
    assert bench.journal.entries("apns", "connection_crashed")


class StuckTransport(asyncio.Transport):
    """A socket whose other end does not read."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.calls.append("write")

    def pause_reading(self) -> None:
        self.calls.append("pause_reading")

    def resume_reading(self) -> None:
        self.calls.append("resume_reading")


async def test_a_client_that_does_not_read_its_answers_is_not_read_from(bench) -> None:
    connection, transport = ServerConnection(bench.sandbox._listeners["sandbox"].port), StuckTransport()
    connection.connection_made(transport)
    connection.pause_writing()
    connection.resume_writing()
    assert transport.calls == ["write", "pause_reading", "resume_reading"]
    connection.connection_lost(None)
    connection.pause_writing()
    connection.resume_writing()
    connection.abort()
    connection.shut()
    assert transport.calls == ["write", "pause_reading", "resume_reading"]


async def test_the_answers_of_one_turn_of_the_loop_are_one_write(bench) -> None:
    connection, transport = ServerConnection(bench.sandbox._listeners["sandbox"].port), StuckTransport()
    connection.connection_made(transport)
    connection.data_received(frames.PREFACE + frames.settings({}))
    connection.data_received(frames.ping(bytes(8), ack=False) * 100)
    await asyncio.sleep(0)
    assert transport.calls == ["write", "write"]
    connection.data_received(frames.ping(bytes(8), ack=False))
    connection.connection_lost(None)
    await asyncio.sleep(0)
    assert transport.calls == ["write", "write"]


async def test_the_sandbox_listens_on_loopback_only(bench) -> None:
    for listener in bench.sandbox._listeners.values():
        assert [each.getsockname()[0] for each in listener._server.sockets] == ["127.0.0.1"]
