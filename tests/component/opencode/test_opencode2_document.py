"""GET /openapi.json: what the fake has is what the real servers have, and no more.

`opencode2-operations.json` holds the methods and paths of 2.1.2 (as the package opencode-python-sdk 0.2.3 was generated from it) and
of the beta (its own document).
"""

import json
from pathlib import Path

import pytest

from component.opencode.conftest import PASSWORD, credentials
from simulator.opencode.v2.document import event_types
from simulator.opencode.v2.messages import FOLDINGS as OF_MESSAGES
from simulator.opencode.v2.server import OpenCode2Server
from simulator.opencode.v2.sessions import FOLDINGS as OF_SESSIONS
from simulator.opencode.v2.state import FOLDINGS as OF_STATE
from simulator.opencode.v2.wire import FLAVOURS, spelled

REAL = json.loads((Path(__file__).parents[2] / "recordings" / "opencode2-operations.json").read_text("utf-8"))


async def served(http, clock, journal, flavour: str) -> dict:
    server = OpenCode2Server(clock, journal, password=PASSWORD, flavour=flavour)
    await server.start()
    async with http.get(f"{server.url}/openapi.json", headers=credentials()) as response:
        document = await response.json()
    await server.close()
    return document


@pytest.mark.parametrize(("flavour", "count"), [("2.1", 50), ("2.0", 50), ("beta", 45)])
async def test_every_route_is_one_of_the_real_server(http, clock, journal, flavour, count) -> None:
    document = await served(http, clock, journal, flavour)
    own = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    assert own - set(REAL["beta" if flavour == "beta" else "2.1"]) == set()
    assert len(own) == count


async def test_every_event_type_is_declared(http, clock, journal) -> None:
    """Those that change what the server knows, in the words of each version."""
    for name, flavour in FLAVOURS.items():
        schemas = (await served(http, clock, journal, name))["components"]["schemas"]
        declared = {
            schema["properties"]["type"]["enum"][0] for kind, schema in schemas.items() if kind != "V2Event"
        }
        assert declared == set(event_types(flavour))
        for kind in {*OF_STATE, *OF_SESSIONS, *OF_MESSAGES} - {"session.archived", "session.unarchived"}:
            item = {"type": "user", "payload": {}, "delivery": "steer"}
            data = {"sessionID": "ses_1", "inboxID": "msg_1", "item": item}
            event = spelled(flavour, {"type": kind, "data": data})
            if event is not None and name != "beta":
                assert event["type"] in declared
    assert "session.input.admitted" in event_types(FLAVOURS["beta"])
    assert "session.inbox.enqueued" not in event_types(FLAVOURS["beta"])
    assert "session.archived" not in event_types(FLAVOURS["2.0"])
