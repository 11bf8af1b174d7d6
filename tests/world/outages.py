"""Relays under load while something of them dies, freezes or fills up, and what must hold of every event afterwards.

A round reports events as a bridge does: each again and again until the relay has acknowledged it. In the middle an outage
strikes, at a moment that was drawn, and ends. Then every event must have rung on each phone, and none as two alerts.
"""

import asyncio
import contextlib
import itertools
import os
import resource
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from galera import NODES, Galera
from mariadb import MariaDB
from relay import contract
from simulator.process import RelayProcess
from simulator.world import World
from waiting import PATIENCE, eventually

SECRET = "a-secret-for-the-outages"
PHONES = 2
REPORTERS = 4
BEFORE_SECONDS, AFTER_SECONDS = 0.4, 0.3
"""Reports go on for up to so long before an outage, and so long after it."""
REQUEST_SECONDS = 10.0
"""No request takes longer, whatever happens to the database. What the client's own machine adds is not the relay's."""
SLACK_SECONDS = 2.0
AGAIN_SECONDS = 0.05
TWICE = 0.1
"""The share of the reports that are made several times at once."""
LONGEST_FREEZE = float(os.environ.get("OUTAGE_FREEZE", "1.5"))
"""Seconds for which the database is frozen at the most."""


@dataclass(frozen=True, slots=True)
class Store:
    """Where the relays keep what they know: no server for SQLite in a file, one, or the nodes of a cluster."""

    servers: Sequence[MariaDB] = ()
    cluster: Galera | None = None

    @property
    def relays(self) -> int:
        """How many relays work on it: SQLite's file is for one."""
        return 2 if self.servers else 1

    def urls(self) -> list[str | None]:
        """A new database as operators have them, for each relay: at a node of its own if there are several."""
        if not self.servers:
            return [None]
        url = _of_a_user(self.servers[0])
        nodes = itertools.cycle(self.servers)
        return [_at(next(nodes), url) for _ in range(self.relays)]

    async def heal(self) -> None:
        """Return when every node of a cluster serves again, and knows of all others."""
        if self.cluster:
            await asyncio.to_thread(self.cluster.wait_until_whole)


def _of_a_user(server: MariaDB) -> str:
    """Its user may not write where the server is read-only, as root may."""
    url = server.new_database()
    server.execute(f"GRANT ALL ON {url.rpartition('/')[2]}.* TO relay@127.0.0.1 IDENTIFIED BY ''")
    return url.replace("root@", "relay@")


def _at(server: MariaDB, url: str) -> str:
    return urlsplit(url)._replace(netloc=f"relay@127.0.0.1:{server.port}").geturl()


class Outages:
    """The relays on one store and the phones, for many rounds."""

    def __init__(self, world: World, store: Store) -> None:
        self.world, self.store, self.relays = world, store, world.relays
        self.numbers = iter(range(1_000_000))
        self.turn = 0
        """How often every outage was played: of a cluster, each time it strikes the next node. The first two have a relay each."""

    @property
    def server(self) -> MariaDB:
        """Whom the outage strikes now."""
        return self.store.servers[self.turn % len(self.store.servers)]

    @property
    def file(self) -> str:
        """The SQLite database."""
        return self.relays[0].environment["DATABASE_URL"].removeprefix("sqlite://")

    def relays_at(self, server: MariaDB) -> list[RelayProcess]:
        """Those whose database this server is."""
        return [relay for relay in self.relays if f":{server.port}/" in relay.environment["DATABASE_URL"]]


@asynccontextmanager
async def outages(store: Store) -> AsyncIterator[Outages]:
    """The relays are up, started at the same moment on an empty database, and the phones are registered."""
    async with World() as world:
        world.apns.profile.device_rate = None
        for url in store.urls():
            world.add_relays(database_url=url)
        await asyncio.gather(*(relay.start() for relay in world.relays))
        relay = world.relays[0]
        pair = contract.Pairing(
            server_id=contract.server_id(relay.url, SECRET),
            relay_url=relay.url,
            relay_secret=SECRET,
            hosts=["http://127.0.0.1:4096"],
        )
        for number in range(PHONES):
            await world.add_phone(contract.pairing_link(pair), f"iPhone {number}")
        yield Outages(world, store)


# What happens to it. Each function returns when it is over, healed where that takes a hand.


async def _kill(one: Outages, source: Random) -> None:
    relay = source.choice(one.relays)
    await relay.kill()
    await asyncio.sleep(source.uniform(0, 0.2))
    await relay.start()


async def _freeze(one: Outages, source: Random) -> None:
    await _stopped(source.choice(one.relays).pid, source.uniform(0.2, 1.5))


async def _freeze_database(one: Outages, source: Random) -> None:
    seconds = source.uniform(0.2, LONGEST_FREEZE)
    if one.store.servers:
        await _stopped(one.server.pid, seconds)
    else:
        await _locked(one.file, seconds)


async def _restart_database(one: Outages, source: Random) -> None:
    if not one.store.servers:
        await _kill(one, source)  # its database is in its own process
        return
    await asyncio.to_thread(one.server.die)
    for relay in one.relays_at(one.server):
        await eventually(lambda relay=relay: _says_that_it_cannot(relay))  # type: ignore[misc]
    await asyncio.sleep(source.uniform(0, 0.5))
    await asyncio.to_thread(one.server.start)


async def _says_that_it_cannot(relay: RelayProcess) -> bool:
    async with aiohttp.ClientSession() as http, http.get(f"{relay.url}/health") as response:
        return response.status == 503 and (await response.json())["ok"] is False


async def _full_disk(one: Outages, source: Random) -> None:
    """No file can grow (EFBIG, which SQLite reports as a full disk); MariaDB refuses writes instead."""
    seconds = source.uniform(0.2, 1.0)
    if one.store.servers:
        one.server.execute("SET GLOBAL read_only = ON")
        await asyncio.sleep(seconds)
        one.server.execute("SET GLOBAL read_only = OFF")
        return
    pid = one.relays[0].pid
    size = max(path.stat().st_size for path in one.world.folder.glob("relay.sqlite3*"))
    limits = resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    await asyncio.sleep(seconds)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


async def _split(one: Outages, source: Random) -> None:
    """One node is cut off from the others, which go on."""
    await _isolated(one, source, 1)


async def _shatter(one: Outages, source: Random) -> None:
    """No node sees a majority, so none serves."""
    await _isolated(one, source, 2)


async def _isolated(one: Outages, source: Random, count: int) -> None:
    assert one.store.cluster
    nodes = [one.store.cluster.nodes[(one.turn + at) % NODES] for at in range(count)]
    for node in nodes:
        node.isolate()
    await asyncio.sleep(source.uniform(0.2, LONGEST_FREEZE))
    for node in nodes:
        node.isolate(False)


async def _stopped(pid: int, seconds: float) -> None:
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        os.kill(pid, signal.SIGCONT)


async def _locked(path: str, seconds: float) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as database:
        database.execute("BEGIN IMMEDIATE")
        await asyncio.sleep(seconds)
        database.execute("COMMIT")


Outage = Callable[[Outages, Random], Awaitable[None]]
OUTAGES: dict[str, Outage] = {
    "relay killed": _kill,
    "relay frozen": _freeze,
    "database frozen": _freeze_database,
    "database restarted": _restart_database,
    "database refuses writes": _full_disk,
}
OF_A_CLUSTER: dict[str, Outage] = {
    "relay killed": _kill,
    "node frozen": _freeze_database,
    "node killed": _restart_database,
    "node split off": _split,
    "no majority": _shatter,
    "relay frozen": _freeze,
    "node refuses writes": _full_disk,
}


# A round.


@dataclass
class Reported:
    """The events of one round: which were acknowledged, how long requests took, how many pushes were sent again, and what was answered."""

    acknowledged: list[str] = field(default_factory=list)
    longest: float = 0.0
    again: int = 0
    answers: Counter[int | str] = field(default_factory=Counter)


def event(session_id: str) -> dict[str, Any]:
    return {
        "secret": SECRET, "eventType": "complete", "sessionID": session_id, "title": session_id, "body": "Done.",
        "eventID": f"evt-{session_id}",
    }  # fmt: skip


async def rounds(store: Store, seed: int, numbers: Iterable[int]) -> None:
    """Play the rounds of these numbers, every outage in turn. AssertionError with all that did not hold, and how to play it again."""
    possible = OF_A_CLUSTER if store.cluster else OUTAGES
    failed: list[str] = []
    events = again = longest = 0.0
    async with outages(store) as one:
        for number in numbers:
            one.turn, at = divmod(number, len(possible))
            name = list(possible)[at]
            try:
                reported = await play(one, possible[name], Random(f"{seed} {number}"), number)
            except AssertionError as error:
                failed.append(f"OUTAGE_SEED={seed} OUTAGE_ROUND={number}: {name}\n  {error}")
                continue
            events, again = events + len(reported.acknowledged), again + reported.again
            longest = max(longest, reported.longest)
            print(
                f"{number} {name}: {len(reported.acknowledged)} events, {dict(reported.answers)}",
                file=sys.stderr,
            )
    print(
        f"{events:g} events, {again:g} sent again in place, longest request {longest:.2f} s", file=sys.stderr
    )
    assert not failed, "\n".join(failed)


async def play(one: Outages, outage: Outage, source: Random, round_number: int) -> Reported:
    """Report, let it happen, report on; return when every event has rung. AssertionError if something does not hold."""
    done = asyncio.Event()
    reported = Reported()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as http:
        reporters = [
            asyncio.create_task(_reporter(one, http, reported, done, f"ses_{round_number}", source.random()))
            for _ in range(REPORTERS)
        ]
        await asyncio.sleep(source.uniform(0, BEFORE_SECONDS))
        await outage(one, source)
        await one.store.heal()
        for relay in one.relays:
            await eventually(relay.health)
        await asyncio.sleep(AFTER_SECONDS)
        done.set()
        await asyncio.gather(*reporters)
    await _rung(one, reported)
    _same_everywhere(one.store, one.relays[0].environment["DATABASE_URL"].rpartition("/")[2])
    return reported


async def _reporter(
    one: Outages,
    http: aiohttp.ClientSession,
    reported: Reported,
    done: asyncio.Event,
    prefix: str,
    seed: float,
) -> None:
    """As bridges behind a load balancer: the next try may reach another relay, and a request may arrive twice, at two of them at once."""
    source = Random(seed)
    while not done.is_set():
        session_id = f"{prefix}_{next(one.numbers)}"
        ends = time.monotonic() + PATIENCE
        while True:
            relays = one.relays * 2 if source.random() < TWICE else [source.choice(one.relays)]
            if any(await asyncio.gather(*(_post(each, http, reported, session_id) for each in relays))):
                break
            assert time.monotonic() < ends, (
                f"not acknowledged within {PATIENCE:g} s: {dict(reported.answers)}"
            )
            await asyncio.sleep(AGAIN_SECONDS)
        reported.acknowledged.append(session_id)
        await asyncio.sleep(0.005)


async def _post(
    relay: RelayProcess, http: aiohttp.ClientSession, reported: Reported, session_id: str
) -> bool:
    began = time.monotonic()
    try:
        async with http.post(f"{relay.url}/v1/event", json=event(session_id)) as response:
            status: int | str = response.status
            body = await response.json()
            assert body["ok"] is (status == 200), body
            assert status == 200 or (status == 503 and body["error"] and body["code"]), (status, body)
    except (aiohttp.ClientError, OSError) as error:
        status = type(error).__name__
    reported.answers[status] += 1
    reported.longest = max(reported.longest, time.monotonic() - began)
    return status == 200


async def _rung(one: Outages, reported: Reported) -> None:
    """Every event that was acknowledged rings on every phone, and nothing twice; nothing broke or hung.

    A push of which nobody knows any more whether APNs took it is sent again, and takes the place of the first.
    """
    wanted = set(reported.acknowledged)

    def all_rang() -> bool:
        for phone in one.world.phones:
            missing = wanted - {showing["sessionID"] for showing in phone.showings}
            assert not missing, f"{len(missing)} of {len(wanted)} lost on {phone.name}: {sorted(missing)[:3]}"
        return True

    await eventually(all_rang)
    for phone in one.world.phones:
        rang = Counter(showing["sessionID"] for showing in phone.showings if not showing["replaced"])
        twice = {session_id: times for session_id, times in rang.items() if times > 1}
        assert not twice, f"rang more than once on {phone.name}: {twice}"
        reported.again += sum(
            showing["replaced"] and showing["sessionID"] in wanted for showing in phone.showings
        )
    assert reported.longest < REQUEST_SECONDS + SLACK_SECONDS, f"a request took {reported.longest:.1f} s"
    for relay in one.relays:
        assert not any(text.startswith("Traceback") for text in relay.log), "\n".join(relay.log)


def _same_everywhere(store: Store, database: str) -> None:
    """Every node of a cluster has the same rows."""
    tables = ", ".join(f"{database}.{name}" for name in ("delivery_log", "device_registration"))
    sums = {str(node.execute(f"CHECKSUM TABLE {tables}")) for node in store.servers}
    assert len(sums) <= 1, f"the nodes differ: {sums}"
