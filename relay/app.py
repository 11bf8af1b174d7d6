"""The composition root: everything that lives long opens here, and closes in reverse."""

import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from quart import Quart

from relay.apns.gateway import ApnsGateway, Gateway
from relay.apns.provider_token import ProviderToken
from relay.database import DatabaseError, close_database, open_database
from relay.dispatcher import Dispatcher
from relay.intake import Intake
from relay.routes import devices, events, health
from relay.routes.envelope import install_error_replies
from relay.settings import Settings
from relay.shelter import Shelter
from relay.store.sql import Database, Unavailable

MAX_BODY = 64 * 1024
"""Bytes. An event's texts end up in 4096 bytes, so nothing sensible is larger."""
DATABASE_SECONDS = 10.0
STOP_SECONDS = 10.0


@asynccontextmanager
async def running_app(
    settings: Settings, *, now: Callable[[], float] = time.time, gateway: Gateway | None = None
) -> AsyncIterator[Quart]:
    """The relay, ready to serve. Raises DatabaseError if its database cannot be used."""
    async with AsyncExitStack() as stack:
        connection = await open_database(settings.database_url)
        stack.push_async_callback(close_database)
        db = Database(connection)
        dispatcher = Dispatcher(
            db,
            gateway or apns_gateway(settings, now),
            owner=f"{socket.gethostname()}/{settings.relay_host}:{settings.port}"[-60:],
            push_deadline=settings.apns_push_deadline,
            keep_days=settings.relay_delivery_days,
            now=now,
        )
        stack.push_async_callback(dispatcher.stop, STOP_SECONDS)
        try:
            await dispatcher.start()
        except Unavailable as error:
            raise DatabaseError(f"the database went away: {error}") from error
        shelter = Shelter(DATABASE_SECONDS)
        stack.push_async_callback(shelter.close)
        yield _create_app(settings, db, dispatcher, shelter, now)


def apns_gateway(settings: Settings, now: Callable[[], float] = time.time) -> ApnsGateway:
    """The way to the APNs, or the sandbox, that the settings name. Build it inside a running event loop."""
    token = ProviderToken(
        private_key=settings.apns_private_key, key_id=settings.apns_key_id, team_id=settings.apns_team_id
    )
    return ApnsGateway(
        hosts=settings.apns_hosts,
        ca_file=settings.apns_ca_file,
        provider_token=token,
        deadline=settings.apns_push_deadline,
        now=now,
    )


def _create_app(
    settings: Settings, db: Database, dispatcher: Dispatcher, shelter: Shelter, now: Callable[[], float]
) -> Quart:
    app = Quart("relay", static_folder=None)
    app.url_map.merge_slashes = False  # a redirect would not be our JSON
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.config["BODY_TIMEOUT"] = 10
    intake = Intake(db, dispatcher, shelter, deadline=settings.relay_event_deadline, now=now)
    app.register_blueprint(
        devices.blueprint(db, shelter, default_bundle_id=settings.apns_default_bundle_id, now=now)
    )
    app.register_blueprint(events.blueprint(intake))
    app.register_blueprint(health.blueprint(db, shelter))
    install_error_replies(app)
    return app
