"""Households with phones behind one APNs, and the relays between them and their servers: real processes, real time."""

import asyncio
import contextlib
import random
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import aiohttp

from loadtests.diary import Card, PhoneDiary, Ring, Stay
from loadtests.processes import free_port
from relay import contract
from relay.server.store.database import close_database, open_database
from relay.server.store.sql import Database
from simulator.apns.delivery.service import token_suffix
from simulator.apns.sandbox import Sandbox
from simulator.clock import RealClock
from simulator.journal import Journal
from simulator.lab.issuer import Issuer
from simulator.phone.app.app import BUNDLE_ID
from simulator.phone.app.content_state import FLAT, session_of
from simulator.phone.phone import Phone
from simulator.process import Command

TICK_SECONDS: Final = 0.2
START_SECONDS: Final = 30.0
REQUEST_SECONDS: Final = 20.0
PAUSE_SECONDS: Final = 0.5

Json = dict[str, Any]


@dataclass(slots=True)
class Resident:
    """A phone of a household, since when it was registered, and under which tokens (their ends)."""

    phone: Phone
    household: int
    stays: list[Stay] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)

    def came(self, at: float) -> None:
        """It is registered with a new token from now on."""
        self.stays.append(Stay(at, inf))
        self.tokens.add(token_suffix(self.phone.app.token))

    def left(self, at: float) -> None:
        """That token is dead."""
        self.stays[-1] = self.stays[-1]._replace(ends=at)


class Town:
    """`async with Town(...) as town`: everything is up and paired. `residents[household][phone]`."""

    def __init__(
        self, households: int, phones: int, *, relays: int = 1, database_url: str | None = None
    ) -> None:
        self.clock = RealClock()
        self.journal = Journal(self.clock, size=1)
        self._stack = AsyncExitStack()
        self._size = (households, phones)
        self._urls = [f"http://127.0.0.1:{free_port()}" for _ in range(relays)]
        self._database_url = database_url
        self._http: aiohttp.ClientSession
        self.residents: list[list[Resident]] = []
        self.retried = 0

    async def __aenter__(self) -> Self:
        """Start all parts. Whatever fails, those already started are stopped again."""
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop all parts, the last started first."""
        await self._stack.aclose()

    async def _start(self) -> None:
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="town-")))
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
        self._http = await self._stack.enter_async_context(aiohttp.ClientSession(timeout=timeout))
        self.apns = Sandbox(self.clock, self.journal, random=random.Random(1), folder=folder)
        await self.apns.start()
        self._stack.push_async_callback(self.apns.close)
        self.apns.registry.add_app(BUNDLE_ID)
        database_url = self._database_url or f"sqlite://{folder}/relay.sqlite3"
        self.relays = [self._relay(folder, url, database_url) for url in self._urls]
        for number, relay in enumerate(self.relays):
            self._stack.push_async_callback(relay.stop)
            await self.start_relay(number)
        self._database = Database(await open_database(database_url))
        self._stack.push_async_callback(close_database)
        households, phones = self._size
        for household in range(households):
            self.residents.append([await self._move_in(household, number) for number in range(phones)])
        ticking = asyncio.create_task(self._tick(), name="town-tick")
        self._stack.push_async_callback(_cancelled, ticking)

    def _relay(self, folder: Path, url: str, database_url: str) -> Command:
        ports = self.apns.ports
        environment = {
            "PORT": url.rpartition(":")[2],
            "DATABASE_URL": database_url,
            **self._key(),
            "APNS_DEFAULT_BUNDLE_ID": BUNDLE_ID,
            "APNS_HOST_SANDBOX": f"127.0.0.1:{ports['sandbox']}",
            "APNS_HOST_PRODUCTION": f"127.0.0.1:{ports['production']}",
            "APNS_CA_FILE": str(self.apns.ca_file),
        }
        return Command("relay", ["serve"], self.journal, environment=environment, folder=folder)

    def _key(self) -> dict[str, str]:
        key = self.apns.issue_key()
        return {"APNS_TEAM_ID": key.team_id, "APNS_KEY_ID": key.key_id, "APNS_PRIVATE_KEY": key.private_key}

    async def start_relay(self, number: int) -> None:
        """Start a relay, for the first time or again; return when it answers. CommandError if it ends, TimeoutError."""
        await self.relays[number].start()
        async with asyncio.timeout(START_SECONDS):
            while await self._health(self._urls[number]) is None:
                self.relays[number].raise_if_ended()
                await asyncio.sleep(0.05)

    async def _move_in(self, household: int, number: int) -> Resident:
        """A phone whose app scans the household's code and registers at a relay."""
        issuer = Issuer(self.apns.registry, self.clock, BUNDLE_ID, "production")
        phone = Phone(self.clock, self.journal, issuer, name=f"phone {household}/{number}", kind=FLAT)
        issuer.lead_to(phone)
        self._stack.push_async_callback(phone.app.close)
        url = self._urls[household % len(self._urls)]
        phone.app.scan(
            contract.pairing_link(contract.pairing(url, secret(household), ["http://127.0.0.1:9"]))
        )
        await phone.app.register()
        resident = Resident(phone, household)
        resident.came(self.clock.now())
        return resident

    async def _tick(self) -> None:
        """Real time passes by itself: do what is due at APNs and on every phone."""
        while True:
            await self.clock.sleep(TICK_SECONDS)
            self.apns.discard_expired()
            for resident in self.everybody:
                resident.phone.run_due()

    @property
    def everybody(self) -> list[Resident]:
        """Of all households."""
        return [resident for household in self.residents for resident in household]

    # What happens in it.

    async def tell(self, household: int, event: Json) -> None:
        """As a bridge: again and again until a relay takes it, always under the same event id."""
        body = {"secret": secret(household), "serverID": f"server-{household}", **event}
        turn = household
        while not await self._told(self._urls[turn % len(self._urls)], body):
            turn += 1
            self.retried += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async def _told(self, url: str, body: Json) -> bool:
        try:
            async with self._http.post(f"{url}/v1/event", json=body) as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def replace_token(self, resident: Resident) -> None:
        """As after a restore from a backup: APNs gives another, the app registers it, and nobody takes the old one back."""
        phone, old = resident.phone, resident.phone.app.token
        resident.left(self.clock.now())
        phone.device.rotate("production")
        self.apns.registry.unregister(old, self.clock.now())
        await phone.app.register()
        resident.came(self.clock.now())

    def uninstall(self, resident: Resident) -> None:
        """The app is removed, and APNs knows at once."""
        token = resident.phone.app.token
        resident.left(self.clock.now())
        resident.phone.set("app_installed", False)
        self.apns.registry.unregister(token, self.clock.now())

    def switch(self, resident: Resident, *, online: bool) -> None:
        """The phone's radio; what APNs kept for it arrives."""
        resident.phone.set("online", online)
        if online:
            self.apns.reconnected(resident.phone)

    async def registered(self) -> int:
        """How many device tokens the relays hold; -1 if none answers."""
        found = await self._health(self._urls[0])
        return -1 if found is None else int(found["devices"])

    async def _health(self, url: str) -> Json | None:
        try:
            async with self._http.get(f"{url}/health") as response:
                reply: Json = await response.json()
                return reply
        except (aiohttp.ClientError, TimeoutError):
            return None

    async def put_off(self) -> set[tuple[str, str]]:
        """Event id and end of the device token of what APNs answered 5xx, and the relays keep to send again."""
        _, rows = await self._database.execute(
            "SELECT event_id, token_suffix FROM delivery_log WHERE status = 'queued' AND http_status >= 500"
        )
        return {(row["event_id"], row["token_suffix"]) for row in rows}

    async def diary(self, resident: Resident) -> PhoneDiary:
        """What the phone showed so far."""
        phone = resident.phone
        rings = [Ring(str(fact["body"]), bool(fact["replaced"])) for fact in phone.showings]
        there = (
            sorted(phone.activities.all, key=lambda one: one.changed_at) if phone.device.app_installed else []
        )
        last = {session_of(one.attributes) or "": one for one in there}
        cards = [Card(name, str(one.content_state.get("status")), one.running) for name, one in last.items()]
        not_kept = sum(
            one.device == phone.name and one.push_type == "alert" and one.why == "replaced"
            for one in self.apns.delivery_log.entries()
        )
        waiting = frozenset(event for event, token in await self.put_off() if token in resident.tokens)
        return PhoneDiary(resident.household, resident.stays, rings, cards, not_kept, waiting)


def secret(household: int) -> str:
    """Of its server."""
    return f"secret-of-household-{household}"


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
