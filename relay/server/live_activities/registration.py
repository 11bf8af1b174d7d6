"""A phone registers the update token of an activity, a rotated one, or says that the activity is over."""

import logging
from collections.abc import Callable
from functools import partial

from relay import contract
from relay.contract import ActivityRegister, ActivityUnregister, ApnsEnv
from relay.log import line
from relay.server.delivery import Recipient
from relay.server.live_activities.activity import Changes
from relay.server.live_activities.life import with_start_token
from relay.server.live_activities.tokens import Registration, registered, unregistered
from relay.server.store import activities, devices
from relay.server.store.sql import Database

log = logging.getLogger("relay.server.live_activities.registration")


class ActivityRegistrations:
    """The phones' side of all activities. `changed` is called with what was written, which may be due."""

    def __init__(
        self,
        db: Database,
        *,
        default_bundle_id: str,
        now: Callable[[], float],
        changed: Callable[[Changes], object],
    ) -> None:
        self._db, self._default_bundle_id = db, default_bundle_id
        self._now, self._changed = now, changed

    async def register(self, request: ActivityRegister) -> None:
        """The phone has an update token, its first or a new one."""
        registration = await self._registration(request)
        session = (registration.secret_hash, registration.session_id)
        decision = partial(registered, registration=registration)
        changes = await activities.decide(self._db.of(session[0]), session, decision, now=self._now)
        self._changed(changes)
        for one in (*changes.new, *changes.changed):
            log.info(line("activity registered", sessionID=one.session_id, activityID=one.id,
                          token=f"…{registration.activity_token[-8:]}", apnsEnv=one.apns_env))  # fmt: skip

    async def leave_out(self, request: ActivityRegister) -> None:
        """Keep no such activity, because its secret is not taken: as many statements as `register` makes for the first of a session."""
        registration = await self._registration(request)
        await activities.of_session(self._db, registration.secret_hash, registration.session_id)
        await activities.forget_session(self._db, registration.secret_hash, registration.session_id)

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
            timestamp=request.timestamp,
        )

    async def _phone(self, secret_hash: str, device_token: str | None) -> Recipient | None:
        if device_token:
            return await devices.find(self._db, secret_hash=secret_hash, device_token=device_token)
        return next(iter(await devices.recipients(self._db, secret_hash)), None)

    async def start_token_changed(self, *, secret_hash: str, device_token: str) -> None:
        """The phone has another push-to-start token: what was started with the old one and never came is started again."""
        phone = await activities.of_phone(self._db, device_token)
        for one in (one for one in phone if one.secret_hash == secret_hash):
            again = with_start_token(one, self._now_ms())
            if again is not one and await activities.change(self._db, again):
                self._changed(Changes(changed=[again]))
                log.info(line("activity to be started again", sessionID=one.session_id, activityID=one.id))

    async def unregister(self, request: ActivityUnregister) -> None:
        """The phone ended its activity; no error if the relay knows of none."""
        session = (contract.secret_hash(request.secret), request.session_id)
        decision = partial(unregistered, device_token=(request.device_token or "").lower())
        changes = await activities.decide(self._db.of(session[0]), session, decision, now=self._now)
        log.info(line("activity unregistered", sessionID=request.session_id, activities=len(changes.changed)))

    def _now_ms(self) -> int:
        return int(self._now() * 1000)
