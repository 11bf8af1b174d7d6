"""The composition root: everything that lives long opens here, and closes in reverse."""

import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from quart import Quart

from relay.apns.environments import Environments
from relay.apns.gateway import Gateway, build_gateway
from relay.apns.key_pause import KeyPause
from relay.apns.provider_token import ProviderToken
from relay.clock import Clock, SystemClock
from relay.server.alerts.dispatcher import Dispatcher
from relay.server.intake import Intake
from relay.server.live_activities.activities import Activities
from relay.server.live_activities.sender import ActivitySender
from relay.server.routes import activities, devices, events, health
from relay.server.routes.envelope import install_error_replies
from relay.server.routes.events import EventRoute
from relay.server.settings import Settings
from relay.server.shelter import Shelter
from relay.server.store.database import DatabaseError, close_database, open_database
from relay.server.store.sql import Database, Unavailable

MAX_BODY = 64 * 1024
"""Bytes. An event's texts end up in 4096 bytes, so nothing sensible is larger."""
BODY_SECONDS = 10
"""What a body may take to arrive."""
DATABASE_SECONDS = 10.0
STOP_SECONDS = 10.0


@asynccontextmanager
async def running_app(
    settings: Settings, *, clock: Clock | None = None, gateway: Gateway | None = None
) -> AsyncIterator[Quart]:
    """The relay, ready to serve. Raises DatabaseError if its database cannot be used."""
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        connection = await open_database(settings.database_url)
        stack.push_async_callback(close_database)
        parts = await _start_parts(stack, settings, Database(connection), clock, gateway)
        yield _create_app(settings, parts)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the routes work with."""

    db: Database
    intake: Intake
    activities: Activities
    shelter: Shelter
    now: Callable[[], float]


async def _start_parts(
    stack: AsyncExitStack, settings: Settings, db: Database, clock: Clock, gateway: Gateway | None
) -> _Parts:
    apns = Environments(KeyPause(gateway or apns_gateway(settings, clock.now), clock.now))
    stack.push_async_callback(apns.close, STOP_SECONDS)
    owner = f"{socket.gethostname()}/{settings.relay_host}:{settings.port}"[-60:]
    deadline = settings.apns_push_deadline
    dispatcher = Dispatcher(
        db, apns, owner=owner, push_deadline=deadline, keep_days=settings.relay_delivery_days, clock=clock
    )
    sender = ActivitySender(db, apns, owner=owner, push_deadline=deadline, clock=clock)
    for part in (dispatcher, sender):
        stack.push_async_callback(part.stop, STOP_SECONDS)
        try:
            await part.start()
        except Unavailable as error:
            raise DatabaseError(f"the database went away: {error}") from error
    shelter = Shelter(DATABASE_SECONDS)
    stack.push_async_callback(shelter.close)
    cards = Activities(db, default_bundle_id=settings.apns_default_bundle_id, now=clock.now, look=sender.look)
    intake = Intake(db, dispatcher, cards, deadline=settings.relay_event_deadline, now=clock.now)
    stack.push_async_callback(intake.close)
    return _Parts(db, intake, cards, shelter, clock.now)


def apns_gateway(settings: Settings, now: Callable[[], float] = time.time) -> Gateway:
    """The way to the APNs, or the sandbox, that the settings name. Build it inside a running event loop."""
    token = ProviderToken(
        private_key=settings.apns_private_key, key_id=settings.apns_key_id, team_id=settings.apns_team_id
    )
    return build_gateway(
        settings.apns_transport,
        hosts=settings.apns_hosts,
        ca_file=settings.apns_ca_file,
        provider_token=token,
        deadline=settings.apns_push_deadline,
        now=now,
    )


def _create_app(settings: Settings, parts: _Parts) -> Quart:
    app = Quart("relay", static_folder=None)
    app.url_map.merge_slashes = False  # a redirect would not be our JSON
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.config["BODY_TIMEOUT"] = BODY_SECONDS
    db, shelter, now = parts.db, parts.shelter, parts.now
    bundle_id = settings.apns_default_bundle_id
    app.register_blueprint(devices.blueprint(db, shelter, default_bundle_id=bundle_id, now=now))
    app.register_blueprint(activities.blueprint(parts.activities, shelter))
    app.register_blueprint(health.blueprint(db, shelter))
    app.add_url_rule(events.PATH, "event", methods=["POST"])  # for Quart to answer its other methods with 405
    app.asgi_app = EventRoute(app.asgi_app, parts.intake, max_body=MAX_BODY, body_timeout=BODY_SECONDS)  # type: ignore[method-assign]
    install_error_replies(app)
    return app
