"""GET /health: the relay and its database answer."""

from quart import Blueprint, Response

from relay.contract import Health
from relay.server.routes.envelope import reply
from relay.server.shelter import Shelter
from relay.server.store import deliveries, devices
from relay.server.store.sql import Database


def blueprint(db: Database, shelter: Shelter) -> Blueprint:
    """The health route over one database."""
    routes = Blueprint("health", __name__)

    @routes.get("/health")
    async def health() -> Response:
        registered, logged = await shelter.run(devices.count(db)), await shelter.run(deliveries.count(db))
        return reply(Health(devices=registered, deliveries=logged))

    return routes
