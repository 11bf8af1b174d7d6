"""Scenarios as data: complete, readable, and true to their recordings."""

import json
from pathlib import Path

import pytest

import simulator
from simulator.scenario import (
    ExpectedAlert,
    Phase,
    UnknownScenario,
    load,
    load_recording,
    recorded_events,
    scenarios,
)

FOLDER = Path(simulator.__file__).parent / "scenarios"

EXPECTED = {
    "a_reason": ["complete"],
    "a_text": ["complete"],
    "b_permission_always": ["permission", "complete"],
    "b_permission_edit": ["permission", "complete"],
    "b_permission_external_directory": ["permission", "permission", "complete"],
    "b_permission_once": ["permission", "complete"],
    "b_permission_reject": ["permission"],
    "b_permission_then_abort": ["permission"],
    "b_permission_webfetch": ["permission", "complete"],
    "c_error_400": ["error"],
    "c_error_401": ["error"],
    "c_error_content_filter": ["error"],
    "c_error_context_overflow": ["complete", "complete"],
    "c_error_cut": ["complete"],
    "c_finish_length": ["complete"],
    "d_retry_429_retry_after": ["complete"],
    "d_retry_503_backoff": ["complete"],
    "d_retry_connection_refused": [],
    "e_abort": [],
    "e_abort_in_tool": ["permission"],
    "f_two_sessions": ["permission", "complete", "complete"],
    "g_child_session": ["permission", "complete"],
    "h_question": ["permission", "complete"],
    "h_question_reject": ["permission"],
    "i_after_restart": [],
    "i_sigkill_while_streaming": ["error"],
    "i_sigterm_while_streaming": ["error"],
    "m_slow_first_token": ["complete"],
}


def test_every_recording_is_a_scenario() -> None:
    recordings = {path.name.split(".")[0] for path in (FOLDER / "recordings").iterdir()}
    assert recordings == {load(name).recording.name for name in scenarios()}


def test_the_scenarios_and_what_they_demand() -> None:
    demanded = {
        name: [alert.event_type for alert in load(name).alerts for _ in range(alert.count)]
        for name in scenarios()
    }
    assert demanded == EXPECTED


@pytest.mark.parametrize("name", scenarios())
def test_the_data_is_as_documented(name: str) -> None:
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


@pytest.mark.parametrize("name", scenarios())
def test_alerts_and_cards_agree(name: str) -> None:
    """Every alert's session has a card; every complete and error ends one, and a stopped turn ends silently."""
    scenario = load(name)
    ends = {
        (activity.session_id, run[-1].status)
        for activity in scenario.activities
        for run in activity.runs
        if run[-1].last_message != "Stopped"
    }
    loud = {(alert.session_id, alert.event_type) for alert in scenario.alerts}
    assert {one for one in loud if one[1] != "permission"} == ends
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


@pytest.mark.parametrize("name", scenarios())
def test_every_scenario_says_what_it_is_about(name: str) -> None:
    about = load(name).about
    assert about.endswith(".")
    assert len(about) < 110


@pytest.mark.parametrize("name", scenarios())
def test_requests_are_forwarded_at_once(name: str) -> None:
    """The recorder answered within a second, so a bridge that waits would have nothing to tell."""
    assert load(name).permission_delay == 0.0


@pytest.mark.parametrize("name", scenarios())
def test_recorded_times_only_grow(name: str) -> None:
    for stream in ("global", "event"):
        times = [line.t for line in recorded_events(name, stream)]
        assert times == sorted(times)


def test_only_the_killed_servers_end() -> None:
    killed = {name: load(name).recording.killed_at for name in scenarios()}
    assert {name for name, at in killed.items() if at is not None} == {
        "i_sigkill_while_streaming",
        "i_sigterm_while_streaming",
    }
    assert killed["i_sigkill_while_streaming"] == 1.554


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


def test_a_loaded_alert() -> None:
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
        ("a_txt", "did you mean a_text?"),
        ("permission", "b_permission_once"),
        ("zzzzzzzz", "there are a_reason, a_text"),
        ("", "there are a_reason, a_text"),
        ("../a_text", "a_text"),
        ("recordings", "no scenario is called 'recordings'"),
    ],
)
def test_an_unknown_name_is_one_clear_error(name: str, hint: str) -> None:
    with pytest.raises(UnknownScenario) as error:
        load(name)
    assert hint in str(error.value)
    assert f"no scenario is called {name!r}" in str(error.value)
