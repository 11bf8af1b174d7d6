import csv
import json
import math
from pathlib import Path
from typing import Any

import pytest

from loadtests.machine import machine
from loadtests.summary import Threshold, conclude, table


@pytest.mark.parametrize(
    ("value", "bound", "limit", "held"),
    [
        (3.5, "at least", 3.5, True),
        (3.4, "at least", 3.5, False),
        (0, "at most", 0, True),
        (1, "at most", 0, False),
        (math.nan, "at least", 0, False),
        (math.nan, "at most", 0, False),
    ],
)
def test_a_threshold_holds_at_its_limit_and_not_without_a_value(
    value: float, bound: str, limit: float, held: bool
) -> None:
    one = Threshold("ratio", value, bound, limit)  # type: ignore[arg-type]
    assert one.held is held
    assert str(one).startswith("ok" if held else "MISSED")


def test_a_conclusion_is_written_and_passes_only_if_every_threshold_held(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows: list[dict[str, Any]] = [{"a": 1, "b": "x"}, {"a": 2, "c": 0.5}]
    good, bad = Threshold("good", 1, "at least", 1), Threshold("bad", 0, "at least", 1)
    assert conclude("one", rows, [good], folder=tmp_path / "out", minutes=3) == 0
    assert conclude("two", rows, [good, bad], folder=tmp_path / "out") == 1
    assert "MISSED bad: 0, at least 1" in capsys.readouterr().err
    found = json.loads((tmp_path / "out" / "one.json").read_text())
    assert (found["rows"], found["minutes"]) == (rows, 3)
    assert found["thresholds"] == [{"what": "good", "value": 1, "at least": 1, "held": True}]
    with (tmp_path / "out" / "one.csv").open() as file:
        assert list(csv.DictReader(file)) == [{"a": "1", "b": "x", "c": ""}, {"a": "2", "b": "", "c": "0.5"}]


def test_a_run_that_checked_nothing_has_not_passed(tmp_path: Path) -> None:
    assert conclude("none", [], [], folder=tmp_path) == 1


def test_a_table_is_markdown_with_readable_numbers() -> None:
    rows: list[dict[str, Any]] = [
        {"rate": 0.1, "pushes": 72_000, "policy": "relay"},
        {"rate": 1234.5, "pushes": None, "policy": "naive"},
    ]
    assert table(rows).splitlines() == [
        "| rate | pushes | policy |",
        "| --- | --- | --- |",
        "| 0.1 | 72,000 | relay |",
        "| 1,234 |  | naive |",
    ]
    assert table([]) == "|  |\n|  |"


def test_the_machine_names_itself_and_what_is_measured() -> None:
    found = machine()
    assert {"processor", "system", "Python", "SQLite", "quart", "hypercorn"} <= found.keys()
    assert all(found.values())
