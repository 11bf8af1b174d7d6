from random import Random

from hypothesis import given
from hypothesis import strategies as st

from loadtests.day import ALERTING, PHONES, day


@given(seconds=st.floats(60, 600), households=st.integers(1, 6), seed=st.integers())
def test_a_day_keeps_within_its_bounds(seconds: float, households: int, seed: int) -> None:
    plan = day(seconds, households, Random(seed))
    assert [deed.at for deed in plan.deeds] == sorted(deed.at for deed in plan.deeds)
    assert all(0 < deed.at < seconds and deed.phone < PHONES for deed in plan.deeds)
    for session in plan.sessions:
        assert session.begins + session.changes[-1].at <= seconds
        assert session.ending in ("complete", "error")
        assert session.changes[-1].event_type in ALERTING
    assert len({session.name for session in plan.sessions}) == len(plan.sessions)


def test_the_last_household_is_idle_and_the_first_phone_of_each_is_left_alone() -> None:
    plan = day(180, 4, Random(1))
    assert {session.household for session in plan.sessions} == {0, 1, 2}
    assert {(deed.household, deed.phone) for deed in plan.deeds} & {(0, 0), (1, 0), (2, 0), (3, 0)} == set()


def test_everything_that_may_befall_does() -> None:
    plan = day(180, 4, Random(1))
    assert {deed.what for deed in plan.deeds} == {
        "offline", "online", "new token", "uninstall", "restart", "kill",
    }  # fmt: skip
    assert {session.ending for session in plan.sessions} == {"complete", "error"}
