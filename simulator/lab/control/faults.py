"""What goes wrong on purpose: rules that strike pushes, and single blows at the open connections."""

from collections.abc import Callable
from typing import Any, Literal

from simulator.apns.sandbox import Sandbox
from simulator.lab.control.route import Body, Call, Fields, Route
from simulator.lab.errors import Unknown

Rule = dict[str, Any]


class Blow(Body):
    """What befalls the connections now; `reason` is that of a goaway."""

    do: Literal["goaway", "shutdown", "idle_timeout", "hold", "release"]
    reason: str = "Shutdown"


BLOWS: dict[str, Callable[[Sandbox, Blow], object]] = {
    "goaway": lambda sandbox, blow: sandbox.goaway(blow.reason),
    "shutdown": lambda sandbox, _: sandbox.shutdown(),
    "idle_timeout": lambda sandbox, _: sandbox.idle_timeout(),
    "hold": lambda sandbox, _: sandbox.hold(),
    "release": lambda sandbox, _: sandbox.release(),
}
"""GOAWAY; drain with 503 Shutdown; be idle for too long; hold back the next answer; send what is held back."""


async def index(call: Call) -> Fields:
    """The rules in force, oldest first; `struck` is how often each has struck."""
    faults = call.lab.sandbox.faults
    struck = faults.struck()
    return {"faults": [rule | {"struck": struck[rule["id"]]} for rule in faults.dump()]}


async def add(call: Call) -> Fields:
    """Put one rule in force, or a list of them: all or none."""
    given: Rule | list[Rule] = call.body
    return {"ids": call.lab.sandbox.faults.load(given if isinstance(given, list) else [given])}


async def remove(call: Call) -> Fields:
    """Take one rule out."""
    if not call.lab.sandbox.faults.remove(call.path["id"]):
        raise Unknown(f"no fault {call.path['id']!r} is in force")
    return {}


async def clear(call: Call) -> Fields:
    """Nothing goes wrong any more."""
    call.lab.sandbox.faults.clear()
    return {}


async def strike(call: Call) -> Fields:
    """Once, now; `release` tells how many answers had been held back."""
    body: Blow = call.body
    result = BLOWS[body.do](call.lab.sandbox, body)
    return {} if result is None else {"count": result}


ROUTES = (
    Route("GET", "/control/faults", "fault rules in force", index),
    Route("POST", "/control/faults", "add a rule, or a list of them", add, Rule | list[Rule], status=201),
    Route("DELETE", "/control/faults", "clear all rules", clear),
    Route("DELETE", "/control/faults/{id}", "remove one rule", remove),
    Route(
        "POST",
        "/control/connections",
        "now: goaway (reason), shutdown, idle_timeout, hold or release",
        strike,
        Blow,
    ),
)
