import json
from pathlib import Path
from typing import Any

import pytest

from loadtests import report
from loadtests.sections import SECTIONS, page, verdicts

SUMMARY: dict[str, Any] = {
    "name": "bench",
    "machine": {"processor": "2 x Some", "Python": "3.11"},
    "thresholds": [
        {"what": "ratio", "where": "", "value": 3.4, "at least": 3.5, "held": False},
        {"what": "faults", "where": "a", "value": 0, "at most": 0, "held": True},
        {"what": "faults", "where": "b", "value": 2, "at most": 0, "held": False},
        {"what": "late", "where": "a", "value": 3, "at most": 15, "held": True},
        {"what": "late", "where": "b", "value": 14.5, "at most": 15, "held": True},
    ],
    "rows": [
        {"comparison": "rows", "rows": 1000, "lookup_us": 100.0},
        {"comparison": "builds", "build": "<relay>", "events_per_second": 700.0},
    ],
}


def test_thresholds_are_reported_by_their_worst_value() -> None:
    assert verdicts(SUMMARY["thresholds"]) == [
        {"threshold": "ratio", "worst": "3.4", "limit": "at least 3.5", "held": "NO", "cases": "0 of 1"},
        {"threshold": "faults", "worst": "2", "limit": "at most 0", "held": "NO", "cases": "1 of 2"},
        {"threshold": "late", "worst": "14.5", "limit": "at most 15", "held": "yes", "cases": "2 of 2"},
    ]


def test_a_section_has_what_it_is_about_verdicts_machine_pictures_and_a_table_for_each_comparison() -> None:
    text = report.report([SUMMARY])
    assert f"## Comparisons {SECTIONS['bench'].about} | threshold" in " ".join(text.split())
    assert "| late | 14.5 | at most 15 | yes | 2 of 2 |" in text
    assert "processor 2 x Some; Python 3.11" in text
    assert "![bench-rows.svg](report/bench-rows.svg)" in text
    assert "| comparison | rows | lookup_us |" in text
    assert "| comparison | build | events_per_second |" in text


def test_a_page_holds_its_pictures_and_needs_no_other_file() -> None:
    text = page(SUMMARY, {"bench-rows.svg": '<?xml version="1.0"?>\n<svg id="rows"></svg>'})
    assert '<svg id="rows"></svg>' in text
    assert "<?xml" not in text
    assert "bench-phones" not in text
    assert "<td>&lt;relay&gt;</td>" in text
    assert '<td class="no">NO</td>' in text
    assert "src=" not in text
    assert "href=" not in text


def test_the_command_writes_page_figures_and_pictures(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "bench.json").write_text(json.dumps(SUMMARY))
    (out / "bench-rows.svg").write_text("<svg/>")
    written = tmp_path / "REPORT.md"
    assert report.main(["--out", str(out), "--report", str(written)]) == 0
    assert written.read_text() == report.report([SUMMARY])
    assert {path.name for path in (tmp_path / "report").iterdir()} == {"bench.json", "bench-rows.svg"}


def test_without_any_summary_it_says_what_to_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report.main(["--out", str(tmp_path), "--report", str(tmp_path / "REPORT.md")]) == 1
    assert "run loadtests.budget" in capsys.readouterr().err
