"""The event route as one would write it first: ORM rows, stock aioapns, the log written before the answer.

    python -m loadtests.naive      (with the relay's environment)

The same wire contract, tables, log lines and server settings as the relay; what differs is only how the work is done. It
is the peer of `loadtests.bench`, not to be used: a caller who hangs up cancels its pushes, and what APNs does not take is lost.
"""

import asyncio
import logging
import os
import signal
import ssl
import time
import uuid
from typing import Any

from aioapns import APNs, NotificationRequest, PushType
from aioapns.common import NotificationResult
from aioapns.connection import APNsTLSClientProtocol
from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart, Response, request

from relay import contract
from relay.contract import EVENT_KINDS, DeviceRegister, Event, EventReply, Health, Ok
from relay.http_errors import reply
from relay.log import line
from relay.server import settings
from relay.server.settings import Settings
from relay.server.store.database import close_database, open_database
from relay.server.store.models import DeliveryLog, DeviceRegistration

log = logging.getLogger("naive")


def now_ms() -> int:
    """UTC milliseconds."""
    return int(time.time() * 1000)


def apns_client(given: Settings) -> APNs:
    """aioapns 4.0 as it is installed; host and port by subclass, which is its way."""
    host, port = given.apns_hosts["production"]
    tls = ssl.create_default_context(cafile=given.apns_ca_file)
    client = APNs(
        key=given.apns_private_key,
        key_id=given.apns_key_id,
        team_id=given.apns_team_id,
        topic=given.apns_default_bundle_id,
        ssl_context=tls,
    )
    names = {"APNS_SERVER": host, "APNS_PORT": port, "INACTIVITY_TIME": 3600}
    client.pool.protocol_class = type("Local", (APNsTLSClientProtocol,), names)
    return client


def notification(event: Event, phone: DeviceRegistration) -> NotificationRequest:
    """The alert of an event."""
    kind = EVENT_KINDS[event.event_type]
    message = {
        "aps": {
            "alert": {"title": event.title or kind.title, "body": event.body or kind.body},
            "sound": "default",
            "thread-id": event.session_id,
        },
        "eventType": event.event_type,
        "sessionID": event.session_id,
        "serverID": event.server_id,
        "body": {"eventType": event.event_type, "sessionID": event.session_id, "serverID": event.server_id},
    }
    return NotificationRequest(
        phone.device_token,
        message,
        notification_id=str(uuid.uuid4()),
        time_to_live=86_400,
        priority=10,
        push_type=PushType.ALERT,
    )


def log_row(event: Event, phone: DeviceRegistration, result: NotificationResult) -> DeliveryLog:
    """What became of one push."""
    now = now_ms()
    return DeliveryLog(
        id=result.notification_id,
        secret_hash=phone.secret_hash,
        event_id=event.event_id or "",
        event_type=event.event_type,
        session_id=event.session_id,
        device_id=phone.id,
        token_suffix=phone.device_token[-8:],
        apns_env=phone.apns_env,
        topic=phone.bundle_id,
        push_type="alert",
        priority=10,
        collapse_id="",
        expires_at=now + 86_400_000,
        status="sent" if result.is_successful else "failed",
        http_status=int(result.status),
        reason=result.description,
        due_at=now,
        created_at=now,
        updated_at=now,
    )


def create_app(given: Settings) -> Quart:
    """The routes."""
    app = Quart("naive")
    clients: list[APNs] = []

    @app.before_serving
    async def start() -> None:
        await open_database(given.database_url)
        clients.append(apns_client(given))

    @app.after_serving
    async def stop() -> None:
        clients.pop().pool.close()
        await close_database()

    @app.post("/v1/device/register")
    async def register() -> Response:
        device = contract.decode(await request.get_data(), DeviceRegister)
        await DeviceRegistration.create(
            id=str(uuid.uuid4()),
            secret_hash=contract.secret_hash(device.secret),
            device_token=device.device_token,
            bundle_id=device.bundle_id or given.apns_default_bundle_id,
            apns_env=device.apns_env,
            created_at=now_ms(),
            updated_at=now_ms(),
        )
        return reply(Ok())

    @app.post("/v1/event")
    async def event() -> Response:
        event = contract.decode(await request.get_data(), Event)
        phones = await DeviceRegistration.filter(secret_hash=contract.secret_hash(event.secret))
        sending: list[Any] = [clients[0].send_notification(notification(event, phone)) for phone in phones]
        results = await asyncio.gather(*sending)
        for result in results:
            log.info(line("sent" if result.is_successful else "failed", apnsID=result.notification_id,
                          eventID=event.event_id, status=result.status, reason=result.description))  # fmt: skip
        await DeliveryLog.bulk_create(
            [log_row(event, phone, result) for phone, result in zip(phones, results, strict=True)]
        )
        log.info(line("event", eventID=event.event_id, eventType=event.event_type, sessionID=event.session_id,
                      deliveries=len(phones)))  # fmt: skip
        sent = sum(result.is_successful for result in results)
        return reply(EventReply(sent=sent, failed=len(results) - sent))

    @app.get("/health")
    async def health() -> Response:
        return reply(
            Health(devices=await DeviceRegistration.all().count(), deliveries=await DeliveryLog.all().count())
        )

    return app


async def main() -> None:
    """Serve until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("hypercorn").setLevel(logging.WARNING)
    logging.getLogger("aioapns").setLevel(logging.ERROR)
    given = settings.load(os.environ)
    config = Config()
    config.bind = [f"127.0.0.1:{given.port}"]
    config.keep_alive_max_requests = 10**9
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(create_app(given), config, shutdown_trigger=stop.wait)


if __name__ == "__main__":
    asyncio.run(main())
