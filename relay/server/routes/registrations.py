"""What the routes of registrations do: POST /v1/device/*, /v1/activity/* and /v1/secret/*; and GET /health."""

import logging
from collections.abc import Callable, Mapping

from msgspec import UNSET
from quart import request

from relay import contract
from relay.contract import (
    ActivityRegister,
    ActivityUnregister,
    ContractError,
    DeviceRegister,
    DeviceUnregister,
    Health,
    Ok,
    PhonesReply,
    Refusal,
    SecretForget,
    SecretPhones,
)
from relay.http_routes import Handler
from relay.log import line
from relay.openapi import Route
from relay.server.admission import Admission
from relay.server.background import BackgroundTasks
from relay.server.limits import COUNT_SECONDS, Hit, Limit
from relay.server.live_activities.registration import ActivityRegistrations
from relay.server.routes import table
from relay.server.routes.metrics import Headers, nobody
from relay.server.store import activities as activity_table
from relay.server.store import deliveries, devices, secrets
from relay.server.store.sql import Database

log = logging.getLogger("relay.server.routes")


class Registrations:
    """The handlers of these routes. What they write is written even if the caller hangs up. `bundle_ids`: the apps that it serves;
    empty: any. `most`: phones and activities that a secret may have (0: any number); `limit_hit` is called where it has them.
    `is_admin`: whether who sends these headers may know how many there are.
    """

    def __init__(
        self,
        db: Database,
        activities: ActivityRegistrations,
        background: BackgroundTasks,
        *,
        default_bundle_id: str,
        bundle_ids: frozenset[str],
        now: Callable[[], float],
        most: Mapping[Limit, int],
        limit_hit: Callable[[Limit], None],
        admission: Admission | None = None,
        is_admin: Callable[[Headers], bool] = nobody,
    ) -> None:
        self._is_admin, self._admission = is_admin, admission or Admission(db)
        self._most, self._limit_hit = most, limit_hit
        self._db, self._activities, self._background = db, activities, background
        self._default_bundle_id, self._bundle_ids, self._now = default_bundle_id, bundle_ids, now

    @property
    def handlers(self) -> dict[Route, Handler | None]:
        """By route."""
        return {
            table.REGISTER_DEVICE: self.register_device,
            table.UNREGISTER_DEVICE: self.unregister_device,
            table.REGISTER_ACTIVITY: self.register_activity,
            table.UNREGISTER_ACTIVITY: self.unregister_activity,
            table.COUNT_PHONES: self.count_phones,
            table.FORGET_SECRET: self.forget_secret,
            table.HEALTH: self.health,
        }

    async def register_device(self, device: DeviceRegister) -> Ok | tuple[Refusal, int]:
        """The phone is remembered with its app, the relay's own if it names none."""
        secret_hash = contract.secret_hash(device.secret)
        bundle_id = device.bundle_id or self._default_bundle_id
        self._check_app(bundle_id)
        now_ms = int(self._now() * 1000)
        refusal = await self._refusal(secret_hash)
        another_start_token = await self._background.run(
            self._register_phone(
                device, is_refused=bool(refusal), secret_hash=secret_hash, bundle_id=bundle_id, now_ms=now_ms
            )
        )
        if another_start_token is None:
            return self._limited("phones")
        if refusal := await self._refused_since(refusal, secret_hash, device.device_token):
            log.warning(line("register refused", **_named(device), reason=refusal.code))
            return refusal, 403
        if another_start_token:
            await self._background.run(
                self._activities.start_token_changed(
                    secret_hash=secret_hash, device_token=device.device_token
                )
            )
        log.info(line("register", **_named(device), apnsEnv=device.apns_env, bundleId=bundle_id))
        return Ok()

    async def unregister_device(self, device: DeviceUnregister) -> Ok:
        """The phone is forgotten, and its Live Activities."""
        secret_hash = contract.secret_hash(device.secret)
        await self._background.run(
            secrets.forget_phone(
                self._db.of(secret_hash), secret_hash=secret_hash, device_token=device.device_token
            )
        )
        log.info(line("unregister", **_named(device)))
        return Ok()

    async def register_activity(self, body: ActivityRegister) -> Ok | tuple[Refusal, int]:
        """The activity's update token is remembered; what its session said before may be pushed at once."""
        self._check_app(body.bundle_id)
        secret_hash = contract.secret_hash(body.secret)
        refusal = await self._refusal(secret_hash)
        if not await self._background.run(self._register_activity(body, bool(refusal), secret_hash)):
            return self._limited("activities")
        if refusal := await self._refused_since(refusal, secret_hash, body.device_token or ""):
            return refusal, 403
        return Ok()

    async def unregister_activity(self, body: ActivityUnregister) -> Ok:
        """The activity is not pushed any more."""
        await self._background.run(self._activities.unregister(body))
        return Ok()

    async def count_phones(self, body: SecretPhones) -> PhonesReply | tuple[Refusal, int]:
        """Nothing rings, and nothing is written."""
        secret_hash = contract.secret_hash(body.secret)
        refusal = await self._refusal(secret_hash)
        phones, with_key = await self._background.run(
            secrets.phones(self._db.of(secret_hash), secret_hash, body.kid)
        )
        if refusal:
            return refusal, 403
        return PhonesReply(phones=phones, with_key=with_key if body.kid else UNSET)

    async def forget_secret(self, body: SecretForget) -> PhonesReply:
        """Phones, Live Activities and log of the secret are deleted; what is on its way to APNs at this moment may still ring."""
        secret_hash = contract.secret_hash(body.secret)
        if body.refuse:
            await self._background.run(
                secrets.refuse(self._db.of(secret_hash), secret_hash, now_ms=int(self._now() * 1000))
            )
        phones = await self._background.run(secrets.forget(self._db.of(secret_hash), secret_hash))
        log.info(line("forget", secretHash=f"{secret_hash[:12]}…", phones=phones, refuse=body.refuse))
        return PhonesReply(phones=phones)

    async def _refusal(self, secret_hash: str) -> Refusal | None:
        return await self._background.run(self._admission.refusal(secret_hash))

    async def _refused_since(
        self, before: Refusal | None, secret_hash: str, device_token: str
    ) -> Refusal | None:
        """Why the secret is not taken, asked once more after the write: of one that was revoked meanwhile nothing stays."""
        now = await self._refusal(secret_hash)
        if now and not before:
            await self._background.run(
                secrets.forget_phone(
                    self._db.of(secret_hash), secret_hash=secret_hash, device_token=device_token
                )
            )
        return before or now

    async def _register_phone(
        self, device: DeviceRegister, *, is_refused: bool, secret_hash: str, bundle_id: str, now_ms: int
    ) -> bool | None:
        """Whether it has another push-to-start token than before; None: there is no room for it. One after the other, or each would
        find room.
        """
        async with self._db.turn(("phones", secret_hash)):
            if not await self._has_room_for_phone(secret_hash, device.device_token):
                return None
            if is_refused:
                return await devices.leave_out(self._db.of(secret_hash), device, secret_hash=secret_hash)
            return await devices.register(
                self._db.of(secret_hash), device, secret_hash=secret_hash, bundle_id=bundle_id, now_ms=now_ms
            )

    async def _register_activity(self, body: ActivityRegister, is_refused: bool, secret_hash: str) -> bool:
        """Whether there was room for it."""
        async with self._db.turn(("activities", secret_hash)):
            if has_room := await self._has_room_for_activity(secret_hash, body):
                keep_or_not = self._activities.leave_out if is_refused else self._activities.register
                await keep_or_not(body)
            return has_room

    async def _has_room_for_phone(self, secret_hash: str, token: str) -> bool:
        """One that is registered already takes none."""
        most = self._most["phones"]
        if not most or (await secrets.phones(self._db.of(secret_hash), secret_hash))[0] < most:
            return True
        return (
            await devices.find(self._db.of(secret_hash), secret_hash=secret_hash, device_token=token)
            is not None
        )

    async def _has_room_for_activity(self, secret_hash: str, body: ActivityRegister) -> bool:
        """A token that takes the place of another takes none."""
        most = self._most["activities"]
        if not most or await activity_table.count_of(self._db.of(secret_hash), secret_hash) < most:
            return True
        known = await activity_table.of_session(self._db.of(secret_hash), secret_hash, body.session_id)
        return any(one.device_token == (body.device_token or "").lower() for one in known)

    def _limited(self, limit: Limit) -> tuple[Refusal, int]:
        self._limit_hit(limit)
        return Hit(limit, self._most[limit], COUNT_SECONDS).refusal, 429

    def _check_app(self, bundle_id: str | None) -> None:
        """One client's app, which the relay's key may not push to, must not cost the others their pushes. Raises ContractError."""
        if self._bundle_ids and bundle_id is not None and bundle_id not in self._bundle_ids:
            raise ContractError(
                f"bundleId: this relay does not push to {bundle_id}; RELAY_BUNDLE_IDS lists its apps"
            )

    async def health(self, _: None) -> Health:
        """The relay and its database answer; strangers learn nothing else, and cost no count of rows."""
        if not self._is_admin(request.scope["headers"]):
            await self._background.run(devices.count_up_to(self._db, 1))
            return Health()
        return Health(
            devices=await self._background.run(devices.count(self._db)),
            deliveries=await self._background.run(deliveries.count(self._db)),
        )


def _named(device: DeviceRegister | DeviceUnregister) -> dict[str, str]:
    """What a log may say of a token and of a secret."""
    return {
        "token": f"…{device.device_token[-8:]}",
        "secretHash": f"{contract.secret_hash(device.secret)[:12]}…",
    }
