"""What the relay's replies mean, what the bridge itself replies, how long it waits, and where OpenCode listens."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay import contract
from relay.backoff import Backoff
from relay.bridge.address import address, http_url, port_of
from relay.bridge.errors import OptionError
from relay.bridge.http.replies import bridge_health, push_test_event, push_test_reply
from relay.bridge.notify.mapping import Sender
from relay.bridge.notify.relay_client import PostResult, read_reply
from relay.bridge.notify.source import SourceHealth

SENDER = Sender("s3cret-s3cret-s3cret", "0123456789abcdef")
NO_RELAY = "but it is not a relay's answer"


def reply(**fields: object) -> bytes:
    return json.dumps(fields).encode()


@pytest.mark.parametrize(
    ("status", "body", "verdict", "reason"),
    [
        (200, reply(ok=True, sent=2, failed=0), "delivered", ""),  # a relay of the first implementation
        (200, reply(ok=False), "retry", f"status 200, {NO_RELAY}"),
        (200, b"<html>", "retry", f"status 200, {NO_RELAY}"),
        (200, b"[" * 100_000, "retry", f"status 200, {NO_RELAY}"),
        (204, b"", "retry", f"status 204, {NO_RELAY}"),
        (299, reply(ok=True), "retry", f"status 299, {NO_RELAY}"),
        (500, reply(ok=False, error="Internal", code="internal"), "retry", "status 500"),
        (502, b"<html>", "retry", "status 502"),
        (429, reply(ok=False, error="Too many"), "retry", "status 429: Too many"),
        (429, b"<html>", "retry", "status 429"),
        (408, b"", "retry", "status 408"),
        (425, b"", "retry", "status 425"),
        (400, reply(error="Invalid request body", code="x", details="too short"), "refused",
         "status 400: Invalid request body: too short"),
        (404, b"<html>", "refused", "status 404"),
        (301, b"", "refused", "status 301"),
        (400, reply(error="x" * 10_000), "refused", "status 400: " + "x" * 487 + "…"),
    ],
)  # fmt: skip
def test_what_a_reply_means(status: int, body: bytes, verdict: str, reason: str) -> None:
    result = read_reply(status, body)
    assert (result.verdict, result.reason) == (verdict, reason)
    assert result.speaks_old == (status == 400 and b'"code"' not in body)


def test_the_counts_of_a_delivery_are_kept() -> None:
    assert read_reply(200, reply(ok=True, sent=2, failed=1)).counts == {
        "sent": 2,
        "failed": 1,
        "queued": None,
    }


@pytest.mark.parametrize(
    ("retry_after", "wait"),
    [(None, 0.0), ("7", 7.0), ("86400", 300.0), ("", 0.0), ("-1", 0.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.0), ("²", 0.0)],
)  # fmt: skip
@pytest.mark.parametrize("status", [429, 503])
def test_the_relay_can_ask_for_patience(status: int, retry_after: str | None, wait: float) -> None:
    assert read_reply(status, b"", retry_after).wait == wait


def test_only_a_limit_that_says_for_how_long_is_one_of_the_whole_secret() -> None:
    body = reply(ok=False, error="Too many", code="day_limit_reached")
    limited = read_reply(429, body, "7")
    assert (limited.limited, limited.code, limited.wait) == (True, "day_limit_reached", 7.0)
    assert not read_reply(429, body).limited
    assert not read_reply(503, body, "7").limited


@settings(deadline=None, max_examples=60)
@given(st.integers(100, 599), st.binary())
def test_any_reply_means_something(status: int, body: bytes) -> None:
    assert isinstance(read_reply(status, body), PostResult)


def test_the_bridges_health() -> None:
    connected = SourceHealth(connected=True, version="1.18.33", last_event_at=12.3456)
    said = contract.encode(bridge_health(connected, 3, PostResult("retry", "status 503", at=11.5)))
    assert said == (
        b'{"ok":true,"stream":"connected","version":"1.18.33","lastEventAt":12345,"outbox":3,'
        b'"relay":{"verdict":"retry","at":11500,"reason":"status 503"}}'
    )
    assert contract.encode(bridge_health(SourceHealth(), 0, None)) == (
        b'{"ok":false,"stream":"waiting","version":null,"lastEventAt":null,"outbox":0,"relay":null}'
    )


def test_a_test_push_is_an_event_that_every_relay_takes() -> None:
    event = push_test_event(SENDER, 1_700_000_000_000)
    assert contract.decode(contract.encode(event), contract.Event) == event
    assert (event.event_type, event.session_id) == ("permission", "test-1700000000000")
    assert event.event_id != push_test_event(SENDER, 1_700_000_000_001, session_id=event.session_id).event_id


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (PostResult("delivered", counts={"sent": 1, "failed": 0, "queued": None}), 200),
        (PostResult("delivered"), 200),
        (PostResult("refused", "status 400"), 502),
        (PostResult("retry", "no answer within 15 s"), 502),
    ],
)
def test_only_a_test_push_that_the_relay_took_is_ok(result: PostResult, status: int) -> None:
    body, said = push_test_reply(result)
    assert (said, body.ok) == (status, status == 200)


def test_waits_double_up_to_a_cap_and_are_jittered() -> None:
    backoff = Backoff(first=0.25, cap=30.0)
    waits = [backoff.delay(attempt, lambda: 1.0) for attempt in range(1, 10)]
    assert waits == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30]
    assert [backoff.delay(attempt, lambda: 0.0) for attempt in (1, 8, 10_000)] == [0.125, 15, 15]


@pytest.mark.parametrize(
    ("url", "bare", "username", "password"),
    [
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
    "url", ["", "127.0.0.1:4096", "ftp://host", "http://", "http://host:99999", "http://host:0", "http://[::1", "http://host:x"]
)  # fmt: skip
def test_what_is_no_url_is_one_clear_sentence(url: str) -> None:
    with pytest.raises(OptionError, match="the relay URL must be an http:// or https:// URL with a host"):
        http_url(url, "the relay URL")


@pytest.mark.parametrize(
    ("url", "port"), [("http://a", 80), ("https://a", 443), ("http://a:4096/x", 4096), ("https://[::1]:8", 8)]
)
def test_ports(url: str, port: int) -> None:
    assert port_of(url) == port
