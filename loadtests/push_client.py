"""How fast pushes leave: stock aioapns, the relay's own transport, and Node's HTTP/2, against one server, interleaved.

    python -m loadtests.push_client [--rounds 5] [--pushes 2000] [--json FILE]

The server is nginx where it is installed (it answers 200 and echoes the apns-id), else the sandbox's sink; "far" is a
burst of 1 KB pushes to the sink, which has APNs' flow-control windows, over an emulated round trip of 100 ms. Server and
client each have a processor of their own, where the system allows to say so; each measurement is a process of its own.
Every answer is checked. "Per core" is pushes per second of the client's processor time. Ratios are medians of the
ratios of single rounds; they, not the absolute figures, are what compares between machines.
"""

import argparse
import asyncio
import contextlib
import gc
import json
import os
import shutil
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import trustme
from aioapns import APNs as StockAPNs
from aioapns import NotificationRequest, PushType
from aioapns.connection import APNsTLSClientProtocol
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from loadtests.processes import ROOT
from loadtests.push_servers import apns_sink, delaying_proxy, push_server
from relay.apns.gateway import ApnsGateway, ProviderToken
from relay.apns.push import Push

BASE: Final = "aioapns"
CLIENTS: Final = (BASE, "lean", "node")
IN_FLIGHT: Final = (200, 10, 1)
GOALS: Final = {200: 15.0, 10: 8.0, 1: 3.0}  # times aioapns, per core
FAR_GOAL: Final = 0.2  # of aioapns' time, over 100 ms
FAR_PUSHES: Final = 100
ROUND_TRIP: Final = 0.1  # seconds
TOPIC: Final = "com.example.app"
ALERT: Final = {"title": "Session done", "body": "Refactor the parser: all 41 tests pass"}


# --- clients ------------------------------------------------------------------------------------------------------

KEY_ID: Final = "KEY1234567"
TEAM_ID: Final = "TEAM123456"

Send = Callable[[NotificationRequest], Awaitable[str]]
"""Sends a notification; returns what was answered if that is not as it should be, else ''."""


@asynccontextmanager
async def stock(port: int, folder: Path) -> AsyncIterator[Send]:
    """aioapns 4.0 as it is installed; host and port by subclass, which is its way."""
    tls = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    tls.set_alpn_protocols(["h2"])
    key = (folder / "key.p8").read_text()
    apns = StockAPNs(key=key, key_id=KEY_ID, team_id=TEAM_ID, topic=TOPIC, ssl_context=tls)
    names = {"APNS_SERVER": "localhost", "APNS_PORT": port}
    apns.pool.protocol_class = type("Local", (APNsTLSClientProtocol,), names)

    async def send(request: NotificationRequest) -> str:
        result = await apns.send_notification(request)
        good = result.is_successful and result.notification_id == request.notification_id
        return "" if good else f"{result.status} {result.description}"

    yield send
    apns.pool.close()


@asynccontextmanager
async def lean(port: int, folder: Path) -> AsyncIterator[Send]:
    """The relay's own transport; as with aioapns, the payload's JSON is made on the way."""
    token = ProviderToken(private_key=(folder / "key.p8").read_text(), key_id=KEY_ID, team_id=TEAM_ID)
    gateway = ApnsGateway(
        hosts={"production": ("localhost", port)},
        ca_file=folder / "ca.pem",
        provider_token=token,
        deadline=30.0,
    )

    async def send(request: NotificationRequest) -> str:
        outcome = await gateway.send(_push(request))
        return "" if outcome.status == 200 else str(outcome)

    yield send
    await gateway.close(5.0)


def _push(request: NotificationRequest) -> Push:
    return Push(
        apns_id=request.notification_id,
        device_token=request.device_token,
        apns_env="production",
        topic=TOPIC,
        push_type="alert",
        priority=10,
        expiration=int(time.time()) + 3600,
        collapse_id=request.collapse_key or "",
        payload=msgspec.json.encode(request.message),
    )


def requests(count: int, size: int) -> list[NotificationRequest]:
    """Pushes as a relay makes them: each to its own phone, with its own id, and a payload of about `size` bytes."""
    message = {"aps": {"alert": ALERT, "sound": "default"}, "fill": "x" * max(0, size - 120)}
    return [
        NotificationRequest(
            uuid.uuid4().hex * 2,
            message,
            notification_id=str(uuid.uuid4()),
            time_to_live=3600,
            priority=10,
            collapse_key=f"session-{number}",
            push_type=PushType.ALERT,
        )
        for number in range(count)
    ]


async def send_all(send: Send, pushes: list[NotificationRequest], in_flight: int) -> None:
    """All of them, so many at a time. SystemExit if one is not answered as it should be."""
    queue = iter(pushes)

    async def worker() -> None:
        for push in queue:
            if fault := await send(push):
                raise SystemExit(f"a push was answered {fault}")

    await asyncio.gather(*(worker() for _ in range(in_flight)))


async def measure(
    client: str, port: int, folder: Path, count: int, in_flight: int, size: int
) -> dict[str, float]:
    """Seconds and processor seconds of so many pushes over an open connection, and by how many KB memory grew."""
    async with (stock if client == BASE else lean)(port, folder) as send:
        await send_all(send, requests(min(count, 20), 0), min(in_flight, 5))
        pushes = requests(count, size)
        gc.freeze()  # the requests are ours, not the client's
        before, began, began_cpu = rss(), time.perf_counter(), time.process_time()
        await send_all(send, pushes, in_flight)
        return {
            "seconds": time.perf_counter() - began,
            "cpu": time.process_time() - began_cpu,
            "grown": rss() - before,
        }


def rss() -> int:
    """KB in memory now; 0 where the system does not say."""
    with contextlib.suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") // 1024
    return 0


# --- rounds -------------------------------------------------------------------------------------------------------


def run_client(
    client: str, port: int, folder: Path, count: int, in_flight: int, size: int
) -> dict[str, float]:
    """One measurement, in a process of its own."""
    arguments = [str(port), str(folder), str(count), str(in_flight), str(size)]
    here = Path(__file__)
    command = (
        ["node", str(here.with_name("push_client.mjs")), *arguments]
        if client == "node"
        else [sys.executable, "-m", "loadtests.push_client", "--measure", client, *arguments]
    )
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, preexec_fn=on_first_core,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{client} failed: {done.stderr.strip()[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found | {"pushes": count}


def on_first_core() -> None:
    """The server has the last one (`push_servers.py`)."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def rounds(
    folder: Path, port: int, far_port: int, count: int, number: int, wanted: Sequence[str] = CLIENTS
) -> Iterator[dict[str, Any]]:
    """One row for each measurement; the order of the clients turns with every round."""
    clients = [client for client in wanted if client != "node" or shutil.which("node")]
    for turn in range(number):
        for client in clients if turn % 2 else clients[::-1]:
            more = 1 if client == BASE else 8
            for in_flight in IN_FLIGHT:
                row = run_client(client, port, folder, count * (more if in_flight > 1 else 2), in_flight, 0)
                yield {"client": client, "round": turn, "in_flight": in_flight, **row}
            row = run_client(client, far_port, folder, FAR_PUSHES, FAR_PUSHES, 1024)
            yield {"client": client, "round": turn, "in_flight": "far", **row}


def report(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Medians by client and load: pushes per second and per core, microseconds, times aioapns, and memory."""
    speed = {(row["client"], row["in_flight"], row["round"]): row for row in rows}
    lines = []
    for client, load in dict.fromkeys((row["client"], row["in_flight"]) for row in rows):
        mine = [row for row in rows if (row["client"], row["in_flight"]) == (client, load)]
        base = [speed[BASE, load, row["round"]] for row in mine]
        pairs = list(zip(mine, base, strict=True))
        median = statistics.median
        lines.append(
            {
                "client": client,
                "in_flight": load,
                "pushes_per_second": round(median(row["pushes"] / row["seconds"] for row in mine)),
                "per_core": round(median(row["pushes"] / row["cpu"] for row in mine)),
                "cpu_us": round(median(row["cpu"] / row["pushes"] for row in mine) * 1e6, 1),
                "times": round(
                    median(a["pushes"] / a["seconds"] * b["seconds"] / b["pushes"] for a, b in pairs), 2
                ),
                "times_per_core": round(
                    median(a["pushes"] / a["cpu"] * b["cpu"] / b["pushes"] for a, b in pairs), 2
                ),
                "seconds": round(median(row["seconds"] for row in mine), 3),
                "grown_kb": round(median(row["grown"] for row in mine)),
            }
        )
    return sorted(lines, key=lambda line: (str(line["in_flight"]), line["client"]))


def missed(lines: list[dict[str, Any]]) -> list[str]:
    """The goals that the lean transport did not reach."""
    mine = {line["in_flight"]: line for line in lines if line["client"] == "lean"}
    faults = [
        f"{mine[load]['times_per_core']} times aioapns per core at {load} in flight, at least {goal} is wanted"
        for load, goal in GOALS.items()
        if mine[load]["times_per_core"] < goal
    ]
    share = 1 / mine["far"]["times"]
    if share >= FAR_GOAL:
        faults.append(f"{share:.2f} of aioapns' time over 100 ms, less than {FAR_GOAL} is wanted")
    return faults


def certify(folder: Path) -> None:
    """A CA, the server's certificate and a provider's key into the folder."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    authority.private_key_pem.write_to_path(str(folder / "ca.key"))
    server = authority.issue_cert("localhost", "127.0.0.1")
    server.private_key_pem.write_to_path(str(folder / "server.key"))
    server.cert_chain_pems[0].write_to_path(str(folder / "server.pem"))
    key = ec.generate_private_key(ec.SECP256R1())
    (folder / "key.p8").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


@contextmanager
def servers() -> Iterator[tuple[Path, str, int, int]]:
    """What the clients push to: a folder with the certificates, the server's name and port, and the port of a far one."""
    with tempfile.TemporaryDirectory(prefix="push-client-") as name:
        certify(folder := Path(name))
        with (
            push_server(folder) as (kind, port),
            apns_sink(folder) as sink_port,
            delaying_proxy(sink_port, ROUND_TRIP / 2) as far_port,
        ):
            yield folder, kind, port, far_port


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a table and JSON; 1 if a goal was missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--pushes", type=int, default=2000, help="of aioapns at each load; faster clients send more"
    )
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--measure", nargs=6, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.measure:
        client, port, folder, *numbers = options.measure
        print(json.dumps(asyncio.run(measure(client, int(port), Path(folder), *map(int, numbers)))))
        return 0
    with servers() as (folder, kind, port, far_port):
        print(f"server: {kind}")
        lines = report(list(rounds(folder, port, far_port, options.pushes, options.rounds)))
    print(
        f"{'in flight':<10}{'client':<9}{'pushes/s':>10}{'per core':>10}{'us CPU':>8}{'x':>8}{'x core':>8}{'s':>8}{'KB':>8}"
    )
    for row in lines:
        print(
            f"{row['in_flight']:<10}{row['client']:<9}{row['pushes_per_second']:>10,}{row['per_core']:>10,}"
            f"{row['cpu_us']:>8}{row['times']:>8}{row['times_per_core']:>8}{row['seconds']:>8}{row['grown_kb']:>8}"
        )
    text = json.dumps({"server": kind, "rows": lines})
    print(text)
    if options.json:
        options.json.write_text(text + "\n")
    faults = missed(lines)
    for fault in faults:
        print(f"missed: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
