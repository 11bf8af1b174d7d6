"""Apps: which bundle ids APNs knows, and whose they are."""

from typing import Annotated

import msgspec

from simulator.lab.control.route import Body, Call, Fields, Route
from simulator.lab.errors import Taken

BundleId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9.-]+$", max_length=155)]


class NewApp(Body):
    """`team` None = the sandbox's own."""

    bundle_id: BundleId
    team: str | None = None


def _app(call: Call, bundle_id: str) -> Fields:
    registry = call.lab.sandbox.registry
    app = registry.apps[bundle_id]
    topics = [topic for topic, one in registry.topics.items() if one is app]
    return {"bundle_id": app.bundle_id, "team_id": app.team_id, "topics": topics}


async def index(call: Call) -> Fields:
    """All apps with their topics."""
    return {"apps": [_app(call, bundle_id) for bundle_id in call.lab.sandbox.registry.apps]}


async def add(call: Call) -> Fields:
    """A new app, with every topic that Apple's table of push types gives it."""
    body: NewApp = call.body
    if body.bundle_id in call.lab.sandbox.registry.apps:
        raise Taken(f"there is an app {body.bundle_id!r} already")
    call.lab.sandbox.add_app(body.bundle_id, body.team)
    return {"app": _app(call, body.bundle_id)}


ROUTES = (
    Route("GET", "/control/apps", "apps and their topics", index),
    Route("POST", "/control/apps", "add an app: bundle_id, team", add, NewApp, status=201),
)
