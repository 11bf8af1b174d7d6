"""What the relay knows of Live Activities: sessions have news, phones register and unregister update tokens.

Nothing is pushed here: the newest state is written down, and `activity_sender` brings it to the phone.
"""

import logging
from collections.abc import Callable, Sequence

from relay import contract
from relay.contract import ActivityRegister, ActivityUnregister, ApnsEnv, Event
from relay.log import line
from relay.server.live_activities import tokens
from relay.server.live_activities.life import observe, opened
from relay.server.live_activities.record import Activity
from relay.server.live_activities.tokens import Registration
from relay.server.live_activities.updates import news
from relay.server.recipient import Recipient
from relay.server.store import activities, devices
from relay.server.store.sql import Database, Unavailable

log = logging.getLogger("relay.server.live_activities.activities")

ATTEMPTS = 20
"""So often a decision is made again because another request or relay wrote first."""


class Activities:
    """The Live Activities of all sessions. `look` wakes the sender."""

    def __init__(
        self, db: Database, *, default_bundle_id: str, now: Callable[[], float], look: Callable[[], None]
    ) -> None:
        self._db, self._default_bundle_id = db, default_bundle_id
        self._now, self._look = now, look

    async def of_sessions(self, sessions: Sequence[tuple[str, str]]) -> list[list[Activity]]:
        """The activities of each session (hash of the secret, session id) as they are now, the oldest first."""
        return await activities.of_sessions(self._db, sessions)

    async def hear(
        self,
        event: Event,
        *,
        event_id: str,
        secret_hash: str,
        recipients: Sequence[Recipient],
        known: Sequence[Activity],
    ) -> int:
        """Tell every known activity of the event's session, and begin one on each phone that can be started; how many changed."""
        for _ in range(ATTEMPTS):
            begun, changed = self._decide(event, event_id, secret_hash, recipients, known)
            if await self._write(begun, changed):
                if begun or changed:
                    self._look()
                return len(begun) + len(changed)
            known = await activities.of_session(self._db, secret_hash, event.session_id)
        raise Unavailable("too many requests write to the same Live Activity")

    def _decide(
        self,
        event: Event,
        event_id: str,
        secret_hash: str,
        recipients: Sequence[Recipient],
        known: Sequence[Activity],
    ) -> tuple[list[Activity], list[Activity]]:
        """The activities to begin, and those that go on differently."""
        told = news(event, event_id, _newest(known))
        startable = {phone.device_token for phone in recipients if phone.push_to_start_token}
        now_ms = self._now_ms()
        after = [
            (before, observe(before, told, can_start=before.device_token in startable, now_ms=now_ms))
            for before in known
        ]
        changed = [now for before, now in after if now is not before]
        if told.ends or any(one.device_token == "" and one.stage == "active" for one in known):
            return [], changed  # the app that does not name its phone has its activity already
        there = {one.device_token for one in known}
        begun = [
            opened(told, phone, secret_hash=secret_hash, session_id=event.session_id, now_ms=now_ms)
            for phone in recipients
            if phone.push_to_start_token and phone.device_token not in there
        ]
        return begun, changed

    async def _write(self, begun: Sequence[Activity], changed: Sequence[Activity]) -> bool:
        written = [await activities.change(self._db, one) is not None for one in changed]
        return await activities.insert(self._db, begun) and all(written)

    async def register(self, request: ActivityRegister) -> None:
        """The phone has an update token, its first or a new one."""
        registration = await self._registration(request)
        for _ in range(ATTEMPTS):
            known = await activities.of_session(self._db, registration.secret_hash, registration.session_id)
            place, gone = tokens.registered(known, registration, self._now_ms())
            there = any(one.id == place.id for one in known)
            if await self._put(place, there) and (gone is None or await activities.forget(self._db, gone)):
                self._look()
                log.info(line("activity registered", sessionID=place.session_id, activityID=place.id,
                              token=f"…{registration.activity_token[-8:]}", apnsEnv=place.apns_env))  # fmt: skip
                return
        raise Unavailable("too many requests write to the same Live Activity")

    async def _put(self, activity: Activity, there: bool) -> bool:
        if there:
            return await activities.change(self._db, activity) is not None
        return await activities.insert(self._db, [activity])

    async def _registration(self, request: ActivityRegister) -> Registration:
        """What the request leaves out is the phone's, or, if it names none, that of the first phone of the secret."""
        secret_hash = contract.secret_hash(request.secret)
        phone = await self._phone(secret_hash, request.device_token)
        env: ApnsEnv = phone.apns_env if phone else "production"
        bundle_id = phone.bundle_id if phone else self._default_bundle_id
        return Registration(
            secret_hash=secret_hash,
            session_id=request.session_id,
            device_token=(request.device_token or "").lower(),
            activity_token=request.activity_token.lower(),
            bundle_id=request.bundle_id or bundle_id,
            apns_env=request.apns_env or env,
            activity_format=request.activity_format or (phone.activity_format if phone else "flat"),
        )

    async def _phone(self, secret_hash: str, device_token: str | None) -> Recipient | None:
        if device_token:
            return await devices.find(self._db, secret_hash=secret_hash, device_token=device_token)
        return next(iter(await devices.recipients(self._db, secret_hash)), None)

    async def unregister(self, request: ActivityUnregister) -> None:
        """The phone ended its activity; no error if the relay knows of none."""
        secret_hash = contract.secret_hash(request.secret)
        for _ in range(ATTEMPTS):
            known = await activities.of_session(self._db, secret_hash, request.session_id)
            meant = tokens.named(known, (request.device_token or "").lower())
            over = [tokens.dismissed(one, self._now_ms()) for one in meant]
            if await self._write([], over):
                log.info(line("activity unregistered", sessionID=request.session_id, activities=len(over)))
                return
        raise Unavailable("too many requests write to the same Live Activity")

    def _now_ms(self) -> int:
        return int(self._now() * 1000)


def concerned(recipients: Sequence[Recipient], known: Sequence[Activity]) -> bool:
    """Whether an event can change anything: there is an activity, or a phone on which one can be started."""
    return bool(known) or any(phone.push_to_start_token for phone in recipients)


def _newest(known: Sequence[Activity]) -> contract.ContentState | None:
    latest = max(known, key=lambda one: one.updated_at, default=None)
    return latest.state if latest else None
