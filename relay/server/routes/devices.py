"""POST /v1/device/register and /v1/device/unregister."""

import logging
from collections.abc import Callable

from quart import Blueprint, Response, request

from relay import contract
from relay.contract import DeviceRegister, DeviceUnregister, Ok
from relay.log import line
from relay.server.routes.envelope import reply
from relay.server.shelter import Shelter
from relay.server.store import activities, devices
from relay.server.store.sql import Database

log = logging.getLogger("relay.server.routes")


def blueprint(
    db: Database, shelter: Shelter, *, default_bundle_id: str, now: Callable[[], float]
) -> Blueprint:
    """The device routes over one database."""
    routes = Blueprint("devices", __name__, url_prefix="/v1/device")

    @routes.post("/register")
    async def register() -> Response:
        device = contract.decode(await request.get_data(), DeviceRegister)
        secret_hash = contract.secret_hash(device.secret)
        bundle_id = device.bundle_id or default_bundle_id
        await shelter.run(
            devices.register(
                db, device, secret_hash=secret_hash, bundle_id=bundle_id, now_ms=int(now() * 1000)
            )
        )
        log.info(line("register", **_named(device), apnsEnv=device.apns_env, bundleId=bundle_id))
        return reply(Ok())

    @routes.post("/unregister")
    async def unregister() -> Response:
        device = contract.decode(await request.get_data(), DeviceUnregister)
        secret_hash = contract.secret_hash(device.secret)
        await shelter.run(_forget(db, secret_hash, device.device_token))
        log.info(line("unregister", **_named(device)))
        return reply(Ok())

    return routes


async def _forget(db: Database, secret_hash: str, device_token: str) -> None:
    await devices.unregister(db, secret_hash=secret_hash, device_token=device_token)
    await activities.forget_phone(db, secret_hash=secret_hash, device_token=device_token)


def _named(device: DeviceRegister | DeviceUnregister) -> dict[str, str]:
    """What a log may say of a token and of a secret."""
    return {
        "token": f"…{device.device_token[-8:]}",
        "secretHash": f"{contract.secret_hash(device.secret)[:12]}…",
    }
