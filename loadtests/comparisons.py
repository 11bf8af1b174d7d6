"""The comparisons of `loadtests.bench`: each gives rows, one a round and variant, interleaved by whoever calls it."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, nullcontext
from itertools import product
from pathlib import Path
from typing import Any, Final

from loadtests import push_client
from loadtests.barrage import barrage
from loadtests.rationed import rationed
from loadtests.servers import BUILDS, DatabaseServer, Servers, running

RATION: Final = 0.25
WHOLE: Final = 1.0
SECRET: Final = "a-secret-of-the-load-tests"

Rows = Iterator[dict[str, Any]]


def builds(rounds: int, events: int, phones: int = 3) -> Rows:
    """The relay and the naive build, one process each, SQLite; the order turns with every round."""
    with ExitStack() as stack:
        folders = [stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")) for _ in range(2)]
        both = {
            build: (stack.enter_context(running(Path(folder), build=build)), Path(folder))
            for build, folder in zip(BUILDS, folders, strict=True)
        }
        for servers, _ in both.values():
            servers.phones.pair(servers.urls[0], SECRET, phones)
        for turn in range(rounds):
            for build in list(both)[:: 1 if turn % 2 else -1]:
                yield {"build": build, "round": turn} | _run(*both[build], f"{turn}", phones, events)


def processes(database: DatabaseServer, rounds: int, events: int, phones: int = 3) -> Rows:
    """One relay process on MariaDB, and two: the same two processes, of which the generator uses one or both.

    First each with a ration of a core (see `loadtests.rationed`), then with all that the machine has left.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with running(folder, processes=2, database=database) as servers:
            servers.phones.pair(servers.urls[0], SECRET, phones)
            for turn, share in product(range(rounds), (RATION, WHOLE)):
                for count in (1, 2) if turn % 2 else (2, 1):
                    used = servers.first(count)
                    with rationed(used.pids, share) if share < WHOLE else nullcontext():
                        row = _run(used, folder, f"{turn}x{count}x{share}", phones, events)
                    yield {"processes": count, "share_of_core": share, "round": turn} | row


def transports(rounds: int, pushes: int) -> Rows:
    """The relay's transport and stock aioapns, against one server, as `loadtests.push_client` measures them."""
    with push_client.servers() as (folder, server, port, far_port):
        for row in push_client.rounds(folder, port, far_port, pushes, rounds, (push_client.BASE, "lean")):
            figures = {
                "pushes_per_second": round(row["pushes"] / row["seconds"]),
                "pushes_per_core": round(row["pushes"] / row["cpu"]),
            }
            yield {
                **{name: row[name] for name in ("client", "round", "in_flight")},
                **figures,
                "server": server,
            }


def fan_out(sizes: Sequence[int], alerts: int) -> Rows:
    """Phones per secret; as many events of each size as make about so many alerts, at least three."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name, running(Path(name)) as servers:
        for phones in sizes:
            secret = f"{SECRET}-{phones}"
            servers.phones.pair(servers.urls[0], secret, phones)
            events = max(3, alerts // phones)
            row = _run(servers, Path(name), f"p{phones}", phones, events, secret=secret)
            yield {"phones": phones, "alerts_per_core": round(row["events_per_core"] * phones, 1)} | row


def _run(
    servers: Servers, folder: Path, name: str, phones: int, events: int, secret: str = SECRET
) -> dict[str, Any]:
    found = barrage(servers, folder, name=name, secrets=[secret], phones=phones, events=events)
    return found.row()
