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
    registered,
    registration,
    state,
)
from relay.apns.reasons import Verdict
from relay.server.live_activities.activity import Activity, Alert, Kind, Stage
from relay.server.live_activities.life import observe
from relay.server.live_activities.settlement import _NEXT, DOUBTS, FIRST_PAUSE_MS, Disposition, disposition
from relay.server.live_activities.tokens import dismissed

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


def rotated(one: Activity) -> Activity:
    return registered([one], registration(activity_token=NEW_TOKEN), NOW - AGO)[0]


def gone(one: Activity) -> Activity:
    return dismissed(one, NOW - AGO)


MEANWHILE: dict[str, Callable[[Activity], Activity]] = {
    "nothing": lambda one: one,
    "progress": takes("progress"),
    "question": takes("permission", message="Another"),
    "end": takes("complete"),
    "new run": takes("start"),
    "dismissed": gone,
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


def after(
    before: Activity,
    word: Disposition,
    meanwhile: Callable[[Activity], Activity] = MEANWHILE["nothing"],
    **about: Any,
) -> Activity:
    """The activity after the answer; it must not be forgotten."""
    found = after_push(meanwhile(pushing(before, SENT_AT)), before, outcome(word, **about))
    assert found is not None
    return found


VERDICTS: dict[Verdict, Disposition] = {
    Verdict.DELIVERED: "sent",
    Verdict.TOKEN_DEAD: "dead",
    Verdict.OTHER_APP: "dead",
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
    under_way = pushing(BEFORE[kind], SENT_AT)
    found = after_push(MEANWHILE[meanwhile](under_way), BEFORE[kind], outcome(word))
    assert stands(found) == TABLE[kind, word][meanwhile]
    assert found is None or (found.lease_owner, found.lease_until) == (None, 0)


def test_a_start_for_another_app_is_tried_once_a_run() -> None:
    """The phone keeps its start token, so that every event would be refused anew: DeviceTokenNotForTopic."""
    about = {"verdict": Verdict.OTHER_APP, "reason": "DeviceTokenNotForTopic"}
    found = after_push(pushing(BEFORE["start"], SENT_AT), BEFORE["start"], replace(outcome("dead"), **about))
    assert stands(found) == ("lost", None)


def stands(one: Activity | None) -> Next:
    return one and (one.stage, None if one.due_at is None else one.due_at - NOW)


# A token that came while the push was under way: what APNs said of the old one says nothing of it.

OVERTAKEN: dict[str, tuple[Callable[[Activity], Activity], tuple[str, str | None]]] = {
    "a token that rotated gets the newest state": (rotated, ("active", NEW_TOKEN)),
    "a card of the app's own gets the newest state": (lambda one: rotated(gone(one)), ("active", NEW_TOKEN)),
    "a run that began after the phone ended the card gets its start": (
        lambda one: takes("start")(gone(one)), ("starting", None),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["update", "end"])
@pytest.mark.parametrize("word", get_args(Disposition))
@pytest.mark.parametrize("name", OVERTAKEN)
def test_overtaken(name: str, word: Disposition, kind: Kind) -> None:
    meanwhile, expected = OVERTAKEN[name]
    found = after(BEFORE[kind], word, meanwhile, apns_env="sandbox")
    assert (found.stage, found.activity_token) == expected
    # Of a session that is over nothing is left to show: what is due has a state, or the sender would try for ever.
    assert (found.due_at is not None) == (found.state is not None)
    assert found.due_at is None or found.due_at <= NOW
    assert (found.lease_owner, found.lease_until) == (None, 0)
    assert found.apns_env == "production" or found.activity_token is None


@pytest.mark.parametrize(
    "meanwhile", [rotated, lambda one: rotated(gone(one))], ids=["its own", "the app's own"]
)
@pytest.mark.parametrize("word", get_args(Disposition))
def test_a_start_whose_card_is_registered_already_is_no_start_any_more(
    word: Disposition, meanwhile: Callable[[Activity], Activity]
) -> None:
    """Also where the app unregistered the session and registered a card of its own while APNs was asked."""
    found = after(BEFORE["start"], word, meanwhile)
    assert (stands(found), found.activity_token) == (("active", PHASE), NEW_TOKEN)


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
    dead_since, goes = DEAD_SINCE[since]
    before = replace(BEFORE[kind], registered_at=NOW - MINUTE)
    found = after(before, "dead", dead_since=dead_since)
    assert found.activity_token == (None if goes else TOKEN)
    assert (found.state, found.ends) == (before.state, before.ends)  # kept for the next token
    assert stands(found) == (LOST if goes else ("active", RETRY))


@pytest.mark.parametrize(
    ("attempts", "goes"), [(0, False), (DOUBTS - 1, False), (DOUBTS, True), (DOUBTS + 4, True)]
)
def test_apns_is_believed_in_the_end_that_a_token_is_dead(attempts: int, goes: bool) -> None:
    before = activity(due_at=SENT_AT, registered_at=NOW - MINUTE, attempts=attempts)
    found = after(before, "dead", dead_since=NOW - HOUR)
    assert (found.stage, found.activity_token) == (("lost", None) if goes else ("active", TOKEN))


@pytest.mark.parametrize("meanwhile", ["nothing", "progress", "question"])
def test_a_run_that_began_on_a_dead_token_gets_a_card(meanwhile: str) -> None:
    before = activity(event_type="start", due_at=SENT_AT, registered_at=NOW - HOUR, updated_at=SENT_AT)
    found = after(before, "dead", MEANWHILE[meanwhile], dead_since=NOW - MINUTE)
    assert stands(found) == ("starting", 0)
    assert (found.activity_token, found.alert is None) == (None, False)


def test_a_run_whose_card_is_gone_has_had_its_card() -> None:
    """Its token was registered for a card of this run: the person swiped it away."""
    before = activity(event_type="start", due_at=SENT_AT, registered_at=SENT_AT, updated_at=SENT_AT)
    assert stands(after(before, "dead")) == LOST


# What the next push says.

STARTED_AGAIN = Alert("Session Started", "OpenCode is working again.")
ALERTS: dict[str, tuple[Kind, Disposition, str, Alert | None]] = {
    "a start is tried again with its words": ("start", "later", "progress", BEFORE["start"].alert),
    "or with the question that came meanwhile": ("start", "later", "question", QUESTION),
    "a new run after the end has words for its start": ("end", "sent", "new run", STARTED_AGAIN),
    "a question that nobody saw: later": ("update", "later", "nothing", QUESTION),
    "a question that nobody saw: maybe sent": ("update", "maybe sent", "nothing", QUESTION),
    "a question that nobody saw: not sent": ("update", "not sent", "nothing", QUESTION),
    "a question that was answered meanwhile is not asked again": ("update", "later", "progress", None),
}


@pytest.mark.parametrize("name", ALERTS)
def test_the_alert_of_the_next_push(name: str) -> None:
    kind, word, meanwhile, alert = ALERTS[name]
    found = after(BEFORE[kind], word, MEANWHILE[meanwhile])
    assert found.alert == alert
    assert meanwhile != "progress" or found.state == state("working", "News")


def test_a_new_run_after_the_end_begins_anew() -> None:
    found = after(BEFORE["end"], "sent", MEANWHILE["new run"])
    assert (found.activity_token, found.pushed_status, found.began_at) == (None, None, NOW)


# Failures in a row.


@pytest.mark.parametrize(
    ("word", "first"), [(word, first) for word, first in FIRST_PAUSE_MS.items() if word != "dead"]
)
@pytest.mark.parametrize("attempts", [0, 1, 11, 12, 5000])
def test_each_failure_in_a_row_waits_longer(attempts: int, word: Disposition, first: int) -> None:
    found = after(activity(due_at=SENT_AT, attempts=attempts), word)
    assert found.attempts == attempts + 1
    assert found.retry_at == found.due_at == NOW + min(first * 2 ** min(attempts, 12), 900_000)


@pytest.mark.parametrize(("kind", "word"), [("update", "sent"), ("update", "refused"), ("end", "sent")])
def test_a_success_forgets_the_failures(kind: Kind, word: Disposition) -> None:
    found = after(replace(BEFORE[kind], attempts=3, retry_at=SENT_AT), word)
    assert (found.attempts, found.retry_at) == (0, 0)


def test_the_environment_that_worked_is_remembered() -> None:
    assert after(BEFORE["update"], "sent", apns_env="sandbox").apns_env == "sandbox"
