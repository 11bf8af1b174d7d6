"""A few streams into one bridge, and what the command makes of its figures."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from loadtests import streams
from loadtests.streams import Figures

GOOD = Figures(
    generation=1,
    sessions=3,
    seconds=1.0,
    events_per_second=90.0,
    cores=0.1,
    megabytes=60.0,
    alerts=3,
    missing=0,
    surplus=0,
)


def test_the_command_counts_on_the_phone_and_writes_its_summary(tmp_path: Path) -> None:
    arguments = ["--sessions", "3", "--seconds", "1", "--events", "90", "--out", str(tmp_path)]
    assert streams.main(arguments) == 0
    rows = json.loads((tmp_path / "streams.json").read_text())["rows"]
    assert [row["generation"] for row in rows] == [1, 2]
    assert [(row["alerts"], row["missing"], row["surplus"], row["streams"]) for row in rows] == [
        (3, 0, 0, 1)
    ] * 2
    assert {path.name for path in tmp_path.iterdir()} == {"streams.json", "streams.csv", "streams.html"}


@pytest.mark.parametrize(
    "bad",
    [
        replace(GOOD, missing=1),
        replace(GOOD, surplus=1),
        replace(GOOD, cores=1.1),
        replace(GOOD, megabytes=151.0),
        replace(GOOD, streams=2),
    ],
)
def test_a_bridge_beyond_its_bounds_fails_the_run(bad: Figures) -> None:
    assert all(one.held for one in streams.thresholds(GOOD))
    assert [one.held for one in streams.thresholds(bad)].count(False) == 1
