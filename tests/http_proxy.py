"""A small HTTP proxy on loopback: CONNECT and requests in absolute form, and whatever else the test wants of it."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Self

from relay.proxy import Proxy


@dataclass
class HttpProxy:
    """`asked`: the heads of the requests that came. `hosts`: where a name leads to. `answer`: instead of serving, say this."""

    hosts: dict[str, int] = field(default_factory=dict)
    authorization: str = ""
    answer: bytes | None = None
    asked: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def proxy(self) -> Proxy:
        return Proxy("127.0.0.1", self.port)

    @property
    def targets(self) -> list[str]:
        return [head.split()[1] for head in self.asked]

    @asynccontextmanager
    async def listening(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[Self]:
        self._serving: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._serving:
                task.cancel()
            await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            await self._handle(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._serving.discard(task)
            writer.close()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.asked.append(head)
        if self.answer is not None:
            writer.write(self.answer)
            await writer.drain()
            if not self.answer:
                await reader.read()  # silent until the client has enough
        elif (
            self.authorization
            and f"\r\nproxy-authorization: {self.authorization}\r\n".lower() not in head.lower()
        ):
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
        else:
            await self._pass_on(head, reader, writer)

    async def _pass_on(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, target, rest = head.split(" ", 2)
        if method == "CONNECT":
            port, first = self.hosts.get(target, int(target.rpartition(":")[2])), b""
            writer.write(b"HTTP/1.1 200 Connection established\r\nVia: a test\r\n\r\n")
        else:
            name, _, path = target.removeprefix("http://").partition("/")
            port, first = self.hosts[name], f"{method} /{path} {rest}".encode()
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        far_writer.write(first)
        try:
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        finally:
            far_writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
    else:
        writer.close()
