import math

from hypothesis import given
from hypothesis import strategies as st

from loadtests.accounts import Reported, Shown, accounts, median_ratio


def reported(number: int, sent: int = 2, failed: int = 0, queued: int = 0) -> Reported:
    return Reported(f"e{number}", 10.0 + number, 10.5 + number, sent, failed, queued)


def shown(number: int, phones: int = 2) -> list[Shown]:
    return [Shown(f"e{number}", f"phone-{phone}", 11.0 + number) for phone in range(phones)]


def test_events_that_reached_all_phones_once_have_no_fault() -> None:
    found = accounts([reported(0), reported(1)], [*shown(0), *shown(1)], phones=2)
    assert (found.faults, found.events, found.seconds, found.events_per_second) == (0, 2, 2.0, 1.0)
    assert (found.accept_median, found.delivery_median, found.delivery_p95) == (500, 1000, 1000)


def test_what_a_phone_never_showed_is_lost() -> None:
    assert accounts([reported(0), reported(1)], shown(0), phones=2).lost == 2


def test_what_a_phone_showed_twice_is_doubled() -> None:
    found = accounts([reported(0)], [*shown(0), *shown(0)[:1]], phones=2)
    assert (found.doubled, found.lost) == (1, 0)


def test_what_nobody_reported_is_not_made_up_for_by_what_is_lost() -> None:
    found = accounts([reported(0)], [*shown(0)[:1], *shown(7)[:1]], phones=2)
    assert (found.doubled, found.lost) == (1, 1)


def test_a_reply_that_does_not_add_up_is_miscounted() -> None:
    replies = [reported(0, sent=1), reported(1, sent=2, failed=1), reported(2, sent=1, queued=1)]
    assert accounts(replies, [*shown(0), *shown(1), *shown(2)], phones=2).miscounted == 2


def test_an_event_that_was_refused_is_not_lost_as_well() -> None:
    found = accounts([reported(0), Reported("e1", 11, 12, -1, -1, -1)], shown(0), phones=2)
    assert (found.refused, found.lost, found.miscounted) == (1, 0, 0)


def test_an_event_that_was_refused_and_shown_all_the_same_hides_no_loss() -> None:
    found = accounts([reported(0), Reported("e1", 11, 12, -1, -1, -1)], [*shown(0)[:1], *shown(1)], phones=2)
    assert (found.refused, found.lost, found.doubled) == (1, 1, 0)


def test_nothing_at_all() -> None:
    found = accounts([], [], phones=3)
    assert (found.events, found.faults, found.events_per_second) == (0, 0, 0)


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
