"""Token buckets: what may be taken, when again, what is kept for alerts, and how much memory all of it takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.server.limits import WORDS, Buckets, Hit, InProgress, Limits, Rate, Taken

DAY = 86_400


class Clock:
    """Both clocks of a relay."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return 1_800_000_000 + self.seconds

    def monotonic(self) -> float:
        return 5000 + self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def taken(limits: Limits, *wanted: Taken, at_most: int = 1000) -> int:
    """How many can be taken at once."""
    return next(number for number in range(at_most) if limits.take(*wanted))


@given(
    rate=st.builds(Rate, st.integers(1, 500), st.sampled_from([1.0, 60.0, 3600.0, 86_400.0])),
    pauses=st.lists(st.floats(0, 5000), max_size=300),
)
def test_never_more_than_the_limit_and_its_refill(rate: Rate, pauses: list[float]) -> None:
    """In whatever rhythm it is asked for; and after `wait` seconds there is one."""
    buckets = Buckets(rate)
    began = now = 1e6
    number = 0
    for pause in [0.0] * rate.most + pauses:
        now += pause
        wait = buckets.wait("a", now)
        assert (wait == 0.0) == (buckets.left("a", now) >= 1)
        if wait:
            assert 0 < wait <= rate.seconds / rate.most + 1e-5
            assert buckets.wait("a", now + wait) == 0.0
        else:
            buckets.take("a", now)
            number += 1
        assert number <= rate.most + (now - began) * rate.most / rate.seconds + 0.01
    assert number >= rate.most
    assert buckets.left("b", now) == rate.most
    assert buckets.left("a", now + rate.seconds + 1) == rate.most


@given(keys=st.lists(st.integers(0, 30), max_size=200), most=st.integers(1, 10))
def test_of_too_many_buckets_the_one_used_longest_ago_is_given_up(keys: list[int], most: int) -> None:
    buckets = Buckets(Rate(1000, 60.0), most)
    for key in keys:
        buckets.take(str(key), 1.0)
    newest = list(dict.fromkeys(reversed(keys)))
    assert len(buckets) == min(most, len(newest))
    for position, key in enumerate(newest):
        assert (buckets.left(str(key), 1.0) < 1000) == (position < most)


def test_a_limit_is_for_each_key_and_comes_back(clock: Clock) -> None:
    limits = Limits({"requests": Rate(3, 60.0)}, now=clock.now, monotonic=clock.monotonic)
    assert taken(limits, Taken("requests", "a")) == 3
    assert taken(limits, Taken("requests", "b")) == 3
    hit = limits.take(Taken("requests", "a"))
    assert hit == Hit("requests", 3, 20.0)
    assert (hit.refusal.code, hit.refusal.retry_after) == ("too_many_requests", 20)
    assert hit.refusal.error == "Too many requests from this address: 3 a minute"
    clock.seconds += 19.9
    assert limits.take(Taken("requests", "a")) == Hit("requests", 3, pytest.approx(0.1))
    clock.seconds += 0.2
    assert limits.take(Taken("requests", "a")) is None


def test_all_or_nothing(clock: Clock) -> None:
    """What one limit refuses costs nothing of the others, and the longest wait is what is said."""
    rates = {"events_minute": Rate(5, 60.0), "events_day": Rate(3, float(DAY))}
    limits = Limits(rates, now=clock.now, monotonic=clock.monotonic)  # type: ignore[arg-type]
    both = Taken("events_minute", "s"), Taken("events_day", "s")
    assert taken(limits, *both) == 3
    assert limits.take(*both) == Hit("events_day", 3, DAY / 3)
    assert taken(limits, both[0]) == 2


def test_the_last_fifth_is_for_alerts(clock: Clock) -> None:
    limits = Limits({"events_day": Rate(100, float(DAY))}, now=clock.now, monotonic=clock.monotonic)
    assert taken(limits, Taken("events_day", "s", for_card=True)) == 80
    assert taken(limits, Taken("events_day", "s")) == 20
    # Cards come back only when alerts have theirs.
    assert limits.take(Taken("events_day", "s", for_card=True)) == Hit(
        "events_day", 100, pytest.approx(DAY / 100 * 21)
    )


def test_a_limit_of_one_is_for_cards_too(clock: Clock) -> None:
    limits = Limits({"events_day": Rate(1, float(DAY))}, now=clock.now, monotonic=clock.monotonic)
    assert taken(limits, Taken("events_day", "s", for_card=True)) == 1


def test_what_is_off_limits_nothing(clock: Clock) -> None:
    limits = Limits({"requests": Rate(0, 60.0)}, now=clock.now, monotonic=clock.monotonic)
    for _ in range(100):
        assert limits.take(Taken("requests", "a"), Taken("events_day", "s")) is None
    assert limits.rate_limits("s") is None


def test_what_is_left_of_a_day(clock: Clock) -> None:
    limits = Limits({"events_day": Rate(4, float(DAY))}, now=clock.now, monotonic=clock.monotonic)
    whole = limits.rate_limits("s")
    assert whole is not None
    assert (whole.maximum, whole.remaining, whole.resets_at) == (4, 4, "2027-01-15T08:00:00Z")
    limits.take(Taken("events_day", "s"))
    left = limits.rate_limits("s")
    assert left is not None
    assert (left.remaining, left.resets_at) == (3, "2027-01-15T14:00:00Z")


def test_a_day_that_is_used_up_is_said_once_a_day(clock: Clock) -> None:
    limits = Limits({}, now=clock.now, monotonic=clock.monotonic)
    assert [limits.first_of_day("s") for _ in range(3)] == [True, False, False]
    assert limits.first_of_day("another")
    clock.seconds += DAY
    assert limits.first_of_day("s")


def test_requests_at_once() -> None:
    requests = InProgress(2)
    assert [requests.begin("a"), requests.begin("a"), requests.begin("b")] == [None] * 3
    assert requests.begin("a") == Hit("connections", 2, 1.0)
    requests.end("a")
    assert requests.begin("a") is None
    assert all(InProgress(0).begin("a") is None for _ in range(5))


def test_a_refusal_says_when_to_come_again() -> None:
    for limit in WORDS:
        refusal = Hit(limit, 7, 0.2).refusal
        assert refusal.retry_after == 1
        assert "7" in refusal.error
        assert "{" not in refusal.error
