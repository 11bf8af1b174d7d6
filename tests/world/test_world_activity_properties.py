"""Live Activities under every order of events: relays, sandbox and phone against the invariants of the card."""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import Phase

from relay.server.live_activities import activity as pace
from relay.server.live_activities import life, sender
from world.cards import EXAMPLES, Cards, play


def test_the_card_is_right_under_every_order() -> None:
    Cards.steps = 0
    play(EXAMPLES)
    assert Cards.steps > EXAMPLES
    print(f"{Cards.steps} steps")


def test_what_apns_keeps_for_a_token_is_said_again_when_it_rotates() -> None:
    """Found by chance: the phone was off, and what waited for it went with the old token."""
    cards = Cards()
    try:
        cards.steady_work(one=0, session="ses_2", seconds=3)
        cards.the_phone_goes_on_or_off_line(online=False)
        cards.many_questions(one=0, session="ses_1", questions=10)
        cards.rotate()
        cards.all_is_well_in_the_end()
        (card,) = [one for one in cards.phone.activities.active if one.attributes["sessionId"] == "ses_2"]
        assert card.content_state["lastMessage"] == "message 3"
    finally:
        cards.teardown()


def _no_fence(secret_hash: str, session_id: str, device_token: str) -> str:
    return os.urandom(16).hex()


BEGUN = sender.begun


def _clock_only(activity: Any, **claim: Any) -> Any:
    """Timestamps as a naive relay makes them: of a clock that runs in steps."""
    after = BEGUN(activity, **claim)
    return after and replace(after, timestamp=claim["now_ms"] // 1000 // 60 * 60)


BROKEN: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "fence": lambda patch: patch.setattr(life, "activity_id", _no_fence),
    "pace": lambda patch: patch.setattr(pace, "EQUAL_PHASE_MS", 2000),
    "order": lambda patch: patch.setattr(sender, "begun", _clock_only),
    "budget": lambda patch: patch.setattr(pace, "PRIORITY_10_AN_HOUR", 1000),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_broken_on_purpose_is_found(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    BROKEN[what](monkeypatch)
    with pytest.raises(AssertionError):
        play(60, Phase.generate)
