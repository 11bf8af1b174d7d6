"""Whether what the relay was told and what the phone showed is what a scenario demands. No I/O.

Relay events are dicts `{"eventType", "sessionID", "at"}`, one for each event the bridge posted (start and progress are
let pass: they are about Live Activities). Notifications are dicts `{"title", "body", "eventType", "sessionID", "at"}`,
one for each time the phone showed something: an alert that replaced another by its collapse id was shown twice, and
counts twice. `at` is UNIX seconds; both lists are in the order of what happened.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.scenario import ExpectedAlert, Scenario

Fact = Mapping[str, Any]

ALERTS = ("complete", "permission", "error")
"""The event types that lead to an alert on the phone."""

SILENT = frozenset({"start", "progress"})
"""The event types that never do."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """One sentence about the outcome, and whether it held."""

    what: str
    ok: bool


def evaluate(
    scenario: Scenario,
    relay_events: Sequence[Fact],
    notifications: Sequence[Fact],
    sessions: Mapping[str, str] | None = None,
) -> list[Expectation]:
    """All expectations of a scenario. `sessions` gives the played id of a recorded session, if it was renamed."""
    expected = _flat(scenario.alerts, sessions or {})
    told = [event for event in relay_events if event["eventType"] not in SILENT]
    return [
        *_counts("the relay was told of", expected, told),
        *_counts("the phone showed", expected, notifications),
        *_orders("the relay was told of", expected, told),
        *_orders("the phone showed", expected, notifications),
        *_titles(expected, notifications),
    ]


def held(expectations: Iterable[Expectation]) -> bool:
    """Whether all of them did."""
    return all(expectation.ok for expectation in expectations)


def expect(what: str, ok: bool, found: str) -> Expectation:
    """The expectation `what`; if it did not hold its sentence says what was found instead."""
    return Expectation(what if ok else f"{what}, but it was {found or 'nothing'}", ok)


def _flat(alerts: Iterable[ExpectedAlert], sessions: Mapping[str, str]) -> list[ExpectedAlert]:
    """One entry for each single alert, under the session's id in this play."""
    return [
        ExpectedAlert(alert.event_type, sessions.get(alert.session_id, alert.session_id), alert.title)
        for alert in alerts
        for _ in range(alert.count)
    ]


def _counts(who: str, expected: Sequence[ExpectedAlert], facts: Sequence[Fact]) -> list[Expectation]:
    """Exact numbers by event type, and nothing of another type."""
    counts = []
    for event_type in ALERTS:
        wanted = sum(alert.event_type == event_type for alert in expected)
        found = sum(fact["eventType"] == event_type for fact in facts)
        counts.append(expect(f"{who} {wanted} {event_type}", wanted == found, str(found)))
    others = [str(fact["eventType"]) for fact in facts if fact["eventType"] not in ALERTS]
    counts.append(expect(f"{who} nothing else", not others, ", ".join(others)))
    return counts


def _orders(who: str, expected: Sequence[ExpectedAlert], facts: Sequence[Fact]) -> list[Expectation]:
    """The sequence of event types in each session; sessions that run at the same time may interleave freely."""
    named = dict.fromkeys([alert.session_id for alert in expected])
    orders = []
    for session_id in named:
        wanted = [alert.event_type for alert in expected if alert.session_id == session_id]
        found = [str(fact["eventType"]) for fact in facts if fact["sessionID"] == session_id]
        orders.append(expect(f"{who} {_then(wanted)} in {session_id}", wanted == found, _then(found)))
    strangers = [str(fact["sessionID"]) for fact in facts if fact["sessionID"] not in named]
    orders.append(expect(f"{who} no other session", not strangers, ", ".join(strangers)))
    return orders


def _titles(expected: Sequence[ExpectedAlert], notifications: Sequence[Fact]) -> list[Expectation]:
    """Every notification of a session and type holds the words that are known of its title."""
    titled = dict.fromkeys((one.session_id, one.event_type, one.title) for one in expected if one.title)
    expectations = []
    for session_id, event_type, words in titled:
        titles = [
            str(one["title"])
            for one in notifications
            if one["sessionID"] == session_id and one["eventType"] == event_type
        ]
        holds = bool(titles) and all(words in title for title in titles)
        what = f"the title of {event_type} in {session_id} holds {words!r}"
        expectations.append(expect(what, holds, ", ".join(repr(title) for title in titles)))
    return expectations


def _then(event_types: Sequence[str]) -> str:
    return ", then ".join(event_types)
