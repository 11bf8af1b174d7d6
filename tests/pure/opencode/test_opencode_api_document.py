"""What a scripted server tells and answers, against OpenCode's own API document (the part of it that is served at /doc)."""

import json
import re
from importlib.resources import files

import pytest

from simulator.opencode.writer import UNATTENDED, Writer
from simulator.scenario import load, scenarios

DOCUMENT = json.loads((files("simulator.opencode") / "openapi.json").read_text("utf-8"))
SCHEMAS = DOCUMENT["components"]["schemas"]
UNDOCUMENTED = {"server.heartbeat"}


def faults(value, schema: dict, path: str = "") -> list[str]:
    """Where a value breaks a schema; of JSON Schema only what the document uses."""
    if "$ref" in schema:
        return faults(value, SCHEMAS[schema["$ref"].rpartition("/")[2]], path)
    found = [fault for rule in RULES if rule in schema for fault in RULES[rule](value, schema, path)]
    if "anyOf" in schema:
        tries = [faults(value, one, path) for one in schema["anyOf"]]
        if all(tries):
            found += min(tries, key=len)
    return found


def _type(value, schema: dict, path: str) -> list[str]:
    wanted = TYPES[schema["type"]]
    right = isinstance(value, wanted) and not (isinstance(value, bool) and bool not in wanted)
    return [] if right else [f"{path} is no {schema['type']}: {value!r}"]


def _properties(value, schema: dict, path: str) -> list[str]:
    if not isinstance(value, dict):
        return []
    known = schema["properties"]
    found = [
        fault for key in known if key in value for fault in faults(value[key], known[key], f"{path}.{key}")
    ]
    if schema.get("additionalProperties") is False:
        found += [f"{path}.{key} is not known" for key in value if key not in known]
    return found


def _required(value, schema: dict, path: str) -> list[str]:
    return [
        f"{path}.{key} is missing"
        for key in schema["required"]
        if isinstance(value, dict) and key not in value
    ]


def _items(value, schema: dict, path: str) -> list[str]:
    if not isinstance(value, list):
        return []
    return [
        fault
        for number, one in enumerate(value)
        for fault in faults(one, schema["items"], f"{path}[{number}]")
    ]


def _enum(value, schema: dict, path: str) -> list[str]:
    return [] if value in schema["enum"] else [f"{path} is {value!r}, none of {schema['enum']}"]


def _pattern(value, schema: dict, path: str) -> list[str]:
    return [] if not isinstance(value, str) or re.search(schema["pattern"], value) else [f"{path}: {value!r}"]


TYPES = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}
RULES = {
    "type": _type,
    "properties": _properties,
    "required": _required,
    "items": _items,
    "enum": _enum,
    "pattern": _pattern,
}


def test_the_check_finds_what_is_wrong() -> None:
    good = {"id": "evt_1", "type": "session.idle", "properties": {"sessionID": "ses_1"}}
    event = {"$ref": "#/components/schemas/EventSessionIdle"}
    assert faults(good, event) == []
    assert faults({**good, "properties": {}}, event) == [".properties.sessionID is missing"]
    assert faults({**good, "properties": {"sessionID": 1}}, event) == [
        ".properties.sessionID is no string: 1"
    ]
    assert faults({**good, "id": "x"}, event) == [".id: 'x'"]
    assert faults({**good, "type": "x"}, event)


@pytest.mark.parametrize("name", scenarios())
def test_the_recordings_are_as_documented(name: str) -> None:
    """So that the check below asks no more of the scripted server than the real one gives."""
    wrong = [
        fault
        for line in load(name).recording.events
        if line.event["payload"]["type"] not in UNDOCUMENTED
        for fault in faults(line.event, SCHEMAS["GlobalEvent"])
    ]
    assert wrong == []


@pytest.mark.parametrize("kind", UNATTENDED)
async def test_what_is_sent_is_as_documented(scripted_by, kind: str) -> None:
    writer = Writer(7, rate=1000, scenario=kind)
    scripted = scripted_by(writer.react)
    for directory in ("/code/demo", "/code/other"):
        scripted.prompt(scripted.session(None, directory))
    await scripted.clock.advance(120)
    sent = [json.loads(line.removeprefix(b"data: ")) for line in scripted.lines]
    assert len(sent) > 100  # the burst of two instances alone is as many
    assert [fault for event in sent for fault in faults(event, SCHEMAS["GlobalEvent"])] == []


async def test_deletion_and_disposal_are_as_documented(scripted_by) -> None:
    scripted = scripted_by(lambda _: Writer(1).react('@@[{"op": "text", "n": 100}]'))
    gone, busy = scripted.session(), scripted.session()
    for one in (gone, busy):
        scripted.prompt(one)
    await scripted.clock.advance(1)
    scripted.api.delete(scripted.state.sessions[gone["id"]])
    await scripted.clock.advance(5)
    scripted.api.dispose_all()
    sent = [json.loads(line.removeprefix(b"data: ")) for line in scripted.lines]
    assert {"session.deleted", "server.instance.disposed", "global.disposed"} <= {
        one["payload"]["type"] for one in sent
    }
    assert [fault for event in sent for fault in faults(event, SCHEMAS["GlobalEvent"])] == []
