"""Header blocks: joined, decompressed as the hpack package does it, checked for form, and written for any decoder."""

import pytest
from hpack import Decoder, Encoder, HPACKError
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.apns.errors import ConnectionFailure, StreamFailure
from simulator.apns.http2.frames import END_HEADERS, ErrorCode, Frame, FrameType
from simulator.apns.http2.header_block import (
    BlockReader,
    HeaderDecoder,
    check_trailers,
    checked_fields,
    status_field,
)

GOOD = [(b":method", b"POST"), (b":scheme", b"https"), (b":path", b"/")]


@pytest.mark.parametrize("stream_id", [0, 9])
def test_continuation_must_follow_its_own_headers(stream_id: int) -> None:
    reader = BlockReader()
    with pytest.raises(ConnectionFailure):
        reader.on_continuation(Frame(9, 0, 7, b""))
    reader.on_headers(Frame(1, 0, 7, b""))
    with pytest.raises(ConnectionFailure) as caught:
        reader.on_continuation(Frame(9, 0, stream_id, b""))
    assert caught.value.code == ErrorCode.PROTOCOL_ERROR


def test_an_endless_block_is_stopped() -> None:
    reader = BlockReader()
    reader.on_headers(Frame(1, 0, 7, b""))
    more = Frame(FrameType.CONTINUATION, 0, 7, bytes(16_384))
    for _ in range(4):
        reader.on_continuation(more)
    with pytest.raises(ConnectionFailure) as caught:
        reader.on_continuation(more)
    assert caught.value.code == ErrorCode.ENHANCE_YOUR_CALM


def test_a_block_that_inflates_without_end_is_stopped() -> None:
    bomb = Encoder().encode([(b"x", bytes(4000))]) + b"\xbe" * 20  # entry 62 of the table, again and again
    with pytest.raises(ConnectionFailure) as caught:
        BlockReader().on_headers(Frame(1, END_HEADERS, 1, bomb))
    assert caught.value.code == ErrorCode.ENHANCE_YOUR_CALM


def test_fields_become_text_and_odd_octets_survive() -> None:
    fields = checked_fields(
        1, [*GOOD, (b"host", b"h"), (b"te", b"trailers"), (b"apns-collapse-id", b"\xc3\xa9\xff")]
    )
    assert fields[3:] == [("host", "h"), ("te", "trailers"), ("apns-collapse-id", "é\udcff")]


# RFC 9113 as a table: section, fields of a request, whether it is malformed.

Fields = list[tuple[bytes, bytes]]


def request(*extra: tuple[bytes, bytes], **pseudo: bytes | None) -> Fields:
    """A good request with other pseudo-headers, None to leave one out, and with further fields."""
    fields: dict[str, bytes | None] = {
        "method": b"POST",
        "scheme": b"https",
        "path": b"/3/device/ab",
        "authority": b"h",
    }
    return [
        (b":" + name.encode(), value) for name, value in (fields | pseudo).items() if value is not None
    ] + [*extra]


MALFORMED: list[tuple[str, Fields]] = [
    # 8.2.1: the names of fields
    *(("8.2.1", request((b"x" + bytes([octet]) + b"y", b"1"))) for octet in [*range(0x21), *range(0x41, 0x5B), *range(0x7F, 0x100)]),
    *(("8.2.1", request((bytes([octet]), b"1"))) for octet in (0x00, 0x20, 0x41, 0x5A, 0x7F, 0x80, 0xFF)),
    ("8.2.1", request((b"", b"1"))),
    ("8.2.1", request((b"a:b", b"1"))),
    ("8.2.1", request((b"a:", b"1"))),
    ("8.2.1", request((b"Authorization", b"bearer x"))),
    # 8.2.1: their values
    *(("8.2.1", request((b"x", value))) for value in (b"\0", b"a\0b", b"\n", b"a\nb", b"\r", b"a\r\nb", b"a\r")),
    *(("8.2.1", request((b"x", value))) for value in (b" a", b"a ", b"\ta", b"a\t", b" ", b"\t", b" \t ")),
    ("8.2.1", request((b"authorization", b"bearer JWT\n"))),
    ("8.2.1", request((b"authorization", b"bearer JWT "))),
    *(("8.2.1", request(**{name: value})) for name in ("method", "scheme", "path", "authority") for value in (b"/ ", b" /", b"/\0", b"/\r", b"/\n", b"/\t")),
    # 8.2.2: fields of the connection
    *(("8.2.2", request((name, b"x"))) for name in (b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade")),
    ("8.2.2", request((b"te", b"gzip"))),
    ("8.2.2", request((b"te", b"trailers, gzip"))),
    # 8.3: pseudo-headers
    ("8.3", request((b":status", b"200"))),
    ("8.3", request((b":protocol", b"websocket"))),
    ("8.3", request((b":", b"x"))),
    ("8.3", request((b"x", b"1"), (b":path", b"/"), path=None)),
    *(("8.3.1", request((name, b"/"))) for name in (b":method", b":scheme", b":path", b":authority")),
    # 8.3.1: exactly one valid value for each
    *(("8.3.1", request(**{name: None})) for name in ("method", "scheme", "path")),
    *(("8.3.1", request(**{name: b""})) for name in ("method", "scheme", "path", "authority")),
    ("8.3.1", request(path=b"3/device/ab")),
    ("8.3.1", request(path=b"*")),
    ("8.3.1", request(path=b"https://h/3/device/ab")),
    ("8.3.1", request(path=b"?x", scheme=b"http")),
    ("8.3.1", request(method=b"PO ST")),
    ("8.3.1", request(method="PÖST".encode())),
    ("8.3.1", request(scheme=b"ht tp")),
    ("8.3.1", request(scheme=b"9p")),
    ("8.3.1", request(authority=b"me@h")),
    ("8.3.1", request(authority=b"me:secret@h:443")),
    ("8.3.1", request((b"host", b"other"))),
    ("8.3.1", request((b"host", b"h"), (b"host", b"other"))),
    ("8.3.1", request((b"host", b"h:444"))),
    ("8.5", request(method=b"CONNECT")),
    ("8.5", request(method=b"CONNECT", path=None)),
    ("8.5", request(method=b"CONNECT", scheme=None)),
    ("8.5", request(method=b"CONNECT", path=None, scheme=None, authority=None)),
    ("8.3.1", []),
]  # fmt: skip

WELL_FORMED: list[tuple[str, Fields]] = [
    ("8.2.1", request()),
    *(("8.2.1", request((b"x" + bytes([octet]), b"1"))) for octet in b"!#$%&'*+-.^_`|~09az"),
    *(("8.2.1", request((b"x", value))) for value in (b"", b"a b", b"a\tb", b"\x01", b"\x7f", b"\xff", "é".encode())),
    ("8.2.2", request((b"te", b"trailers"))),
    ("8.2.3", request((b"cookie", b"a=1"), (b"cookie", b"b=2"))),
    ("8.3.1", request(authority=None)),
    ("8.3.1", request(path=b"/")),
    ("8.3.1", request(path=b"/?")),
    ("8.3.1", request(path=b"/\xff")),
    ("8.3.1", request(method=b"OPTIONS", path=b"*")),
    ("8.3.1", request(method=b"delete")),
    ("8.3.1", request(scheme=b"coap+tcp", path=b"x")),
    ("8.3.1", request((b"host", b"H"))),
    ("8.3.1", request((b"host", b"h:443"))),
    ("8.3.1", request((b"host", b"h"), authority=None)),
    ("8.5", request(method=b"CONNECT", path=None, scheme=None)),
]  # fmt: skip


def _id(row: object) -> str:
    return repr(row)[:60]


@pytest.mark.parametrize(("section", "decoded"), MALFORMED, ids=_id)
def test_malformed_requests(section: str, decoded: Fields) -> None:
    with pytest.raises(StreamFailure) as caught:
        checked_fields(5, decoded)
    assert (caught.value.stream_id, caught.value.code) == (5, ErrorCode.PROTOCOL_ERROR)
    assert "bearer" not in str(caught.value)


@pytest.mark.parametrize(("section", "decoded"), WELL_FORMED, ids=_id)
def test_well_formed_requests(section: str, decoded: Fields) -> None:
    assert len(checked_fields(5, decoded)) == len(decoded)


@pytest.mark.parametrize(
    ("trailers", "malformed"),
    [
        ([(b"x", b"1")], False),
        ([], False),
        ([(b":path", b"/")], True),  # section 8.3
        ([(b"X", b"1")], True),
        ([(b"x", b"1\n")], True),
        ([(b"x", b" 1")], True),
        ([(b"connection", b"close")], True),
    ],
)
def test_trailers(trailers: Fields, malformed: bool) -> None:
    if not malformed:
        check_trailers(5, trailers)
        return
    with pytest.raises(StreamFailure) as caught:
        check_trailers(5, trailers)
    assert (caught.value.stream_id, caught.value.code) == (5, ErrorCode.PROTOCOL_ERROR)


@pytest.mark.parametrize("status", [200, 204, 206, 304, 400, 403, 404, 405, 410, 413, 429, 500, 503])
def test_any_status_is_read_by_an_independent_decoder(status: int) -> None:
    assert list(Decoder().decode(status_field(status))) == [(":status", str(status))]


# --- our HPACK decoder against the hpack package's, block by block ---

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
    with pytest.raises(ConnectionFailure) as caught:
        BlockReader().on_headers(Frame(1, END_HEADERS, 1, octets))
    assert caught.value.code == ErrorCode.COMPRESSION_ERROR


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
