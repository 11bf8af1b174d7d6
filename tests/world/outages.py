"""A relay under load while something of it dies, freezes or fills up, and what must hold of every event afterwards.

A round reports events as a bridge does: each again and again until the relay has acknowledged it. In the middle an outage
strikes, at a moment that was drawn, and ends. Then every event must have rung on each phone, and none as two alerts.
"""

import asyncio
import contextlib
import os
import resource
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import aiohttp

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
LONGEST_FREEZE = float(os.environ.get("OUTAGE_FREEZE", "1.5"))
"""Seconds for which the database is frozen at the most."""


class Outages:
    """One relay and its phones, for many rounds. `mariadb` is the server of its database; None: SQLite in a file."""

    def __init__(self, world: World, relay: RelayProcess, mariadb: MariaDB | None) -> None:
        self.world, self.relay, self.mariadb = world, relay, mariadb
        self.numbers = iter(range(1_000_000))

    @property
    def pid(self) -> int:
        """Of the relay's process, which runs."""
        assert self.relay._process is not None
        return self.relay._process.pid

    @property
    def file(self) -> str:
        """The SQLite database."""
        return self.relay.environment["DATABASE_URL"].removeprefix("sqlite://")


@asynccontextmanager
async def outages(mariadb: MariaDB | None) -> AsyncIterator[Outages]:
    """The relay is up, and the phones are registered."""
    async with World() as world:
        world.apns.profile.device_rate = None
        world.add_relays(database_url=_of_a_user(mariadb) if mariadb else None)
        (relay,) = world.relays
        await relay.start()
        pair = contract.Pairing(
            server_id=contract.server_id(relay.url, SECRET),
            relay_url=relay.url,
            relay_secret=SECRET,
            hosts=["http://127.0.0.1:4096"],
        )
        for number in range(PHONES):
            await world.add_phone(contract.pairing_link(pair), f"iPhone {number}")
        yield Outages(world, relay, mariadb)


def _of_a_user(mariadb: MariaDB) -> str:
    """A new database as operators have them: its user may not write where the server is read-only, as root may."""
    url = mariadb.new_database()
    mariadb.execute(f"GRANT ALL ON {url.rpartition('/')[2]}.* TO relay@127.0.0.1 IDENTIFIED BY ''")
    return url.replace("root@", "relay@")


# What happens to it. Each function returns when it is over, healed where that takes a hand.


async def _kill(one: Outages, source: Random) -> None:
    await one.relay.kill()
    await asyncio.sleep(source.uniform(0, 0.2))
    await one.relay.start()


async def _freeze(one: Outages, source: Random) -> None:
    await _stopped(one.pid, source.uniform(0.2, 1.5))


async def _freeze_database(one: Outages, source: Random) -> None:
    seconds = source.uniform(0.2, LONGEST_FREEZE)
    if one.mariadb:
        await _stopped(one.mariadb.pid, seconds)
    else:
        await _locked(one.file, seconds)


async def _restart_database(one: Outages, source: Random) -> None:
    if one.mariadb is None:
        await _kill(one, source)  # its database is in its own process
        return
    await asyncio.to_thread(one.mariadb.die)
    await asyncio.sleep(source.uniform(0, 0.5))
    await asyncio.to_thread(one.mariadb.start)


async def _full_disk(one: Outages, source: Random) -> None:
    """No file can grow (EFBIG, which SQLite reports as a full disk); MariaDB refuses writes instead."""
    seconds = source.uniform(0.2, 1.0)
    if one.mariadb:
        one.mariadb.execute("SET GLOBAL read_only = ON")
        await asyncio.sleep(seconds)
        one.mariadb.execute("SET GLOBAL read_only = OFF")
        return
    size = max(path.stat().st_size for path in one.world.folder.glob("relay.sqlite3*"))
    limits = resource.prlimit(one.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    await asyncio.sleep(seconds)
    resource.prlimit(one.pid, resource.RLIMIT_FSIZE, limits)


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


OUTAGES: dict[str, Callable[[Outages, Random], Awaitable[None]]] = {
    "relay killed": _kill,
    "relay frozen": _freeze,
    "database frozen": _freeze_database,
    "database restarted": _restart_database,
    "database refuses writes": _full_disk,
}


# A round.


@dataclass
class Reported:
    """The events of one round: which were acknowledged, how long requests took, and what was answered how often."""

    acknowledged: list[str] = field(default_factory=list)
    longest: float = 0.0
    answers: Counter[int | str] = field(default_factory=Counter)


def event(session_id: str) -> dict[str, Any]:
    return {
        "secret": SECRET, "eventType": "complete", "sessionID": session_id, "title": session_id, "body": "Done.",
        "eventID": f"evt-{session_id}",
    }  # fmt: skip


async def play(one: Outages, name: str, source: Random, round_number: int) -> Reported:
    """Report, let it happen, report on; return when every event has rung. AssertionError if something does not hold."""
    done = asyncio.Event()
    reported = Reported()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as http:
        reporters = [
            asyncio.create_task(_reporter(one, http, reported, done, f"ses_{round_number}"))
            for _ in range(REPORTERS)
        ]
        await asyncio.sleep(source.uniform(0, BEFORE_SECONDS))
        await OUTAGES[name](one, source)
        await asyncio.sleep(AFTER_SECONDS)
        done.set()
        await asyncio.gather(*reporters)
    await _rung(one, reported)
    return reported


async def _reporter(
    one: Outages, http: aiohttp.ClientSession, reported: Reported, done: asyncio.Event, prefix: str
) -> None:
    while not done.is_set():
        session_id = f"{prefix}_{next(one.numbers)}"
        ends = time.monotonic() + PATIENCE
        while not await _post(one, http, reported, session_id):  # as a bridge tries again
            assert time.monotonic() < ends, (
                f"not acknowledged within {PATIENCE:g} s: {dict(reported.answers)}"
            )
            await asyncio.sleep(AGAIN_SECONDS)
        reported.acknowledged.append(session_id)
        await asyncio.sleep(0.005)


async def _post(one: Outages, http: aiohttp.ClientSession, reported: Reported, session_id: str) -> bool:
    began = time.monotonic()
    try:
        async with http.post(f"{one.relay.url}/v1/event", json=event(session_id)) as response:
            status: int | str = response.status
            await response.read()
    except (aiohttp.ClientError, OSError) as error:
        status = type(error).__name__
    reported.answers[status] += 1
    reported.longest = max(reported.longest, time.monotonic() - began)
    return status == 200


async def _rung(one: Outages, reported: Reported) -> None:
    """Every event that was acknowledged rings on every phone, and nothing twice; nothing broke or hung."""
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
    assert reported.longest < REQUEST_SECONDS + SLACK_SECONDS, f"a request took {reported.longest:.1f} s"
    traceback = [text for text in one.relay.log if text.startswith("Traceback")]
    assert not traceback, "\n".join(one.relay.log)
