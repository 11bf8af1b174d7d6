import json
from pathlib import Path
from typing import Any

from loadtests.report import summaries_in
from loadtests.sentences import sentences

REPORT = Path(__file__).parents[3] / "loadtests/report"


def summary(name: str, rows: list[dict[str, Any]], *thresholds: tuple[str, float, bool]) -> dict[str, Any]:
    named = [{"what": what, "value": value, "at least": 1, "held": held} for what, value, held in thresholds]
    return {"name": name, "rows": rows, "thresholds": named}


def test_every_last_run_is_told_in_about_ten_sentences_and_the_report_begins_with_them() -> None:
    told = sentences(summaries_in(REPORT))
    assert 8 <= len(told) <= 14
    text = (REPORT.parent / "REPORT.md").read_text()
    assert "\n".join(f"- {one}" for one in told) in text
    assert text.index(told[-1]) < text.index("\n## ")


def test_what_did_not_hold_is_said_first() -> None:
    missed = summary("bench", [], ("events a second, relay / naive", 2.0, False), ("faults", 0, True))
    assert sentences([missed])[0] == "1 of 2 thresholds did not hold: events a second, relay / naive."
    assert "2.0 times as many events" in sentences([missed])[1]


def test_what_was_lost_is_counted() -> None:
    row = {"database": "sqlite", "processes": 1, "phones": 1, "events": 1200, "events_per_second": 50.0,
           "delivery_ms_median": 5.0, "delivery_ms_p95": 9.0, "refused": 1, "lost": 2, "doubled": 0}  # fmt: skip
    assert (
        sentences([summary("fanout", [row])])[-1]
        == "Of 1,200 events 3 were refused, lost on a phone or shown twice."
    )


def test_a_test_that_has_not_run_has_no_sentence() -> None:
    assert sentences([summary("fanout", [])])[1:] == [
        "Of 0 events none were refused, lost on a phone or shown twice."
    ]
    assert sentences([summary("budget", []), summary("mixed", []), summary("streams", [])]) == [
        "All 0 thresholds held."
    ]


def test_the_figures_are_those_of_the_files() -> None:
    streams = json.loads((REPORT / "streams.json").read_text())
    told = sentences([streams])
    for row, text in zip(streams["rows"], told[1:], strict=True):
        assert f"{row['events_per_second']:,.0f} events a second" in text
