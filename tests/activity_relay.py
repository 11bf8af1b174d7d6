"""One relay's Live Activities, stepped by hand, and what they sent: shared by the tests of its behaviours."""

import json
from typing import Any

from fake_gateway import FakeGateway
from relay import contract
from relay.apns.gateway import Environments
from relay.apns.push import Push
from relay.contract import ActivityRegister, ActivityUnregister, DeviceRegister, Event
from relay.server.live_activities.activity import Activity
from relay.server.live_activities.registration import ActivityRegistrations
from relay.server.live_activities.sender import ActivitySender
from relay.server.store import activities, devices
from relay.server.store.sql import Database
from simulator.clock import VirtualClock

SECRET = "s" * 24
HASH = contract.secret_hash(SECRET)
SESSION = "ses_1"
PHONE, OTHER_PHONE = "a1" * 32, "b2" * 32
START_TOKEN, OTHER_START_TOKEN = "c3" * 32, "d4" * 32
UPDATE_TOKEN, NEW_TOKEN = "e5" * 80, "f6" * 80
BUNDLE = "com.example.app"


class Relay:
    """One relay's Live Activities, stepped by hand."""

    def __init__(self, db: Database, gateway: FakeGateway, clock: VirtualClock, owner: str) -> None:
        # As another process would: with other relays it shares nothing but the tables.
        self.db = db = Database(db._connection)
        self.gateway, self.clock = gateway, clock
        self.sender = ActivitySender(db, Environments(gateway), owner=owner, push_deadline=10, clock=clock)
        self.registrations = ActivityRegistrations(
            db, default_bundle_id=BUNDLE, now=clock.now, changed=self.sender.changed
        )
        self._events = 0

    async def receive(
        self, event_type: str, event_id: str | None = None, session: str = SESSION, **texts: Any
    ) -> int:
        """An event comes in; how many activities it changed."""
        self._events += 1
        event_id = event_id or f"{id(self)}-{self._events}"
        event = Event(secret=SECRET, event_type=event_type, session_id=session, **texts)  # type: ignore[arg-type]
        phones = await devices.recipients(self.db, HASH)
        known = await activities.of_session(self.db, HASH, session)
        return await self.sender.receive(
            event, event_id=event_id, secret_hash=HASH, recipients=phones, known=known
        )

    async def push(self) -> None:
        """Everything that is due by now is pushed and answered."""
        await self.sender.engine.poll()
        await self.sender.engine.idle()

    async def register(self, token: str = UPDATE_TOKEN, session: str = SESSION, **fields: Any) -> None:
        fields = {"device_token": PHONE} | fields
        await self.registrations.register(
            ActivityRegister(secret=SECRET, session_id=session, activity_token=token, **fields)
        )

    async def unregister(self, device_token: str | None = PHONE) -> None:
        await self.registrations.unregister(
            ActivityUnregister(secret=SECRET, session_id=SESSION, device_token=device_token)
        )

    async def row(self, session: str = SESSION) -> Activity:
        (row,) = await activities.of_session(self.db, HASH, session)
        return row

    async def forget_phone(self, device_token: str = PHONE) -> None:
        """The phone gets no alerts any more; its cards stay."""
        await devices.unregister(self.db, secret_hash=HASH, device_token=device_token)

    async def add_phone(
        self, device_token: str = PHONE, start_token: str | None = START_TOKEN, **fields: Any
    ) -> None:
        """None as the start token leaves it out, so that the one that was registered before is kept."""
        given = fields if start_token is None else fields | {"push_to_start_token": start_token}
        phone = DeviceRegister(secret=SECRET, device_token=device_token, **given)
        now_ms = int(self.clock.now() * 1000)
        await devices.register(self.db, phone, secret_hash=HASH, bundle_id=BUNDLE, now_ms=now_ms)

    async def run(self, seconds: int) -> None:
        """Let time pass, a second a step."""
        for _ in range(seconds):
            await self.clock.advance(1)
            await self.push()

    async def activate(self) -> None:
        """The phone has a card with its update token, and nothing waits."""
        await self.receive("start", title="Fix bug")
        await self.push()
        await self.register()
        await self.run(20)
        self.sent.clear()

    @property
    def sent(self) -> list[Push]:
        """What came to the gateway."""
        return self.gateway.sent

    @property
    def pushed(self) -> list[tuple[str, str, str]]:
        """Event, status and message of every push."""
        return [
            (each["event"], each["content-state"]["status"], each["content-state"]["lastMessage"])
            for each in map(aps, self.sent)
        ]


def aps(push: Push) -> dict[str, Any]:
    return json.loads(push.payload)["aps"]  # type: ignore[no-any-return]
