"""What is found of a provider, by its reports, what APNs was asked, and what the phone showed; and how that is printed."""

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from simulator.conform.providers.cases import CASES, Case, Pushes
from simulator.conform.providers.command import chosen
from simulator.conform.providers.report import fields, passed, table, total
from simulator.conform.providers.verdict import KINDS, Evidence, Verdict, findings
from simulator.lab import Push
from simulator.process import CommandError

CASE = Case("plain", "two pushes", "RFC", (Pushes(2),), is_tidy=True)
GONE = replace(CASE, expects="refused", reason="Unregistered", timestamp=7)
OK = {"status": 200}
BOTH = {"0": OK, "1": OK}
ONCE = {"0": 1, "1": 1}


def request(push: str, at: float, token: str = "bearer a") -> Push:
    return Push(
        number=1, at=at, environment="sandbox", path="/", token="ab", topic=None, push_type="alert", priority=10,
        expiration=None, collapse_id=None, apns_id=None, headers=MappingProxyType({"authorization": token}), body=b"",
        payload={"push": push}, status=200, reason=None, why=None, outcome="shown", _summary="",
    )  # fmt: skip


def found(case: Case = CASE, **changes: Any) -> list[tuple[str, int]]:
    evidence = Evidence(("0", "1"), BOTH, ONCE, [request("0", 0.0), request("1", 0.0)])
    return [(one.kind, one.count) for one in findings(case, replace(evidence, **changes))]


def test_nothing_is_found_where_each_arrived_once_and_was_called_so() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"shown": {"0": 1}, "reports": {"0": OK, "1": {"error": "closed"}}}, [("lost", 1)]),
        (
            {"shown": {"0": 1}, "reports": {"0": OK, "1": {"status": 503, "reason": "Shutdown"}}},
            [("gave up", 1)],
        ),
        ({"shown": {"0": 1, "1": 3}}, [("doubled", 1)]),
        ({"reports": {"0": OK}}, [("unanswered", 1)]),
        ({"reports": {"0": OK, "1": {"error": "closed"}}}, [("misreported", 1)]),
        ({"shown": {"0": 1}}, [("lost", 1), ("misreported", 1)]),
        ({"requests": [request("0", 10.0 * at) for at in range(5)]}, [("hammered", 1)]),
        ({"requests": [request("0", at / 10) for at in range(4)]}, [("hammered", 1)]),
        ({"requests": [request("0", 0.0, f"bearer {n}") for n in range(3)]}, [("hammered", 2)]),
        ({"without_alpn": 2}, [("protocol", 2)]),
        ({"unfinished": 3}, [("protocol", 3)]),
        ({"errors": ["a frame too many"]}, [("protocol", 1)]),
        ({"died": "status 1, KeyError"}, [("unanswered", 1)]),
    ],
)
def test_what_was_lost_doubled_or_hammered(changes: dict[str, Any], expected: list[tuple[str, int]]) -> None:
    assert found(**changes) == expected


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        ({"status": 410, "reason": "Unregistered", "timestamp": 7}, []),
        ({"status": 410, "reason": "Unregistered"}, [("misreported", 2)]),
        ({"status": 400, "reason": "BadDeviceToken"}, [("misreported", 2)]),
        ({"error": "closed"}, [("misreported", 2)]),
        (OK, [("misreported", 2)]),
    ],
)
def test_a_refusal_is_handed_on_with_reason_and_time(report: Any, expected: list[tuple[str, int]]) -> None:
    assert found(GONE, reports={"0": report, "1": report}, shown={}) == expected


def test_what_nobody_can_know_may_be_called_either() -> None:
    case = replace(CASE, expects="unknown")
    assert found(case, reports={"0": {"error": "closed"}, "1": OK}, shown=ONCE) == []
    assert found(case, reports=BOTH, shown={"0": 1}) == [("misreported", 1)]


def test_a_case_may_allow_what_others_do_not() -> None:
    refused = {"0": OK, "1": {"status": 403, "reason": "ExpiredProviderToken"}}
    assert found(replace(CASE, may_give_back=1), shown={"0": 1}, reports=refused) == []
    assert found(replace(CASE, ends_at_once=True), reports={}) == []
    assert found(replace(CASE, is_tidy=False), without_alpn=1, unfinished=1) == []


def test_cases_have_names_of_their_own_and_say_who_says_so() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    assert all(case.about and case.source for case in CASES)
    assert [case.name for case in chosen(["gone", "plain"])] == ["plain", "gone"]
    assert chosen([]) == list(CASES)
    with pytest.raises(CommandError, match="no case 'none': it is one of plain"):
        chosen(["none"])


def test_the_table_has_a_row_a_case_and_the_columns_that_are_needed() -> None:
    wrong = Verdict("goaway", "about", 20, 1.5, findings(CASE, Evidence(("0",), {}, {"0": 2}, [])))
    sound = Verdict("plain", "about", 50, 0.5)
    assert table([sound, wrong]).splitlines() == [
        "  case    pushes  unanswered  doubled",
        "✓ plain       50           ·        ·",
        "✗ goaway      20           1        1",
        "    doubled: 1 were shown more than once",
        "    unanswered: 1 nothing was said of them within 15 s",
    ]
    assert total([sound, wrong]) == "1 of 2 cases without a finding."
    assert (passed([sound]), passed([sound, wrong]), passed([])) == (True, False, False)
    told = fields([sound, wrong], "command")
    assert (told["ok"], told["provider"]) == (False, "command")
    assert told["totals"] == dict.fromkeys(KINDS, 0) | {"unanswered": 1, "doubled": 1}
    assert told["cases"][1]["findings"][0] == {
        "kind": "doubled",
        "count": 1,
        "text": "were shown more than once",
    }
