"""What an event costs, from two readings of a server's counters."""

import pytest

from loadtests.costs import SETUPS, STATUS, counters, main, per_event


def test_a_cost_is_the_difference_for_each_event_and_bytes_are_whole() -> None:
    before, now = {"statements": 100, "redo_bytes": 5_000}, {"statements": 475, "redo_bytes": 605_050}
    assert per_event(before, now, 100) == {"statements": 3.75, "redo_bytes": 6_000}


def test_sqlite_has_no_counters_of_its_own() -> None:
    assert counters(None) == {}
    assert per_event({}, {}, 10) == {}


def test_only_the_databases_that_are_asked_for_are_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--databases", "none of them"]) == 0
    assert "events_per_second" not in capsys.readouterr().out
    assert {setup.database for setup in SETUPS} == {"sqlite", "mariadb", "galera"}
    assert "Questions" in STATUS["statements"]
