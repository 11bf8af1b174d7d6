"""Case files and their placeholders."""

import json
from pathlib import Path

import pytest

from simulator.conform.cases import CaseError, CaseFileError, Names, load

CASE = {
    "id": "X1", "group": "auth", "description": "d", "confidence": "assumed", "token_state": "n/a",
    "request": {"method": "POST", "host": "h:443", "path": "/3/device/x", "headers": {}},
    "jwt": {"variant": "none"}, "expect": {"status": 403, "reason": "MissingProviderToken", "assert": [{"badge": 1}]},
    "setup": [{"op": "connect"}], "then": [{"op": "ping"}], "send_request": False,
}  # fmt: skip


def _file(folder: Path, content: object) -> Path:
    path = folder / "cases.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_case_as_it_stands_in_the_file(tmp_path: Path) -> None:
    (case,) = load(_file(tmp_path, {"version": 2, "cases": [CASE]}))
    assert (case.id, case.variant, case.status, case.reason) == ("X1", "none", 403, "MissingProviderToken")
    assert case.asserts == ({"badge": 1},)
    assert (case.setup, case.then, case.sends) == (({"op": "connect"},), ({"op": "ping"},), False)


def test_a_case_of_the_relay_needs_no_request(tmp_path: Path) -> None:
    data = {"id": "R", "group": "relay", "description": "d", "expect": {"status": 410}}
    (case,) = load(_file(tmp_path, {"cases": [data]}))
    assert (case.request, case.variant, case.sends) == (None, "valid", True)


@pytest.mark.parametrize(
    "part",
    [
        {"jwt": "valid"}, {"request": "POST"}, {"expect": None}, {"expect": {"assert": {"badge": 1}}},
        {"expect": {"assert": ["badge"]}}, {"expect": {"assert": [{}]}}, {"setup": {"op": "ping"}},
        {"then": ["ping"]}, {"send_request": "false"},
    ],
)  # fmt: skip
def test_a_part_of_another_shape_breaks_this_case_only(tmp_path: Path, part: dict[str, object]) -> None:
    broken, whole = load(_file(tmp_path, {"cases": [CASE | part, CASE]}))
    assert broken.broken
    assert (whole.broken, whole.variant) == ("", "none")


def test_the_parts_of_a_case_for_the_relay_are_not_looked_at(tmp_path: Path) -> None:
    (case,) = load(_file(tmp_path, {"cases": [CASE | {"group": "relay", "setup": {"op": "relay"}}]}))
    assert (case.broken, case.setup) == ("", ())


@pytest.mark.parametrize(
    "content", ["", "[]", '{"cases": [1]}', '{"cases": 1}', "{}", '{"cases": [{"id": "X"}]}']
)
def test_anything_else_is_one_clear_error(tmp_path: Path, content: str) -> None:
    with pytest.raises(CaseFileError):
        load(_file(tmp_path, content))
    with pytest.raises(CaseFileError, match="cannot read"):
        load(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("value", "filled"),
    [
        ("${NOW}", 1000),
        ("${NOW+5}", 1005),
        ("${NOW-5}", 995),
        ("${NOW*1000}", 1_000_000),
        ("at ${NOW}!", "at 1000!"),
        ("T${I}", "T7"),
        ("${I}", "7"),
        (["${NOW}", {"a": "${I}"}], [1000, {"a": "7"}]),
        (True, True),
        (None, None),
        (1.5, 1.5),
    ],
)
def test_placeholders(value: object, filled: object) -> None:
    names = Names(lambda: 1000.9, {"I": "7"})
    assert names.filled(value) == filled
    assert names.text("${NOW+60}") == "1060"  # in a header a time is text


@pytest.mark.parametrize("value", ["${NOPE}", "${I+1}", "${now}", "${}", "${NOW+5ms}", "${NOW/2}"])
def test_an_unknown_placeholder_fails_the_case(value: str) -> None:
    with pytest.raises(CaseError, match="unknown placeholder"):
        Names(lambda: 0.0, {"I": "1"}).text(value)
