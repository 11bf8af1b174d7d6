"""When a server counts as lost, and when as back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.bridge.notify.source import BACK_SECONDS, Absence

WAYS = {
    "never connected": ([(0, False), (119, False), (120, False), (500, False)], [None, None, True, None]),
    "a short gap": ([(0, True), (5, False), (124, False), (124.5, True), (300, True)], [None] * 5),
    "lost and back": (
        [(0, True), (5, False), (125, False), (200, True), (201.9, True), (202, True), (300, True)],
        [None, None, True, None, None, False, None],
    ),
    "back for a moment": (
        [(0, False), (120, False), (130, True), (131, False), (131.5, True), (133.5, True)],
        [None, True, None, None, None, False],
    ),
    "lost again": (
        [(0, False), (120, False), (130, True), (132, True), (140, False), (260, False)],
        [None, True, None, False, None, True],
    ),
}


@pytest.mark.parametrize(("seen", "said"), WAYS.values(), ids=WAYS)
def test_what_is_said_of_a_connection(seen: list[tuple[float, bool]], said: list[bool | None]) -> None:
    absence = Absence(120.0)
    assert [absence.observe(connected, now) for now, connected in seen] == said


@given(st.lists(st.tuples(st.floats(0.1, 300), st.booleans()), max_size=40))
def test_lost_and_back_take_turns_and_each_takes_its_time(steps: list[tuple[float, bool]]) -> None:
    absence, now, said = Absence(120.0), 0.0, []
    since: tuple[bool, float] | None = None
    for pause, connected in steps:
        now += pause
        if since is None or since[0] != connected:
            since = (connected, now)
        is_lost = absence.observe(connected, now)
        if is_lost is not None:
            said.append(is_lost)
            assert connected != is_lost
            assert now - since[1] >= (120.0 if is_lost else BACK_SECONDS)
    assert said == [number % 2 == 0 for number in range(len(said))]
