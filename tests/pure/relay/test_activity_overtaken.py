"""Answers that come for a token which the activity has no more: they say nothing of the one that came meanwhile."""

from collections.abc import Callable
from typing import get_args

import pytest

from activity_values import (
    HOUR,
    NEW_TOKEN,
    NOW,
    QUESTION,
    SECOND,
    activity,
    after_push,
    news,
    outcome,
    pushing,
    registration,
    state,
)
from relay.server.live_activities.life import Kind, observe
from relay.server.live_activities.record import Activity
from relay.server.live_activities.registration import dismissed, registered
from relay.server.live_activities.settlement import Disposition

SENT_AT, MEANWHILE_AT = NOW - 300, NOW - 200
BEFORE: dict[Kind, Activity] = {
    "update": activity(due_at=SENT_AT, registered_at=SENT_AT - SECOND),
    "end": activity(due_at=SENT_AT, ends=True, ended_at=SENT_AT, state=state("complete"), registered_at=SENT_AT - SECOND),
}  # fmt: skip


def rotated(one: Activity) -> Activity:
    return registered([one], registration(activity_token=NEW_TOKEN), MEANWHILE_AT)[0]


def gone(one: Activity) -> Activity:
    return dismissed(one, MEANWHILE_AT)


def new_run(one: Activity) -> Activity:
    return observe(one, news("start"), can_start=True, now_ms=MEANWHILE_AT)


OVERTAKEN: dict[str, tuple[Callable[[Activity], Activity], tuple[str, str | None, bool]]] = {
    "a token that rotated gets the newest state": (rotated, ("active", NEW_TOKEN, True)),
    "a card of the app's own gets the newest state": (lambda one: rotated(gone(one)), ("active", NEW_TOKEN, True)),
    "a run that began after the phone ended the card gets its start": (
        lambda one: new_run(gone(one)), ("starting", None, True),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", BEFORE)
@pytest.mark.parametrize("word", get_args(Disposition))
@pytest.mark.parametrize("name", OVERTAKEN)
def test_overtaken(name: str, word: Disposition, kind: Kind) -> None:
    meanwhile, (stage, token, due) = OVERTAKEN[name]
    before = BEFORE[kind]
    after = after_push(meanwhile(pushing(before, SENT_AT)), before, outcome(word))
    assert after is not None
    due = due and after.state is not None  # of a session that is over nothing is left to show
    assert (after.stage, after.activity_token, after.due_at is not None) == (stage, token, due)
    assert after.due_at is None or after.due_at <= NOW
    assert (after.lease_owner, after.lease_until) == (None, 0)


def test_a_new_token_keeps_the_environment_that_it_was_registered_with() -> None:
    before = BEFORE["update"]
    after = after_push(rotated(pushing(before, SENT_AT)), before, outcome("sent", apns_env="sandbox"))
    assert after is not None
    assert after.apns_env == "production"


def test_what_is_due_always_has_a_state() -> None:
    """The sender cannot push an activity without one; it would try for ever."""
    for kind in BEFORE:
        for word in get_args(Disposition):
            own = rotated(gone(pushing(BEFORE[kind], SENT_AT)))
            after = after_push(own, BEFORE[kind], outcome(word))
            assert after is not None
            assert after.due_at is None or after.state is not None, (kind, word)


def test_a_run_that_began_while_its_end_met_a_dead_token_gets_a_card() -> None:
    before = BEFORE["end"]
    after = after_push(new_run(pushing(before, SENT_AT)), before, outcome("dead"))
    assert after is not None
    assert (after.stage, after.due_at) == ("starting", NOW)


def test_a_question_asked_before_the_token_came_is_said_aloud() -> None:
    started = activity(stage="started", pushed_status="working", pushed_at=NOW - HOUR)
    asked = observe(started, news("permission"), can_start=True, now_ms=NOW - SECOND)
    assert registered([asked], registration(), NOW)[0].alert == QUESTION
