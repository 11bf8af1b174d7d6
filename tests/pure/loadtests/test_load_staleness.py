from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.day import Change
from loadtests.staleness import Showing, behind, lateness, staleness, wrong
from relay.contract import Status


def works(*phases: tuple[float, Status]) -> list[Change]:
    return [Change(number, at, "progress", status) for number, (at, status) in enumerate(phases)]


CHANGES = works((0, "working"), (10, "working"), (20, "permission"), (50, "working"))


def test_a_card_that_shows_every_state_at_once_is_never_behind() -> None:
    showings = [Showing(one.at, one.number) for one in CHANGES]
    found = staleness(CHANGES, showings, 100)
    assert (found.median, found.p95, found.longest, found.late, found.wrong) == (0, 0, 0, 0, 0)


def test_a_card_is_behind_since_the_agent_left_the_state_that_it_shows() -> None:
    assert behind(CHANGES, [Showing(0, 0), Showing(13, 1)], 30, step=5) == [0, 0, 0, 0, 0, 5, 10]


@pytest.mark.parametrize(
    ("changes", "showings", "late"),
    [
        (CHANGES, [Showing(0, 0), Showing(27, 2), Showing(51, 3)], [7, 1]),
        (CHANGES, [Showing(0, 0), Showing(30, 3)], [10, 0]),  # something newer does as well
        (CHANGES[:3], [Showing(0, 0)], [80]),  # never shown
        (CHANGES, [Showing(0, 0)], [30, 0]),  # over again before it was shown
    ],
)
def test_a_phase_change_is_late_until_the_card_shows_it(
    changes: list[Change], showings: list[Showing], late: list[float]
) -> None:
    assert lateness(changes, showings, 100) == late


def test_a_card_is_wrong_as_long_as_its_phase_is_not_the_agents() -> None:
    assert wrong(CHANGES, [Showing(0, 0), Showing(27, 2), Showing(60, 3)], 100) == 10
    assert wrong(CHANGES, [Showing(0, 0)], 100) == 30
    assert wrong(CHANGES[:3], [Showing(0, 0)], 100) == 80


def test_an_agent_that_changes_its_phase_too_often_makes_a_card_wrong_for_longer_than_it_is_late() -> None:
    changes = works((0, "working"), (10, "retry"), (19, "permission"), (28, "working"))
    showings = [Showing(0, 0), Showing(20, 1), Showing(29, 2), Showing(38, 3)]
    assert lateness(changes, showings, 100) == [10, 10, 10]
    assert wrong(changes, showings, 100) == 28


STATUSES: st.SearchStrategy[Status] = st.sampled_from(["working", "retry", "permission"])


@given(
    steps=st.lists(st.tuples(st.integers(1, 9), STATUSES, st.integers(0, 5)), min_size=2, max_size=12),
)
def test_against_every_second(steps: list[tuple[int, Status, int]]) -> None:
    at, phases = 0, []
    for gap, status, _ in steps:
        phases.append((float(at), status))
        at += gap
    changes = works(*phases)
    showings = sorted(
        (Showing(one.at + step[2], one.number) for one, step in zip(changes, steps, strict=True)),
        key=lambda one: (one.at, one.number),
    )
    until = at + 6

    def fits(second: int, number: int) -> bool:
        agent = [one for one in changes if one.at <= second][-1]
        shown = [one for one in showings if one.at <= second]
        return bool(shown) and (
            shown[-1].number >= number or changes[shown[-1].number].status == agent.status
        )

    expected, seen = [], [0.0]
    for before, change in pairwise(changes):
        if change.status != before.status:
            good = (second for second in range(int(change.at), until) if fits(second, change.number))
            expected.append(next(good, until) - change.at)
            seen += expected[-1:] if change.at >= showings[0].at else []
    assert lateness(changes, showings, until) == expected
    assert max(seen) <= wrong(changes, showings, until)
