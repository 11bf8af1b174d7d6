"""Recordings of generation 2 as their plays have them: ids, times, who was at work; and which cannot be played."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.opencode.v2.replay import Replay, known_before, session_ids, shutdown, unplayable
from simulator.opencode.v2.state import State
from simulator.recording import Action, Line, Recording, RecordingError, Restart
from simulator.scenario import load, load_file, scenarios

START = 1_900_000_000_000.0
CREATED = {
    "id": "evt_1",
    "created": 1_796_018_261_000,
    "type": "session.created",
    "location": {"directory": "/d"},
    "data": {"sessionID": "ses_1", "projectID": "p", "location": {"directory": "/d"}, "title": "Mine"},
}
STEP = {"id": "evt_2", "created": 1_796_018_262_000, "type": "session.step.started",
        "data": {"sessionID": "ses_1", "assistantMessageID": "msg_1"}}  # fmt: skip


def recording(*events: Any, actions: tuple[Action, ...] = (), **more: Any) -> Recording:
    lines = tuple(Line(float(number), one) for number, one in enumerate(events))
    return Recording("mine", lines, actions, generation=2, lasts=float(len(events)), **more)


@pytest.mark.parametrize("name", scenarios(2))
def test_the_first_play_is_the_recording_and_every_one_can_be_played(name: str) -> None:
    recorded = load(name).recording
    assert unplayable(recorded) == ""
    life = Replay(recorded, 0, 1.0, retimed=False).first(0.0)
    assert [cue.due for cue in life.cues] == [line.event for line in recorded.events]
    assert [cue.at for cue in life.cues] == [line.t for line in recorded.events]


@pytest.mark.parametrize("name", scenarios(2))
def test_a_later_play_has_ids_and_times_of_its_own(name: str) -> None:
    recorded = load(name).recording
    replay = Replay(recorded, 3, 2.0)
    life = replay.first(START)
    text = json.dumps([cue.due for cue in life.cues])
    assert not [one for one in session_ids(recorded) if one in text]
    assert set(replay.sessions) == set(session_ids(recorded))
    for cue in life.cues:
        created = (cue.due["created"] - START) / 1000
        assert created == pytest.approx(cue.at, abs=0.6)


def test_a_server_that_is_started_again_goes_on_in_its_own_time() -> None:
    recorded = load("opencode2/i_sigterm_while_streaming").recording
    replay = Replay(recorded, 1, 4.0)
    life = replay.again(START)
    assert recorded.restart is not None
    assert life.resumed == tuple(replay.sessions.values())
    assert life.directories == ("/code/demo",)
    assert life.opened == recorded.restart.opened
    works = next(cue for cue in life.cues if cue.due["type"] == "session.step.started")
    assert (works.due["created"] - START) / 1000 == pytest.approx(works.at, abs=0.1)
    assert all(one.at <= other.at for one, other in pairwise(life.cues))
    assert Replay(load("opencode2/i_sigterm_idle").recording, 1, 1.0).again(START).resumed == ()
    assert Replay(load("opencode2/a_text").recording, 1, 1.0).again(START).cues == ()


@pytest.mark.parametrize("speed", [0, -1.0])
def test_no_other_speed_is_possible(speed: float) -> None:
    with pytest.raises(ValueError, match="speed"):
        Replay(recording(CREATED), 0, speed)


def test_what_an_orderly_stop_stores_of_a_turn() -> None:
    said = {"id": "msg_1", "type": "assistant", "time": {"created": 1}}
    kinds = ["session.step.failed", "session.execution.interrupted"]
    assert [kind for kind, _ in shutdown("ses_1", [said])] == kinds
    done = {**said, "time": {"created": 1, "completed": 2}}
    assert [kind for kind, _ in shutdown("ses_1", [done])] == kinds[1:]
    assert shutdown("ses_1", []) == [(kinds[1], {"sessionID": "ses_1", "reason": "shutdown"})]


def _get(target: str, data: Any, status: int = 200) -> Action:
    return Action(0.0, 0.1, "GET", target, None, status, {"data": data} if status == 200 else data)


def test_a_session_was_there_before_as_it_was_shown_first() -> None:
    info = {"id": "ses_0", "title": "Before", "location": {"directory": "/d"}}
    shown = (
        _get("/api/session/ses_0", info),
        _get("/api/session/ses_0", {**info, "title": "Later"}),
        _get("/api/session/ses_0/message?limit=2", [{"id": "msg_2"}, {"id": "msg_1"}]),
        _get("/api/session/ses_1", {"id": "ses_1"}),
        _get("/api/session/ses_9", {"_tag": "SessionNotFoundError"}, 404),
        _get("/api/session/active", {}),
    )
    (seed,) = known_before(recording(CREATED, actions=shown))
    assert (seed.session["title"], [one["id"] for one in seed.transcript]) == ("Before", ["msg_1", "msg_2"])
    assert session_ids(recording(CREATED, actions=shown)) == ["ses_1", "ses_0"]
    played = Replay(recording(CREATED, actions=shown), 1, 1.0).seeds(START)
    assert played[0].session["title"] == "Before"


def test_a_session_that_was_never_shown_is_known_by_what_happens_in_it() -> None:
    step = {**STEP, "location": {"directory": "/d"}, "data": {**STEP["data"], "sessionID": "ses_7"}}
    (seed,) = known_before(recording(CREATED, step))
    assert (seed.session["id"], seed.session["location"], "title" in seed.session) == (
        "ses_7",
        {"directory": "/d"},
        False,
    )
    assert session_ids(recording(CREATED, step)) == ["ses_1", "ses_7"]


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ({**CREATED, "data": {"sessionID": "ses_1"}}, "event 2 (session.created) is not as OpenCode 2 sends it: it has no"),
        ({"type": "permission.replied", "data": {"sessionID": "ses_1"}}, "it has no 'requestID'"),
        ({"type": "form.created", "data": {"form": {"sessionID": "ses_1"}}}, "it has no 'id'"),
        ({"type": "session.execution.succeeded", "data": {"sessionID": "ses_1"}}, "it has no"),
        ({"type": "brand.new", "data": {}}, ""),
    ],
)  # fmt: skip
def test_an_event_of_another_shape_is_named(event: Any, why: str) -> None:
    found = unplayable(recording(CREATED, event))
    assert found.startswith("recording mine: " if why else "")
    assert why in found


def test_actions_of_another_shape_are_named() -> None:
    found = unplayable(recording(CREATED, actions=(_get("/api/session/ses_0", True),)))
    assert found == (
        "recording mine: its actions or its first events is not as OpenCode 2 sends it: a part of it has another type"
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
TYPES = ["session.created", "session.forked", "session.renamed", "session.deleted", "session.inbox.enqueued",
         "session.inbox.delivered", "session.execution.started", "session.execution.succeeded", "session.step.started",
         "session.tool.called", "permission.asked", "permission.replied", "form.created", "form.cancelled",
         "location.shutdown", "brand.new"]  # fmt: skip
KEYS = st.sampled_from(["sessionID", "id", "form", "location", "requestID", "inboxID", "item", "assistantMessageID", "title",
                        "parentID", "boundary", "reason"])  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(TYPES), st.dictionaries(KEYS, JSON, max_size=5)), max_size=4))
def test_whatever_is_not_refused_is_played(events: list[Any]) -> None:
    named = [{"id": "evt_9", "created": 1, "type": kind, "data": data} for kind, data in events]
    one = recording(CREATED, *named, restart=Restart(9.0, (Line(9.5, STEP),)), killed_at=8.0)
    why = unplayable(one)
    if why:
        assert "\n" not in why
        return
    state = State()
    for cue in Replay(one, 1, 1.0).first(0.0).cues:
        state.fold("/d", cue.due)


# Files.


def written(folder: Path, *lines: Any, name: str = "mine.api.ndjson") -> Path:
    path = folder / name
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n", "utf-8")
    return path


CONNECTED = {"t": 0.0, "event": {"id": "evt_0", "type": "server.connected", "data": {}}}


@pytest.mark.parametrize("name", ["mine.api.ndjson", "mine.ndjson"])
def test_the_generation_is_told_by_what_a_file_holds(tmp_path: Path, name: str) -> None:
    path = written(
        tmp_path, CONNECTED, {"t": 0.1, "raw": ": heartbeat"}, {"t": 1.0, "event": CREATED}, name=name
    )
    scenario = load_file(path)
    assert (scenario.name, scenario.checked, scenario.recording.generation) == ("mine", False, 2)
    assert [line.t for line in scenario.recording.events] == [1.0]


@pytest.mark.parametrize("name", ["api", "api2", "actions"])
def test_each_file_of_a_recording_names_all_of_it(tmp_path: Path, name: str) -> None:
    written(tmp_path, {"t": 1.0, "event": CREATED})
    written(tmp_path, {**CONNECTED, "t": 3.0}, {"t": 4.0, "event": STEP}, name="mine.api2.ndjson")
    written(tmp_path, {"t": 2.0, "note": "signal SIGKILL to the server"}, name="mine.actions.ndjson")
    recorded = load(str(tmp_path / f"mine.{name}.ndjson")).recording
    assert (recorded.killed_at, recorded.killed_hard, recorded.lasts) == (1.0, True, 4.0)
    assert recorded.restart == Restart(3.0, (Line(4.0, STEP),))


def test_a_scenario_of_ones_own_lies_beside_its_recording(tmp_path: Path) -> None:
    written(tmp_path, {"t": 1.0, "event": CREATED}, {"t": 2.0, "closed": "ClientPayloadError"})
    data = {"recording": "mine", "about": "Mine.", "alerts": [], "activities": []}
    scenario = load_file(written(tmp_path, data, name="case.json"))
    assert (scenario.checked, scenario.recording.generation, scenario.recording.killed_at) == (True, 2, 2.0)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ({"t": 1.0, "event": {"type": 1, "data": {}}}, "line 2: it is no event of GET /api/event, which has a type"),
        ({"t": 1.0, "event": {"type": "a.b"}}, "line 2: it is no event of GET /api/event, which has data"),
        ({"t": -1, "event": CREATED}, "line 2: its t is no number of seconds"),
        ({"event": CREATED}, "line 2: it has no 't'"),
    ],
)  # fmt: skip
def test_what_is_no_recording_is_refused_with_its_line(tmp_path: Path, line: Any, why: str) -> None:
    with pytest.raises(RecordingError, match=why):
        load_file(written(tmp_path, CONNECTED, line))


def test_a_second_stream_that_holds_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.api2.ndjson").write_text("\n")
    with pytest.raises(RecordingError, match=r"mine\.api2\.ndjson holds no event"):
        load_file(written(tmp_path, CONNECTED))
