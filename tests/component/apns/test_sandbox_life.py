"""The life of a sandbox: its end, what it keeps, its files and ports."""

import asyncio
import gc
import random

import pytest

from simulator.apns.faults import Fault, Stall
from simulator.apns.http2.server import ServerConnection
from simulator.apns.sandbox import Sandbox
from waiting import eventually

from .conftest import within


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
