"""What an event costs, from two readings of a server's counters."""

import pytest

from loadtests.costs import EVENT, SETUPS, STATUS, counters, main, per_event, plan
from loadtests.processes import ROOT
from loadtests.summary import table


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


def test_the_page_shows_what_is_calculated_and_from_which_costs(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "scale.md").read_text()
    assert main(["--plan"]) == 0
    assert capsys.readouterr().out.strip() in page
    assert table([*plan()]) in page
    costs = "{relay_ms} ms of a relay, {database_ms} ms of the database, {statements} statements, {redo_kb} KB of redo log, a row of {stored_kb} KB, {log_kb} KB"
    assert costs.format(**EVENT) in " ".join(page.split())


def test_ten_times_the_events_take_ten_times_the_processor_and_relays_that_are_half_full() -> None:
    small, large = [*plan()][-2:]
    assert large["cores of relays"] == pytest.approx(10 * small["cores of relays"], rel=0.02)
    assert large["MB a second written"] == pytest.approx(10 * small["MB a second written"], rel=0.02)
    assert small["relays"] == 2
    assert large["relays"] * 0.5 >= large["cores of relays"]
