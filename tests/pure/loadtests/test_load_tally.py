from typing import Any

import pytest

from loadtests.hour import Tally
from simulator.journal import Entry


def push(apns_id: str, priority: str = "10", status: int = 200, reason: str | None = None) -> Entry:
    return Entry(
        0, "apns", "push", {"apns_id": apns_id, "priority": priority, "status": status, "reason": reason}
    )


def phone(what: str, **detail: Any) -> Entry:
    return Entry(0, "phone", what, detail)


WAITED = [phone("deferred", apnsID="a"), phone("dropped", apnsID="a")]
NO_PUSH = [phone("deferred"), Entry(0, "apns", "delivery", {}), Entry(0, "relay", "push", {})]
TOO_MANY = {"status": 429, "reason": "TooManyRequests"}


@pytest.mark.parametrize(
    ("entries", "counted"),
    [
        ([push("a"), push("b", "5"), push("c", "5")], {"sent": {10: 1, 5: 2}}),
        ([push("a", **TOO_MANY)], {"refused": {(10, "TooManyRequests"): 1}, "held_up": 1}),
        ([push("a", "5", **TOO_MANY)], {"refused": {(5, "TooManyRequests"): 1}, "held_up": 0}),
        ([push("a"), *WAITED], {"deferred": {10: 1}, "dropped": {10: 1}, "held_up": 1}),
        ([push("a", "5"), *WAITED], {"deferred": {5: 1}, "dropped": {5: 1}, "held_up": 0}),
        ([push("a"), phone("started", apnsID="a"), phone("updated", apnsID="a")], {"starts": 1}),
        (NO_PUSH, {"sent": {}, "deferred": {}, "dropped": {}, "starts": 0}),
    ],
)
def test_what_became_of_the_pushes_is_counted(entries: list[Entry], counted: dict[str, Any]) -> None:
    found = Tally()
    for entry in entries:
        found.count(entry)
    assert {name: getattr(found, name) for name in counted} == counted
