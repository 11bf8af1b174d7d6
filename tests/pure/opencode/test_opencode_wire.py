"""The bytes of events, against what the real server sent."""

import json

import pytest

from simulator.opencode.v1.wire import DURABLE, compact, data_line, frame, session_of, twin
from simulator.scenario import load, recorded_events, scenarios


@pytest.mark.parametrize("name", [name for name in scenarios() if recorded_events(name, "event")])
def test_the_event_stream_is_the_global_one_unwrapped_without_twins(name: str) -> None:
    """/event is never stored apart: frames made from the recorded /global/event must give the recorded /event."""
    lines = [frame(line.event).event_line for line in load(name).recording.events]
    carried = [json.loads(line.removeprefix(b"data: ")) for line in lines if line is not None]
    assert carried == [line.event for line in recorded_events(name, "event")]


@pytest.mark.parametrize("name", scenarios())
def test_every_durable_event_is_followed_by_the_twin_we_would_make(name: str) -> None:
    payloads = [line.event["payload"] for line in load(name).recording.events]
    sequences: dict[str, int] = {}
    for position, payload in enumerate(payloads):
        if payload["type"] in DURABLE:
            session_id = payload["properties"]["sessionID"]
            sequence = sequences[session_id] = sequences.get(session_id, -1) + 1
            assert payloads[position + 1] == twin(payload, sequence)
        elif payload["type"] == "sync":
            assert payloads[position - 1]["type"] in DURABLE


def test_a_line_is_data_and_nothing_else() -> None:
    assert data_line({"a": "né ✓", "b": [1]}) == 'data: {"a":"né ✓","b":[1]}\n\n'.encode()


def test_compact_json_is_that_of_javascript() -> None:
    assert compact({"a": [1, None, True], "b": {}}) == '{"a":[1,null,true],"b":{}}'


def test_the_session_of_an_event() -> None:
    event = {"id": "evt_1", "type": "session.created", "properties": {"sessionID": "ses_1"}}
    assert session_of(event) == "ses_1"
    assert session_of(twin(event, 0)) == "ses_1"
    assert session_of({"id": "evt_2", "type": "plugin.added", "properties": {"id": "x"}}) is None
