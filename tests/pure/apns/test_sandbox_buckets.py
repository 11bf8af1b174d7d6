"""Pushes per device token: a burst, then a rate."""

from simulator.apns.buckets import Buckets
from simulator.apns.profile import Rate

RATE = Rate(burst=2, per_second=0.5)


def test_without_a_rate_there_is_no_end() -> None:
    buckets = Buckets()
    buckets.take("a", None, 0.0)
    assert buckets.left("a", None, 0.0) == float("inf")


def test_a_burst_then_the_rate_and_never_more_than_the_burst() -> None:
    buckets = Buckets()
    for left in (2, 1):
        assert buckets.left("a", RATE, 10.0) == left
        buckets.take("a", RATE, 10.0)
    assert buckets.left("a", RATE, 10.0) == 0
    assert buckets.left("a", RATE, 12.0) == 1
    assert buckets.left("a", RATE, 1000.0) == 2
    assert buckets.left("b", RATE, 10.0) == 2
