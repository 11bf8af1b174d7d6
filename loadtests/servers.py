"""What a load test runs against: phones behind APNs, a database, one or more relays (or the naive build), as processes."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import psutil

from loadtests.processes import ROOT, answers, python, wait_for
from simulator.loopback import free_port

Build = Literal["relay", "naive"]

MARIADB_SIZES: Final = {"innodb_buffer_pool_size": 128 << 20, "innodb_log_file_size": 96 << 20}
"""MariaDB's own defaults. The tests start it with a tenth of that, and then it works more on its disk than on statements."""

BUILDS: tuple[Build, ...] = ("relay", "naive")
MODULES: dict[Build, tuple[str, ...]] = {"relay": ("relay", "serve"), "naive": ("loadtests.naive",)}


class PhoneFarm:
    """The process of `loadtests.phones`, spoken to line by line."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process, self._folder = process, folder
        self.pid = process.pid
        self.relay_environment: dict[str, str] = self._answer()

    def pair(self, url: str, secret: str, phones: int) -> None:
        """So many new phones register for this secret."""
        self._ask({"pair": {"url": url, "secret": secret, "phones": phones}})

    def shown(self) -> list[tuple[str, str, float]]:
        """Session id, phone and time (UNIX seconds) of every alert since the last question."""
        path = self._folder / "shown.txt"
        self._ask({"shown": str(path)})
        fields = (line.split(" ") for line in path.read_text().splitlines())
        return [(session, phone, float(at)) for session, phone, at in fields]

    def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the phones ended: {(self._folder / 'phones.log').read_text()[-2000:]}")
        found: dict[str, Any] = json.loads(line)
        return found


class DatabaseServer(NamedTuple):
    """A new database on a server of its own, and the server's process; of a cluster also those of its further nodes."""

    url: str
    pid: int
    others: Sequence[tuple[str, int]] = ()

    @property
    def nodes(self) -> list[tuple[str, int]]:
        """URL and process of each."""
        return [(self.url, self.pid), *self.others]


@dataclass(frozen=True, slots=True)
class Servers:
    """All of it, up. `urls` and `pids` are the relays'."""

    phones: PhoneFarm
    urls: Sequence[str]
    pids: Sequence[int]
    database: DatabaseServer | None = None

    @property
    def parts(self) -> dict[str, Sequence[int]]:
        """The processes, by what they are; SQLite is in the relay's."""
        database = {"database": [pid for _, pid in self.database.nodes]} if self.database else {}
        return {"relay": self.pids, "phones": [self.phones.pid], **database}

    def first(self, count: int) -> "Servers":
        """The same, of which only so many relays are used."""
        return replace(self, urls=self.urls[:count], pids=self.pids[:count])


@contextmanager
def phone_farm(folder: Path) -> Iterator[PhoneFarm]:
    """APNs and, as yet, no phones."""
    with python("loadtests.phones", [], {}, folder / "phones.log", talks=True) as process:
        yield PhoneFarm(process, folder)


@contextmanager
def running(
    folder: Path, *, build: Build = "relay", processes: int = 1, database: DatabaseServer | None = None
) -> Iterator[Servers]:
    """So many processes of a build on one database (default: a new SQLite file), behind them APNs; on a cluster each at a node."""
    nodes = [url for url, _ in database.nodes] if database else [f"sqlite://{folder}/{build}.sqlite3"]
    with ExitStack() as stack:
        phones = stack.enter_context(phone_farm(folder))
        environments = [phones.relay_environment | {"DATABASE_URL": url} for url in nodes]
        started = [
            stack.enter_context(_server(build, number, environments[number % len(nodes)], folder))
            for number in range(processes)
        ]
        yield Servers(phones, [url for url, _ in started], [pid for _, pid in started], database)


@contextmanager
def _server(
    build: Build, number: int, environment: dict[str, str], folder: Path
) -> Iterator[tuple[str, int]]:
    """One process; the first makes the tables."""
    port = free_port()
    log = folder / f"{build}-{number}.log"
    module, *arguments = MODULES[build]
    with python(module, arguments, environment | {"PORT": str(port)}, log) as process:
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: answers(f"{url}/health"), process, log)
        yield url, process.pid


@contextmanager
def mariadb() -> Iterator[DatabaseServer | None]:
    """A database on a private MariaDB, or None where no MariaDB is installed."""
    sys.path.append(str(ROOT / "tests"))  # the tests start the same one
    from mariadb import MariaDB, MissingError

    try:
        server = MariaDB()
    except MissingError:
        yield None
        return
    try:
        server.start()
        for name, size in MARIADB_SIZES.items():
            server.execute(f"SET GLOBAL {name} = {size}")  # the second from MariaDB 10.9 on
        yield DatabaseServer(server.new_database(), _child("mariadbd"))
    finally:
        server.stop()
        server.kill()


@contextmanager
def galera() -> Iterator[DatabaseServer | None]:
    """A database on a private Galera cluster of three nodes, or None where that is not installed."""
    sys.path.append(str(ROOT / "tests"))
    from galera import Galera
    from mariadb import MissingError

    try:
        cluster = Galera()
    except MissingError:
        yield None
        return
    with cluster:
        for node in cluster.nodes:
            for name, size in MARIADB_SIZES.items():
                node.execute(f"SET GLOBAL {name} = {size}")
        first, *others = zip(cluster.new_database(), (node.pid for node in cluster.nodes), strict=True)
        yield DatabaseServer(*first, others)


def _child(name: str) -> int:
    """The process of this name that this one started."""
    return next(int(child.pid) for child in psutil.Process().children() if child.name() == name)
