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
SENDS = CASE | {"send_request": True}


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
    broken, whole = load(_file(tmp_path, {"cases": [CASE | part, CASE | {"id": "X2"}]}))
    assert broken.broken
    assert (whole.broken, whole.variant) == ("", "none")


STREAM = {"index": 1, "status": 200}
NEXT = {"connection": "same", "status": 200, "reason": None}


def _asserts(assertion: object) -> dict[str, object]:
    return {"expect": {"status": 200, "reason": None, "assert": [assertion]}}


@pytest.mark.parametrize(
    ("part", "named"),
    [
        ({"set_up": []}, "the case has the unknown key 'set_up'"),
        ({"expect": {"status": 200, "reason": None, "asserts": []}}, "expect has the unknown key 'asserts'"),
        ({"jwt": {"varient": "none"}}, "jwt has the unknown key 'varient'"),
        ({"request": {**CASE["request"], "payloads": {}}}, "request has the unknown key 'payloads'"),
        ({"setup": [{"op": "connect", "alnp": []}]}, "setup[0] has the unknown key 'alnp'"),
        ({"then": [{"op": "ping"}, {"op": "send", "expect": {"staus": 200}}]}, "then[1].expect has the unknown key 'staus'"),
        ({"then": [{"op": "expect", "assert": [{"activity": {"stat": "active"}}]}]}, "assert[0].activity has the unknown key 'stat'"),
        ({"then": [{"op": "expect", "asert": [{"badge": 1}]}]}, "then[0] has the unknown key 'asert'"),
        ({"then": [{"oq": "ping"}]}, "then[0] has no 'op'"),
        ({"then": [{"op": "pong"}]}, "then[0].op: Invalid value 'pong'"),
        ({"then": [{"op": "fault", "kind": "hold", "reasn": "x"}]}, "then[0] has the unknown key 'reasn'"),
        (_asserts({"badges": 1}), "expect.assert[0] has the unknown key 'badges'"),
        (_asserts({"notifications": {"cuont": 1}}), "expect.assert[0].notifications has the unknown key 'cuont'"),
        (_asserts({"stream": STREAM | {"x": 1}}), "expect.assert[0].stream has the unknown key 'x'"),
        (_asserts({"next_request": NEXT | {"after": 1}}), "expect.assert[0].next_request has the unknown key 'after'"),
    ],
)  # fmt: skip
def test_a_key_that_nobody_knows_breaks_the_case_at_any_depth(
    tmp_path: Path, part: dict[str, object], named: str
) -> None:
    broken, whole = load(_file(tmp_path, {"cases": [SENDS | part, CASE | {"id": "X2"}]}))
    assert named in broken.broken
    assert whole.broken == ""


@pytest.mark.parametrize(
    ("part", "why"),
    [
        (_asserts({}), "says nothing"),
        *((_asserts({name: {}}), "") for name in ("notifications", "activity", "activities", "settings", "connection",
                                                  "delivery", "stream", "budget", "next_request", "response_headers",
                                                  "response_body")),
        (_asserts({"stream": {"index": 1}}), "says nothing: it has one of status, reset"),
        (_asserts({"activity": None}), ""),
        (_asserts({"badge": None}), ""),
        (_asserts({"log_contains": ""}), ""),
        (_asserts({"notifications": {"count": "1"}}), ""),
        (_asserts({"activity": {"visible": 1}}), ""),
        ({"then": [{"op": "expect", "assert": []}]}, ""),
        ({"then": [{"op": "expect"}]}, "then[0] has no 'assert'"),
        ({"then": [{"op": "send", "expect": {}}]}, "says nothing"),
        ({"then": [{"op": "repeat", "n": 0}]}, ""),
        ({"then": [{"op": "repeat", "n": 2, "expect": None}]}, ""),
        ({"then": [{"op": "device", "set": {}}]}, ""),
        ({"then": [{"op": "profile", "set": {}}]}, ""),
        ({"then": [{"op": "seed_channels", "n": 0}]}, ""),
        ({"expect": {"reason": None}}, "expects no status"),
        ({"expect": {}}, "expects no status"),
        ({"request": None}, "has no request"),
        ({"send_request": False, "expect": {}}, "asserts nothing"),
        ({"send_request": False, "expect": {"status": 200, "assert": []}}, "asserts nothing"),
        ({"send_request": None}, ""),
        ({"confidence": "sure"}, ""),
    ],
)  # fmt: skip
def test_an_assertion_that_asserts_nothing_breaks_the_case(
    tmp_path: Path, part: dict[str, object], why: str
) -> None:
    (broken,) = load(_file(tmp_path, {"cases": [SENDS | part]}))
    assert broken.broken
    assert why in broken.broken


def test_a_case_without_a_request_may_assert_in_a_step_only(tmp_path: Path) -> None:
    steps = [{"op": "send", "expect": {"status": 200}}], [{"op": "expect", "assert": [{"badge": 1}]}]
    for number, then in enumerate(steps):
        (case,) = load(_file(tmp_path, {"cases": [CASE | {"expect": {}, "then": then, "id": number}]}))
        assert case.broken == ""


def test_of_two_cases_with_one_id_the_second_is_broken(tmp_path: Path) -> None:
    relay = {"id": "X1", "group": "relay", "description": "d", "expect": {}}
    first, other, second, third = load(_file(tmp_path, {"cases": [CASE, CASE | {"id": "X2"}, CASE, relay]}))
    assert (first.broken, other.broken) == ("", "")
    assert second.broken == third.broken == "its id is that of an earlier case"


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (json.dumps({"cases": [CASE], "cases_": []}), "unknown key 'cases_'"),
        ('{"cases": [], "cases": []}', "the key 'cases' stands twice"),
        (
            json.dumps({"cases": [CASE]}).replace('"assert": [', '"assert": [], "assert": ['),
            "'assert' stands twice",
        ),
    ],
)
def test_a_file_with_a_key_that_says_nothing_is_refused(tmp_path: Path, content: str, named: str) -> None:
    with pytest.raises(CaseFileError, match=named):
        load(_file(tmp_path, content))


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
