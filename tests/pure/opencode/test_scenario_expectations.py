"""The judge: what it lets pass and what it catches."""

import pytest

from simulator.recording import Recording
from simulator.replay.expectations import Expectation, evaluate, held
from simulator.scenario import ExpectedAlert, Scenario, load, scenarios


def scenario(*alerts: ExpectedAlert) -> Scenario:
    return Scenario("made_up", "Made up.", Recording("made_up", (), ()), alerts)


PERMISSION_THEN_COMPLETE = scenario(
    ExpectedAlert("permission", "ses_1", "Fix it"), ExpectedAlert("complete", "ses_1", "Fix it")
)
TWO_SESSIONS = scenario(
    ExpectedAlert("permission", "ses_1"),
    ExpectedAlert("complete", "ses_1"),
    ExpectedAlert("complete", "ses_2"),
)


def showing(
    event_type: str | None, session_id: str | None = "ses_1", title: str = "Fix it", at: float = 1.0
) -> dict:
    return {"title": title, "body": "", "eventType": event_type, "sessionID": session_id, "at": at}


def broken(expectations: list[Expectation]) -> list[str]:
    return [expectation.what for expectation in expectations if not expectation.ok]


def both(demanded: Scenario, showings: list[dict]) -> list[Expectation]:
    return evaluate(demanded, showings, showings)


GOOD = [showing("permission", title="Action Needed: Fix it"), showing("complete")]


def test_every_expectation_is_a_sentence() -> None:
    expectations = both(PERMISSION_THEN_COMPLETE, GOOD)
    assert held(expectations)
    whats = [expectation.what for expectation in expectations]
    assert whats == [
        "the relay received 1 complete",
        "the relay received 1 permission",
        "the relay received 0 error",
        "the relay received nothing else",
        "the phone showed 1 complete",
        "the phone showed 1 permission",
        "the phone showed 0 error",
        "the phone showed nothing else",
        "the relay received permission, then complete in ses_1",
        "the relay received no other session",
        "the phone showed permission, then complete in ses_1",
        "the phone showed no other session",
        "the title of permission in ses_1 holds 'Fix it'",
        "the title of complete in ses_1 holds 'Fix it'",
    ]


@pytest.mark.parametrize(
    ("showings", "sentence"),
    [
        ([], "the phone showed 1 complete, but it was 0"),
        ([*GOOD, showing("complete")], "the phone showed 1 complete, but it was 2"),
        (GOOD[:1], "the phone showed permission, then complete in ses_1, but it was permission"),
        (
            GOOD[::-1],
            "the phone showed permission, then complete in ses_1, but it was complete, then permission",
        ),
        ([*GOOD, {**showing("complete"), "replaced": True}], "the phone showed 1 complete, but it was 2"),
        ([*GOOD, showing("error")], "the phone showed 0 error, but it was 1"),
        ([*GOOD, showing(None)], "the phone showed nothing else, but it was None"),
        ([*GOOD, showing("complete", "ses_9")], "the phone showed no other session, but it was ses_9"),
        ([GOOD[0], showing("complete", None)], "the phone showed no other session, but it was None"),
        (
            [GOOD[0], showing("complete", title="Session complete")],
            "the title of complete in ses_1 holds 'Fix it', but it was 'Session complete'",
        ),
        ([GOOD[0]], "the title of complete in ses_1 holds 'Fix it', but it was nothing"),
    ],
)
def test_what_goes_wrong_on_the_phone_is_found(showings: list[dict], sentence: str) -> None:
    expectations = evaluate(PERMISSION_THEN_COMPLETE, GOOD, showings)
    assert sentence in broken(expectations)
    assert all("phone" in what or "title" in what for what in broken(expectations))


def test_what_goes_wrong_on_the_way_to_the_relay_is_found_apart() -> None:
    expectations = evaluate(PERMISSION_THEN_COMPLETE, [*GOOD, showing("complete")], GOOD)
    assert broken(expectations) == [
        "the relay received 1 complete, but it was 2",
        "the relay received permission, then complete in ses_1, "
        "but it was permission, then complete, then complete",
    ]


@pytest.mark.parametrize(
    "order",
    [
        [("permission", "ses_1"), ("complete", "ses_1"), ("complete", "ses_2")],
        [("complete", "ses_2"), ("permission", "ses_1"), ("complete", "ses_1")],
        [("permission", "ses_1"), ("complete", "ses_2"), ("complete", "ses_1")],
    ],
)
def test_sessions_at_the_same_time_may_come_in_any_order(order: list[tuple[str, str]]) -> None:
    assert held(both(TWO_SESSIONS, [showing(*one) for one in order]))


@pytest.mark.parametrize("silent", ["start", "progress"])
def test_what_is_about_live_activities_passes_on_the_way_but_never_rings(silent: str) -> None:
    nothing = scenario()
    assert held(evaluate(nothing, [showing(silent)], []))
    assert broken(evaluate(nothing, [], [showing(silent)])) == [
        f"the phone showed nothing else, but it was {silent}",
        "the phone showed no other session, but it was ses_1",
    ]


@pytest.mark.parametrize("name", scenarios())
def test_every_scenario_can_be_fulfilled(name: str) -> None:
    demanded = load(name)
    showings = [
        showing(alert.event_type, alert.session_id, f"Error: {alert.title}")
        for alert in demanded.alerts
        for _ in range(alert.count)
    ]
    assert held(both(demanded, showings))
    if showings:
        assert not held(both(demanded, showings[:-1]))
