import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.agent import Change
from loadtests.staleness import Showing, at_each, staleness, wrong_stretches
from relay.contract import Status


def works(*phases: tuple[float, Status]) -> list[Change]:
    return [Change(number, at, "progress", status) for number, (at, status) in enumerate(phases)]


CHANGES = works((0, "working"), (10, "working"), (20, "permission"), (50, "working"))


def test_a_card_that_shows_every_state_at_once_is_never_behind() -> None:
    showings = [Showing(one.at, one.number) for one in CHANGES]
    found = staleness(CHANGES, showings, 100)
    assert (found.median, found.p95, found.longest, found.wrong) == (0, 0, 0, 0)


def test_a_card_is_behind_since_the_agent_left_the_state_that_it_shows() -> None:
    assert at_each(CHANGES, [Showing(0, 0), Showing(13, 1)], 30, step=5) == [0, 0, 0, 0, 0, 5, 10]


def test_a_newer_message_of_the_same_phase_is_behind_but_not_wrong() -> None:
    showings = [Showing(0, 0), Showing(19.5, 1), Showing(20, 2), Showing(50, 3)]
    found = staleness(CHANGES, showings, 100)
    assert (found.longest, found.wrong) == (9.5, 0)


def test_a_card_is_wrong_while_it_shows_another_phase() -> None:
    showings = [Showing(0, 0), Showing(27, 2), Showing(51, 3)]
    assert wrong_stretches(CHANGES, showings, 100) == [(20, 27), (50, 51)]
    assert staleness(CHANGES, showings, 100).wrong == 7


def test_it_is_right_again_when_the_agent_comes_back_to_what_it_shows() -> None:
    assert wrong_stretches(CHANGES, [Showing(0, 0)], 100) == [(20, 50)]


def test_from_one_wrong_phase_to_another_is_one_stretch() -> None:
    changes = works((0, "working"), (5, "retry"), (8, "permission"), (20, "working"))
    assert wrong_stretches(changes, [Showing(0, 0)], 30) == [(5, 20)]


def test_what_comes_after_the_end_of_the_look_does_not_count() -> None:
    assert wrong_stretches(CHANGES, [Showing(0, 0)], 30) == [(20, 30)]


def test_before_its_first_showing_there_is_no_card() -> None:
    assert wrong_stretches(CHANGES, [Showing(22, 1)], 30) == [(22, 30)]


STATUSES: st.SearchStrategy[Status] = st.sampled_from(["working", "retry", "permission"])


@given(data=st.data())
def test_against_a_walk_in_small_steps(data: st.DataObject) -> None:
    gaps = data.draw(st.lists(st.tuples(st.integers(1, 9), STATUSES), min_size=1, max_size=12))
    at = 0
    phases: list[tuple[float, Status]] = []
    for gap, status in gaps:
        phases.append((float(at), status))
        at += gap
    changes = works(*phases)
    delays = data.draw(st.lists(st.integers(0, 5), min_size=len(changes), max_size=len(changes)))
    showings = [Showing(one.at + late, one.number) for one, late in zip(changes, delays, strict=True)]
    showings = [
        one for place, one in enumerate(showings) if all(one.at < after.at for after in showings[place + 1 :])
    ]
    until = float(at + 6)
    expected, run = 0, 0
    for second in range(int(showings[0].at), int(until)):
        agents = [one for one in changes if one.at <= second][-1].status
        cards = changes[[one for one in showings if one.at <= second][-1].number].status
        run = 0 if agents == cards else run + 1
        expected = max(expected, run)
    assert staleness(changes, showings, until).wrong == pytest.approx(expected)
