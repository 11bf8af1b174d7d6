"""An attacker of a relay, as a program of its own, so that its work is not done in the victim's time.

    python tests/world/attack.py http://127.0.0.1:8787 --registrations 1000 --phones 1000 --events 1000 --slow 200 --slow-seconds 3

It comes from many addresses of loopback, each attack from its own, all at once. Prints one JSON object with `seconds` and, by attack, how often
each status came (`answers`; `closed` where the connection ended without one, `open` where it was left open), and refusals
that are not as they should be (`wrong`).
"""

import argparse
import asyncio
import itertools
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

REFUSALS = {"429", "413", "408"}
AT_ONCE = 20
"""Connections of one attack; each asks as fast as it is answered."""
REGISTERING = 20
"""Addresses from which phones register, each under a secret of its own."""
PHONES = 10
"""Addresses from which phones register under one secret."""
SLOW = 3
"""Addresses of slow connections: each has more of them than an address may have."""
LARGE = 200_000
FLOOD_SECRET = "a-secret-that-floods-the-relay"


class Reply(NamedTuple):
    status: str
    headers: dict[str, str]
    body: bytes


class Report:
    """What one attack was answered."""

    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()
        self.wrong: list[str] = []

    def add(self, reply: Reply | None) -> None:
        self.answers[reply.status if reply else "closed"] += 1
        if reply and reply.status != "200" and (fault := fault_of(reply)) and len(self.wrong) < 5:
            self.wrong.append(fault)


def fault_of(reply: Reply) -> str | None:
    """Why an answer is no refusal by a limit: 429 with Retry-After, 413 or 408, in the envelope of the contract."""
    try:
        said = json.loads(reply.body)
    except ValueError:
        said = {}
    after = reply.headers.get("retry-after", "")
    is_good = (
        reply.status in REFUSALS
        and reply.headers.get("content-type") == "application/json"
        and said.get("ok") is False
        and bool(said.get("error"))
        and bool(said.get("code"))
        and (reply.status != "429" or (after.isdigit() and int(after) == said.get("retryAfter")))
    )
    return None if is_good else f"{reply.status} {reply.headers} {reply.body[:200]!r}"


class Attacker:
    """All of it against one relay."""

    def __init__(self, url: str) -> None:
        where = urlsplit(url)
        self._host, self._port = where.hostname or "", where.port or 80

    async def connect(self, address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self._host, self._port, local_addr=(address, 0))

    async def ask(self, requests: Iterator[tuple[str, bytes]], report: Report) -> None:
        """One request (address, all of it) after the other over one connection, and over the next where it ended."""
        connection, at = None, ""
        for address, request in requests:
            if connection and at != address:
                connection[1].close()
                connection = None
            connection, at = connection or await self.connect(address), address
            report.add(reply := await exchange(*connection, request))
            if reply is None or reply.headers.get("connection") == "close":
                connection[1].close()
                connection = None
        if connection:
            connection[1].close()

    async def flood(self, requests: Iterator[tuple[str, bytes]]) -> Report:
        """All requests, over a few connections at once."""
        report = Report()
        await asyncio.gather(*(self.ask(requests, report) for _ in range(AT_ONCE)))
        return report

    async def slow(self, count: int, seconds: float) -> Report:
        """So many connections that send a byte now and then: half of them never end their head, half never their body."""
        report = Report()
        ends = time.monotonic() + seconds
        await asyncio.gather(*(self._drip(number, ends, report) for number in range(count)))
        return report

    async def _drip(self, number: int, ends: float, report: Report) -> None:
        head = b"POST /v1/event HTTP/1.1\r\nHost: relay\r\nContent-Length: 900\r\n"
        try:
            reader, writer = await self.connect(f"127.0.3.{1 + number % SLOW}")
        except OSError:
            report.add(None)
            return
        reading = asyncio.create_task(read_reply(reader))
        try:
            writer.write(head + (b"X-Slow: " if number % 2 else b"\r\n{"))
            while not reading.done() and time.monotonic() < ends:
                writer.write(b" ")
                await asyncio.wait([reading], timeout=0.5)
            if reading.done():
                report.add(await reading)
            else:
                report.answers["open"] += 1
        finally:
            reading.cancel()
            writer.close()


async def exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> Reply | None:
    writer.write(request)
    return await read_reply(reader)


async def read_reply(reader: asyncio.StreamReader) -> Reply | None:
    """None: the connection ended without one."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    except (OSError, asyncio.IncompleteReadError):
        return None
    return Reply(head[0].split(" ")[1], headers, body)


def post(path: str, **fields: Any) -> bytes:
    body = json.dumps(fields).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: relay\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def registrations(count: int) -> Iterator[tuple[str, bytes]]:
    """Each under a secret of its own."""
    for number in range(count):
        token = f"{number:064x}"
        body = post("/v1/device/register", secret=f"{number:032}", deviceToken=token)
        yield f"127.0.1.{1 + number * REGISTERING // count}", body


def phones(count: int, tokens: list[str]) -> Iterator[tuple[str, bytes]]:
    """All under one secret: `tokens` first, which lead to phones, then tokens that were made up."""
    made_up = (f"{number:064x}" for number in range(1 << 40, (1 << 40) + count))
    for number, token in enumerate(itertools.islice(itertools.chain(tokens, made_up), count)):
        yield (
            f"127.0.2.{1 + number * PHONES // count}",
            post("/v1/device/register", secret=FLOOD_SECRET, deviceToken=token),
        )


def events(count: int) -> Iterator[tuple[str, bytes]]:
    """Each rings on all phones of the secret."""
    for number in range(count):
        body = {"eventType": "complete", "sessionID": f"ses_{number}", "eventID": f"flood-{number}"}
        yield f"127.0.4.{1 + number % 5}", post("/v1/event", secret=FLOOD_SECRET, title="Flood", **body)


def bodies(count: int) -> Iterator[tuple[str, bytes]]:
    """Too large."""
    for _ in range(count):
        yield "127.0.5.1", post("/v1/event", secret=FLOOD_SECRET, body="x" * LARGE)


async def attack(options: argparse.Namespace, tokens: list[str]) -> dict[str, Any]:
    """Everything at once, but for the flood's phones: they come first."""
    attacker = Attacker(options.url)
    began = time.monotonic()
    first = await attacker.flood(phones(len(tokens), tokens))
    names = ("registrations", "phones", "events", "bodies", "slow")
    reports = await asyncio.gather(
        attacker.flood(registrations(options.registrations)),
        attacker.flood(phones(options.phones, [])),
        attacker.flood(events(options.events)),
        attacker.flood(bodies(options.bodies)),
        attacker.slow(options.slow, options.slow_seconds),
    )
    found = dict(zip(("own phones", *names), (first, *reports), strict=True))
    said = {name: {"answers": dict(one.answers), "wrong": one.wrong} for name, one in found.items()}
    return {"seconds": round(time.monotonic() - began, 1), **said}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url")
    for name, number in (
        ("registrations", 1000),
        ("phones", 1000),
        ("events", 1000),
        ("bodies", 20),
        ("slow", 500),
    ):
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--slow-seconds", type=float, default=3.0)
    parser.add_argument(
        "--tokens", help="a file with device tokens, for the phones of the secret that floods"
    )
    options = parser.parse_args()
    tokens = Path(options.tokens).read_text().split() if options.tokens else []
    print(json.dumps(asyncio.run(attack(options, tokens))))


if __name__ == "__main__":
    main()
