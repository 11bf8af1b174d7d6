"""How APNs behaves: fault rules, disturbances of the open connections, and the numbers that Apple does not publish."""

from collections.abc import Callable
from typing import Any, Literal

from simulator.apns.http2.server import ServerConnection
from simulator.apns.profile import explain
from simulator.apns.sandbox import Sandbox
from simulator.lab.control.route import Body, Call, Fields, Route
from simulator.lab.errors import Unknown

Rule = dict[str, Any]


class Blow(Body):
    """What befalls the connections now; `reason` is that of a goaway, which may be for the connection of one `number` only."""

    do: Literal["goaway", "shutdown", "idle_timeout", "hold", "release"]
    reason: str = "Shutdown"
    number: int | None = None


BLOWS: dict[str, Callable[[Sandbox, Blow], object]] = {
    "goaway": lambda sandbox, blow: sandbox.goaway(blow.reason, blow.number),
    "shutdown": lambda sandbox, _: sandbox.shutdown(),
    "idle_timeout": lambda sandbox, _: sandbox.idle_timeout(),
    "hold": lambda sandbox, _: sandbox.hold(),
    "release": lambda sandbox, _: sandbox.release(),
}
"""GOAWAY; drain with 503 Shutdown; be idle for too long; hold back the next answer; send what is held back."""


async def list_faults(call: Call) -> Fields:
    """The rules in force, oldest first; `struck` is how often each has struck."""
    faults = call.lab.sandbox.faults
    struck = faults.struck()
    return {"faults": [rule | {"struck": struck[rule["id"]]} for rule in faults.dump()]}


async def add_faults(call: Call) -> Fields:
    """Put one rule in force, or a list of them: all or none."""
    given: Rule | list[Rule] = call.body
    return {"ids": call.lab.sandbox.faults.load(given if isinstance(given, list) else [given])}


async def remove_fault(call: Call) -> Fields:
    """Take one rule out."""
    if not call.lab.sandbox.faults.remove(call.path["id"]):
        raise Unknown(f"no fault {call.path['id']!r} is in force")
    return {}


async def clear_faults(call: Call) -> Fields:
    """Nothing goes wrong any more."""
    call.lab.sandbox.faults.clear()
    return {}


async def list_connections(call: Call) -> Fields:
    """Who is connected, the first first; `host` is the name of the port, `key_id` that of the first provider token, times UNIX seconds."""
    return {"connections": [_connection(*one) for one in call.lab.sandbox.connections]}


def _connection(host: str, connection: ServerConnection) -> Fields:
    provider = connection.provider
    return {
        "number": connection.number,
        "host": host,
        "peer": connection.peer,
        "opened_at": connection.opened_at,
        "requests": connection.requests,
        "stream_limit": connection.stream_limit,
        "team_id": provider.team_id,
        "key_id": None if provider.first_key is None else provider.first_key.key_id,
        "certificate": None if provider.certificate is None else provider.certificate.common_name,
    }


async def disturb_connections(call: Call) -> Fields:
    """Once, now; `release` says how many answers had been held back."""
    body: Blow = call.body
    result = BLOWS[body.do](call.lab.sandbox, body)
    return {} if result is None else {"count": result}


FAULT_ROUTES = (
    Route("GET", "/control/faults", "fault rules in force", list_faults),
    Route(
        "POST", "/control/faults", "add a rule, or a list of them", add_faults, Rule | list[Rule], status=201
    ),
    Route("DELETE", "/control/faults", "clear all rules", clear_faults),
    Route("DELETE", "/control/faults/{id}", "remove one rule", remove_fault),
    Route("GET", "/control/connections", "who is connected to APNs", list_connections),
    Route(
        "POST",
        "/control/connections",
        "now: goaway (reason, number), shutdown, idle_timeout, hold or release",
        disturb_connections,
        Blow,
    ),
)


class Choice(Body):
    """documented, observed or strict."""

    name: str


def _profile(call: Call) -> Fields:
    return {"profile": call.lab.sandbox.profile.dump()}


async def show_profile(call: Call) -> Fields:
    """Every value now, and what is known of each: meaning, source, and how sure it is."""
    return _profile(call) | {"explained": [knob._asdict() for knob in explain()]}


async def change_profile(call: Call) -> Fields:
    """Change single values; the next request or connection sees them."""
    changes: dict[str, Any] = call.body
    call.lab.sandbox.profile.set(changes)
    return _profile(call)


async def choose_profile(call: Call) -> Fields:
    """Take on a whole set."""
    body: Choice = call.body
    call.lab.sandbox.profile.become(body.name)
    return _profile(call)


PROFILE_ROUTES = (
    Route("GET", "/control/profile", "APNs' adjustable values, each with its source", show_profile),
    Route("PATCH", "/control/profile", "change single values", change_profile, dict[str, Any]),
    Route(
        "POST", "/control/profile", "choose documented, observed or strict by name", choose_profile, Choice
    ),
)
