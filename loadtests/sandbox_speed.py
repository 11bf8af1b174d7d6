"""How fast the APNs sandbox answers, beside a bare Quart app on Hypercorn's HTTP/2: same client, same run, interleaved.

    python loadtests/sandbox_speed.py [--rounds 5] [--requests 4000] [--in-flight 100] [--json FILE]

Each server is a process of its own. The client writes HTTP/2 frames that were encoded beforehand, every request with
its own device token and apns-id as a real provider has them, keeps so many in flight, and counts the answers. Ratios are
medians of the ratios of single rounds; they, not the absolute figures, are what compares between machines.
"""

import argparse
import asyncio
import json
import os
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Final

import jwt
import trustme
from hpack import Encoder

from simulator.apns.http2 import frames
from simulator.apns.http2.frames import END_STREAM, FrameBuffer, FrameType
from simulator.apns.registry import Registry
from simulator.apns.sandbox import Sandbox
from simulator.clock import RealClock
from simulator.journal import Journal
from simulator.loopback import free_port

TOPIC: Final = "com.example.app"
SEED: Final = 4
TOKENS: Final = 500
SERVERS: Final = ("quart", "sandbox", "sink")
GOALS: Final = {"sandbox": 4.0, "sink": 8.0}  # times Quart on Hypercorn
BODY: Final = b'{"aps":{"alert":{"title":"ProviderState done","body":"Refactor the parser: all 41 tests pass"},"sound":"default"}}'


# --- servers ------------------------------------------------------------------------------------------------------


async def serve_sandbox(folder: Path, *, sink: bool) -> None:
    """Prints its port, then serves until it is killed. Keys and tokens follow from the seed."""
    clock = RealClock()
    authority = trustme.CA.from_pem((folder / "ca.pem").read_bytes(), (folder / "ca.key").read_bytes())
    sandbox = Sandbox(clock, Journal(clock), random=Random(0), authority=authority, sink=sink)
    sandbox.profile.set({"device_rate": None})
    provision(sandbox.registry)
    await sandbox.start()
    print(sandbox.ports["sandbox"], flush=True)
    await asyncio.Event().wait()


async def serve_quart(folder: Path) -> None:
    """The peer: one route, the smallest answer, HTTP/2 with TLS. It checks nothing."""
    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from quart import Quart, request

    app = Quart(__name__)

    @app.post("/3/device/<token>")
    async def push(token: str) -> tuple[str, int]:  # noqa: ARG001 - Quart passes it by name
        await (
            request.get_data()
        )  # Hypercorn cuts the connection when DATA comes to a stream that is answered already
        return "", 200

    config = Config()
    port = free_port()
    config.bind = [f"127.0.0.1:{port}"]
    config.certfile, config.keyfile = str(folder / "server.pem"), str(folder / "server.key")
    config.keep_alive_max_requests = 1_000_000
    config.h2_max_concurrent_streams = 1000
    config.loglevel = "ERROR"
    print(port, flush=True)
    await serve(app, config)


def provision(registry: Registry) -> tuple[str, list[str]]:
    """An app, a key and device tokens into this registry; the provider token and the device tokens."""
    seeded = Registry(Random(SEED))
    seeded.add_app(TOPIC)
    key = seeded.issue_key()
    tokens = [seeded.mint_token(TOPIC, "sandbox") for _ in range(TOKENS)]
    registry.add_app(TOPIC, key.team_id)
    registry.keys.update(seeded.keys)
    registry.tokens["sandbox"].update(seeded.tokens["sandbox"])
    claims = {"iss": key.team_id, "iat": int(time.time())}
    return jwt.encode(claims, key.private_key, algorithm="ES256", headers={"kid": key.key_id}), tokens


# --- client -------------------------------------------------------------------------------------------------------


def encode_requests(count: int, provider_token: str, tokens: list[str]) -> list[bytes]:
    """Frames of so many requests, in the order in which they must be sent; indexing as Apple asks for."""
    encoder = Encoder()
    requests = []
    for number in range(count):
        fields = [
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", "localhost"),
            (":path", f"/3/device/{tokens[number % len(tokens)]}"),
            ("authorization", f"bearer {provider_token}"),
            ("apns-topic", TOPIC),
            ("apns-push-type", "alert"),
            ("apns-priority", "10"),
            ("apns-id", str(uuid.UUID(int=number + (1 << 100)))),
        ]
        encoder_fields = [(name, value, name == ":path") for name, value in fields]
        block = encoder.encode(encoder_fields)
        stream_id = 2 * number + 1
        requests.append(
            frames.headers(stream_id, block, end_stream=False) + frames.data(stream_id, BODY, end_stream=True)
        )
    return requests


class Client(asyncio.Protocol):
    """Sends all requests, never more than `in_flight` at once after the first."""

    def __init__(self, requests: list[bytes], in_flight: int) -> None:
        self._requests = requests
        self._in_flight = in_flight
        self._sent = 0
        self._buffer = FrameBuffer()
        self._left = 65_535
        self.answered = 0
        self.refused: list[bytes] = []
        self.goaway_last = "no GOAWAY"
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(frames.PREFACE + frames.settings({}))
        self._send(1)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(
                ConnectionError(f"lost after {self.answered} answers: {self.goaway_last}, {exc}")
            )

    def data_received(self, data: bytes) -> None:
        self._buffer.feed(data)
        while (frame := self._buffer.next()) is not None:
            if frame.type == FrameType.DATA and frame.payload:
                self.refused.append(frame.payload)
            if frame.flags & END_STREAM and frame.type in (FrameType.HEADERS, FrameType.DATA):
                self.answered += 1
            elif frame.type == FrameType.RST_STREAM:
                self.refused.append(b"reset")
                self.answered += 1
            elif frame.type == FrameType.GOAWAY:
                self.goaway_last = repr(frames.read_goaway(frame))
            elif frame.type == FrameType.WINDOW_UPDATE and frame.stream_id == 0:
                self._left += frames.read_window_update(frame)
            elif frame.type == FrameType.SETTINGS and not frame.flags & frames.ACK:
                self._transport.write(frames.settings_ack())
        if self.answered == len(self._requests) and not self.done.done():
            self.done.set_result(None)
        elif self.answered:
            self._send(self._in_flight - (self._sent - self.answered))

    def _send(self, count: int) -> None:
        count = min(count, len(self._requests) - self._sent, self._left // len(BODY))
        if count > 0:
            self._transport.write(b"".join(self._requests[self._sent : self._sent + count]))
            self._sent += count
            self._left -= count * len(BODY)


async def measure(port: int, tls: ssl.SSLContext, requests: list[bytes], in_flight: int) -> float:
    """Requests per second over one new connection."""
    loop = asyncio.get_running_loop()
    transport, client = await loop.create_connection(
        lambda: Client(requests, in_flight), "127.0.0.1", port, ssl=tls, server_hostname="localhost"
    )
    began = time.perf_counter()
    await asyncio.wait_for(client.done, 120)
    seconds = time.perf_counter() - began
    transport.abort()
    if client.refused:
        raise SystemExit(f"{len(client.refused)} requests were refused, first: {client.refused[0]!r}")
    return len(requests) / seconds


# --- rounds -------------------------------------------------------------------------------------------------------


async def run(rounds: int, count: int, in_flight: int) -> dict[str, list[float]]:
    """Requests per second of each server in each round."""
    with tempfile.TemporaryDirectory(prefix="sandbox-speed-") as name:
        folder = Path(name)
        tls = certify(folder)
        requests = encode_requests(count, *provision(Registry(Random(1))))
        processes = {server: start(server, folder) for server in SERVERS}
        try:
            ports = {
                server: int((process.stdout or sys.stdin).readline()) for server, process in processes.items()
            }
            await asyncio.sleep(0.7)  # Quart prints its port before it listens
            found: dict[str, list[float]] = {server: [] for server in SERVERS}
            for number in range(rounds + 1):  # the first round warms up and does not count
                for server in SERVERS if number % 2 else SERVERS[::-1]:
                    speed = await measure(ports[server], tls, requests, in_flight)
                    found[server] += [speed] if number else []
            return found
        finally:
            for process in processes.values():
                process.kill()
                process.wait()


def start(server: str, folder: Path) -> subprocess.Popen[str]:
    """This file as a server, in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    return subprocess.Popen(
        [sys.executable, __file__, "--serve", server, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )


def certify(folder: Path) -> ssl.SSLContext:
    """A CA for all three servers into the folder; the client's TLS."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    authority.private_key_pem.write_to_path(str(folder / "ca.key"))
    server = authority.issue_cert("localhost", "127.0.0.1")
    server.private_key_pem.write_to_path(str(folder / "server.key"))
    server.cert_chain_pems[0].write_to_path(str(folder / "server.pem"))
    tls = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    tls.set_alpn_protocols(["h2"])
    return tls


def report(found: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Medians by server: requests per second, and times Quart."""
    return {
        server: {
            "requests_per_second": round(statistics.median(speeds)),
            "times_quart": round(
                statistics.median(speed / base for speed, base in zip(speeds, found["quart"], strict=True)), 2
            ),
        }
        for server, speeds in found.items()
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a table and JSON; 1 if a goal was missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=4000, help="per server and round")
    parser.add_argument("--in-flight", type=int, default=100)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.serve:
        server, folder = options.serve[0], Path(options.serve[1])
        asyncio.run(
            serve_quart(folder) if server == "quart" else serve_sandbox(folder, sink=server == "sink")
        )
        return 0
    figures = report(asyncio.run(run(options.rounds, options.requests, options.in_flight)))
    print(f"{'server':<10}{'requests/s':>12}{'x Quart':>9}{'goal':>6}")
    for server, row in figures.items():
        print(
            f"{server:<10}{row['requests_per_second']:>12,.0f}{row['times_quart']:>9.2f}{GOALS.get(server, 1):>6.1f}"
        )
    text = json.dumps(figures)
    print(text)
    if options.json:
        options.json.write_text(text + "\n")
    return 0 if all(figures[server]["times_quart"] >= goal for server, goal in GOALS.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
