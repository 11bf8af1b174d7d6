"""The small rules of the transport: what is refused, what an answer says, pauses, idle connections."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcomes import answered
from relay.alert_payload import MAX_PAYLOAD
from relay.apns.http2.connection import IDLE_LIFE, PING_AFTER, PING_ANSWER, SPARE_LIFE, KeepAlive, keep_alive
from relay.apns.http2.connector import BURST, FIRST_PAUSE, LONGEST_PAUSE, Attempts
from relay.apns.push import LATEST, Outcome, read_answer, refusal
from relay.apns.reasons import REASONS, Verdict

# What is refused.

REFUSED: list[tuple[dict[str, Any], str]] = [
    *(({"device_token": token}, "BadDeviceToken") for token in (
        "", "a", "abc", "xy", "ab cd", " abcd", "ab\r\nx: y", "ab" * 513, "аб", "0x12", "ab\0",
    )),
    *(({"apns_id": apns_id}, "BadMessageId") for apns_id in (
        "", "7", "0123abcd456789ef0123456789abcdef", "0123abcd-4567-89ef-0123-456789abcdeg",
        "0123abcd-4567-89ef-0123-456789abcdef\n", "{0123abcd-4567-89ef-0123-456789abcdef}",
    )),
    *(({"expiration": expiration}, "BadExpirationDate") for expiration in (-1, 2**53)),
    *(({"priority": priority}, "BadPriority") for priority in (0, 2, 11, -5)),
    *(({"collapse_id": collapse_id}, "BadCollapseId") for collapse_id in (
        "x" * 65, "ü" * 33, "a\nb", "a\r\nb", "a\0b", "a\tb", " a", "a ", "\ud800", "a\u2028b",
    )),
    *(({"push_type": push_type}, "InvalidPushType") for push_type in ("Alert", "a b", "x" * 33, "a\n", "ä")),
    ({"topic": ""}, "MissingTopic"),
    *(({"topic": topic}, "BadTopic") for topic in ("a b", "a\n", "x" * 256, "ä", "a\0")),
    ({"payload": b""}, "PayloadEmpty"),
    ({"payload": b"x" * (MAX_PAYLOAD + 1)}, "PayloadTooLarge"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "reason"), REFUSED)
def test_what_apns_refuses_is_refused_with_its_answer(
    make_push: Any, changes: dict[str, Any], reason: str
) -> None:
    assert refusal(make_push(**changes)) == answered(REASONS[reason].status, reason)


@pytest.mark.parametrize(
    "changes",
    [
        {}, {"device_token": "AB" * 80}, {"device_token": "ab" * 512}, {"device_token": "00"},
        {"apns_id": "0123ABCD-4567-89EF-0123-456789ABCDEF"}, {"expiration": 0}, {"priority": 1},
        {"collapse_id": ""}, {"collapse_id": "x" * 64}, {"collapse_id": "ü" * 32}, {"collapse_id": "two words"},
        {"push_type": ""}, {"push_type": "pushtotalk"}, {"topic": "com.example.app.push-type.liveactivity"},
        {"payload": b"x" * MAX_PAYLOAD},
    ],
)  # fmt: skip
def test_what_apns_takes_is_taken(make_push: Any, changes: dict[str, Any]) -> None:
    assert refusal(make_push(**changes)) is None


@given(st.text(max_size=70))
def test_no_collapse_id_breaks_out_of_its_header(make_push: Any, text: str) -> None:
    if refusal(make_push(collapse_id=text)) is None:
        assert not set(text.encode()) & {0, 10, 13}
        assert len(text.encode()) <= 64


# What an answer says.


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"reason":"BadDeviceToken"}', answered(400, "BadDeviceToken")),
        (b'{"reason":"Unregistered","timestamp":1700000000000}', answered(400, "Unregistered", 1_700_000_000_000)),
        (b"", answered(400)),
        (b"<html>", answered(400)),
        (b"\xff\xfe", answered(400)),
        (b"[1]", answered(400)),
        (b"[" * 10_000, answered(400)),
        (b"{}", answered(400)),
        (b'{"reason":7}', answered(400)),
        (b'{"reason":"two words"}', answered(400)),
        (b'{"reason":""}', answered(400)),
        (b'{"reason":"a\\nb"}', answered(400)),
        (b'{"reason":"%b"}' % (b"R" * 65), answered(400)),
        (b'{"timestamp":true}', answered(400)),
        (b'{"timestamp":0}', answered(400)),
        (b'{"timestamp":1.5}', answered(400)),
        (b'{"timestamp":%d}' % LATEST, answered(400)),
    ],
)  # fmt: skip
def test_a_body(body: bytes, expected: Outcome) -> None:
    assert read_answer("production", 400, body) == expected


def test_of_a_200_only_the_status_counts() -> None:
    outcome = read_answer("production", 200, b'{"reason":"BadTopic"}')
    assert (outcome.verdict, outcome.advice) == (Verdict.DELIVERED, "")


# Pauses.


def pauses(failures: int) -> list[float]:
    attempts, found, now = Attempts(random.Random(7)), [], 1000.0
    for _ in range(failures):
        attempts.failed(now)
        began = now
        while not attempts.may_begin(now):
            now += 0.01
        found.append(now - began)
    return found


def test_pauses_double_up_to_the_longest() -> None:
    found = pauses(40)
    for number, pause in enumerate(found):
        step = min(FIRST_PAUSE * 2**number, LONGEST_PAUSE)
        assert step / 2 <= pause <= step + 0.02


def test_at_first_and_after_success_there_is_no_long_pause() -> None:
    attempts = Attempts(random.Random(7))
    assert attempts.may_begin(0)
    for _ in range(10):
        attempts.failed(0)
    attempts.failures = 0
    attempts.failed(0)
    assert not attempts.may_begin(0)
    assert attempts.may_begin(FIRST_PAUSE)


def test_attempts_in_a_row_are_rationed_though_none_failed() -> None:
    attempts, tries, now = Attempts(random.Random(7)), 0, 1000.0
    while now < 1100.0:
        if attempts.may_begin(now):
            attempts.begin(now)
            attempts.failures = 0
            tries += 1
        else:
            now += 0.25
    assert BURST + 99 <= tries <= BURST + 100


# Idle connections.


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({}, KeepAlive.NOTHING),
        ({"now": PING_AFTER - 1}, KeepAlive.NOTHING),
        ({"now": PING_AFTER}, KeepAlive.PING),
        ({"now": PING_AFTER, "received": 1.0}, KeepAlive.NOTHING),
        ({"now": PING_AFTER + 5, "pinged": PING_AFTER}, KeepAlive.NOTHING),
        ({"now": PING_AFTER + PING_ANSWER, "pinged": PING_AFTER}, KeepAlive.ABORT),
        ({"now": PING_AFTER + PING_ANSWER, "pinged": PING_AFTER, "received": PING_AFTER + 1}, KeepAlive.NOTHING),
        ({"now": SPARE_LIFE, "received": SPARE_LIFE, "spare": True}, KeepAlive.DRAIN),
        ({"now": SPARE_LIFE, "received": SPARE_LIFE}, KeepAlive.NOTHING),
        ({"now": IDLE_LIFE, "received": IDLE_LIFE}, KeepAlive.DRAIN),
        ({"now": IDLE_LIFE, "received": IDLE_LIFE, "sent": 1.0}, KeepAlive.NOTHING),
    ],
)  # fmt: skip
def test_keep_alive(times: dict[str, Any], expected: KeepAlive) -> None:
    found = keep_alive(
        **({"now": 0.0, "received": 0.0, "sent": 0.0, "pinged": float("-inf"), "spare": False} | times)
    )
    assert found is expected
