"""Whatever APNs refuses, discards or the phone drops has a rule with a source, and the same words lead to it everywhere."""

import ast
from pathlib import Path

import pytest

from simulator.apns.delivery.mailbox import DISPOSITIONS
from simulator.apns.reasons import REASONS
from simulator.journal import Entry
from simulator.lab.why import NOT_SHOWN, WAITS, explain
from simulator.phone import live_activities, notifications, phone
from simulator.phone.activitykit import activities, activity, refusals

MODULES = (phone, notifications, live_activities, activities, activity, refusals)


def _entry(where: str, what: str, **detail: object) -> Entry:
    return Entry(0.0, where, what, detail)


PHONES_REASONS = sorted(
    {why for why, _ in notifications._AGAINST_SHOWING}
    | {why for why, _ in notifications._AGAINST_RELOAD}
    | {why for why, _ in notifications._AGAINST_WAKING}
    | {why for rows in refusals.AGAINST_START.values() for why, *_ in rows}
    | {why for why, _ in refusals.AGAINST_CHANGE}
)


@pytest.mark.parametrize("why", PHONES_REASONS)
def test_every_reason_in_the_phones_tables_has_its_rule(why: str) -> None:
    found = explain(_entry("phone", "dropped", why=why))
    assert found == NOT_SHOWN[why]
    assert found.rule.endswith(".")
    assert found.source


def _dropped_with(module: object) -> set[str]:
    """The reasons that the source gives as a literal: Happened(now, "dropped", "...") and why="..."."""
    tree = ast.parse(Path(str(module.__file__)).read_text())  # type: ignore[attr-defined]
    found: set[str] = set()
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        texts = [one.value if isinstance(one, ast.Constant) else None for one in call.args]
        if "dropped" in texts:
            given = [*texts, *(one.value.value for one in call.keywords if one.arg == "why" and isinstance(one.value, ast.Constant))]  # fmt: skip
            found |= {text for text in given if isinstance(text, str) and " " in text}
    return found


def test_every_reason_that_stands_in_the_phones_code_has_its_rule() -> None:
    literal = set().union(*map(_dropped_with, MODULES))
    assert len(literal) > 4
    assert literal - set(NOT_SHOWN) == set()


def test_every_reason_to_drop_a_push_unread_has_its_rule() -> None:
    tree = ast.parse(Path(live_activities.__file__).read_text())
    keys = [
        key.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant) and " " in str(key.value)
    ]
    assert len(keys) > 8
    assert set(keys) - set(NOT_SHOWN) == set()


def test_every_way_in_which_apns_discards_has_its_rule() -> None:
    discarded = {"unregistered", "not_for_broadcast", "expired", "notifications_off", "replaced", "channel_deleted"}  # fmt: skip
    assert len(DISPOSITIONS) == 8  # a further row may bring a further word
    assert discarded <= set(NOT_SHOWN)
    for why in discarded:
        assert explain(_entry("apns", "delivery", outcome="discarded", why=why)) == NOT_SHOWN[why]


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_of_apns_has_its_rule(reason: str) -> None:
    found = explain(_entry("apns", "push", status=REASONS[reason].status, reason=reason))
    assert found is not None
    assert REASONS[reason].meaning in found.rule
    assert found.source == REASONS[reason].source


def test_a_check_says_more_than_its_reason() -> None:
    detail = {"reason": "TopicDisallowed", "why": "no app here has it", "source": "Apple", "confidence": "observed"}  # fmt: skip
    found = explain(_entry("apns", "push", status=400, **detail))
    assert found is not None
    assert (found.short, found.source, found.confidence) == ("no app here has it", "Apple", "observed")


def test_what_waits_is_explained_and_what_is_shown_is_not() -> None:
    for why, rule in WAITS.items():
        assert explain(_entry("phone", "deferred", why=why)) == rule
    stored = explain(_entry("apns", "delivery", outcome="stored", why=None))
    assert stored is not None
    assert "stored" in stored.short
    for entry in (
        _entry("phone", "shown", title="x"),
        _entry("apns", "push", status=200, reason=None),
        _entry("apns", "delivery", outcome="sent", why=None),
    ):
        assert explain(entry) is None


def test_the_field_that_cannot_be_decoded_is_named() -> None:
    found = explain(_entry("phone", "dropped", why=refusals.CONTENT_STATE, problem="eta is Date"))
    assert found is not None
    assert found.short == "the content-state cannot be decoded: eta is Date"
    broken = explain(_entry("phone", "dropped", why="it cannot be read: ValueError()"))
    assert broken is not None
    assert broken.short.startswith("it cannot be read")
