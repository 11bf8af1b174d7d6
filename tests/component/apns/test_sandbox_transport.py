"""Sockets: bytes that are no HTTP/2, clients that do not read, defects of ours; and the life of a sandbox and its ports."""

import asyncio
import gc
import os
import random

import pytest
from h2.settings import SettingCodes

from simulator.apns.faults import Fault, Stall
from simulator.apns.http2 import frames
from simulator.apns.http2.server import ServerConnection
from simulator.apns.sandbox import Sandbox
from waiting import eventually

from .conftest import Wire, within

MAX_STREAMS = int(SettingCodes.MAX_CONCURRENT_STREAMS)
REFUSED, INTERNAL = 7, 2


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


async def test_a_client_that_does_not_read_its_answers_is_not_read_from(bench) -> None:
    connection, transport = ServerConnection(bench.sandbox._listeners["sandbox"].port), Wire()
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
    connection, transport = ServerConnection(bench.sandbox._listeners["sandbox"].port), Wire()
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


# --- the life of a sandbox ---


async def test_close_says_goaway_cuts_what_is_due_and_may_be_called_again(bench) -> None:
    bench.sandbox.faults.add(Fault(Stall()))
    provider, ports = await bench.connect(), dict(bench.sandbox.ports)
    bench.push(provider)
    await eventually(lambda: bench.pushes())
    await bench.sandbox.close()
    await bench.sandbox.close()
    await within(provider.lost)
    assert provider.goaway.additional_data == b'{"reason":"Shutdown"}'
    assert bench.sandbox.ports == {}
    for port in ports.values():
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)


async def test_close_cuts_a_client_that_does_not_answer(bench, monkeypatch) -> None:
    monkeypatch.setattr("simulator.apns.http2.listener.SHUTDOWN_TIMEOUT", 0.05)
    monkeypatch.setattr(ServerConnection, "shut", lambda self: None)
    await bench.connect()
    await bench.sandbox.close()
    assert not bench.sandbox._listeners["sandbox"].port.connections


async def test_nothing_of_a_connection_is_kept(bench) -> None:
    gc.collect()
    before = sum(isinstance(each, ServerConnection) for each in gc.get_objects())
    for _ in range(5):
        provider = await bench.connect()
        await bench.ask(provider)
        provider.close()
    await eventually(lambda: not bench.sandbox._listeners["sandbox"].port.connections)
    await asyncio.sleep(0)
    gc.collect()
    assert sum(isinstance(each, ServerConnection) for each in gc.get_objects()) == before


async def test_the_ca_file_is_temporary_unless_a_folder_is_given(bench, tmp_path) -> None:
    assert bench.sandbox.ca_file.read_text() == bench.sandbox.ca_pem
    assert bench.sandbox.ca_file.parent == tmp_path
    own = Sandbox(bench.clock, bench.journal, random=random.Random(1))
    with pytest.raises(RuntimeError):
        _ = own.ca_file
    await own.start()
    ca_file = own.ca_file
    assert ca_file.read_text() == own.ca_pem
    await own.close()
    assert not ca_file.exists()
    assert bench.sandbox.ca_file.exists()


async def test_a_taken_port_is_an_error_and_close_still_tidies_up(bench) -> None:
    own = Sandbox(bench.clock, bench.journal, random=random.Random(1))
    with pytest.raises(OSError, match="address"):
        await own.start(production_port=bench.sandbox.ports["sandbox"])
    await own.close()
    assert own.ports == {}


async def test_the_same_ports_may_be_asked_for_again(bench) -> None:
    ports = dict(bench.sandbox.ports)
    await bench.sandbox.close()
    await bench.sandbox.start(**{f"{name.replace('-', '_')}_port": port for name, port in ports.items()})
    assert bench.sandbox.ports == ports
    assert (await bench.ask(await bench.connect())).status == 200
