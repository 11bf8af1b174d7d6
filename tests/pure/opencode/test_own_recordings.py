"""Recordings and scenarios of one's own: any of the format plays, or is refused with one sentence."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.opencode.v1.replay import known_before, replay, unplayable
from simulator.opencode.v1.state import State
from simulator.recording import Action, Line, Recording, RecordingError
from simulator.scenario import load, load_file, load_recording

INFO = {
    "id": "ses_1",
    "title": "Mine",
    "directory": "/d",
    "time": {"created": 1_796_018_261_000, "updated": 1_796_018_261_000},
}
CREATED = {"type": "session.created", "id": "evt_1", "properties": {"sessionID": "ses_1", "info": INFO}}
BUSY = {
    "type": "session.status",
    "id": "evt_2",
    "properties": {"sessionID": "ses_1", "status": {"type": "busy"}},
}


def line(payload: Any, t: Any = 1.0, **envelope: Any) -> dict[str, Any]:
    return {"t": t, "event": {"directory": "/d", "project": "p", "payload": payload, **envelope}}


def written(folder: Path, *lines: Any, name: str = "mine.global.ndjson") -> Path:
    path = folder / name
    texts = [text if isinstance(text, str) else json.dumps(text) for text in lines]
    path.write_text("\n".join(texts) + "\n", "utf-8")
    return path


@pytest.mark.parametrize("name", ["mine.global.ndjson", "mine.ndjson"])
def test_a_recording_alone_is_played_and_nothing_is_expected_of_it(tmp_path: Path, name: str) -> None:
    opened = {"t": 0.0, "open": "/global/event"}
    scenario = load(str(written(tmp_path, opened, line(CREATED), "", line(BUSY, 1.5), name=name)))
    assert (scenario.name, scenario.checked, scenario.alerts) == ("mine", False, ())
    assert [one.t for one in scenario.recording.events] == [1.0, 1.5]
    assert unplayable(scenario.recording) == ""


def test_a_scenario_of_ones_own_lies_beside_its_recording(tmp_path: Path) -> None:
    written(tmp_path, line(CREATED))
    written(tmp_path, {"t": 1.2, "kill": "SIGTERM"}, name="mine.actions.ndjson")
    alert = {"eventType": "error", "sessionID": "ses_1"}
    data = {"recording": "mine", "about": "Mine.", "alerts": [alert], "activities": []}
    scenario = load(str(written(tmp_path, data, name="case.json")))
    assert (scenario.name, scenario.checked, scenario.recording.killed_at) == ("case", True, 1.2)
    assert scenario.alerts[0].event_type == "error"


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ((), "holds no event of OpenCode"),
        ((line({"type": "server.heartbeat"}),), "holds no event of OpenCode"),
        (("nothing",), "line 1: it is no JSON object"),
        ((line(BUSY), "[]"), "line 2: it is no JSON object"),
        (("[" * 100_000,), "line 1: it is no JSON object"),
        (({"event": {"payload": BUSY}},), "line 1: it has no 't'"),
        ((line(BUSY, "1.0"),), "line 1: its t is no number of seconds"),
        ((line(BUSY, -1),), "line 1: its t is no number of seconds"),
        ((line(BUSY, True),), "line 1: its t is no number of seconds"),
        (({"t": 1, "event": BUSY},), "line 1: it is no event of GET /global/event, which has a payload"),
        (({"t": 1, "event": "busy"},), "line 1: it is no event of GET /global/event"),
        ((line({"properties": {}}),), "line 1: its payload has no type"),
        ((line({"type": 7}),), "line 1: its payload has no type"),
    ],
)  # fmt: skip
def test_what_is_no_recording_is_refused_with_its_line(
    tmp_path: Path, lines: tuple[Any, ...], why: str
) -> None:
    path = written(tmp_path, *lines)
    with pytest.raises(RecordingError, match=f"{re.escape(str(path))}.*{re.escape(why)}"):
        load_file(path)


@pytest.mark.parametrize(
    ("actions", "why"),
    [
        ({"request": "GET /session"}, "line 1: it has no 'sent_t'"),
        ({"request": "GET", "sent_t": 1, "t": 1, "status": 200, "response": None}, "line 1: a part of it"),
        ({"kill": "SIGTERM"}, "line 1: it has no 't'"),
    ],
)
def test_what_is_no_action_is_refused_with_its_line(tmp_path: Path, actions: Any, why: str) -> None:
    written(tmp_path, actions, name="mine.actions.ndjson")
    with pytest.raises(RecordingError, match=f"mine.actions.ndjson, {why}"):
        load_file(written(tmp_path, line(BUSY)))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({"recording": "mine"}, "it has no 'about'"),
        (
            {"recording": "mine", "about": "", "alerts": [1], "activities": []},
            "a part of it has another type",
        ),
        ([], "a part of it has another type"),
        ("{", "is no scenario"),
        (
            {"recording": "none", "about": "", "alerts": [], "activities": []},
            "none.global.ndjson cannot be read",
        ),
    ],
)
def test_what_is_no_scenario_is_refused(tmp_path: Path, data: Any, why: str) -> None:
    written(tmp_path, line(BUSY))
    with pytest.raises(RecordingError, match=why):
        load_file(written(tmp_path, data, name="case.json"))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="cannot be read: No such file"):
        load(str(tmp_path / "none.global.ndjson"))
    (tmp_path / "raw.ndjson").write_bytes(b"\xff\n")
    with pytest.raises(RecordingError, match="is no text in UTF-8"):
        load(str(tmp_path / "raw.ndjson"))


# What a play does with it.


def recording(*payloads: Any, actions: tuple[Action, ...] = ()) -> Recording:
    events = tuple(Line(float(number), line(one)["event"]) for number, one in enumerate(payloads))
    return Recording("mine", events, actions)


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (CREATED | {"properties": {"sessionID": "ses_1"}}, "event 2 (session.created) is not as OpenCode 1.18 sends it: it has no 'info'"),
        (CREATED | {"properties": {"sessionID": "ses_1", "info": {"id": "ses_1"}}}, "it has no 'time'"),
        (BUSY | {"properties": {"sessionID": "ses_1", "status": None}}, "a part of it has another type"),
        ({"type": "permission.replied", "properties": {"sessionID": "ses_1"}}, "it has no 'requestID'"),
        ({"type": "message.part.updated", "properties": {"part": []}}, ""),
        ({"type": "sync"}, "it has no 'syncEvent'"),
    ],
)  # fmt: skip
def test_an_event_of_another_shape_is_named(payload: Any, why: str) -> None:
    found = unplayable(recording(CREATED, payload))
    assert found.startswith("recording mine: ")
    assert why in found


@pytest.mark.parametrize(
    "payload",
    [
        {"type": "brand.new"},
        {"type": "brand.new", "properties": None},
        {"type": "session.error", "properties": {}},
        {"type": "session.deleted", "properties": {"sessionID": "ses_none", "info": {}}},
        {"type": "message.removed", "properties": {"sessionID": "ses_1", "messageID": "msg_none"}},
    ],
)
def test_what_the_server_does_not_keep_is_played_as_it_is(payload: Any) -> None:
    one = recording(CREATED, payload)
    assert unplayable(one) == ""
    sent = json.loads(replay(one, 0, 1.0).cues[1].due.global_line.removeprefix(b"data: "))
    assert sent["payload"] == payload


def test_a_recording_that_holds_no_time_or_no_directory_is_played() -> None:
    event = {"payload": {"type": "brand.new", "properties": {"n": 1}}}
    one = Recording("mine", (Line(0.5, event),), ())
    assert unplayable(one) == ""
    assert replay(one, 1, 2.0, 1_900_000_000_000.0).cues[0].at == 0.25


def _action(request: str, response: Any, status: int = 200) -> Action:
    method, target = request.split(" ")
    return Action(0.0, 0.1, method, target, None, status, response)


@pytest.mark.parametrize(
    "actions",
    [
        (_action("DELETE /session/ses_1", True),),
        (_action("GET /session/ses_1", {"name": "NotFoundError"}, 404),),
        (_action("PATCH /session/ses_1", INFO),),
        (_action("POST /session/ses_1/message", {"info": {}}),),
        (_action("DELETE /session/ses_1", True), _action("GET /session/ses_1", None, 404)),
    ],
)
def test_only_what_the_server_showed_was_there_before(actions: tuple[Action, ...]) -> None:
    one = recording(BUSY, actions=actions)
    assert (known_before(one), unplayable(one)) == ([], "")


def test_a_session_was_before_as_it_was_shown_first() -> None:
    shown = (_action("GET /session/ses_1", INFO), _action("GET /session/ses_1", INFO | {"title": "Later"}))
    (seed,) = known_before(recording(BUSY, actions=shown))
    assert seed.session["title"] == "Mine"


def test_actions_of_another_shape_are_named() -> None:
    found = unplayable(recording(BUSY, actions=(_action("GET /session/ses_1", True),)))
    assert found == (
        "recording mine: its actions is not as OpenCode 1.18 sends it: a part of it has another type"
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
TYPES = ["session.created", "session.updated", "session.deleted", "session.status", "message.updated", "message.removed",
         "message.part.updated", "message.part.removed", "todo.updated", "permission.asked", "permission.replied",
         "question.asked", "question.rejected", "server.instance.disposed", "project.updated", "sync", "brand.new"]  # fmt: skip
KEYS = st.sampled_from(["sessionID", "info", "id", "status", "type", "time", "part", "messageID", "requestID", "directory",
                        "worktree", "syncEvent", "todos", "updated", "parentID"])  # fmt: skip
SHAPES = st.recursive(JSON, lambda inner: st.dictionaries(KEYS, inner, max_size=5), max_leaves=12)


@given(
    st.lists(
        st.builds(
            lambda kind, properties: {"type": kind, "properties": properties}, st.sampled_from(TYPES), SHAPES
        ),
        max_size=4,
    )
)
def test_whatever_is_not_refused_is_played(payloads: list[Any]) -> None:
    one = recording(CREATED, *payloads)
    why = unplayable(one)
    if why:
        assert "\n" not in why
        return
    state = State()
    for cue in replay(one, 1, 1.0, 0.0).cues:
        state.fold(cue.due.directory, cue.due.payload)


def test_the_products_own_recordings_are_of_the_format() -> None:
    names = ("a_text", "bg_subagents", "i_after_restart")
    loaders: Callable[[str], Recording] = load_recording
    assert [unplayable(loaders(name)) for name in names] == ["", "", ""]
