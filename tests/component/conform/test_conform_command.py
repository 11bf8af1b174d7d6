"""`simulator conform` as people and programs call it."""

import json
from pathlib import Path

import pytest

from simulator.__main__ import main

CASES = Path(__file__).parent / "apns-cases.json"


def _some(folder: Path, *ids: str, **changes: object) -> Path:
    data = json.loads(CASES.read_text())
    cases = [case | changes for case in data["cases"] if case["id"] in ids]
    path = folder / "some.json"
    path.write_text(json.dumps({"cases": cases}))
    return path


def test_a_line_a_case_and_the_totals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conform", str(_some(tmp_path, "C043", "C065", "C150"))]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[:3]] == [["✓", "C043"], ["✓", "C065"], ["-", "C150"]]
    assert lines[-1].split() == ["all", "2", "0", "1"]


def test_a_failed_case_says_why_and_the_status_is_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expect = {"status": 200, "reason": None, "assert": []}
    assert main(["conform", str(_some(tmp_path, "C065", expect=expect))]) == 1
    assert "answered 413 PayloadTooLarge, expected 200" in capsys.readouterr().out


def test_json_is_one_object_on_standard_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conform", str(_some(tmp_path, "C043", "C150")), "--json"]) == 0
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert result["ok"] is True
    assert result["totals"]["all"] == {"passed": 1, "failed": 0, "skipped": 1}
    assert [case["id"] for case in result["cases"]] == ["C043", "C150"]
    assert "C043" in printed.err


def test_a_file_that_is_none_is_one_line_and_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["conform", str(tmp_path / "none.json")]) == 2
    assert capsys.readouterr().err.startswith("simulator: cannot read ")


def test_where_no_case_ran_nothing_was_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "empty.json"
    empty.write_text('{"cases": []}')
    for file in (empty, _some(tmp_path, "C150")):  # the second has a case of the relay only
        assert main(["conform", str(file)]) == 1
        assert "No case was run." in capsys.readouterr().out
        assert main(["conform", str(file), "--json"]) == 1
        assert json.loads(capsys.readouterr().out)["ok"] is False


def test_two_cases_of_one_id_and_a_misspelt_key_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = _some(tmp_path, "C043")
    data = json.loads(file.read_text())
    data["cases"] += [data["cases"][0], data["cases"][0] | {"id": "X1", "set_up": []}]
    file.write_text(json.dumps(data))
    assert main(["conform", str(file)]) == 1
    printed = capsys.readouterr().out
    assert "its id is that of an earlier case" in printed
    assert "the case has the unknown key 'set_up'" in printed
