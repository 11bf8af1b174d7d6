"""A relay under attack, as a process with limits, and a victim who must notice nothing of it but a little delay.

ATTACK_SIZE=1 is the full size, for `make attack`: 1,000,000 registrations, 100,000 phones on one secret, 500 slow connections, a flood of
events of a secret with 20 phones. As it stands it is a thousandth of that, with limits to match, and takes seconds.
"""

import asyncio
import json
import os
import statistics
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import psutil
import pytest

from relay import contract
from simulator.phone.app.app import BUNDLE_ID
from simulator.world import World
from waiting import eventually

SECRET = "a-secret-of-somebody-in-peace"
ATTACK = Path(__file__).with_name("attack.py")
FULL = os.environ.get("ATTACK_SIZE") == "1"

VICTIM_SECONDS = 5.0 if FULL else 10.0
"""From a victim's event to the sound on the phone, while the relay is attacked, on a machine that attacker, APNs and phones use, too; and, as
it stands, the other tests.
"""
MEMORY = 300 << 20
ROW = 1500
"""Bytes that a row with its indexes takes at most, in SQLite's file and its write-ahead log."""


class Size(NamedTuple):
    """How much is tried, and what is allowed of it: by address and hour, by secret, and a minute of events."""

    registrations: int
    phones: int
    events: int
    slow_seconds: float
    of_address: int
    of_secret: int
    events_minute: int
    body_seconds: float


SIZE = (
    Size(1_000_000, 100_000, 100_000, 60.0, 1200, 20, 600, 10.0)
    if FULL
    else Size(1_000, 100, 300, 2.0, 10, 20, 20, 0.5)
)


class LimitedWorld(World):
    """Its relay has limits, and no proxy."""

    @property
    def relay_environment(self) -> dict[str, str]:
        return super().relay_environment | {
            "RELAY_LIMITS": "on",
            "RELAY_TRUSTED_PROXIES": "none",
            "RELAY_LIMIT_ADDRESS_REGISTRATIONS": str(SIZE.of_address),
            "RELAY_LIMIT_PHONES": str(SIZE.of_secret),
            "RELAY_LIMIT_EVENTS_MINUTE": str(SIZE.events_minute),
            "RELAY_LIMIT_BODY_SECONDS": str(SIZE.body_seconds),
        }


class Victim:
    """Somebody whose sessions end, one after the other, and whose phone rings."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.waits: list[float] = []

    async def pair(self) -> None:
        url = self.world.relays[0].url
        pair = contract.pairing(url, SECRET, ["http://127.0.0.1:4096"])
        self.phone = await self.world.add_phone(contract.pairing_link(pair), "iPhone")

    async def live(self) -> None:
        """Until cancelled: an event, and the next when the phone has rung."""
        async with aiohttp.ClientSession() as http:
            while True:
                event = {
                    "secret": SECRET,
                    "eventType": "complete",
                    "sessionID": f"ses_{len(self.waits)}",
                    "title": "Mine",
                }
                began, shown = time.monotonic(), len(self.phone.showings)
                async with http.post(f"{self.world.relays[0].url}/v1/event", json=event) as response:
                    assert response.status == 200, await response.text()
                await eventually(lambda shown=shown: len(self.phone.showings) > shown)  # type: ignore[misc]
                self.waits.append(time.monotonic() - began)
                await asyncio.sleep(0.2)


async def attacked(world: World, tokens: list[str]) -> dict[str, Any]:
    """What the attacker says."""
    file = world.folder / "tokens"
    file.write_text("\n".join(tokens))
    numbers = {
        "registrations": SIZE.registrations,
        "phones": SIZE.phones,
        "events": SIZE.events,
        "bodies": 20,
        "slow": 500,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ATTACK), world.relays[0].url, f"--slow-seconds={SIZE.slow_seconds}", f"--tokens={file}"),
        *(f"--{name}={number}" for name, number in numbers.items()),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0
    found: dict[str, Any] = json.loads(said)
    return found


def stored(world: World) -> int:
    """Bytes of the database, with its write-ahead log."""
    return sum(path.stat().st_size for path in world.folder.glob("relay.sqlite3*"))


async def test_a_relay_under_attack(capsys: pytest.CaptureFixture[str]) -> None:
    async with LimitedWorld() as world:
        world.apns.profile.device_rate = None
        world.add_relays()
        (relay,) = world.relays
        await relay.start()
        process = psutil.Process(relay.pid)
        tokens = [
            world.apns.registry.mint_token(BUNDLE_ID, "production", "alert") for _ in range(SIZE.of_secret)
        ]
        for token in tokens:
            world.apns.registry.attach(token, lambda _: None)
        victim = Victim(world)
        await victim.pair()
        living = asyncio.create_task(victim.live())
        attack = asyncio.create_task(attacked(world, tokens))
        memory = 0
        while not attack.done():
            memory = max(memory, process.memory_info().rss)
            await asyncio.wait([attack, living], timeout=0.1, return_when=asyncio.FIRST_COMPLETED)
            if living.done():
                living.result()
        said = await attack
        calm = len(victim.waits)
        await eventually(lambda: len(victim.waits) > calm)
        living.cancel()
        bytes_stored = stored(world)
        log = "\n".join(relay.log)
        said_of_limits = len(world.journal.entries("relay", "limit hit"))

    answers = {name: Counter(one["answers"]) for name, one in said.items() if name != "seconds"}
    with capsys.disabled():
        waits = sorted(victim.waits)
        print(
            f"\nattack of {said['seconds']} s: {json.dumps(answers)}; victim: {len(waits)} alerts, median "
            f"{statistics.median(waits):.2f} s, longest {waits[-1]:.2f} s; memory {memory >> 20} MiB; "
            f"database {bytes_stored / 1e6:.1f} MB"
        )
    assert all(one["wrong"] == [] for name, one in said.items() if name != "seconds")
    minutes = said["seconds"] / 60 + 1
    taken = answers["registrations"]["200"]
    assert SIZE.of_address * 20 <= taken + SIZE.of_address <= 21 * SIZE.of_address * (1 + minutes / 60) + 20
    assert answers["own phones"] == {"200": SIZE.of_secret}
    assert answers["phones"].keys() == {"429"}
    assert answers["events"].keys() == {"200", "429"}
    assert answers["events"]["200"] <= SIZE.events_minute * (1 + minutes)
    assert answers["bodies"] == {"413": 20}
    assert answers["slow"].keys() <= {"429", "408", "open"}
    assert min(answers["slow"]["429"], answers["slow"]["408"]) > 0
    for name, counts in answers.items():
        assert counts["closed"] == 0, name
    assert max(victim.waits) < VICTIM_SECONDS
    assert memory < MEMORY
    rows = taken + SIZE.of_secret + answers["events"]["200"] * (SIZE.of_secret + 2) + len(victim.waits) * 2
    assert bytes_stored < rows * ROW + (8 << 20)
    assert "Traceback" not in log
    assert said_of_limits <= 6 * (1 + minutes)
