import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.accounts import Reported, Shown, accounts, median_ratio

FAULTS = ("refused", "lost", "doubled", "miscounted")


def reported(number: int, sent: int = 2, failed: int = 0, queued: int = 0) -> Reported:
    return Reported(f"e{number}", 10.0 + number, 10.5 + number, sent, failed, queued)


def shown(number: int, phones: int = 2) -> list[Shown]:
    return [Shown(f"e{number}", f"phone-{phone}", 11.0 + number) for phone in range(phones)]


NO_REPLY = Reported("e1", 11, 12, -1, -1, -1)
SHORT = [reported(0, sent=1), reported(1, sent=2, failed=1), reported(2, sent=1, queued=1)]


@pytest.mark.parametrize(
    ("replies", "seen", "faults"),
    [
        ([reported(0), reported(1)], [*shown(0), *shown(1)], {}),
        ([reported(0), reported(1)], shown(0), {"lost": 2}),
        ([reported(0)], [*shown(0), *shown(0)[:1]], {"doubled": 1}),
        (
            [reported(0)],
            [*shown(0)[:1], *shown(7)[:1]],
            {"doubled": 1, "lost": 1},
        ),  # nobody reported the seventh
        (SHORT, [*shown(0), *shown(1), *shown(2)], {"miscounted": 2}),
        ([reported(0), NO_REPLY], shown(0), {"refused": 1}),
        ([reported(0), NO_REPLY], [*shown(0)[:1], *shown(1)], {"refused": 1, "lost": 1}),
        ([], [], {}),
    ],
)
def test_every_fault_is_counted_apart(
    replies: list[Reported], seen: list[Shown], faults: dict[str, int]
) -> None:
    found = accounts(replies, seen, phones=2)
    assert {name: count for name in FAULTS if (count := getattr(found, name))} == faults
    assert found.faults == sum(faults.values())


def test_what_a_whole_run_took() -> None:
    found = accounts([reported(0), reported(1)], [*shown(0), *shown(1)], phones=2)
    assert (found.events, found.seconds, found.events_per_second) == (2, 2.0, 1.0)
    assert (found.accept_median, found.delivery_median, found.delivery_p95) == (500, 1000, 1000)
    assert accounts([], [], phones=3).events_per_second == 0


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), max_size=40))
def test_alerts_are_either_in_their_place_or_a_fault(alerts: list[tuple[int, int]]) -> None:
    found = accounts(
        [reported(number) for number in range(6)],
        [Shown(f"e{number}", f"phone-{phone}", 20) for number, phone in alerts],
        phones=3,
    )
    assert found.lost == 18 - len(set(alerts))
    assert found.doubled == len(alerts) - len(set(alerts))


def test_a_ratio_is_the_median_of_rounds_and_nothing_measured_is_no_ratio() -> None:
    assert median_ratio([(4, 2), (9, 3), (100, 1)]) == 3
    assert math.isnan(median_ratio([(1, 0)]))
