"""Header blocks, read back by the hpack package's decoder: whatever is sent, the server reads what was meant."""

from typing import Any

import pytest
from hpack import Decoder, Encoder
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.apns.http2.frames import Http2ConnectionError
from relay.apns.http2.header_block import (
    MAX_TABLE,
    MAX_TEMPLATES,
    HeaderTable,
    RequestBlocks,
    integer,
    status_of,
)

BEARER = "bearer " + "t" * 180


def fields(push: Any, authorization: str = BEARER) -> list[tuple[str, str]]:
    """What Apple documents, in our order."""
    return [
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "localhost:2197"),
        (":path", f"/3/device/{push.device_token}"),
        ("authorization", authorization),
        ("apns-topic", push.topic),
        *([("apns-push-type", push.push_type)] if push.push_type else []),
        ("apns-priority", str(push.priority)),
        ("apns-id", push.apns_id),
        ("apns-expiration", str(push.expiration)),
        *([("apns-collapse-id", push.collapse_id)] if push.collapse_id else []),
    ]


PUSHES = st.fixed_dictionaries(
    {
        "device_token": st.sampled_from(["ab" * 32, "cd" * 80, "0f" * 512]),
        "apns_id": st.uuids().map(str),
        "topic": st.sampled_from(["com.example.app", "com.example.app.push-type.liveactivity"])
        | st.text("abcdef.", min_size=1, max_size=255),
        "push_type": st.sampled_from(["alert", "liveactivity", "background", ""]),
        "priority": st.sampled_from([1, 5, 10]),
        "expiration": st.sampled_from([0, 1_800_000_000, 2**53 - 1]),
        "collapse_id": st.sampled_from(["", "c1", "ünïcode", "x" * 64]),
    }
)
STEPS = st.lists(
    PUSHES
    | st.sampled_from([0, 100, 300, 1000, MAX_TABLE, 2**32 - 1])
    | st.sampled_from(["bearer a", "bearer b"]),
    max_size=40,
)


@settings(deadline=None, max_examples=200)
@given(STEPS)
def test_the_server_reads_what_was_meant(make_push: Any, steps: list[Any]) -> None:
    """Any pushes in any order, with the table resized and the token renewed between them."""
    blocks, decoder, authorization = RequestBlocks("localhost:2197"), Decoder(), BEARER
    for step in steps:
        if isinstance(step, int):
            blocks.resize_table(step)
            decoder.max_allowed_table_size = step  # what the server announced is what it will take
        elif isinstance(step, str):
            authorization = step
        else:
            push = make_push(**step)
            assert decoder.decode(blocks.block(push, authorization)) == fields(push, authorization)


def test_apples_encoding(make_push: Any) -> None:
    """Only what comes again is in the table: not the token, not the path, not the ids of later pushes."""
    blocks, decoder = RequestBlocks("localhost:2197"), Decoder()
    for number in range(5):
        decoder.decode(blocks.block(make_push(apns_id=f"0123abcd-4567-89ef-0123-{number:012}"), BEARER))
    names = [bytes(name) for name, _ in decoder.header_table.dynamic_entries]
    assert sorted(names) == [
        b":authority", b"apns-collapse-id", b"apns-expiration", b"apns-id", b"apns-priority", b"apns-push-type", b"apns-topic",
    ]  # fmt: skip


def test_templates_are_bounded(make_push: Any) -> None:
    blocks, decoder = RequestBlocks("localhost:2197"), Decoder()
    for number in [*range(MAX_TEMPLATES + 50)] * 2:
        push = make_push(topic=f"com.example.app{number}")
        assert decoder.decode(blocks.block(push, BEARER)) == fields(push)
    assert len(blocks._templates) <= MAX_TEMPLATES


def test_a_full_table_takes_no_more() -> None:
    table, decoder = HeaderTable(), Decoder()
    for number in range(200):
        name, value = b"name", b"value %d" % number
        assert decoder.decode(table.repeated(name, value) * 2, raw=True)[0] == (name, value)
    assert decoder.header_table._current_size <= MAX_TABLE


@given(st.integers(0, 2**32), st.sampled_from([(0x80, 7), (0x40, 6), (0x00, 4), (0x20, 5)]))
def test_integers(number: int, form: tuple[int, int]) -> None:
    from hpack.hpack import decode_integer

    octets = integer(number, form)
    assert decode_integer(octets, form[1]) == (number, len(octets))
    assert octets[0] & form[0] == form[0]


# Answers.

STATUSES = (200, 204, 206, 304, 400, 404, 500, 403, 405, 410, 413, 429, 503, 103, 599)


@given(st.sampled_from(STATUSES), st.booleans(), st.booleans())
def test_the_status_of_an_answer(status: int, huffman: bool, sensitive: bool) -> None:
    fields = [(b":status", b"%d" % status, sensitive), (b"apns-id", b"x")]
    assert status_of(Encoder().encode(fields, huffman=huffman)) == status


@pytest.mark.parametrize(
    ("block", "status"),
    [
        (b"\x08\x03410\x00\x01a\x01b", 410),
        (b"\x18\x03410", 410),
        (b"\x48\x03410", 410),
        (b"\x00\x07:status\x03410", 410),  # with its name spelled out
        (b"\x20\x88", 200),  # after a notice of the table's size
        (b"\x20\x08\x03410", 410),
        *((none, 0) for none in (b"", b"\x08\x03abc", b"\x08\x042000", b"\x08\x03099", b"\x00\x01a\x01b")),
        *(
            (no, None)
            for no in (b"\x08", b"\x08\x05410", b"\xbe", b"\xff\xff\xff\xff", b"\x08\x83\xff\xff\xff")
        ),
    ],
)
def test_a_status_by_hand(block: bytes, status: int | None) -> None:
    """0: there is none; None: it is no header block."""
    if status is None:
        with pytest.raises(Http2ConnectionError):
            status_of(block)
    else:
        assert status_of(block) == status
