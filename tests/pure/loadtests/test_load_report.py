import json
from pathlib import Path
from typing import Any

import pytest

from loadtests import report

SUMMARY: dict[str, Any] = {
    "name": "bench",
    "machine": {"processor": "2 x Some", "Python": "3.11"},
    "thresholds": [
        {"what": "ratio", "value": 3.4, "at least": 3.5, "held": False},
        {"what": "faults", "value": 0, "at most": 0, "held": True},
    ],
    "rows": [
        {"comparison": "rows", "rows": 1000, "lookup_us": 100.0},
        {"comparison": "builds", "build": "relay", "events_per_second": 700.0},
    ],
}


def test_a_page_has_verdicts_machine_pictures_and_a_table_for_each_comparison(tmp_path: Path) -> None:
    (tmp_path / "bench.json").write_text(json.dumps(SUMMARY))
    text = report.report(tmp_path)
    assert "- **MISSED**: ratio: 3.4, at least 3.5\n- ok: faults: 0, at most 0" in text
    assert "processor 2 x Some; Python 3.11" in text
    assert "![bench-rows.svg](report/bench-rows.svg)" in text
    assert "| comparison | rows | lookup_us |" in text
    assert "| comparison | build | events_per_second |" in text


def test_the_command_writes_page_and_pictures(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "bench.json").write_text(json.dumps(SUMMARY))
    (out / "bench-rows.svg").write_text("<svg/>")
    page = tmp_path / "REPORT.md"
    assert report.main(["--out", str(out), "--report", str(page)]) == 0
    assert page.read_text() == report.report(out)
    assert [path.name for path in (tmp_path / "report").iterdir()] == ["bench-rows.svg"]


def test_without_any_summary_it_says_what_to_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report.main(["--out", str(tmp_path), "--report", str(tmp_path / "REPORT.md")]) == 1
    assert "run loadtests.budget" in capsys.readouterr().err
