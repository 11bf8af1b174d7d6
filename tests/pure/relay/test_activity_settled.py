"""What APNs said of a push x what happened meanwhile: how the activity goes on."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import pytest

from activity_values import (
    HOUR,
    MINUTE,
    NEW_TOKEN,
    NOW,
    OUTCOMES,
    QUESTION,
    SECOND,
    TOKEN,
    activity,
    after_push,
    news,
    outcome,
    pushing,
    registration,
    state,
)
from relay.apns.reasons import Verdict
from relay.server.live_activities.life import Kind, observe
from relay.server.live_activities.record import Activity, Alert, Stage
from relay.server.live_activities.registration import dismissed, registered
from relay.server.live_activities.settlement import _NEXT, DOUBTS, Disposition, disposition
from relay.server.live_activities.throttle import FIRST_PAUSE_MS

SENT_AT = NOW - 300
"""When the pushes of these tests began; their answers come now."""
AGO = 200
"""News that came in between: 200 ms ago."""

BEFORE: dict[Kind, Activity] = {
    "start": activity(stage="starting", due_at=SENT_AT, alert=Alert("Session Started", "…"), registered_at=0),
    "update": activity(due_at=SENT_AT, alert=QUESTION, state=state("permission"), registered_at=SENT_AT - SECOND),
    "end": activity(due_at=SENT_AT, ends=True, ended_at=SENT_AT, state=state("complete"), registered_at=SENT_AT - SECOND),
}  # fmt: skip


def takes(event_type: Any, **about: Any) -> Callable[[Activity], Activity]:
    return lambda one: observe(one, news(event_type, **about), can_start=True, now_ms=NOW - AGO)


def registers(token: str) -> Callable[[Activity], Activity]:
    return lambda one: registered([one], registration(activity_token=token), NOW - AGO)[0]


MEANWHILE: dict[str, Callable[[Activity], Activity]] = {
    "nothing": lambda one: one,
    "progress": takes("progress"),
    "question": takes("permission", message="Another"),
    "end": takes("complete"),
    "new run": takes("start"),
    "dismissed": lambda one: dismissed(one, NOW - AGO),
}

Next = tuple[Stage, int | None] | None
"""Its stage and in how many milliseconds its push is due (None: not)."""

FORGOTTEN: Next = None
"""The next news of the session may start one."""
RETRY, SOON = 12_000, 1_000
"""The first pause after a failure, from the answer on; and of a push that never left."""
PHASE, EQUAL = 1_000 - 300, 12_000 - 300
"""What is left of the windows that opened when the push began."""
STARTED, ACTIVE, LOST = ("started", None), ("active", None), ("lost", None)
ENDED, DISMISSED = ("ended", None), ("dismissed", None)

SEEN = {
    "nothing": ACTIVE, "progress": ("active", PHASE), "question": ("active", EQUAL), "end": ("active", PHASE),
    "new run": ("active", PHASE), "dismissed": DISMISSED,
}  # fmt: skip
LATER = dict.fromkeys(["nothing", "progress", "question", "end", "new run"], ("active", RETRY))
AT_ONCE = dict.fromkeys(LATER, ("active", SOON))
OVER = dict.fromkeys(["nothing", "progress", "question", "end", "dismissed"], ENDED) | {
    "new run": ("starting", 0)
}
CARD_MAY_BE_THERE = dict.fromkeys(MEANWHILE, STARTED) | {"dismissed": DISMISSED}
NO_CARD = dict.fromkeys(MEANWHILE, FORGOTTEN) | {"dismissed": DISMISSED}

TABLE: dict[tuple[Kind, Disposition], dict[str, Any]] = {
    ("start", "sent"): CARD_MAY_BE_THERE,
    ("start", "maybe sent"): CARD_MAY_BE_THERE,
    ("start", "not sent"): dict.fromkeys(MEANWHILE, ("starting", SOON))
    | {"end": ENDED, "dismissed": DISMISSED},
    ("start", "later"): dict.fromkeys(MEANWHILE, ("starting", RETRY))
    | {"end": ENDED, "dismissed": DISMISSED},
    ("start", "dead"): NO_CARD,
    ("start", "refused"): NO_CARD,
    ("update", "sent"): SEEN,
    ("update", "maybe sent"): LATER | {"dismissed": DISMISSED},
    ("update", "not sent"): AT_ONCE | {"dismissed": DISMISSED},
    ("update", "later"): LATER | {"dismissed": DISMISSED},
    ("update", "dead"): dict.fromkeys(MEANWHILE, LOST) | {"dismissed": DISMISSED, "new run": ("starting", 0)},
    ("update", "refused"): SEEN,
    ("end", "sent"): OVER,
    ("end", "maybe sent"): LATER | {"dismissed": ENDED},
    ("end", "not sent"): AT_ONCE | {"dismissed": ENDED},
    ("end", "later"): LATER | {"dismissed": ENDED},
    ("end", "dead"): dict.fromkeys(["nothing", "progress", "question", "end"], LOST)
    | {"dismissed": ENDED, "new run": ("starting", 0)},
    ("end", "refused"): OVER,
}
CELLS = [(kind, word, meanwhile) for (kind, word), row in TABLE.items() for meanwhile in row]


def settle(kind: Kind, word: Disposition, meanwhile: str, **about: Any) -> Activity | None:
    before = BEFORE[kind]
    now = MEANWHILE[meanwhile](pushing(before, SENT_AT))
    return after_push(now, before, outcome(word, **about))


VERDICTS: dict[Verdict, Disposition] = {
    Verdict.DELIVERED: "sent",
    Verdict.TOKEN_DEAD: "dead",
    Verdict.RETRY_LATER: "later",
    Verdict.KEY_REFUSED: "later",
    Verdict.NEW_PROVIDER_TOKEN: "later",
    Verdict.OUR_FAULT: "refused",
}
"""Of an answer. Which environment a token is of, `relay.apns` has found out before."""


@pytest.mark.parametrize(
    "verdict", [one for one in Verdict if one is not Verdict.WRONG_ENVIRONMENT], ids=lambda it: it.name
)
def test_every_verdict_of_an_answer(verdict: Verdict) -> None:
    assert disposition(replace(OUTCOMES["sent"], verdict=verdict)) == VERDICTS[verdict]


@pytest.mark.parametrize("how", get_args(Disposition))
def test_where_no_answer_came_it_counts_how_far_the_push_came(how: Disposition) -> None:
    assert disposition(OUTCOMES[how]) == how


def test_the_table_has_every_kind_and_every_word() -> None:
    assert (
        set(TABLE)
        == set(_NEXT)
        == {(kind, word) for kind in get_args(Kind) for word in get_args(Disposition)}
    )


@pytest.mark.parametrize(("kind", "word", "meanwhile"), CELLS)
def test_every_answer_and_whatever_happened_meanwhile(kind: Kind, word: Disposition, meanwhile: str) -> None:
    after = settle(kind, word, meanwhile)
    assert stands(after) == TABLE[kind, word][meanwhile]
    assert after is None or (after.lease_owner, after.lease_until) == (None, 0)


def stands(after: Activity | None) -> Next:
    return after and (after.stage, None if after.due_at is None else after.due_at - NOW)


def test_a_newer_state_is_the_one_that_goes_out_next() -> None:
    for kind in get_args(Kind):
        after = settle(kind, "later", "new run")
        assert after is not None
        assert after.state == state("working", "News")


# A token that came while the push was under way.


@pytest.mark.parametrize("word", get_args(Disposition))
def test_a_start_whose_card_is_registered_already_is_a_start(word: Disposition) -> None:
    under_way = pushing(BEFORE["start"], SENT_AT)
    after = after_push(registers(NEW_TOKEN)(under_way), BEFORE["start"], outcome(word))
    assert stands(after) == ("active", PHASE)
    assert after is not None
    assert after.activity_token == NEW_TOKEN


@pytest.mark.parametrize("word", get_args(Disposition))
def test_a_start_that_the_app_made_way_for_does_not_come_back(word: Disposition) -> None:
    """The app unregistered the session and registered a card of its own while APNs was asked."""
    under_way = pushing(BEFORE["start"], SENT_AT)
    own = registers(NEW_TOKEN)(dismissed(under_way, NOW - AGO))
    assert stands(after_push(own, BEFORE["start"], outcome(word))) == ("active", PHASE)


@pytest.mark.parametrize("kind", ["update", "end"])
def test_a_dead_token_does_not_take_the_new_one_with_it(kind: Kind) -> None:
    now = registers(NEW_TOKEN)(pushing(BEFORE[kind], SENT_AT))
    after = after_push(now, BEFORE[kind], outcome("dead", dead_since=NOW))
    assert stands(after) == ("active", 0)
    assert after is not None
    assert (after.activity_token, after.ends) == (NEW_TOKEN, kind == "end")


# Since when a token is dead: APNs may say so of a push that a new registration overtook.
DEAD_SINCE = {
    "since ever": (None, True),
    "after it was registered": (NOW, True),
    "the moment it was registered": (NOW - MINUTE, False),
    "before it was registered": (NOW - MINUTE - 1, False),
}


@pytest.mark.parametrize("kind", ["update", "end"])
@pytest.mark.parametrize("since", DEAD_SINCE)
def test_a_token_goes_only_if_it_died_after_its_registration(since: str, kind: Kind) -> None:
    dead_since, gone = DEAD_SINCE[since]
    before = replace(BEFORE[kind], registered_at=NOW - MINUTE)
    after = after_push(pushing(before, SENT_AT), before, outcome("dead", dead_since=dead_since))
    assert after is not None
    assert after.activity_token == (None if gone else TOKEN)
    assert (after.state, after.ends) == (before.state, before.ends)  # kept for the next token
    assert stands(after) == (LOST if gone else ("active", RETRY))


@pytest.mark.parametrize(("attempts", "gone"), [(0, False), (DOUBTS - 1, False), (DOUBTS, True)])
def test_apns_is_believed_in_the_end_that_a_token_is_dead(attempts: int, gone: bool) -> None:
    before = activity(due_at=SENT_AT, registered_at=NOW - MINUTE, attempts=attempts)
    said_dead = outcome("dead", dead_since=NOW - HOUR)
    after = after_push(pushing(before, SENT_AT), before, said_dead)
    assert after is not None
    assert (after.stage, after.activity_token) == (("lost", None) if gone else ("active", TOKEN))


@pytest.mark.parametrize("meanwhile", ["nothing", "progress", "question"])
def test_a_run_that_began_on_a_dead_token_gets_a_card(meanwhile: str) -> None:
    before = activity(event_type="start", due_at=SENT_AT, registered_at=NOW - HOUR, updated_at=SENT_AT)
    after = after_push(
        MEANWHILE[meanwhile](pushing(before, SENT_AT)),
        before,
        outcome("dead", dead_since=NOW - MINUTE),
    )
    assert stands(after) == ("starting", 0)
    assert after is not None
    assert (after.activity_token, after.alert is None) == (None, False)


def test_a_run_whose_card_is_gone_has_had_its_card() -> None:
    """Its token was registered for a card of this run: the person swiped it away."""
    before = activity(event_type="start", due_at=SENT_AT, registered_at=SENT_AT, updated_at=SENT_AT)
    assert stands(after_push(pushing(before, SENT_AT), before, outcome("dead"))) == LOST


# The fence.


@pytest.mark.parametrize("word", get_args(Disposition))
def test_only_a_start_that_apns_certainly_refused_frees_the_fence(word: Disposition) -> None:
    """One that may have arrived keeps it: one card too few is better than two."""
    assert (settle("start", word, "nothing") is None) == (word in ("dead", "refused"))


def test_a_start_is_tried_again_with_its_words_and_the_newest_state() -> None:
    after = settle("start", "later", "progress")
    assert after is not None
    assert (after.alert, after.state) == (BEFORE["start"].alert, state("working", "News"))


def test_a_start_that_is_tried_again_asks_the_question_that_came_meanwhile() -> None:
    after = settle("start", "later", "question")
    assert after is not None
    assert after.alert == QUESTION


def test_a_new_run_after_the_end_has_words_for_its_start() -> None:
    after = settle("end", "sent", "new run")
    assert after is not None
    assert after.alert == Alert("Session Started", "OpenCode is working again.")
    assert (after.activity_token, after.pushed_status, after.began_at) == (None, None, NOW)


# Trying again.


def test_a_question_that_nobody_saw_keeps_its_words() -> None:
    for word in ("later", "maybe sent", "not sent"):
        after = settle("update", word, "nothing")
        assert after is not None
        assert after.alert == QUESTION


def test_a_question_that_was_answered_meanwhile_is_not_asked_again() -> None:
    after = settle("update", "later", "progress")
    assert after is not None
    assert after.alert is None


@pytest.mark.parametrize(
    ("word", "first"), [(word, first) for word, first in FIRST_PAUSE_MS.items() if word != "dead"]
)
@pytest.mark.parametrize("attempts", [*range(12), 5000])
def test_each_failure_in_a_row_waits_longer(attempts: int, word: Disposition, first: int) -> None:
    before = activity(due_at=SENT_AT, attempts=attempts)
    after = after_push(pushing(before, SENT_AT), before, outcome(word))
    assert after is not None
    assert after.attempts == attempts + 1
    assert after.retry_at == after.due_at == NOW + min(first * 2 ** min(attempts, 12), 900_000)


def test_a_success_forgets_the_failures() -> None:
    for kind, word in (("update", "sent"), ("update", "refused"), ("end", "sent")):
        before = replace(BEFORE[kind], attempts=3, retry_at=SENT_AT)  # type: ignore[index]
        after = after_push(pushing(before, SENT_AT), before, outcome(word))  # type: ignore[arg-type]
        assert after is not None
        assert (after.attempts, after.retry_at) == (0, 0)


def test_the_environment_that_worked_is_remembered() -> None:
    before = BEFORE["update"]
    after = after_push(pushing(before, SENT_AT), before, outcome("sent", apns_env="sandbox"))
    assert after is not None
    assert after.apns_env == "sandbox"
