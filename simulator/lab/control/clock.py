"""The time: what it is, and turning it where it is virtual."""

from typing import Annotated

import msgspec

from simulator.lab.control.route import Body, Call, Fields, Route


class SetClock(Body):
    """`now` in UNIX seconds, not before the present."""

    now: float


class AdvanceClock(Body):
    """How many seconds pass."""

    seconds: Annotated[float, msgspec.Meta(ge=0, le=10 * 365 * 86_400)]


def _time(call: Call) -> Fields:
    return {"clock": {"kind": call.lab.clock_kind, "now": call.lab.clock.now()}}


async def show(call: Call) -> Fields:
    """The time in UNIX seconds, and whether it is real."""
    return _time(call)


async def put(call: Call) -> Fields:
    """Turn the clock to a time; everything due until then happens, in order."""
    body: SetClock = call.body
    await call.lab.advance(body.now - call.lab.clock.now())
    return _time(call)


async def advance(call: Call) -> Fields:
    """Let seconds pass."""
    body: AdvanceClock = call.body
    await call.lab.advance(body.seconds)
    return _time(call)


ROUTES = (
    Route("GET", "/control/clock", "the time", show),
    Route("POST", "/control/clock", "turn the virtual clock to a time", put, SetClock),
    Route("POST", "/control/clock/advance", "let seconds pass on the virtual clock", advance, AdvanceClock),
)
