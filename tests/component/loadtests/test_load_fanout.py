"""The fan-out command, small: what it measures is complete, and what it writes is there."""

import json
from pathlib import Path
from typing import Any

import pytest

from loadtests import fanout


def test_the_command_counts_on_the_phones_and_writes_its_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fanout, "SETUPS", fanout.SETUPS[:1])
    options = ["--phones", "1,5", "--alerts", "20", "--users", "4", "--out", str(tmp_path)]
    assert fanout.main(options) == 0
    rows = json.loads((tmp_path / "fanout.json").read_text())["rows"]
    assert [(row["phones"], row["events"], row["lost"], row["doubled"]) for row in rows] == [
        (1, 20, 0, 0),
        (5, 4, 0, 0),
    ]
    assert all(0 < row["delivery_ms_median"] <= row["delivery_ms_p95"] for row in rows)
    assert {"fanout-sqlite-1-1.html", "fanout-sqlite-1-5_stats.csv", "fanout.csv", "fanout.html"} <= {
        path.name for path in tmp_path.iterdir()
    }
    assert "| sqlite | 1 | 5 |" in capsys.readouterr().out


@pytest.mark.parametrize("fault", fanout.FAULTS)
def test_one_event_that_went_wrong_fails_its_run(fault: str) -> None:
    row: dict[str, Any] = {"database": "sqlite", "processes": 1, "phones": 3} | dict.fromkeys(
        fanout.FAULTS, 0
    )
    assert [one.held for one in fanout.thresholds([row, row | {fault: 1}])] == [True, False]
