"""A relay, an APNs sandbox and phones on a virtual clock, with the notebook in the part of the bridge."""

from typing import Any

from relay import contract
from simulator.apns.delivery.device import Delivery
from simulator.apns.faults.document import load
from simulator.apns.sandbox import Sandbox
from simulator.clock import VirtualClock
from simulator.phone.app.content_state import KINDS
from simulator.phone.device import Realm
from simulator.phone.phone import Phone
from simulator.phone.push import Push
from simulator.world import World
from story.pictures import Table
from story.running_relay import RunningRelay, turns, until
from story.stage import Stage

Json = dict[str, Any]

BEGINS_AT = 1_795_254_060.0
"""UNIX seconds of the beginning of every Story: Saturday, 21 November 2026, 09:41 UTC."""
SECRET = "a-secret-for-the-notebooks"  # noqa: S105 - it guards nothing
SESSION, TITLE = "ses_login", "Fix the login"
STATUS = {"start": "working", "progress": "working"}
"""The status on the card where it is not the event's own name."""
ALERT_TITLE = {"permission": "Action Needed: ", "error": "Error: "}
"""What the bridge puts before a session's title."""
LEAP_SECONDS = 120.0
SWEEP_SECONDS = 30.0
"""Whoever of the relay sleeps so long sweeps, and finds what is over; who polls sleeps a second."""


class Story(Stage):
    """`story = await Story.begin()` ... `await story.end()`. `apns` is the sandbox, `clock` the virtual time."""

    @classmethod
    async def begin(
        cls,
        *,
        phones: int = 1,
        app: str | None = "flat",
        phone_profile: str = "default",
        relay: dict[str, str] | None = None,
    ) -> "Story":
        """Start a relay and the sandbox, and pair so many phones.

        `app` is how the app builds its Live Activities ("flat" or "expo-widgets"), None for one that has none;
        `phone_profile` is how strict the phones are ("lenient", "default", "strict"); `relay`: settings of the relay.
        """
        story = cls(World(VirtualClock(BEGINS_AT)))
        story.relay_settings = relay or {}
        await story.world.__aenter__()
        await story.start_relay()
        for number in range(1, phones + 1):
            await story.add_phone("iPhone" if number == 1 else f"iPhone {number}", app, phone_profile)
        story.begun()
        return story

    def __init__(self, world: World) -> None:
        super().__init__(world)
        assert isinstance(world.clock, VirtualClock)
        self.clock = world.clock
        self.relay = RunningRelay(self.clock)
        self.relay_settings: dict[str, str] = {}
        self.received: list[Delivery] = []
        """Every push as APNs handed it to a phone: headers, dates and payload, the oldest first."""
        self._events = 0

    @property
    def apns(self) -> Sandbox:
        """The sandbox."""
        return self.world.apns

    async def end(self) -> None:
        """Stop everything and remove all files."""
        await self.relay.close()
        await self.world.__aexit__(None, None, None)

    # Who takes part.

    async def start_relay(self) -> None:
        """Start the relay, for the first time or again; return when it answers."""
        self.journal.record("world", "relay started")
        await self.relay.start(self.world.relay_environment | self.relay_settings)
        await self.until_idle()

    async def stop_relay(self) -> None:
        """Stop the relay; what it still had to send stays in its database."""
        await self.relay.stop()
        self.journal.record("world", "relay stopped")

    async def add_phone(
        self,
        name: str,
        app: str | None = "flat",
        phone_profile: str = "default",
        secret: str = SECRET,
        realm: Realm = "production",
        claims: Realm | None = None,
    ) -> Phone:
        """A phone whose app scans a pairing link with this secret and registers at the relay.

        `realm` is the environment of APNs that the app's build belongs to, `claims` what it says if that is another.
        """
        pairing = contract.pairing(self.relay.url, secret, ["http://127.0.0.1:9"])
        phone = await self.world.add_phone(
            contract.pairing_link(pairing), name, realm=realm, claims=claims, phone_profile=phone_profile,
            kind=KINDS[app] if app else None,
        )  # fmt: skip
        self._keep_received(phone)
        return phone

    def _keep_received(self, phone: Phone) -> None:
        receive = phone.receive

        def keep(push: Push) -> None:
            assert isinstance(push, Delivery)
            self.received.append(push)
            receive(push)

        phone.receive = keep  # type: ignore[method-assign]

    def registered(self, *columns: str) -> Table:
        """The phones that the relay knows, as its table has them, the whole of no secret and no token; `phone` is the phone's name.

        `columns` are some of those below; without, all that the table has.
        """
        names = {phone.app.token: phone.name for phone in self.phones}
        rows = self.relay.ask("SELECT * FROM device_registration ORDER BY created_at, device_token")
        shown = [{
            "phone": names.get(row["device_token"], "an old one"),
            "secret_hash": row["secret_hash"][:12] + "…", "device_token": "…" + row["device_token"][-8:],
            "apns_env": row["apns_env"], "bundle_id": row["bundle_id"], "activity_format": row["activity_format"],
            "push_to_start_token": "yes" if row["push_to_start_token"] else "no",
        } for row in rows]  # fmt: skip
        return Table([{name: row[name] for name in columns or list(row)[1:]} for row in shown])

    # What happens.

    async def report(
        self,
        event_type: str,
        message: str,
        *,
        session: str = SESSION,
        title: str = TITLE,
        retry: str | None = None,
        status: str | None = None,
        wait: bool = True,
    ) -> Json:
        """Report to the relay what the bridge would, and let all that follows from it happen; the relay's reply.

        `message` is the session's newest text, `retry` when OpenCode asks the model again ("Retry 2 in 8s"), `status`
        what the card shows where the event alone does not say it. Without `wait` nobody waits for the pushes. Raises
        RuntimeError if the relay refuses the event.
        """
        self._events += 1
        status = status or ("retry" if retry else STATUS.get(event_type, event_type))
        event = {
            "secret": SECRET,
            "serverID": contract.server_id(self.relay.url, SECRET),
            "eventID": f"event-{self._events}",
            "eventType": event_type,
            "sessionID": session,
            "title": ALERT_TITLE.get(event_type, "") + title,
            "body": message,
            "contentState": {
                "status": status, "sessionTitle": title, "lastMessage": message, "retryInfo": retry,
            },
        }  # fmt: skip
        self.journal.record("bridge", "tells", eventType=event_type, says=retry or message, status=status)
        reply = await self.relay.post("event", event)
        if not reply["ok"]:
            raise RuntimeError(f"the relay refuses the event: {reply['error']}")
        if wait:
            await self.until_idle()
        return reply

    def fault(self, **rule: Any) -> None:
        """Let APNs misbehave, as in the README: do={"answer": {"reason": "TooManyRequests"}}, times=3."""
        for one in load([rule]):
            self.apns.faults.add(one)

    async def online(self, phone: Phone, *, online: bool = True) -> None:
        """Switch a phone's radio on or off; what APNs kept for it arrives."""
        self.world.lab.change_device(phone.name, {"online": online})
        await self.until_idle()

    # Time.

    async def wait(self, *, hours: int = 0, minutes: int = 0, seconds: int = 0) -> None:
        """Let time pass, and everything due happen at its own time. Whole seconds: the relay looks once a second."""
        ends = self.now() + hours * 3600 + minutes * 60 + seconds
        await self.until_idle()
        while (left := ends - self.now()) > 0:
            await self.clock.advance(min(left, await self._leap()))
            await self.until_idle()

    async def until_idle(self) -> None:
        """Return when nothing is left to do now: at APNs, at the relay, and on the phones."""
        self.world.lab.run_due()
        while self.relay.runs:
            await until(self._nothing_waits)
            await turns()
            if self._nothing_waits():
                break
        for phone in self.phones:
            phone.run_due()

    async def _leap(self) -> float:
        """Seconds until the second before the relay has something to send, or that one second; never past a sweep.

        Whoever is woken on the way polls the database, and the clock does not wait for that.
        """
        due = await self.relay.next_push()
        leap = LEAP_SECONDS if due is None else max(1, min(LEAP_SECONDS, due // 1 - 1))
        sweep = self.clock.next_alarm(SWEEP_SECONDS)
        return leap if sweep is None else min(leap, sweep)

    def _nothing_waits(self) -> bool:
        """The relay is idle, and has been registered every token that an app was handed."""
        handed, registered = (
            len(self.journal.entries("phone", what)) for what in ("activity token", "activity register")
        )
        return registered >= handed and self.relay.is_idle
