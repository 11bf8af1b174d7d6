"""Fault rules: whom they meet, how often they strike, and that a seed decides."""

from random import Random

import pytest

from simulator.apns.errors import BadFault
from simulator.apns.faults import (
    AnswerWith,
    CloseConnection,
    Delay,
    Fault,
    FaultTable,
    GoAway,
    Misshape,
    Reset,
    Stall,
    StreamLimit,
)


@pytest.fixture
def table() -> FaultTable:
    return FaultTable(Random(5))


def strike(table: FaultTable, token: str = "aa", topic: str | None = "t", push_type: str = "alert") -> object:
    return table.strike(token, topic, push_type, "sandbox")


@pytest.mark.parametrize(
    ("condition", "met"),
    [
        ({}, True), ({"token": "aa"}, True), ({"token": "bb"}, False), ({"topic": "t"}, True),
        ({"topic": "u"}, False), ({"push_type": "alert"}, True), ({"push_type": "voip"}, False),
        ({"realm": "sandbox"}, True), ({"realm": "production"}, False), ({"token": "aa", "topic": "u"}, False),
    ],
)  # fmt: skip
def test_all_conditions_must_hold(table: FaultTable, condition: dict[str, str], met: bool) -> None:
    fault = table.add(Fault(Stall(), **condition))
    assert strike(table) == (fault if met else None)


def test_nth_counts_only_those_that_meet_the_conditions(table: FaultTable) -> None:
    table.add(Fault(Reset(), token="aa", nth=2))
    assert [strike(table, token) is not None for token in ("aa", "bb", "aa", "aa")] == [
        False,
        False,
        True,
        False,
    ]


def test_times_ends_a_rule(table: FaultTable) -> None:
    table.add(Fault(Reset(), times=2))
    assert [strike(table) is not None for _ in range(4)] == [True, True, False, False]


def test_the_oldest_rule_that_strikes_wins(table: FaultTable) -> None:
    first = table.add(Fault(CloseConnection(), times=1))
    second = table.add(Fault(GoAway()))
    assert [strike(table), strike(table)] == [first, second]


def test_probability_comes_from_the_seed() -> None:
    def hits(seed: int) -> list[bool]:
        table = FaultTable(Random(seed))
        table.add(Fault(Delay(1.0), probability=0.3))
        return [strike(table) is not None for _ in range(200)]

    assert hits(1) == hits(1)
    assert hits(1) != hits(2)
    assert 30 < sum(hits(1)) < 90


def test_a_rule_with_a_seed_of_its_own_draws_the_same_in_every_table() -> None:
    def hits(table_seed: int, rule_seed: int) -> list[bool]:
        table = FaultTable(Random(table_seed))
        table.add(Fault(Delay(1.0), probability=0.5, token="bb"))  # what other rules draw does not matter
        table.add(Fault(Delay(1.0), token="aa", probability=0.3, seed=rule_seed))
        return [strike(table, token) is not None for token in ["aa", "bb"] * 200][::2]

    assert hits(1, 7) == hits(2, 7)
    assert hits(1, 7) != hits(1, 8)
    assert 30 < sum(hits(1, 7)) < 90


def test_an_unknown_reason_is_refused_when_it_is_added(table: FaultTable) -> None:
    with pytest.raises(KeyError):
        table.add(Fault(AnswerWith("Invented")))
    assert len(table) == 0


def test_a_rule_sleeps_until_its_time_and_is_over_after_it() -> None:
    now = [1000.0]
    table = FaultTable(Random(5), lambda: now[0])
    fault = table.add(Fault(Stall(), after_s=5, until_s=10, nth=1))
    found = []
    for now[0] in (1000.0, 1004.9, 1005.0, 1006.0, 1010.0):
        found.append(strike(table))
    assert found == [None, None, fault, None, None]


def test_rules_are_named_and_removed_by_name(table: FaultTable) -> None:
    given = Fault(Stall())
    assert table.add(given).id == "fault-1"
    assert table.add(Fault(Stall(), id="fault-2")).id == "fault-2"
    assert table.add(Fault(Stall())).id == "fault-3"
    with pytest.raises(BadFault, match="a fault 'fault-2' is in force already"):
        table.add(Fault(Reset(), id="fault-2"))
    strike(table)
    assert table.struck() == {"fault-1": 1, "fault-2": 0, "fault-3": 0}
    assert table.remove("fault-2")
    assert table.remove(given)
    assert not table.remove("fault-2")
    assert len(table) == 1


@pytest.mark.parametrize(
    ("fault", "processed"),
    [
        (Fault(Stall()), False),
        (Fault(Stall(), accepts_first=True), True),
        (Fault(Delay(1)), True),
        (Fault(StreamLimit(1)), True),
        (Fault(Misshape("html")), True),
        (Fault(AnswerWith("Shutdown")), False),
    ],
)
def test_what_only_changes_an_answer_needs_one(fault: Fault, processed: bool) -> None:
    assert fault.is_processed is processed
