"""The routes of registrations: POST /v1/device/* and /v1/activity/*; and GET /health, which counts what is registered and logged."""

import logging
from collections.abc import Callable

from quart import Blueprint, Response, request

from relay import contract
from relay.contract import (
    ActivityRegister,
    ActivityUnregister,
    DeviceRegister,
    DeviceUnregister,
    Health,
    Ok,
)
from relay.http_errors import reply
from relay.log import line
from relay.server.live_activities.registration import ActivityRegistrations
from relay.server.routes.events import BackgroundTasks
from relay.server.store import activities as activity_table
from relay.server.store import deliveries, devices
from relay.server.store.sql import Database

log = logging.getLogger("relay.server.routes")


def device_routes(
    db: Database, background: BackgroundTasks, *, default_bundle_id: str, now: Callable[[], float]
) -> Blueprint:
    """POST /v1/device/register and /v1/device/unregister."""
    routes = Blueprint("devices", __name__, url_prefix="/v1/device")

    @routes.post("/register")
    async def register() -> Response:
        device = contract.decode(await request.get_data(), DeviceRegister)
        secret_hash = contract.secret_hash(device.secret)
        bundle_id = device.bundle_id or default_bundle_id
        await background.run(
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
        await background.run(_forget(db, secret_hash, device.device_token))
        log.info(line("unregister", **_named(device)))
        return reply(Ok())

    return routes


async def _forget(db: Database, secret_hash: str, device_token: str) -> None:
    await devices.unregister(db, secret_hash=secret_hash, device_token=device_token)
    await activity_table.forget_phone(db, secret_hash=secret_hash, device_token=device_token)


def _named(device: DeviceRegister | DeviceUnregister) -> dict[str, str]:
    """What a log may say of a token and of a secret."""
    return {
        "token": f"…{device.device_token[-8:]}",
        "secretHash": f"{contract.secret_hash(device.secret)[:12]}…",
    }


def activity_routes(registrations: ActivityRegistrations, background: BackgroundTasks) -> Blueprint:
    """POST /v1/activity/register and /v1/activity/unregister."""
    routes = Blueprint("activities", __name__, url_prefix="/v1/activity")

    @routes.post("/register")
    async def register() -> Response:
        body = contract.decode(await request.get_data(), ActivityRegister)
        await background.run(registrations.register(body))
        return reply(Ok())

    @routes.post("/unregister")
    async def unregister() -> Response:
        body = contract.decode(await request.get_data(), ActivityUnregister)
        await background.run(registrations.unregister(body))
        return reply(Ok())

    return routes


def health_route(db: Database, background: BackgroundTasks) -> Blueprint:
    """GET /health: the relay and its database answer."""
    routes = Blueprint("health", __name__)

    @routes.get("/health")
    async def health() -> Response:
        registered, logged = (
            await background.run(devices.count(db)),
            await background.run(deliveries.count(db)),
        )
        return reply(Health(devices=registered, deliveries=logged))

    return routes
