"""Scenarios as data: complete, readable, and true to their recordings."""

import json
from pathlib import Path

import pytest

import simulator
from simulator.recording import Generation
from simulator.scenario import ExpectedAlert, Phase, UnknownScenario, load, load_recording, scenarios

FOLDER = Path(simulator.__file__).parent / "scenarios"
ALL = [*scenarios(1), *scenarios(2)]


@pytest.mark.parametrize(("generation", "folder"), [(1, FOLDER), (2, FOLDER / "opencode2")])
def test_every_recording_is_a_scenario(generation: Generation, folder: Path) -> None:
    recordings = {path.name.split(".")[0] for path in (folder / "recordings").iterdir()}
    found = [load(name).recording for name in scenarios(generation)]
    assert recordings == {recording.name for recording in found}
    assert {recording.generation for recording in found} == {generation}


@pytest.mark.parametrize("name", ALL)
def test_the_data_is_as_documented(name: str) -> None:
    about = load(name).about
    assert about.endswith(".")
    assert len(about) < 110
    data = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    assert set(data) - {"permission_delay"} == {"recording", "about", "alerts", "activities"}
    for alert in data["alerts"]:
        assert set(alert) - {"title", "count"} == {"eventType", "sessionID"}
        assert alert["eventType"] in {"complete", "permission", "error"}
        assert alert.get("count", 1) >= 1
    for activity in data["activities"]:
        assert set(activity) == {"sessionID", "runs"}
        for run in activity["runs"]:
            assert all(set(phase) == {"status", "lasts"} for phase in run[:-1])
            assert set(run[-1]) - {"lastMessage"} == {"status"}
            assert run[-1]["status"] in {"complete", "error"}


OUTSIDE_OF_RUNS = {
    "error_without_idle": {
        ("ses_dd50ecc4affeSxE8T8PHPocsJb", "error"),
        ("ses_dd50eb792ffeCQkFoI12uj2ei0", "error"),
        ("ses_dd50ea7bbfferGRh0buSGbI2Si", "error"),
    }
}


@pytest.mark.parametrize("name", ALL)
def test_alerts_and_cards_agree(name: str) -> None:
    """Every complete and error ends a card, but an error outside of a run; a stopped turn ends silently."""
    scenario = load(name)
    ends = {
        (activity.session_id, run[-1].status)
        for activity in scenario.activities
        for run in activity.runs
        if run[-1].last_message != "Stopped"
    }
    loud = {(alert.session_id, alert.event_type) for alert in scenario.alerts}
    assert {one for one in loud if one[1] != "permission"} - OUTSIDE_OF_RUNS.get(name, set()) == ends
    asked = {
        activity.session_id
        for activity in scenario.activities
        for run in activity.runs
        if "permission" in {phase.status for phase in run}
    }
    assert {session_id for session_id, event_type in loud if event_type == "permission"} == asked


@pytest.mark.parametrize("name", scenarios())
def test_alerts_belong_to_recorded_root_sessions_and_their_titles(name: str) -> None:
    infos = {
        line.event["payload"]["properties"]["sessionID"]: line.event["payload"]["properties"]["info"]
        for line in load(name).recording.events
        if line.event["payload"]["type"] in {"session.created", "session.updated"}
    }
    for alert in load(name).alerts:
        info = infos[alert.session_id]
        assert "parentID" not in info
        assert alert.title == info["title"]


@pytest.mark.parametrize("name", scenarios(2))
def test_alerts_of_generation_2_belong_to_recorded_root_sessions_and_their_titles(name: str) -> None:
    created = {
        line.event["data"]["sessionID"]: line.event["data"]
        for line in load(name).recording.events
        if line.event["type"] == "session.created"
    }
    for alert in load(name).alerts:
        assert "parentID" not in created[alert.session_id]
        assert alert.title in (created[alert.session_id].get("title"), None)


def test_a_name_that_only_generation_2_has_needs_no_folder() -> None:
    assert load("b_permission_parallel").name == "opencode2/b_permission_parallel"
    assert load("a_text").recording.generation == 1
    assert load("opencode2/a_text").recording.generation == 2


def test_a_server_that_was_stopped_and_started_again() -> None:
    recording = load("i_sigkill_while_streaming").recording
    assert (recording.generation, recording.restart) == (1, None)
    recording = load("opencode2/i_sigkill_while_streaming").recording
    assert (recording.killed_at, recording.killed_hard, recording.lasts) == (1.875, True, 12.312)
    assert recording.restart is not None
    assert (recording.restart.opened, recording.restart.events[-1].t) == (5.272, 12.312)
    stopped = load("i_service_stop_while_streaming").recording
    assert (stopped.killed_at, stopped.killed_hard) == (1.929, False)


def test_the_streams_own_events_are_left_out() -> None:
    types = {line.event["payload"]["type"] for line in load_recording("m_slow_first_token").events}
    assert not types & {"server.connected", "server.heartbeat"}


def test_an_action_knows_its_request_and_answer() -> None:
    first = load_recording("a_text").actions[0]
    assert (first.method, first.target, first.body, first.status) == (
        "POST",
        "/session?directory=/code/demo",
        {},
        200,
    )
    assert first.response["title"].startswith("New session")
    assert first.sent_t < first.t
    assert load_recording("i_sigkill_while_streaming").killed_at == 1.554
    (alert,) = load("c_error_context_overflow").alerts
    assert alert == ExpectedAlert("complete", alert.session_id, "overflow", 2)


def test_a_loaded_activity() -> None:
    (activity,) = load("b_permission_then_abort").activities
    working, permission, stopped = activity.runs[0]
    assert working.status == "working"
    assert permission == Phase("permission", 0.52)
    assert stopped == Phase("complete", None, "Stopped")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("a_txt", "did you mean a_text"),
        ("permission", "b_permission_once"),
        ("zzzzzzzz", "there are a_reason, a_text"),
        ("", "there are a_reason, a_text"),
        ("../a_text", "a_text"),
        ("permission_paralel", "opencode2/b_permission_parallel"),
        ("recordings", "no scenario is called 'recordings'"),
    ],
)
def test_an_unknown_name_is_one_clear_error(name: str, hint: str) -> None:
    with pytest.raises(UnknownScenario) as error:
        load(name)
    assert hint in str(error.value)
    assert f"no scenario is called {name!r}" in str(error.value)
