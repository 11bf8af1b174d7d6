"""What /admin reads and does: of the key, of the database, and to one phone. Every statement is bounded."""

import asyncio
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from relay.apns.gateway import Paused
from relay.apns.reasons import REASONS
from relay.contract import ApnsEnv, Event
from relay.server import alerts
from relay.server.admin import figures
from relay.server.admin.figures import Day
from relay.server.alerts import Dispatcher
from relay.server.hours import HourlyCounts
from relay.server.store import activities, deliveries, devices, hours, log, secrets
from relay.server.store.devices import Phone
from relay.server.store.log import FROM_THE_END, Logged, Position, Wanted
from relay.server.store.sql import Database

ENVIRONMENTS: tuple[ApnsEnv, ...] = ("production", "sandbox")
COUNTED = 1_000
"""So many are counted at most; then there are "so many or more". Of each the row is read."""
NEWEST, PAGE, PHONES = 10, 50, 50
TEST_SECONDS = 5.0
TEST_TITLE, TEST_BODY = "Push test", "Sent by the operator of your relay."


class Queue(NamedTuple):
    """How many wait, at most COUNTED, and since when the oldest does (UTC ms)."""

    waiting: int
    since: int | None


@dataclass(frozen=True, slots=True)
class Stored:
    """What the database says for the first page."""

    alerts: Queue
    cards: Queue
    phones: int
    activities: int
    day: Day
    newest: Sequence[Logged]


class Pause(NamedTuple):
    """A pause of the key and what to check."""

    bundle_id: str
    reason: str
    seconds: int
    advice: str


@dataclass(frozen=True, slots=True)
class Story:
    """One delivery, whether its phone is registered, and how many others its event has."""

    one: Logged
    registered: bool


class Reading:
    """`now`: UNIX seconds. `pauses`: of the key."""

    def __init__(
        self,
        db: Database,
        hourly: HourlyCounts,
        dispatcher: Dispatcher,
        *,
        pauses: Callable[[], Sequence[Paused]],
        now: Callable[[], float],
    ) -> None:
        self._db, self._hours, self._dispatcher = db, hourly, dispatcher
        self._pauses, self._now = pauses, now

    @property
    def now_ms(self) -> int:
        """What time it is, UTC milliseconds."""
        return int(self._now() * 1000)

    def key(self) -> dict[ApnsEnv, list[Pause]]:
        """By environment, its pauses; none: APNs takes pushes, as far as this relay knows."""
        found: dict[ApnsEnv, list[Pause]] = {env: [] for env in ENVIRONMENTS}
        for one in self._pauses():
            advice = REASONS[one.reason].advice if one.reason in REASONS else ""
            found[one.apns_env].append(Pause(one.bundle_id, one.reason, int(one.seconds), advice))
        return found

    async def stored(self) -> Stored:
        """Raises Unavailable."""
        await self._hours.save()
        now_ms = self.now_ms
        counted = await hours.since(self._db, figures.first_hour(now_ms))
        return Stored(
            alerts=Queue(*await deliveries.waiting(self._db, limit=COUNTED)),
            cards=Queue(*await activities.waiting(self._db, limit=COUNTED)),
            phones=await devices.count_up_to(self._db, COUNTED),
            activities=await activities.count_up_to(self._db, COUNTED),
            day=figures.day(counted, now_ms),
            newest=(await log.newest(self._db, Wanted(), limit=NEWEST)).found,
        )

    async def deliveries(self, wanted: Wanted, before: Position | None) -> log.Page:
        """A page of the log."""
        return await log.newest(self._db, wanted, limit=PAGE, before=before or FROM_THE_END)

    async def story(self, apns_id: str) -> Story | None:
        """One delivery."""
        found = await log.by_id(self._db, [apns_id])
        if not found:
            return None
        return Story(found[0], await devices.is_there(self._db, found[0].device_id))

    async def beginning(self, given: str) -> str:
        """Of the hash of a secret that is named, or whose hash is begun, like that."""
        named = await secrets.called(self._db, given) if given else None
        return named or given.rstrip("….").lower()

    async def phones(self, beginning: str, after: str | None) -> Sequence[Phone]:
        """One more than a page, of the secrets whose hash begins like that."""
        return await devices.page(self._db, beginning=beginning, after=after, limit=PHONES + 1)

    async def phone(self, device_id: str) -> Phone | None:
        """One phone."""
        return await devices.one(self._db, device_id)

    async def names(self, secret_hashes: Iterable[str]) -> dict[str, str]:
        """What the operator calls those of them that have a name."""
        return await secrets.names(self._db, secret_hashes)

    async def count_phones(self, secret_hash: str) -> int:
        """Of one secret."""
        return (await secrets.phones(self._db, secret_hash))[0]

    # What changes something.

    async def forget_phone(self, device_id: str) -> Phone | None:
        """The phone that was forgotten."""
        phone = await devices.one(self._db, device_id)
        if phone is not None:
            await secrets.forget_phone(
                self._db, secret_hash=phone.secret_hash, device_token=phone.recipient.device_token
            )
        return phone

    async def forget_secret(self, secret_hash: str) -> int:
        """How many phones it had."""
        return await secrets.forget(self._db, secret_hash)

    async def test(self, device_id: str) -> str | None:
        """Ring on one phone, through the outbox as every alert; returns the delivery's id after its first attempt, or a few seconds."""
        phone = await devices.one(self._db, device_id)
        if phone is None:
            return None
        event_id = f"test-{uuid.uuid4()}"
        event = Event(secret="", event_type="complete", session_id=event_id, title=TEST_TITLE, body=TEST_BODY)
        planned = alerts.plan(
            event,
            event_id=event_id,
            secret_hash=phone.secret_hash,
            recipients=[phone.recipient],
            now_ms=self.now_ms,
        )
        (sending,) = await self._dispatcher.enqueue([planned])
        if isinstance(sending, dict):
            await asyncio.wait(sending.values(), timeout=TEST_SECONDS)
        return planned[0].push.apns_id
