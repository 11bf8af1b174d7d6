from collections import Counter
from typing import Any

from loadtests.hour import Tally
from simulator.journal import Entry


def push(apns_id: str, priority: str = "10", status: int = 200, reason: str | None = None) -> Entry:
    return Entry(
        0, "apns", "push", {"apns_id": apns_id, "priority": priority, "status": status, "reason": reason}
    )


def phone(what: str, **detail: Any) -> Entry:
    return Entry(0, "phone", what, detail)


def tally(*entries: Entry) -> Tally:
    found = Tally()
    for entry in entries:
        found.count(entry)
    return found


def test_pushes_are_counted_by_priority() -> None:
    found = tally(push("a"), push("b", "5"), push("c", "5"))
    assert dict(found.sent) == {10: 1, 5: 2}
    assert found.held_up == 0


def test_a_refused_push_is_counted_with_its_reason() -> None:
    found = tally(push("a", status=429, reason="TooManyRequests"), push("b", "5", 429, "TooManyRequests"))
    assert dict(found.refused) == {(10, "TooManyRequests"): 1, (5, "TooManyRequests"): 1}
    assert found.held_up == 1


def test_a_push_that_waits_and_is_dropped_is_held_up_once() -> None:
    found = tally(push("a"), phone("deferred", apnsID="a"), phone("dropped", apnsID="a"))
    assert (found.deferred[10], found.dropped[10], found.held_up) == (1, 1, 1)


def test_priority_5_may_wait() -> None:
    found = tally(push("a", "5"), phone("deferred", apnsID="a"), phone("dropped", apnsID="a"))
    assert (found.deferred[5], found.dropped[5], found.held_up) == (1, 1, 0)


def test_a_start_is_counted_apart() -> None:
    assert tally(push("a"), phone("started", apnsID="a"), phone("updated", apnsID="a")).starts == 1


def test_what_is_about_no_push_is_not_counted() -> None:
    found = tally(phone("deferred"), Entry(0, "apns", "delivery", {}), Entry(0, "relay", "push", {}))
    assert found.sent + found.deferred + found.dropped == Counter()
    assert found.starts == 0
