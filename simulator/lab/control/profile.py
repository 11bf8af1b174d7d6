"""The manners of APNs: the numbers Apple does not publish, and three ready-made sets of them."""

from typing import Any

from simulator.apns.profile import explain
from simulator.lab.control.route import Body, Call, Fields, Route


class Choice(Body):
    """documented, observed or strict."""

    name: str


def _profile(call: Call) -> Fields:
    return {"profile": call.lab.sandbox.profile.dump()}


async def show(call: Call) -> Fields:
    """Every value now, and what is known of each: meaning, source, and how sure it is."""
    return _profile(call) | {"explained": [knob._asdict() for knob in explain()]}


async def change(call: Call) -> Fields:
    """Change single values; the next request or connection sees them."""
    changes: dict[str, Any] = call.body
    call.lab.sandbox.profile.set(changes)
    return _profile(call)


async def choose(call: Call) -> Fields:
    """Take on a whole set."""
    body: Choice = call.body
    call.lab.sandbox.profile.become(body.name)
    return _profile(call)


ROUTES = (
    Route("GET", "/control/profile", "APNs' adjustable values, each with its source", show),
    Route("PATCH", "/control/profile", "change single values", change, dict[str, Any]),
    Route("POST", "/control/profile", "choose documented, observed or strict by name", choose, Choice),
)
