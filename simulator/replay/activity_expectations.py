"""Whether the cards on the phones went through what a scenario demands, at whatever speed it was played. No I/O.

Activities are the dicts of a report: `{"sessionID", "phone", "how", "states", "started", "ended", "dismissed", "replaced"}`;
each state has the four fields of the content-state, `at` and `by` ("push" or "app"). Times are UNIX seconds, None for
what has not come. `replaced` cards were taken away by the app: another of the same session was there, or its turn over.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from simulator.replay.expectations import Expectation, expect
from simulator.scenario import ExpectedActivity, Phase, Scenario

Fact = Mapping[str, Any]

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
    activities: Sequence[Fact],
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
    phone: str, expected: Iterable[ExpectedActivity], activities: Sequence[Fact], audience: Audience
) -> Iterable[Expectation]:
    for one in expected:
        cards = [
            card for card in activities if card["phone"] == phone and card["sessionID"] == one.session_id
        ]
        yield from _session(f"{one.session_id} on {phone}", one, cards, audience)


def _session(
    name: str, expected: ExpectedActivity, cards: Sequence[Fact], audience: Audience
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


def _alone(name: str, expected: ExpectedActivity, kept: Sequence[Fact]) -> Expectation:
    """One after the other, and no more of them than turns."""
    ends = [card["ended"] for card in kept]
    together = any(
        ended is None or ended > later["started"] for ended, later in zip(ends, kept[1:], strict=False)
    )
    fits = 1 <= len(kept) <= len(expected.runs) and not together
    found = f"{len(kept)} at the same time" if together else str(len(kept))
    return expect(f"there was one card of {name} at a time", fits, found)


def _started(name: str, kept: Sequence[Fact], audience: Audience) -> Expectation:
    others = [str(card["how"]) for card in kept if card["how"] != audience.how]
    return expect(f"every card of {name} was started by {audience.how}", not others, ", ".join(others))


def _ended(name: str, kept: Sequence[Fact]) -> Expectation:
    running = [card for card in kept if card["ended"] is None]
    return expect(f"every card of {name} ended", not running, f"{len(running)} running")


def _phases(
    name: str, expected: ExpectedActivity, states: Sequence[Fact], audience: Audience
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


def _matches(what: str, pattern: str, states: Sequence[Fact]) -> Expectation:
    statuses = [str(state["status"]) for state in states]
    letters = "".join(_LETTERS.get(status, "?") for status in statuses)
    grown = [later["at"] >= earlier["at"] for earlier, later in pairwise(states)]
    holds = re.fullmatch(pattern, letters) is not None and all(grown)
    return expect(what, holds, ", then ".join(statuses))


def _last(name: str, last: Phase, states: Sequence[Fact]) -> Iterable[Expectation]:
    found = states[-1] if states else {"status": "nothing", "lastMessage": "nothing"}
    yield expect(
        f"the card of {name} ended with {last.status}", found["status"] == last.status, found["status"]
    )
    if last.last_message is not None:
        message = str(found["lastMessage"])
        yield expect(f"it said {last.last_message!r}", message == last.last_message, repr(message))
