import csv
import json
import math
from pathlib import Path
from typing import Any

import pytest

from loadtests.command import conclude
from loadtests.summary import Threshold, record, table


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
    good, bad = Threshold("good", 1, "at least", 1), Threshold("bad", 0, "at least", 1, "SQLite")
    out = tmp_path / "out"
    assert conclude("streams", rows, [good], folder=out, minutes=3) == 0
    assert conclude("fanout", rows, [good, bad], folder=out) == 1
    assert "MISSED bad, SQLite: 0, at least 1" in capsys.readouterr().err
    assert '<td class="no">NO</td>' in (out / "fanout.html").read_text()
    found = json.loads((out / "streams.json").read_text())
    assert (found["rows"], found["minutes"]) == (rows, 3)
    assert found["thresholds"] == [{"what": "good", "where": "", "value": 1, "at least": 1, "held": True}]
    with (out / "streams.csv").open() as file:
        assert list(csv.DictReader(file)) == [{"a": "1", "b": "x", "c": ""}, {"a": "2", "b": "", "c": "0.5"}]


def test_a_run_that_checked_nothing_has_not_passed(tmp_path: Path) -> None:
    assert conclude("bench", [], [], folder=tmp_path) == 1


def test_what_is_recorded_on_the_way_replaces_what_was_before(tmp_path: Path) -> None:
    record("bench", [{"a": 1}], [], tmp_path, finished=False)
    record("bench", [{"a": 1}, {"a": 2}], [], tmp_path, finished=False)
    assert json.loads((tmp_path / "bench.json").read_text())["rows"] == [{"a": 1}, {"a": 2}]
    assert (tmp_path / "bench.csv").read_text().split() == ["a", "1", "2"]


def test_a_table_is_markdown_with_readable_numbers() -> None:
    rows: list[dict[str, Any]] = [
        {"rate": 0.1, "pushes": 72_000, "policy": "relay"},
        {"rate": 1234.5, "pushes": None, "policy": "naive", "refused": 3},
    ]
    assert table(rows).splitlines() == [
        "| rate | pushes | policy | refused |",
        "| --- | --- | --- | --- |",
        "| 0.1 | 72,000 | relay |  |",
        "| 1,234 |  | naive | 3 |",
    ]
    assert table([]) == "|  |\n|  |"
