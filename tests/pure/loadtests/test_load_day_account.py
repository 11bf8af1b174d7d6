from math import inf
from typing import Any

import pytest

from loadtests.accounts import GRACE, Alert, Card, Lifetime, PhoneRecord, Ring, account

ALERTS = [Alert("a", 0, 10.0), Alert("b", 0, 20.0), Alert("else", 1, 20.0)]
ENDINGS = {"ses": "complete"}
ALWAYS = [Lifetime(0.0, inf)]


def found(*rings: Ring, **changed: Any) -> dict[str, Any]:
    phone: dict[str, Any] = {"household": 0, "lifetimes": ALWAYS, "rings": rings, "cards": []} | changed
    counts = account(ALERTS, PhoneRecord(**phone), ENDINGS)
    return {name: count for name, count in counts.items() if count}


A, B = Ring("a", in_place=False), Ring("b", in_place=False)


def test_every_alert_of_the_household_rings_once() -> None:
    assert found(A, B) == {"alerts": 2}


def test_what_does_not_ring_is_lost() -> None:
    assert found(A) == {"alerts": 2, "lost": 1}


def test_what_rings_beside_itself_is_doubled_and_what_takes_its_own_place_is_counted() -> None:
    assert found(A, A, B, Ring("b", in_place=True)) == {"alerts": 2, "doubled": 1, "in_place": 1}


def test_what_is_of_another_household_is_strange() -> None:
    assert found(A, B, Ring("else", in_place=False)) == {"alerts": 2, "strange": 1}


def test_what_apns_did_not_keep_for_an_offline_phone_is_not_lost() -> None:
    assert found(B, not_kept=1) == {"alerts": 2, "not_kept": 1}


def test_what_waits_as_apple_wants_is_not_lost() -> None:
    assert found(B, waiting=frozenset({"a"})) == {"alerts": 2, "waiting": 1}


def test_what_waits_hides_no_other_loss() -> None:
    assert found(waiting=frozenset({"a"})) == {"alerts": 2, "waiting": 1, "lost": 1}


@pytest.mark.parametrize(
    ("lifetimes", "alerts"),
    [
        ([Lifetime(0.0, 10.0 + GRACE)], 0),
        ([Lifetime(0.0, 10.1 + GRACE)], 1),
        ([Lifetime(0.0, 15.0), Lifetime(15.0, inf)], 1),
        ([Lifetime(15.0, inf)], 1),
        ([], 0),
    ],
)
def test_only_what_was_reported_while_the_phone_was_registered_must_ring(
    lifetimes: list[Lifetime], alerts: int
) -> None:
    assert found(A, B, lifetimes=lifetimes).get("alerts", 0) == alerts


@pytest.mark.parametrize(
    ("card", "wrong"),
    [
        (Card("ses", "complete", running=False), 0),
        (Card("ses", "complete", running=True), 1),
        (Card("ses", "error", running=False), 1),
        (Card("other", "complete", running=False), 1),
    ],
)
def test_a_card_ends_as_its_session(card: Card, wrong: int) -> None:
    assert found(A, B, cards=[card]).get("cards_wrong", 0) == wrong
