from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.day import LEAVES, hour_of_work


@given(rate=st.floats(0.1, 20), seconds=st.floats(1, 300), seed=st.integers())
def test_an_hour_begins_ends_and_goes_only_where_its_phases_lead(
    rate: float, seconds: float, seed: int
) -> None:
    changes = hour_of_work(rate, seconds, Random(seed))
    assert (changes[0].event_type, changes[0].at) == ("start", 0.0)
    assert (changes[-1].event_type, changes[-1].at) == ("complete", seconds)
    assert [one.number for one in changes] == list(range(len(changes)))
    assert [one.at for one in changes] == sorted(one.at for one in changes)
    for before, after in pairwise(changes[:-1]):
        assert after.status == before.status or after.status in LEAVES[before.status][0]
        assert (after.event_type == "permission") == (after.status == "permission" != before.status)


@pytest.mark.parametrize("rate", [0.1, 2, 20])
def test_it_changes_as_often_as_asked(rate: float) -> None:
    assert len(hour_of_work(rate, 3600, Random(1))) == pytest.approx(rate * 3600, rel=0.15)
