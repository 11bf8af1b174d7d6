"""POST /v1/event."""

from quart import Blueprint, Response, request

from relay import contract
from relay.contract import Event
from relay.intake import Intake
from relay.routes.envelope import reply


def blueprint(intake: Intake) -> Blueprint:
    """The event route over one intake."""
    routes = Blueprint("events", __name__)

    @routes.post("/v1/event")
    async def event() -> Response:
        return reply(await intake.accept(contract.decode(await request.get_data(), Event)))

    return routes
