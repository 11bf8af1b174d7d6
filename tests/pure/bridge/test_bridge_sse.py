"""Server-sent events, in whatever pieces they come."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.bridge.sources.opencode1.stream import BOM, Splitter


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
        (b"data: one", []),
        (b"data\n\n", [b""]),
        (b": heartbeat\n\n", []),
        (b"\n\n\n", []),
        (b"event: x\nid: 7\nretry: 10\ndata: one\n\n", [b"one"]),
        (b"database: no\n\n", []),
        (b"data: one\r\n\r\n", [b"one"]),
        (b"data: one\r\rdata: two\r\r", [b"one", b"two"]),
        (b"data: one\r\n\r\ndata: two\n\n", [b"one", b"two"]),
        (BOM + b"data: one\n\n", [b"one"]),
        (b"data: " + BOM + b"\n\n", [BOM]),
        (b'data: {"a":": b"}\n\n', [b'{"a":": b"}']),
    ],
)
def test_a_stream_in_one_piece_and_byte_by_byte(stream: bytes, events: list[bytes]) -> None:
    assert split(stream) == events
    assert split(*(stream[index : index + 1] for index in range(len(stream)))) == events


def test_an_empty_chunk_between_cr_and_lf_does_not_end_the_event() -> None:
    assert split(b"data: one\r", b"", b"\ndata: two\r", b"\n", b"\r\n") == [b"one\ntwo"]


def test_a_line_of_megabytes_comes_whole() -> None:
    long = b"x" * 5_000_000
    wire = b"data: " + long + b"\n\ndata: short\n\n"
    chunks = [wire[start : start + 16_384] for start in range(0, len(wire), 16_384)]
    assert split(*chunks) == [long, b"short"]


jsons = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


@settings(deadline=None, max_examples=40)
@given(st.lists(jsons), st.sampled_from([b"\n", b"\r\n", b"\r"]), st.lists(st.integers(1, 40), min_size=1))
def test_any_json_survives_any_chunking(values: list[object], newline: bytes, sizes: list[int]) -> None:
    texts = [json.dumps(value, ensure_ascii=False).encode() for value in values]
    wire = b"".join(b"data: " + text + newline * 2 for text in texts)
    chunks, position, turn = [], 0, 0
    while position < len(wire):
        size = sizes[turn % len(sizes)]
        chunks.append(wire[position : position + size])
        position, turn = position + size, turn + 1
    assert split(*chunks) == texts


@settings(deadline=None, max_examples=40)
@given(st.lists(st.binary()))
def test_rubbish_never_raises(chunks: list[bytes]) -> None:
    assert all(b"\r" not in data for data in split(*chunks))
