"""What the routes of registrations do: POST /v1/device/*, /v1/activity/* and /v1/secret/*; and GET /health."""

import logging
from collections.abc import Callable

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
from relay.server.live_activities.registration import ActivityRegistrations
from relay.server.routes import table
from relay.server.routes.events import BackgroundTasks
from relay.server.routes.metrics import Headers, nobody
from relay.server.store import deliveries, devices, secrets
from relay.server.store.sql import Database

log = logging.getLogger("relay.server.routes")


class Registrations:
    """The handlers of these routes. What they write is written even if the caller hangs up. `bundle_ids`: the apps that it serves;
    empty: any. `is_admin`: whether who sends these headers may know how many there are.
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
        admission: Admission | None = None,
        is_admin: Callable[[Headers], bool] = nobody,
    ) -> None:
        self._is_admin, self._admission = is_admin, admission or Admission(db)
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
            devices.leave_out(self._db, device, secret_hash=secret_hash)
            if refusal
            else devices.register(
                self._db, device, secret_hash=secret_hash, bundle_id=bundle_id, now_ms=now_ms
            )
        )
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
        await self._background.run(
            secrets.forget_phone(
                self._db,
                secret_hash=contract.secret_hash(device.secret),
                device_token=device.device_token,
            )
        )
        log.info(line("unregister", **_named(device)))
        return Ok()

    async def register_activity(self, body: ActivityRegister) -> Ok | tuple[Refusal, int]:
        """The activity's update token is remembered; what its session said before may be pushed at once."""
        self._check_app(body.bundle_id)
        secret_hash = contract.secret_hash(body.secret)
        refusal = await self._refusal(secret_hash)
        keep_or_not = self._activities.leave_out if refusal else self._activities.register
        await self._background.run(keep_or_not(body))
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
        phones, with_key = await self._background.run(secrets.phones(self._db, secret_hash, body.kid))
        if refusal:
            return refusal, 403
        return PhonesReply(phones=phones, with_key=with_key if body.kid else UNSET)

    async def forget_secret(self, body: SecretForget) -> PhonesReply:
        """Phones, Live Activities and log of the secret are deleted; what is on its way to APNs at this moment may still ring."""
        secret_hash = contract.secret_hash(body.secret)
        if body.refuse:
            await self._background.run(secrets.refuse(self._db, secret_hash, now_ms=int(self._now() * 1000)))
        phones = await self._background.run(secrets.forget(self._db, secret_hash))
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
                secrets.forget_phone(self._db, secret_hash=secret_hash, device_token=device_token)
            )
        return before or now

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
