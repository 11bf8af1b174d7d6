"""How requests are read and refused."""

import base64

import pytest

from simulator.opencode.v1.requests import (
    Refused,
    authorized,
    choice,
    directory,
    flag,
    missing_key,
    number,
    permission_not_found,
    select,
)
from simulator.scenario import load


def basic(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("query", "header", "expected"),
    [
        (None, None, "/own"),
        ("/code/demo", None, "/code/demo"),
        ("/code/demo/", None, "/code/demo"),
        ("/code/demo/sub/..", None, "/code/demo"),
        ("/code/demo/sub", None, "/code/demo/sub"),
        (None, "/code/other", "/code/other"),
        (None, "%2Fcode%2Fm%C3%BCll", "/code/müll"),
        ("/code/demo", "/code/other", "/code/demo"),
        ("", "", "/own"),
    ],
)
def test_the_directory_of_a_request(query: str | None, header: str | None, expected: str) -> None:
    assert directory(query, header, "/own") == expected


@pytest.mark.parametrize(
    ("header", "token", "expected"),
    [
        (f"Basic {basic('opencode:pw')}", None, True),
        (f"basic {basic('opencode:pw')}", None, True),
        (None, basic("opencode:pw"), True),
        (f"Basic {basic('opencode:no')}", None, False),
        (f"Bearer {basic('opencode:pw')}", None, False),
        (None, basic("opencode:no"), False),
        (None, None, False),
        ("Basic", "", False),
        ("Basic é", None, False),
    ],
)
def test_who_may_come_in(header: str | None, token: str | None, expected: bool) -> None:
    assert authorized(header, token, "opencode:pw") is expected


def test_without_a_password_everybody_may() -> None:
    assert authorized(None, None, None)


@pytest.mark.parametrize(("query", "expected"), [({}, 7), ({"limit": "3"}, 3), ({"limit": "0"}, 0)])
def test_numbers_of_the_query(query: dict, expected: int) -> None:
    assert number(query, "limit", 7) == expected


@pytest.mark.parametrize("text", ["-1", "x", "", "1.5", "²"])
def test_what_is_no_number_is_a_bad_request(text: str) -> None:
    with pytest.raises(Refused) as refused:
        number({"limit": text}, "limit")
    assert (refused.value.status, refused.value.body["name"]) == (400, "BadRequest")


def test_flags_are_true_or_not_there() -> None:
    assert flag({"roots": "true"}, "roots")
    assert not flag({"roots": "false"}, "roots")
    assert not flag({}, "roots")


@pytest.mark.parametrize("body", [{}, {"reply": "maybe"}, {"reply": 1}, {"reply": ["once"]}])
def test_everything_else_is_a_missing_key(body: dict) -> None:
    with pytest.raises(Refused) as refused:
        choice(body, "reply", ("once", "always"))
    assert refused.value == missing_key("reply")


def info(session_id: str, **more) -> dict:
    return {"id": session_id, "title": session_id, "time": {"updated": 10}, **more}


SESSIONS = [
    info("ses_1", title="Fix the Build"),
    info("ses_2", parentID="ses_1"),
    info("ses_3", time={"updated": 5}),
]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["ses_1", "ses_2", "ses_3"]),
        ({"roots": "true"}, ["ses_1", "ses_3"]),
        ({"limit": "1"}, ["ses_1"]),
        ({"start": "6"}, ["ses_1", "ses_2"]),
        ({"search": "build"}, ["ses_1"]),
        ({"roots": "true", "limit": "2", "start": "10"}, ["ses_1"]),
    ],
)
def test_which_sessions_a_list_holds(query: dict, expected: list[str]) -> None:
    assert [one["id"] for one in select(SESSIONS, query)] == expected


def test_a_list_holds_a_hundred_if_nobody_says_otherwise() -> None:
    assert len(select([info(f"ses_{n}") for n in range(150)], {})) == 100


def test_a_second_reply_is_refused_in_the_recorded_words() -> None:
    refused = next(action for action in load("b_permission_once").recording.actions if action.status == 404)
    ours = permission_not_found(refused.response["requestID"])
    assert (ours.status, ours.body) == (refused.status, refused.response)


def test_the_words_of_a_missing_key() -> None:
    assert missing_key("parts").body == {
        "name": "BadRequest",
        "data": {"message": 'Missing key\n  at ["parts"]', "kind": "Payload"},
    }
