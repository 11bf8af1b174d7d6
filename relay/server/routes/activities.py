"""POST /v1/activity/register and /v1/activity/unregister."""

from quart import Blueprint, Response, request

from relay import contract
from relay.contract import ActivityRegister, ActivityUnregister, Ok
from relay.server.live_activities.activities import Activities
from relay.server.routes.envelope import reply
from relay.server.shelter import Shelter


def blueprint(activities: Activities, shelter: Shelter) -> Blueprint:
    """The activity routes."""
    routes = Blueprint("activities", __name__, url_prefix="/v1/activity")

    @routes.post("/register")
    async def register() -> Response:
        body = contract.decode(await request.get_data(), ActivityRegister)
        await shelter.run(activities.register(body))
        return reply(Ok())

    @routes.post("/unregister")
    async def unregister() -> Response:
        body = contract.decode(await request.get_data(), ActivityUnregister)
        await shelter.run(activities.unregister(body))
        return reply(Ok())

    return routes
