"""Two hundred thousand pushes over one connection leave nothing behind: pool, connection, HTTP/2 and deadlines together."""

import asyncio
import gc
import random
import ssl
import tracemalloc
from typing import Any

import pytest

from component.transport.sending import push, reason
from relay.apns.http2 import frames
from relay.apns.http2.connection import ApnsConnection
from relay.apns.http2.connector import Connector
from relay.apns.http2.frames import END_HEADERS, END_STREAM, Setting
from relay.apns.http2.pool import ConnectionPool

GONE = reason("Unregistered", timestamp=1_700_000_000_000)


class Echo(asyncio.Transport):
    """A socket with a server in it: each request that is written is answered in the next turn, one in ten with a 410."""

    def __init__(self, connection: ApnsConnection) -> None:
        super().__init__()
        self._connection = connection
        self._answered = -1

    def is_closing(self) -> bool:
        return False

    def write(self, data: Any) -> None:
        newest, answers = self._connection._http2.last_stream_id, []
        while self._answered < newest:
            self._answered += 2
            if self._answered % 20 == 1:
                answers.append(frames.frame(frames.HEADERS, END_HEADERS, self._answered, b"\x08\x03410"))
                answers.append(frames.data(self._answered, GONE, end_stream=True))
            else:
                answers.append(
                    frames.frame(frames.HEADERS, END_HEADERS | END_STREAM, self._answered, b"\x88")
                )
        answers.append(frames.window_update(0, 1 + 10 * len(answers)))
        asyncio.get_running_loop().call_soon(self._connection.data_received, b"".join(answers))

    def abort(self) -> None:
        asyncio.get_running_loop().call_soon(self._connection.connection_lost, None)

    close = abort


class Wired(Connector):
    """Connects to an Echo, once."""

    connections = 0

    async def connect(self, owner: Any) -> ApnsConnection:
        self.connections += 1
        connection = ApnsConnection(authority="x", sign=self._sign, owner=owner, serial=0)
        connection.connection_made(Echo(connection))
        connection.data_received(frames.settings({Setting.MAX_CONCURRENT_STREAMS: 1000}))
        return connection


@pytest.fixture
def wired() -> Wired:
    return Wired(host="x", port=1, tls=ssl.create_default_context(), sign=lambda: "bearer t", serial=int)


@pytest.mark.usefixtures("untraced")
async def test_two_hundred_thousand_pushes_leave_nothing(wired: Wired) -> None:
    """Counted in objects and octets, which a garbage collector's mood does not change."""
    pool = ConnectionPool(wired, apns_env="production", monotonic=lambda: 0.0, jitter=random.Random(1))
    sent = push(payload=b"{}")
    statuses = {200: 0, 410: 0}

    async def send(count: int) -> None:
        for _ in range(count // 50):
            outcomes = await asyncio.gather(*(pool.send(sent, pool.time() + 3600) for _ in range(50)))
            for outcome in outcomes:
                assert outcome.transmission == "answered"
                statuses[outcome.status] += 1

    async def objects_after(count: int) -> int:
        await send(count)
        gc.collect()
        return len(gc.get_objects())

    before = await objects_after(2_000)
    assert await objects_after(196_000) - before < 100
    tracemalloc.start()
    try:
        await send(1_000)
        held = tracemalloc.get_traced_memory()[0]
        await send(1_000)
        assert tracemalloc.get_traced_memory()[0] - held < 5_000
    finally:
        tracemalloc.stop()
    assert statuses == {200: 180_000, 410: 20_000}
    assert wired.connections == 1
    (connection,) = pool._usable
    assert connection.in_flight == 0
    assert not pool._deadlines._pending
    await pool.close(1.0)
