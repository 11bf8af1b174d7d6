"""The report of a replay, from a journal written by hand."""

from dataclasses import replace

from simulator.clock import VirtualClock
from simulator.journal import Journal
from simulator.opencode.playing import Played
from simulator.replay.expectations import Audience
from simulator.replay.report import latencies, percentiles, relay_events, report
from simulator.scenario import load

SESSION = "ses_e042c015effeDgUcP9Fyfb1pLn"


def _journal() -> Journal:
    return Journal(VirtualClock(1000.0))


def _shown(event_type: str, at: float, session_id: str = SESSION) -> dict[str, object]:
    return {
        "title": "Error: 401",
        "body": "b",
        "eventType": event_type,
        "sessionID": session_id,
        "at": at,
        "replaced": False,
    }


def test_the_report_of_a_scenario_that_went_well() -> None:
    journal = _journal()
    journal.record_at(1.0, "opencode", "event", type="session.error", sessionID=SESSION, root=SESSION)
    journal.record_at(1.1, "relay", "event", eventType="error", sessionID=SESSION, eventID="e1")
    journal.record_at(1.2, "apns", "push", apns_id="id", push_type="alert", status=200, reason=None)
    result = report(load("c_error_401"), Played(0, 1, {SESSION: SESSION}), journal, [_shown("error", 1.5)])
    assert result["ok"]
    assert result["scenario"] == "c_error_401"
    assert result["relay_events"] == [{"eventType": "error", "sessionID": SESSION, "at": 1.1}]
    assert result["pushes"] == [{"apnsId": "id", "pushType": "alert", "status": 200, "reason": None}]
    assert result["notifications"] == [
        {"title": "Error: 401", "body": "b", "eventType": "error", "sessionID": SESSION, "at": 1.5}
    ]
    assert result["latency_ms"] == {"event_to_phone": {"p50": 500.0, "p99": 500.0}}


def test_of_a_recording_alone_nothing_is_expected() -> None:
    alone = replace(load("c_error_401"), checked=False)
    for audience in (None, Audience(("iPhone",))):
        result = report(alone, Played(0, 1, {}), _journal(), [_shown("error", 1.5)], audience=audience)
        assert (result["ok"], result["expectations"]) == (True, [])
        assert len(result["notifications"]) == 1


def test_the_cards_are_measured_if_there_is_an_audience() -> None:
    journal = _journal()
    state = {"status": "error", "lastMessage": "No"}
    card = {"phone": "iPhone", "activity": "a", "sessionID": SESSION, "contentState": state, "by": "push"}
    journal.record_at(1.1, "relay", "event", eventType="error", sessionID=SESSION, eventID="e1")
    journal.record_at(1.2, "phone", "started", **card)
    arguments = load("c_error_401"), Played(0, 1, {SESSION: SESSION}), journal, [_shown("error", 1.5)]
    audience = Audience(("iPhone",))
    assert not report(*arguments, audience=audience)["ok"]
    assert report(*arguments)["ok"]
    journal.record_at(1.3, "phone", "ended", **card)
    result = report(*arguments, audience=audience)
    assert result["ok"]
    (found,) = result["activities"]
    assert (found["sessionID"], found["how"], found["ended"]) == (SESSION, "push-to-start", 1.3)


def test_a_missing_notification_is_a_failed_expectation() -> None:
    result = report(load("c_error_401"), Played(0, 1, {SESSION: SESSION}), _journal(), [])
    assert not result["ok"]
    assert any(not one["ok"] for one in result["expectations"])
    assert result["latency_ms"] == {"event_to_phone": {"p50": None, "p99": None}}


def test_an_event_that_was_posted_again_counts_once() -> None:
    journal = _journal()
    for at in (1.0, 5.0):
        journal.record_at(at, "relay", "event", eventType="complete", sessionID="s", eventID="e1")
    assert relay_events(journal.entries()) == [{"eventType": "complete", "sessionID": "s", "at": 1.0}]


def test_latency_counts_from_the_first_event_since_the_last_notification() -> None:
    journal = _journal()
    for at in (1.0, 1.07, 9.0, 9.5):
        journal.record_at(at, "opencode", "event", type="session.idle", sessionID="s", root="s")
    shown = [_shown("complete", 1.05, "s"), _shown("complete", 10.0, "s"), _shown("error", 11.0, "s")]
    assert [round(value) for value in latencies(journal.entries(), shown)] == [50, 8930]


def test_percentiles_by_nearest_rank() -> None:
    assert percentiles([]) == {"p50": None, "p99": None}
    assert percentiles([3.0]) == {"p50": 3.0, "p99": 3.0}
    assert percentiles([float(n) for n in range(1, 101)]) == {"p50": 50.0, "p99": 99.0}
