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
BACK = Lifetime(15.0, inf)


@pytest.mark.parametrize(
    ("rings", "changed", "counts"),
    [
        ([A, B], {}, {"alerts": 2}),
        ([A], {}, {"alerts": 2, "lost": 1}),
        ([A, A, B, Ring("b", in_place=True)], {}, {"alerts": 2, "doubled": 1, "in_place": 1}),
        ([A, B, Ring("else", in_place=False)], {}, {"alerts": 2, "strange": 1}),
        ([B], {"not_kept": 1}, {"alerts": 2, "not_kept": 1}),  # by APNs, for a phone that is offline
        ([B], {"waiting": frozenset({"a"})}, {"alerts": 2, "waiting": 1}),  # as Apple wants it
        ([], {"waiting": frozenset({"a"})}, {"alerts": 2, "waiting": 1, "lost": 1}),
        ([A, B], {"cards": [Card("ses", "complete", running=False)]}, {"alerts": 2}),
        ([A, B], {"cards": [Card("ses", "complete", running=True)]}, {"alerts": 2, "cards_wrong": 1}),
        ([A, B], {"cards": [Card("ses", "error", running=False)]}, {"alerts": 2, "cards_wrong": 1}),
        ([A, B], {"cards": [Card("other", "complete", running=False)]}, {"alerts": 2, "cards_wrong": 1}),
    ],
)
def test_every_alert_of_the_household_rings_once_and_every_card_ends_as_its_session(
    rings: list[Ring], changed: dict[str, Any], counts: dict[str, int]
) -> None:
    found_counts = found(*rings, **changed)
    assert counts.items() <= found_counts.items()
    faults = {"lost", "doubled", "in_place", "strange", "not_kept", "waiting", "cards_wrong"}
    assert faults & found_counts.keys() == faults & counts.keys()


@pytest.mark.parametrize(
    ("lifetimes", "alerts"),
    [([Lifetime(0.0, 10.0 + GRACE)], 0), ([Lifetime(0.0, 10.1 + GRACE)], 1), ([Lifetime(0.0, 15.0), BACK], 1),
     ([BACK], 1), ([], 0)],
)  # fmt: skip
def test_only_what_was_reported_while_the_phone_was_registered_must_ring(
    lifetimes: list[Lifetime], alerts: int
) -> None:
    assert found(A, B, lifetimes=lifetimes).get("alerts", 0) == alerts
