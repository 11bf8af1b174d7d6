"""An HTTP CONNECT proxy that leads Apple's host names to the sandbox, for clients whose hosts are built in.

It leads nowhere else: whatever such a client would send to another host stays on this machine, and the client is told why
(RFC 9110, section 9.3.6). TLS goes through it untouched, so that the sandbox's certificate, which is good for Apple's names, is what the client sees.
"""

import asyncio
import contextlib
import re
from collections.abc import Coroutine
from typing import Final, NamedTuple

from simulator.journal import Journal

PUSH_PORTS: Final = frozenset({443, 2197})
"""Where Apple takes pushes (Apple: Sending notification requests to APNs)."""
APPLE: Final[dict[str, tuple[str, frozenset[int]]]] = {
    "api.push.apple.com": ("production", PUSH_PORTS),
    "api.sandbox.push.apple.com": ("sandbox", PUSH_PORTS),
    "api.development.push.apple.com": ("sandbox", PUSH_PORTS),  # the older name, observed in use
    "api-manage-broadcast.push.apple.com": ("manage-production", frozenset({2196})),
    "api-manage-broadcast.sandbox.push.apple.com": ("manage-sandbox", frozenset({2195})),
}
"""Apple's hosts: the sandbox's port that each stands for, and the ports that Apple serves it on (Apple: as above, and Sending channel management requests to APNs)."""
HEAD_BYTES: Final = 16 * 1024
SECONDS: Final = 10.0
"""For the head of a request, of real time."""
_REQUEST: Final = re.compile(rb"(\S+) (\S+) HTTP/1\.[01]\r?\n")
_TARGET: Final = re.compile(r"(?P<host>[^:/]+):(?P<port>\d{1,5})")


class Refusal(NamedTuple):
    """Why a request goes nowhere: an HTTP status, its phrase, and a sentence for people."""

    status: int
    phrase: str
    sentence: str


def route(method: str, target: str) -> str | Refusal:
    """The name of the sandbox's port that a request is for, or why there is none."""
    if method != "CONNECT":
        return Refusal(
            405, "Method Not Allowed", "this proxy takes CONNECT only: it leads to APNs, which is HTTPS"
        )
    found = _TARGET.fullmatch(target)
    if found is None:
        return Refusal(400, "Bad Request", "CONNECT takes host:port")
    host, port = found["host"].lower().rstrip("."), int(found["port"])
    if host not in APPLE:
        return Refusal(
            403, "Not a host of APNs", f"{host} is no host of APNs, and this proxy leads to the sandbox only"
        )
    name, ports = APPLE[host]
    if port not in ports:
        served = " and ".join(map(str, sorted(ports)))
        return Refusal(403, "Not a port of APNs", f"Apple serves {host} on port {served}, not on {port}")
    return name


class ConnectProxy:
    """Listens from `start` to `close`. `ports` are the sandbox's by name, `host` where they listen."""

    def __init__(self, ports: dict[str, int], host: str, journal: Journal) -> None:
        self._ports, self._host, self._journal = ports, host, journal
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self, port: int = 0, host: str = "127.0.0.1") -> None:
        """Listen, on any free port if it is 0. OSError if it is taken."""
        self._server = await asyncio.start_server(self._accept, host, port, limit=HEAD_BYTES)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Listen no more, and cut what goes through."""
        assert self._server is not None  # it was started
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """In a task of our own: of one of asyncio's own, a cancellation ends in a traceback."""
        task = asyncio.create_task(self._serve_one(reader, writer), name="proxy-connection")
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # who asked is gone, or is no HTTP client
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
        match = _REQUEST.match(head)
        method, target = (part.decode("latin-1") for part in match.groups()) if match else ("", "")
        found = route(method, target) if match else Refusal(400, "Bad Request", "this is an HTTP proxy")
        if isinstance(found, Refusal):
            self._journal.record("apns", "proxy_refused", target=target, why=found.sentence)
            writer.write(_refused(found))
            await writer.drain()
            return
        there, to = await asyncio.open_connection(self._host, self._ports[found])
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await _both(_pump(reader, to), _pump(there, writer))


def _refused(refusal: Refusal) -> bytes:
    hosts = "".join(f"  {host}\n" for host in APPLE)
    body = f"{refusal.sentence}.\nIt knows Apple's hosts:\n{hosts}".encode()
    head = (
        f"HTTP/1.1 {refusal.status} {refusal.phrase}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n"
    )
    allow = "Allow: CONNECT\r\n" if refusal.status == 405 else ""
    return f"{head}{allow}\r\n".encode() + body


async def _both(*pumps: Coroutine[None, None, None]) -> None:
    """Both ways until one ends: a connection of APNs is of no use with half of it."""
    tasks = [asyncio.create_task(pump, name="proxy-pump") for pump in pumps]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        with contextlib.suppress(OSError):
            while octets := await reader.read(64 * 1024):
                writer.write(octets)
                await writer.drain()
    finally:
        writer.close()
