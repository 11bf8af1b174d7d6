"""Whether the events that reached the relay, the alerts and the cards on the phone are is what a scenario demands. No I/O.

Relay events are dicts `{"eventType", "sessionID", "at"}`, one for each event the bridge posted (start and progress are
let pass: they are about Live Activities). Notifications are dicts `{"title", "body", "eventType", "sessionID", "at"}`,
one for each time the phone showed something: an alert that replaced another by its collapse id was shown twice, and
counts twice. `at` is UNIX seconds; both lists are in the order of what happened.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from simulator.scenario import ExpectedActivity, ExpectedAlert, Phase, Scenario

Fields = Mapping[str, Any]

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
    relay_events: Sequence[Fields],
    notifications: Sequence[Fields],
    sessions: Mapping[str, str] | None = None,
) -> list[Expectation]:
    """All expectations of a scenario. `sessions` gives the played id of a recorded session, if it was renamed."""
    expected = _flat(scenario.alerts, sessions or {})
    reported = [event for event in relay_events if event["eventType"] not in SILENT]
    return [
        *_counts("the relay received", expected, reported),
        *_counts("the phone showed", expected, notifications),
        *_sequences("the relay received", expected, reported),
        *_sequences("the phone showed", expected, notifications),
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


def _counts(who: str, expected: Sequence[ExpectedAlert], rows: Sequence[Fields]) -> list[Expectation]:
    """Exact numbers by event type, and nothing of another type."""
    counts = []
    for event_type in ALERTS:
        wanted = sum(alert.event_type == event_type for alert in expected)
        found = sum(row["eventType"] == event_type for row in rows)
        counts.append(expect(f"{who} {wanted} {event_type}", wanted == found, str(found)))
    others = [str(row["eventType"]) for row in rows if row["eventType"] not in ALERTS]
    counts.append(expect(f"{who} nothing else", not others, ", ".join(others)))
    return counts


def _sequences(who: str, expected: Sequence[ExpectedAlert], rows: Sequence[Fields]) -> list[Expectation]:
    """The sequence of event types in each session; sessions that run at the same time may interleave freely."""
    named = dict.fromkeys([alert.session_id for alert in expected])
    sequences = []
    for session_id in named:
        wanted = [alert.event_type for alert in expected if alert.session_id == session_id]
        found = [str(row["eventType"]) for row in rows if row["sessionID"] == session_id]
        sequences.append(expect(f"{who} {_then(wanted)} in {session_id}", wanted == found, _then(found)))
    strangers = [str(row["sessionID"]) for row in rows if row["sessionID"] not in named]
    sequences.append(expect(f"{who} no other session", not strangers, ", ".join(strangers)))
    return sequences


def _titles(expected: Sequence[ExpectedAlert], notifications: Sequence[Fields]) -> list[Expectation]:
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


SURELY_SHOWN = 3.0
"""Seconds that a phase must last to be seen for sure. A relay may hold a change back for a second, and let a newer one
take its place; before that it needs the card's token."""

_LETTERS = {"working": "w", "retry": "r", "permission": "p", "complete": "c", "error": "e"}


@dataclass(frozen=True, slots=True)
class Audience:
    """Who looks: the phones by name, whether the app is in the foreground, and the recording `speed` times as fast."""

    phones: tuple[str, ...]
    speed: float = 1.0
    foreground: bool = False

    @property
    def how(self) -> str:
        """How a card comes to be on these phones."""
        return "app" if self.foreground else "push-to-start"


def evaluate_activities(
    scenario: Scenario,
    activities: Sequence[Fields],
    audience: Audience,
    sessions: Mapping[str, str] | None = None,
) -> list[Expectation]:
    """All expectations on cards. `sessions` gives the played id of a recorded session, if it was renamed."""
    played = sessions or {}
    expected = [
        replace(one, session_id=played.get(one.session_id, one.session_id)) for one in scenario.activities
    ]
    found = [
        expectation
        for phone in audience.phones
        for expectation in _phone(phone, expected, activities, audience)
    ]
    named = {one.session_id for one in expected}
    strangers = [str(card["sessionID"]) for card in activities if card["sessionID"] not in named]
    return [*found, expect("there was a card of no other session", not strangers, ", ".join(strangers))]


def _phone(
    phone: str, expected: Iterable[ExpectedActivity], activities: Sequence[Fields], audience: Audience
) -> Iterable[Expectation]:
    for one in expected:
        cards = [
            card for card in activities if card["phone"] == phone and card["sessionID"] == one.session_id
        ]
        yield from _session(f"{one.session_id} on {phone}", one, cards, audience)


def _session(
    name: str, expected: ExpectedActivity, cards: Sequence[Fields], audience: Audience
) -> Iterable[Expectation]:
    kept = sorted((card for card in cards if not card["replaced"]), key=lambda card: float(card["started"]))
    states = [state for card in kept for state in card["states"]]
    yield _alone(name, expected, kept)
    yield _started(name, kept, audience)
    yield _ended(name, kept)
    yield from _phases(name, expected, states, audience)
    yield from _last(name, expected.runs[-1][-1], states)
    left = [card for card in cards if card["replaced"] and card["dismissed"] is None]
    yield expect(f"no replaced card of {name} was left", not left, f"{len(left)} left")


def _alone(name: str, expected: ExpectedActivity, kept: Sequence[Fields]) -> Expectation:
    """One after the other, and no more of them than turns."""
    ends = [card["ended"] for card in kept]
    together = any(
        ended is None or ended > later["started"] for ended, later in zip(ends, kept[1:], strict=False)
    )
    fits = 1 <= len(kept) <= len(expected.runs) and not together
    found = f"{len(kept)} at the same time" if together else str(len(kept))
    return expect(f"there was one card of {name} at a time", fits, found)


def _started(name: str, kept: Sequence[Fields], audience: Audience) -> Expectation:
    others = [str(card["how"]) for card in kept if card["how"] != audience.how]
    return expect(f"every card of {name} was started by {audience.how}", not others, ", ".join(others))


def _ended(name: str, kept: Sequence[Fields]) -> Expectation:
    running = [card for card in kept if card["ended"] is None]
    return expect(f"every card of {name} ended", not running, f"{len(running)} running")


def _phases(
    name: str, expected: ExpectedActivity, states: Sequence[Fields], audience: Audience
) -> Iterable[Expectation]:
    """In order and never back; what the app says itself, and what pushes say beside it, each by itself."""
    whole = _pattern(expected, audience.speed)
    by_app = [state for state in states if state["by"] == "app"]
    by_push = [state for state in states if state["by"] == "push"]
    if audience.foreground:
        yield _matches(f"the card of {name} went as recorded", whole, by_app)
        yield _matches(f"no push turned the card of {name} back", whole.replace("+", "*"), by_push)
    else:
        yield _matches(f"the card of {name} went as recorded", whole, states)


def _pattern(expected: ExpectedActivity, speed: float) -> str:
    """A regular expression over statuses: what was too short to be seen for sure may be missing."""
    *phases, last = [phase for run in expected.runs for phase in run]
    before = (_LETTERS[phase.status] + ("+" if _sure(phase, speed) else "*") for phase in phases)
    return "".join(before) + _LETTERS[last.status] + "+"


def _sure(phase: Phase, speed: float) -> bool:
    return phase.lasts is not None and phase.lasts / speed >= SURELY_SHOWN


def _matches(what: str, pattern: str, states: Sequence[Fields]) -> Expectation:
    statuses = [str(state["status"]) for state in states]
    letters = "".join(_LETTERS.get(status, "?") for status in statuses)
    grown = [later["at"] >= earlier["at"] for earlier, later in pairwise(states)]
    holds = re.fullmatch(pattern, letters) is not None and all(grown)
    return expect(what, holds, ", then ".join(statuses))


def _last(name: str, last: Phase, states: Sequence[Fields]) -> Iterable[Expectation]:
    found = states[-1] if states else {"status": "nothing", "lastMessage": "nothing"}
    yield expect(
        f"the card of {name} ended with {last.status}", found["status"] == last.status, found["status"]
    )
    if last.last_message is not None:
        message = str(found["lastMessage"])
        yield expect(f"it said {last.last_message!r}", message == last.last_message, repr(message))
