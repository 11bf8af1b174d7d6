"""Decoding OpenCode's words, and what happens when they are not words."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.bridge.sources.opencode1.wire import (
    Event,
    Health,
    Info,
    Malformed,
    Message,
    decode,
    parse,
    properties,
)


def test_an_event_of_the_global_stream() -> None:
    event = parse(
        b'{"directory":"/code/demo","project":"45a8","payload":{"id":"evt_1","type":"session.status",'
        b'"properties":{"sessionID":"ses_1","status":{"type":"busy"}}}}'
    )
    assert event is not None
    assert (event.type, event.id) == ("session.status", "evt_1")
    known = properties(event)
    assert known is not None
    assert known.session_id == "ses_1"
    assert known.status is not None
    assert known.status.type == "busy"


def test_an_event_without_properties_or_id() -> None:
    event = parse(b'{"payload":{"type":"server.connected"}}')
    assert event is not None
    assert event.id is None
    assert properties(event) is not None


def test_sync_twins_are_dropped() -> None:
    assert parse(b'{"payload":{"type":"sync","id":"evt_1","syncEvent":{"type":"message.updated.1"}}}') is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"7",
        b'{"payload":7}',
        b'{"payload":{}}',
        b'{"payload":{"type":7}}',
        b"\xff",
    ],
)
def test_bad_lines_are_no_events(data: bytes) -> None:
    assert parse(data) is None


def test_absurd_nesting_is_no_event() -> None:
    assert parse(b'{"payload":{"type":"x","properties":' + b"[" * 100_000) is None


@pytest.mark.parametrize("broken", [rb'"\ud83d"', rb'"\udc00 x"', rb'"x \ud83d\u0041"'])
def test_half_an_emoji_does_not_lose_the_event(broken: bytes) -> None:
    event = parse(
        b'{"payload":{"id":"evt_1","type":"permission.asked","properties":{"id":"per_1","x":'
        + broken
        + b"}}}"
    )
    assert event is not None
    known = properties(event)
    assert known is not None
    assert known.id == "per_1"


@pytest.mark.parametrize("text", [b'{"status":"busy"}', b'{"sessionID":7}', b"[]", b"\xff", b'{"id":"\xff"}'])
def test_odd_properties_are_none(text: bytes) -> None:
    assert properties(Event(type="session.status", properties=msgspec.Raw(text))) is None


def test_an_errors_data_is_never_read() -> None:
    event = parse(
        b'{"payload":{"type":"session.error","properties":{"sessionID":"ses_1","error":{"name":"APIError",'
        b'"data":{"message":"no","metadata":{"url":"http://provider.example"}}}}}}'
    )
    assert event is not None
    assert "provider.example" not in repr(properties(event))


def test_sessions_messages_and_health_of_the_rest_routes() -> None:
    info = decode(b'{"id":"ses_1","title":"Fix","parentID":"ses_0","time":{"created":1,"updated":2}}', Info)
    assert (info.id, info.title, info.parent_id, info.time.completed) == ("ses_1", "Fix", "ses_0", None)
    messages = decode(
        b'[{"info":{"id":"msg_1","role":"user","time":{"created":1}},"parts":[{"type":"text","text":"hi"},'
        b'{"type":"tool","tool":"bash","state":{}}]}]',
        list[Message],
    )
    assert [part.text for part in messages[0].parts] == ["hi", None]
    assert decode(b'{"healthy":true,"version":"1.18.33"}', Health).version == "1.18.33"


@pytest.mark.parametrize("text", [b"", b"<html>", b'{"healthy":"yes"}', b"[]"])
def test_other_answers_are_malformed(text: bytes) -> None:
    with pytest.raises(Malformed):
        decode(text, Health)


@settings(deadline=None, max_examples=60)
@given(st.binary())
def test_parsing_never_raises(data: bytes) -> None:
    event = parse(data)
    assert event is None or event.type
