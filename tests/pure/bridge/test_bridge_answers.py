"""The relay's answers judged, log lines, waits and addresses."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay import contract
from relay.backoff import Backoff
from relay.bridge.address import address, http_url
from relay.bridge.errors import OptionError
from relay.bridge.notify.relay_client import PostResult, read_reply
from relay.log import line


def reply(**fields: object) -> bytes:
    return json.dumps(fields).encode()


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [
        (200, reply(ok=True, sent=2, failed=0, queued=1), ("delivered", "")),
        (200, reply(ok=True, sent=2, failed=0), ("delivered", "")),  # a relay of the first implementation
        (200, reply(ok=False), ("retry", "status 200, but it is not a relay's answer")),
        (200, b"<html>", ("retry", "status 200, but it is not a relay's answer")),
        (200, b"[" * 100_000, ("retry", "status 200, but it is not a relay's answer")),
        (204, b"", ("retry", "status 204, but it is not a relay's answer")),
        (500, reply(ok=False, error="Internal", code="internal"), ("retry", "status 500")),
        (502, b"<html>", ("retry", "status 502")),
        (429, reply(ok=False, error="Too many"), ("retry", "status 429")),
        (408, b"", ("retry", "status 408")),
        (425, b"", ("retry", "status 425")),
        (
            400,
            reply(ok=False, error="Invalid request body", code="invalid", details="secret is too short"),
            ("refused", "status 400: Invalid request body: secret is too short"),
        ),
        (404, b"<html>", ("refused", "status 404")),
        (301, b"", ("refused", "status 301")),
    ],
)
def test_what_an_answer_means(status: int, body: bytes, answer: tuple[str, str]) -> None:
    judged = read_reply(status, body)
    assert (judged.verdict, judged.reason) == answer


def test_the_counts_of_a_delivery_are_kept() -> None:
    assert read_reply(200, reply(ok=True, sent=2, failed=1, queued=0)).counts == {
        "sent": 2,
        "failed": 1,
        "queued": 0,
    }
    assert read_reply(200, reply(ok=True, sent=2, failed=1)).counts == {
        "sent": 2,
        "failed": 1,
        "queued": None,
    }


@pytest.mark.parametrize(
    ("retry_after", "wait"),
    [
        (None, 0.0),
        ("7", 7.0),
        ("86400", 300.0),
        ("", 0.0),
        ("-1", 0.0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 0.0),
        ("²", 0.0),
    ],
)
def test_the_relay_can_ask_for_patience(retry_after: str | None, wait: float) -> None:
    assert read_reply(429, b"", retry_after).wait == wait
    assert read_reply(503, b"", retry_after).wait == wait


def test_a_long_refusal_is_cut() -> None:
    assert len(read_reply(400, reply(error="x" * 10_000)).reason) == 500


@settings(deadline=None, max_examples=60)
@given(st.integers(100, 599), st.binary())
def test_any_answer_is_judged(status: int, body: bytes) -> None:
    assert isinstance(read_reply(status, body), PostResult)


def test_empty_fields_stay_off_the_wire() -> None:
    event = contract.Event(secret="s" * 24, event_type="complete", session_id="ses_a", title="Fix it")
    assert json.loads(contract.encode(event)) == {
        "secret": "s" * 24,
        "eventType": "complete",
        "sessionID": "ses_a",
        "title": "Fix it",
    }
    assert contract.decode(contract.encode(event), contract.Event) == event


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "told"),
        ({"eventID": "ab12", "sent": 2}, "told eventID=ab12 sent=2"),
        ({"reason": "no answer"}, 'told reason="no answer"'),
        ({"reason": 'say "hi"\nnow'}, r'told reason="say \"hi\"\nnow"'),
        ({"reason": ""}, 'told reason=""'),
        ({"a": "x=y", "b": None, "c": False}, 'told a="x=y" c=False'),
        ({"retry_in": 0.123456}, "told retry_in=0.123"),
        ({"reason": "schön"}, "told reason=schön"),
    ],
)
def test_log_lines(fields: dict[str, object], text: str) -> None:
    assert line("told", **fields) == text


@settings(deadline=None, max_examples=60)
@given(st.text())
def test_a_log_line_is_one_line(value: str) -> None:
    assert len(line("told", value=value).splitlines()) == 1


def test_waits_double_up_to_a_cap_and_are_jittered() -> None:
    backoff = Backoff(first=0.25, cap=30.0)
    assert [backoff.delay(attempt, lambda: 1.0) for attempt in range(1, 10)] == [
        0.25,
        0.5,
        1,
        2,
        4,
        8,
        16,
        30,
        30,
    ]
    assert [backoff.delay(attempt, lambda: 0.0) for attempt in (1, 8, 10_000)] == [0.125, 15, 15]


@pytest.mark.parametrize(
    ("url", "bare", "username", "password"),
    [
        ("http://127.0.0.1:4096", "http://127.0.0.1:4096", "opencode", None),
        (" http://127.0.0.1:4096/ ", "http://127.0.0.1:4096", "opencode", None),
        ("https://code.example.org/base/?x=1#y", "https://code.example.org/base", "opencode", None),
        ("http://me:p%40ss@[::1]:4096", "http://[::1]:4096", "me", "p@ss"),
        ("http://:pw@host", "http://host", "opencode", "pw"),
        ("http://me@host", "http://host", "opencode", None),
    ],
)
def test_addresses(url: str, bare: str, username: str, password: str | None) -> None:
    where = address(url)
    assert (where.url, where.username, where.password) == (bare, username, password)


def test_credentials_go_into_a_header_and_not_into_the_repr() -> None:
    where = address("http://host", "me", "pässword")
    assert where.headers == {"Authorization": "Basic bWU6cMOkc3N3b3Jk"}
    assert "pässword" not in repr(where)
    assert address("http://host").headers == {}


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:4096", "ftp://host", "http://", "http://host:99999", "http://[::1", "http://host:x"],
)
def test_what_is_no_url_is_one_clear_sentence(url: str) -> None:
    with pytest.raises(OptionError, match="the relay URL must be an http:// or https:// URL with a host"):
        http_url(url, "the relay URL")
