"""Our HPACK decoder against the hpack package's, block by block."""

import pytest
from hpack import Decoder, Encoder, HPACKError
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.apns.http2.header_block import HeaderDecoder

TABLE, LIST = 4096, 65_536

names = st.sampled_from([b":path", b":method", b"apns-id", b"x-own", b"authorization", b"a" * 200])
values = st.one_of(
    st.binary(max_size=30), st.sampled_from([b"POST", b"/3/device/ab", b"v" * 300, b"w" * 5000])
)
blocks = st.lists(st.lists(st.tuples(names, values, st.booleans()), max_size=8), max_size=8)


@settings(deadline=None, max_examples=100)
@given(blocks, st.booleans(), st.lists(st.sampled_from([0, 60, 500, 4096]), max_size=8))
def test_what_an_encoder_writes_is_read_as_hpack_reads_it(fields, huffman: bool, sizes: list[int]) -> None:
    encoder, ours, theirs = Encoder(), HeaderDecoder(TABLE, LIST), Decoder()
    for number, block in enumerate(fields):
        if number < len(sizes):
            encoder.header_table_size = sizes[number]
        octets = encoder.encode(block, huffman=huffman)
        expected = [tuple(field) for field in theirs.decode(octets, raw=True)]
        assert ours.decode(octets) == expected == [(name, value) for name, value, _ in block]
    assert list(ours._dynamic) == [tuple(entry) for entry in theirs.header_table.dynamic_entries]


@settings(deadline=None, max_examples=100)
@given(st.lists(st.binary(max_size=25), max_size=4))
def test_on_any_octets_both_agree_or_both_refuse(octets: list[bytes]) -> None:
    ours, theirs = HeaderDecoder(TABLE, LIST), Decoder()
    for block in octets:
        try:
            expected = [tuple(field) for field in theirs.decode(block, raw=True)]
        except HPACKError:
            with pytest.raises(HPACKError):
                ours.decode(block)
            return
        assert ours.decode(block) == expected


@pytest.mark.parametrize(
    "octets",
    [
        b"\x80",  # entry 0 does not exist
        b"\xbe",  # nor does 62, in an empty table
        b"\xff",  # an integer that stops
        b"\xff\xff\xff\xff\xff\xff\x01",  # an integer that does not
        b"\x40",  # no name
        b"\x40\x01a",  # no value
        b"\x40\x05ab",  # half a name
        b"\x44\x05ab",  # half a value
        b"\x40\x81\x00\x00",  # bad Huffman padding
        b"\x82\x20",  # a size update after a field
        b"\x3f\xe2\x1f",  # a table of 4097 octets
        b"\x00\x7f",  # a length that stops
    ],
)
def test_what_cannot_be_read(octets: bytes) -> None:
    with pytest.raises(HPACKError):
        HeaderDecoder(TABLE, LIST).decode(octets)


def test_long_integers_are_read() -> None:
    value = b"v" * 1000
    octets = Encoder().encode([(b"n" * 300, value)], huffman=False)
    assert HeaderDecoder(TABLE, LIST).decode(octets) == [(b"n" * 300, value)]
    assert HeaderDecoder(TABLE, LIST).decode(b"\x0f\x00\x01x") == [
        (b"accept-charset", b"x")
    ]  # name: entry 15


def test_the_list_may_not_grow_without_end() -> None:
    decoder = HeaderDecoder(TABLE, 100)
    octets = Encoder().encode([(b"aaaa", b"bbbb")], huffman=False)
    assert decoder.decode(octets) == [(b"aaaa", b"bbbb")]
    with pytest.raises(HPACKError, match="100 octets"):
        decoder.decode(b"\xbe" * 3)
