"""Servers for the load tests of push clients: nginx or the sandbox's sink, and a proxy that makes them far away."""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final

import trustme

from simulator.apns.sandbox import Sandbox
from simulator.clock import RealClock
from simulator.journal import Journal
from simulator.loopback import free_port

NGINX: Final = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log crit;
events {{ worker_connections 64; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 1h; http2_max_concurrent_streams 1000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port} ssl http2;
    ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.key;
    location / {{ add_header apns-id $http_apns_id; return 200; }}
  }}
}}
"""


@contextmanager
def push_server(folder: Path) -> Iterator[tuple[str, int]]:
    """A server that answers 200 to everything and echoes the apns-id, on the last core: its name and port.

    nginx where it is installed: it is faster than any client here. Its flow-control window has no end.
    """
    if not shutil.which("nginx"):
        with apns_sink(folder) as port:
            yield "sink", port
        return
    port = free_port()
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port))
    with _process(["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")], port):
        yield "nginx", port


@contextmanager
def apns_sink(folder: Path) -> Iterator[int]:
    """The sandbox with nothing checked, but with APNs' flow-control windows: its port."""
    port = free_port()
    with _process([sys.executable, __file__, "sink", str(folder), str(port)], port):
        yield port


@contextmanager
def delaying_proxy(port: int, delay: float) -> Iterator[int]:
    """A way to the port that takes `delay` seconds in each direction: its own port."""
    far = free_port()
    with _process([sys.executable, __file__, "proxy", str(port), str(far), str(delay)], far):
        yield far


@contextmanager
def _process(command: list[str], port: int) -> Iterator[None]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    process = subprocess.Popen(command, env=environment, preexec_fn=_on_last_core)
    try:
        _await_port(process, port)
        yield
    finally:
        process.terminate()
        process.wait()


def _await_port(process: subprocess.Popen[bytes], port: int) -> None:
    ends = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < ends:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}: {process.args!r}")


def _on_last_core() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


async def serve_sink(folder: Path, port: int) -> None:
    """The sandbox with nothing checked."""
    clock = RealClock()
    authority = trustme.CA.from_pem((folder / "ca.pem").read_bytes(), (folder / "ca.key").read_bytes())
    sandbox = Sandbox(clock, Journal(clock), random=Random(0), authority=authority, sink=True)
    await sandbox.start(sandbox_port=port)
    await asyncio.Event().wait()


async def serve_proxy(port: int, far: int, delay: float) -> None:
    """Bytes come out `delay` seconds after they went in, in order."""
    loop = asyncio.get_running_loop()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            loop.call_later(delay, writer.write, data)
        loop.call_later(delay, writer.close)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            there = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(pump(reader, there[1]), pump(there[0], writer))

    async with await asyncio.start_server(serve, "127.0.0.1", far) as server:
        await server.serve_forever()


if __name__ == "__main__":
    kind, first, second, *rest = sys.argv[1:]
    if kind == "sink":
        asyncio.run(serve_sink(Path(first), int(second)))
    else:
        asyncio.run(serve_proxy(int(first), int(second), float(rest[0])))
