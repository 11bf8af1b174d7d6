"""OpenCode's bytes as events, in whatever pieces they come, and what happens when they are none."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.bridge.sources.opencode1.wire import Event, Health, parse, properties
from relay.bridge.sources.wire import BOM, ID_TURN_MS, Malformed, Splitter, decode, id_ms, ms_apart


def split(*chunks: bytes) -> list[bytes]:
    splitter = Splitter()
    return [data for chunk in chunks for data in splitter.feed(chunk)]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"", []),
        (b"data: one\n\n", [b"one"]),
        (b"data:one\n\n", [b"one"]),
        (b"data:  one\n\n", [b" one"]),
        (b"data: one\n\ndata: two\n\n", [b"one", b"two"]),
        (b"data: one\ndata: two\n\n", [b"one\ntwo"]),
        (b"data: one\n", []),
        (b"data\n\n", [b""]),
        (b": heartbeat\n\n\n\n", []),
        (b"event: x\nid: 7\nretry: 10\ndata: one\n\n", [b"one"]),
        (b"database: no\n\n", []),
        (b"data: one\r\n\r\ndata: two\n\n", [b"one", b"two"]),
        (b"data: one\r\rdata: two\r\r", [b"one", b"two"]),
        (BOM + b"data: one\n\n", [b"one"]),
        (b"data: " + BOM + b"\n\n", [BOM]),
    ],
)
def test_a_stream_in_one_piece_and_byte_by_byte(stream: bytes, events: list[bytes]) -> None:
    assert split(stream) == events
    assert split(*(stream[index : index + 1] for index in range(len(stream)))) == events


def test_an_empty_chunk_between_cr_and_lf_does_not_end_the_event() -> None:
    assert split(b"data: one\r", b"", b"\ndata: two\r", b"\n", b"\r\n") == [b"one\ntwo"]


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


@settings(deadline=None, max_examples=40)
@given(st.lists(JSONS), st.sampled_from([b"\n", b"\r\n", b"\r"]), st.lists(st.integers(1, 40), min_size=1))
def test_any_json_survives_any_chunking(values: list[object], newline: bytes, sizes: list[int]) -> None:
    texts = [json.dumps(value, ensure_ascii=False).encode() for value in values]
    wire = b"".join(b"data: " + text + newline * 2 for text in texts)
    chunks: list[bytes] = []
    while wire:
        size = sizes[len(chunks) % len(sizes)]
        chunks, wire = [*chunks, wire[:size]], wire[size:]
    assert split(*chunks) == texts


@settings(deadline=None, max_examples=60)
@given(st.lists(st.binary()))
def test_rubbish_never_raises(chunks: list[bytes]) -> None:
    for data in split(*chunks):
        assert b"\r" not in data
        event = parse(data)
        assert event is None or event.type


def test_an_event_of_the_global_stream() -> None:
    event = parse(
        b'{"directory":"/code/demo","project":"45a8","payload":{"id":"evt_1","type":"session.error","properties":'
        b'{"sessionID":"ses_1","status":{"type":"busy"},"error":{"name":"APIError","data":{"message":"secret"}}}}}'
    )
    assert event is not None
    assert (event.type, event.id) == ("session.error", "evt_1")
    known = properties(event)
    assert known is not None
    assert (known.session_id, known.status and known.status.type) == ("ses_1", "busy")
    assert known.error
    assert known.error.name == "APIError"
    assert "secret" not in repr(known)  # an error's data is read for its words alone
    bare = parse(b'{"payload":{"type":"server.connected"}}')
    assert bare is not None
    assert bare.id is None
    assert properties(bare) is not None


@pytest.mark.parametrize(
    "data",
    [
        b'{"payload":{"type":"sync","id":"evt_1","syncEvent":{"type":"message.updated.1"}}}',  # a twin
        b'{"payload":{"type":"x","properties":' + b"[" * 100_000,
        *(b"", b"{", b"null", b"[]", b"7", b'{"payload":7}', b'{"payload":{}}', b'{"payload":{"type":7}}', b"\xff"),
    ],
    ids=range(11),
)  # fmt: skip
def test_what_is_no_event(data: bytes) -> None:
    assert parse(data) is None


@pytest.mark.parametrize("broken", [rb'"\ud83d"', rb'"\udc00 x"', rb'"x \ud83d\u0041"'])
def test_half_an_emoji_does_not_lose_the_event(broken: bytes) -> None:
    event = parse(b'{"payload":{"id":"evt_1","type":"x","properties":{"id":"per_1","x":' + broken + b"}}}")
    assert event is not None
    known = properties(event)
    assert known is not None
    assert known.id == "per_1"
    assert decode(b'{"healthy":true,"version":' + broken + b"}", Health).version.count("\ufffd") == 1


@pytest.mark.parametrize("text", [b'{"status":"busy"}', b'{"sessionID":7}', b"[]", b"\xff", b'{"id":"\xff"}'])
def test_odd_properties_are_none(text: bytes) -> None:
    assert properties(Event(type="session.status", properties=msgspec.Raw(text))) is None


@pytest.mark.parametrize("text", [b"", b"<html>", b'{"healthy":"yes"}', b"[]"])
def test_other_answers_are_malformed(text: bytes) -> None:
    with pytest.raises(Malformed):
        decode(text, Health)


def evt(ms: int) -> str:
    """An id as OpenCode 1.18.33 makes them at `ms`."""
    return f"evt_{(ms * 4096 + 1) % (1 << 48):012x}xM9abcdefghijk"


@pytest.mark.parametrize(
    ("earlier", "later", "ms"),
    [
        # As recorded: an error, and the instance that goes 155 ms later.
        ("evt_22b087da6001lrXWBIfc68zLQ7", "evt_22b087e41001imV5E1n8Imr1pA", 155),
        (evt(1796018306619), evt(1796018306619), 0),
        (evt(1796018306619), evt(1796018303000), -3619),
        (evt(ID_TURN_MS - 1), evt(ID_TURN_MS + 2), 3),
        ("evt_7", evt(1), None),
        (evt(1), "", None),
    ],
)
def test_ids_tell_the_time_between_them(earlier: str, later: str, ms: int | None) -> None:
    assert ms_apart(earlier, later) == ms


@pytest.mark.parametrize("off", [-3_600_000, 0, 1, 86_400_000])
def test_an_id_tells_when_it_was_made_by_the_servers_clock(off: int) -> None:
    assert id_ms(evt(1796018306619), 1796018306619.5 + off) == 1796018306619
    assert id_ms("evt_7", 1.0) is None
    assert id_ms(None, 1.0) is None
