"""Fault rules as JSON: every action there and back, and one clear error for each way to be wrong."""

import json
from random import Random
from typing import Any

import pytest

from simulator.apns.errors import BadFault
from simulator.apns.faults import (
    AnswerWith,
    CloseConnection,
    Delay,
    Fault,
    FaultTable,
    GoAway,
    Misshape,
    Reset,
    Stall,
    StreamLimit,
    dump,
    load,
)
from simulator.apns.http2.frames import ErrorCode

ACTIONS: list[tuple[dict[str, Any], object]] = [
    ({"answer": {"reason": "Shutdown"}}, AnswerWith("Shutdown")),
    ({"answer": {"reason": "Unregistered", "status": 410, "timestamp": 7}}, AnswerWith("Unregistered", 410, 7)),
    ({"answer": {"reason": "Odd", "status": 599}}, AnswerWith("Odd", 599)),
    ({"answer": {"reason": "Shutdown"}, "html_body": True}, AnswerWith("Shutdown", shape=Misshape("html"))),
    (
        {"answer": {"reason": "Shutdown"}, "split_body": True, "no_apns_id": True},
        AnswerWith("Shutdown", shape=Misshape("split", "absent")),
    ),
    ({"delay_s": 1.5}, Delay(1.5)),
    ({"delay_s": 0.0}, Delay(0.0)),
    ({"stall": True}, Stall()),
    ({"reset": "REFUSED_STREAM"}, Reset(ErrorCode.REFUSED_STREAM)),
    ({"goaway": "Shutdown"}, GoAway("Shutdown")),
    ({"goaway": "Shutdown", "last_stream_offset": -1}, GoAway("Shutdown", offset=-1)),
    ({"close": True}, CloseConnection()),
    ({"stream_limit": 0}, StreamLimit(0)),
    ({"split_body": True}, Misshape("split")),
    ({"malformed_body": True}, Misshape("malformed")),
    ({"html_body": True, "upper_apns_id": True}, Misshape("html", "upper")),
    ({"no_apns_id": True}, Misshape(apns_id="absent")),
    ({"upper_apns_id": True}, Misshape(apns_id="upper")),
]  # fmt: skip
FULL: dict[str, Any] = {
    "id": "odd-ones",
    "match": {
        "token": "ab", "topic": "t", "push_type": "voip", "realm": "production", "share": 0.25, "seed": 7, "nth": 3,
        "after_s": 5.0, "until_s": 10.0,
    },
    "do": {"stall": True},
    "times": 4,
    "accepts_first": True,
}  # fmt: skip


@pytest.mark.parametrize(("document", "action"), ACTIONS)
def test_every_action_there_and_back(document: dict[str, Any], action: object) -> None:
    [fault] = load([{"do": document}])
    assert fault == Fault(action)  # type: ignore[arg-type]
    assert dump([fault]) == [{"do": document}]


def test_every_condition_there_and_back() -> None:
    [fault] = load([FULL])
    assert fault == Fault(
        Stall(),
        "ab",
        "t",
        "voip",
        "production",
        3,
        4,
        0.25,
        True,
        after_s=5,
        until_s=10,
        id="odd-ones",
        seed=7,
    )
    assert json.loads(json.dumps(dump([fault]))) == [FULL]


def test_a_token_may_be_written_in_upper_case() -> None:
    [fault] = load([{"match": {"token": "AB"}, "do": {"stall": True}}])
    assert fault.meets("ab", None, "alert", "sandbox")


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({}, "missing required field `do` - at `$[0]`"),
        ({"do": {"stall": True}, "tims": 1}, "unknown field `tims` - at `$[0]`"),
        ({"do": {"stall": True}, "match": {"tokn": "a"}}, "unknown field `tokn` - at `$[0].match`"),
        ({"do": {"stall": True}, "match": {"share": 2}}, "`$[0].match.share`"),
        ({"do": {"stall": True}, "match": {"nth": 0}}, "`$[0].match.nth`"),
        ({"do": {"stall": True}, "match": {"realm": "moon"}}, "`$[0].match.realm`"),
        ({"do": {"stall": True}, "match": {"after_s": -1}}, "`$[0].match.after_s`"),
        ({"do": {"stall": True}, "times": 0}, "`$[0].times`"),
        ({"do": {"delay_s": "1"}}, "Expected `float | null`, got `str` - at `$[0].do.delay_s`"),
        ({"do": {"answer": {}}}, "missing required field `reason` - at `$[0].do.answer`"),
        ({"do": {"answer": {"reason": "Odd"}}}, "a status is wanted - at `$[0].do.answer.status`"),
        ({"do": {"answer": {"reason": "Odd", "status": 99}}}, "`$[0].do.answer.status`"),
        ({"do": {}}, "exactly one action is wanted, a misshapen answer may stand beside `answer` - at `$[0].do`"),
        ({"do": {"stall": True, "close": True}}, "exactly one action"),
        ({"do": {"stall": True, "split_body": True}}, "exactly one action"),
        ({"do": {"stall": False}}, "exactly one action"),
        ({"do": {"split_body": True, "html_body": True}}, "only one form of the body"),
        ({"do": {"no_apns_id": True, "upper_apns_id": True}}, "one of apns-id"),
        ({"do": {"stall": True, "last_stream_offset": 1}}, "`goaway` - at `$[0].do.last_stream_offset`"),
        ({"do": {"reset": "OOPS"}}, "'OOPS' is no error of HTTP/2: it is one of NO_ERROR, "),
        ({"do": {"stream_limit": -1}}, "`$[0].do.stream_limit`"),
    ],
)  # fmt: skip
def test_one_clear_error(rule: dict[str, Any], message: str) -> None:
    with pytest.raises(BadFault) as caught:
        load([rule])
    assert message in str(caught.value)


def test_the_place_counts_the_rules() -> None:
    with pytest.raises(BadFault, match=r"at `\$\[1\]\.do`"):
        load([{"do": {"stall": True}}, {"do": {}}])


def test_a_table_takes_and_gives_rules() -> None:
    table = FaultTable(Random(1))
    assert table.load([{"id": "one", "do": {"stall": True}}, {"do": {"close": True}}]) == ["one", "fault-1"]
    assert table.dump() == [{"id": "one", "do": {"stall": True}}, {"id": "fault-1", "do": {"close": True}}]
    assert table.remove("one")
    assert not table.remove("one")
    assert table.struck() == {"fault-1": 0}


@pytest.mark.parametrize(
    "rules",
    [
        [{"id": "b", "do": {"stall": True}}, {"do": {}}],
        [{"id": "b", "do": {"stall": True}}, {"id": "a", "do": {"stall": True}}],
        [{"id": "b", "do": {"stall": True}}, {"id": "b", "do": {"stall": True}}],
    ],
)
def test_a_table_takes_all_rules_or_none(rules: list[dict[str, Any]]) -> None:
    table = FaultTable(Random(1))
    table.load([{"id": "a", "do": {"stall": True}}])
    with pytest.raises(BadFault):
        table.load(rules)
    assert list(table.struck()) == ["a"]
