"""Households with phones behind one APNs, and the relays between them and their servers: real processes, real time."""

import asyncio
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final

import aiohttp

from loadtests.accounts import Card, Lifetime, PhoneRecord, Ring
from relay import contract
from relay.server.store import devices
from relay.server.store.database import close_database, open_database
from relay.server.store.sql import Database
from simulator.apns.delivery.service import token_suffix
from simulator.clock import RealClock
from simulator.journal import Journal
from simulator.phone.app.content_state import FLAT
from simulator.phone.phone import Phone
from simulator.phone.push import session_of
from simulator.world import World

REQUEST_SECONDS: Final = 20.0
PAUSE_SECONDS: Final = 0.5

Json = dict[str, Any]


@dataclass(slots=True)
class VirtualUser:
    """A phone of a household, since when it was registered, and under which tokens (their ends)."""

    phone: Phone
    household: int
    lifetimes: list[Lifetime] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)

    def registered(self, at: float) -> None:
        """It is registered with a new token from now on."""
        self.lifetimes.append(Lifetime(at, inf))
        self.tokens.add(token_suffix(self.phone.app.token))

    def unregistered(self, at: float) -> None:
        """That token is dead."""
        self.lifetimes[-1] = self.lifetimes[-1]._replace(ends=at)


class Fleet(World):
    """`async with Fleet(...) as fleet`: everything is up and paired. `users[household][phone]`."""

    def __init__(
        self, households: int, phones: int, *, relays: int = 1, database_url: str | None = None
    ) -> None:
        clock = RealClock()
        super().__init__(clock, Journal(clock, size=1))
        self._households, self._phones, self._relays = households, phones, relays
        self._database_url = database_url
        self.users: list[list[VirtualUser]] = []
        self.retried = 0

    async def _start(self) -> None:
        await super()._start()
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
        self._http = await self.enter(aiohttp.ClientSession(timeout=timeout))
        self.add_relays(self._relays, self._database_url)
        for relay in self.relays:
            await relay.start()
        database_url = self._database_url or self.relay_environment["DATABASE_URL"]
        self._database = Database(await open_database(database_url))
        self._stack.push_async_callback(close_database)
        for household in range(self._households):
            self.users.append([await self._pair(household, number) for number in range(self._phones)])

    async def _pair(self, household: int, number: int) -> VirtualUser:
        """A phone whose app scans the household's code and registers at a relay."""
        url = self.relays[household % len(self.relays)].url
        link = contract.pairing_link(contract.pairing(url, secret(household), ["http://127.0.0.1:9"]))
        phone = await self.add_phone(link, f"phone {household}/{number}", kind=FLAT)
        user = VirtualUser(phone, household)
        user.registered(self.clock.now())
        return user

    @property
    def everybody(self) -> list[VirtualUser]:
        """Of all households."""
        return [user for household in self.users for user in household]

    # What happens in it.

    async def report(self, household: int, event: Json) -> None:
        """As a bridge: again and again until a relay takes it, always under the same event id."""
        body = {"secret": secret(household), "serverID": f"server-{household}", **event}
        turn = household
        while not await self._taken(self.relays[turn % len(self.relays)].url, body):
            turn += 1
            self.retried += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async def _taken(self, url: str, body: Json) -> bool:
        try:
            async with self._http.post(f"{url}/v1/event", json=body) as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def replace_token(self, user: VirtualUser) -> None:
        """As after a restore from a backup: APNs gives another, the app registers it, and nobody takes the old one back."""
        phone, old = user.phone, user.phone.app.token
        user.unregistered(self.clock.now())
        phone.device.rotate("production")
        self.apns.registry.unregister(old, self.clock.now())
        await phone.app.register()
        user.registered(self.clock.now())

    def uninstall(self, user: VirtualUser) -> None:
        """The app is removed, and APNs knows at once."""
        token = user.phone.app.token
        user.unregistered(self.clock.now())
        user.phone.set("app_installed", False)
        self.apns.registry.unregister(token, self.clock.now())

    def switch(self, user: VirtualUser, *, online: bool) -> None:
        """The phone's radio; what APNs kept for it arrives."""
        self.lab.change_device(user.phone.name, {"online": online})

    async def registrations(self) -> int:
        """How many device tokens the relays hold."""
        return await devices.count(self._database)

    async def put_off(self) -> set[tuple[str, str]]:
        """Event id and end of the device token of what APNs answered 5xx, and the relays keep to send again."""
        _, rows = await self._database.execute(
            "SELECT event_id, token_suffix FROM delivery_log WHERE status = 'queued' AND http_status >= 500"
        )
        return {(row["event_id"], row["token_suffix"]) for row in rows}

    async def shown_on(self, user: VirtualUser) -> PhoneRecord:
        """What the phone showed so far."""
        phone = user.phone
        rings = [Ring(str(one["body"]), bool(one["replaced"])) for one in phone.showings]
        there = (
            sorted(phone.activities.all, key=lambda one: one.changed_at) if phone.device.app_installed else []
        )
        last = {session_of(one.attributes) or "": one for one in there}
        cards = [Card(name, str(one.content_state.get("status")), one.running) for name, one in last.items()]
        not_kept = sum(
            one.device == phone.name and one.push_type == "alert" and one.why == "replaced"
            for one in self.apns.delivery_log.entries()
        )
        waiting = frozenset(event for event, token in await self.put_off() if token in user.tokens)
        return PhoneRecord(user.household, user.lifetimes, rings, cards, not_kept, waiting)


def secret(household: int) -> str:
    """Of its server."""
    return f"secret-of-household-{household}"
