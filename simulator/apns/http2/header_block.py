"""Header blocks (RFC 9113 sections 4.3 and 8): joined, decompressed, checked for form, and written for responses.

HPACK decompression (RFC 7541) is on the hot path: most of a request's cost is its header block. HeaderDecoder does what the
hpack package does in a third of the time: providers repeat themselves (topic, path and provider token come again and again,
Huffman-coded), so Huffman strings are remembered, and the common one-octet integers are read in place. Tests hold it
against hpack's own decoder, block by block.
"""

import re
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

from hpack import (
    HPACKDecodingError,
    HPACKError,
    InvalidTableIndexError,
    InvalidTableSizeError,
    OversizedHeaderListError,
)
from hpack.huffman_table import decode_huffman
from hpack.table import HeaderTable

from simulator.apns.errors import ConnectionFailure, StreamFailure
from simulator.apns.http2.frames import END_HEADERS, END_STREAM, ErrorCode, Frame, read_headers

Field = tuple[str, str]
RawField = tuple[bytes, bytes]

HEADER_TABLE_SIZE: Final = 4096  # what this server announces

REQUIRED_PSEUDO: Final = frozenset({":method", ":scheme", ":path"})  # section 8.3.1
CONNECT_PSEUDO: Final = frozenset({":method", ":authority"})  # section 8.5: these and no other
KNOWN_PSEUDO: Final = REQUIRED_PSEUDO | CONNECT_PSEUDO
CONNECTION_FIELDS: Final = frozenset(  # section 8.2.2: they have no meaning in HTTP/2
    {"connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade"}
)

_FORBIDDEN_IN_NAME: Final = re.compile(r"[\x00-\x20A-Z\x7f-\xff]")
_BLANKS: Final = (b" ", b"\t")
_METHOD: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token, RFC 9110 section 5.6.2
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")  # RFC 3986 section 3.1
HOST_DIFFERS: Final = "host is not the one of :authority"
SHORT_PSEUDO: Final = (":method", ":scheme", ":authority")
Pseudo = dict[str, str]


def _is_web(pseudo: Pseudo) -> bool:
    return pseudo.get(":scheme", "").lower() in ("http", "https")


def _connects(pseudo: Pseudo) -> bool:
    return pseudo.get(":method") == "CONNECT"


def _has_bad_path(pseudo: Pseudo) -> bool:
    path = pseudo.get(":path", "/")
    return _is_web(pseudo) and path[:1] != "/" and (pseudo[":method"], path) != ("OPTIONS", "*")


REQUEST_RULES: Final[tuple[tuple[str, Callable[[Pseudo], bool]], ...]] = (
    ("a CONNECT request has :method and :authority, and no other pseudo-header", lambda p: _connects(p) and p.keys() != CONNECT_PSEUDO),
    ("a required pseudo-header is missing", lambda p: not _connects(p) and not p.keys() >= REQUIRED_PSEUDO),
    ("a pseudo-header is empty", lambda p: "" in p.values()),
    (":method is no method", lambda p: _METHOD.fullmatch(p[":method"]) is None),
    (":scheme is no scheme", lambda p: _SCHEME.fullmatch(p.get(":scheme", "https")) is None),
    (":path does not begin with a slash", _has_bad_path),
    (":authority holds user information", lambda p: "@" in p.get(":authority", "")),
)  # fmt: skip
"""What makes the pseudo-headers of a request malformed (RFC 9113 sections 8.3.1 and 8.5), in this order."""

MAX_HEADER_BLOCK: Final = 65_536  # compressed or not; APNs announces no limit with token authentication
# RFC 7541 appendix A: these statuses are one byte; the others are a literal whose name is entry 8.
_STATUS_INDEX: Final = {200: 8, 204: 9, 206: 10, 304: 11, 400: 12, 404: 13, 500: 14}
_INDEXED: Final = 0x80
_LITERAL_STATUS: Final = b"\x08\x03"  # literal without indexing, name = entry 8, three octets follow
_LITERAL_NEW_NAME: Final = b"\x00"  # literal without indexing, the name follows
TABLE_SIZE_ZERO: Final = b"\x20"  # RFC 7541 section 6.3

STATIC: Final[tuple[RawField, ...]] = tuple(HeaderTable.STATIC_TABLE)  # appendix A
FIRST_DYNAMIC: Final = len(STATIC) + 1
ENTRY_OVERHEAD: Final = 32  # section 4.1
MAX_INTEGER_OCTETS: Final = 5


class Block(NamedTuple):
    """A header block, decompressed; names and values as octets."""

    stream_id: int
    ends_stream: bool
    fields: list[RawField]


class BlockReader:
    """Joins HEADERS with its CONTINUATION frames and decompresses them, in the order of the connection.

    Every block must pass here, also those of streams that are refused or gone: HPACK's table has to keep step.
    """

    def __init__(self) -> None:
        self._decoder = HeaderDecoder(HEADER_TABLE_SIZE, MAX_HEADER_BLOCK)
        self._first: Frame | None = None
        self._fragments = b""

    @property
    def expects_more(self) -> bool:
        """Only CONTINUATION may come now (section 4.3)."""
        return self._first is not None

    def on_headers(self, frame: Frame) -> Block | None:
        """Take a HEADERS frame; the block if it is whole."""
        fragment = read_headers(frame)
        if frame.flags & END_HEADERS:
            return self._whole(frame, fragment)
        self._first, self._fragments = frame, fragment
        return None

    def on_continuation(self, frame: Frame) -> Block | None:
        """Take a CONTINUATION frame; the block if it is whole."""
        first = self._first
        if first is None or first.stream_id != frame.stream_id:  # section 6.10
            raise ConnectionFailure(ErrorCode.PROTOCOL_ERROR, "CONTINUATION without its HEADERS")
        self._fragments += frame.payload
        if len(self._fragments) > MAX_HEADER_BLOCK:
            raise ConnectionFailure(ErrorCode.ENHANCE_YOUR_CALM, "endless header block")
        if not frame.flags & END_HEADERS:
            return None
        self._first = None
        return self._whole(first, self._fragments)

    def _whole(self, first: Frame, octets: bytes) -> Block:
        try:
            fields = self._decoder.decode(octets)
        except OversizedHeaderListError as error:
            raise ConnectionFailure(ErrorCode.ENHANCE_YOUR_CALM, str(error)) from error
        except HPACKError as error:
            raise ConnectionFailure(ErrorCode.COMPRESSION_ERROR, str(error)) from error
        return Block(first.stream_id, bool(first.flags & END_STREAM), fields)


def checked_fields(stream_id: int, decoded: list[RawField]) -> list[Field]:
    """Fields as text, in order. StreamFailure if they make a malformed request (section 8.1.1)."""
    fields: list[Field] = []
    pseudo: Pseudo = {}
    host = None
    for raw_name, raw_value in decoded:
        name = _require_allowed(stream_id, raw_name, raw_value)
        # Values are UTF-8 by APNs' convention; other bytes survive as surrogates, so that the checks see them.
        value = raw_value.decode("utf-8", "surrogateescape")
        if name[0] == ":":
            if name in pseudo or len(pseudo) < len(fields):
                raise _malformed(stream_id, f"pseudo-header {name!r} out of place")
            pseudo[name] = value
        elif name == "host":
            host = value if host in (None, value) else "*"
        fields.append((name, value))
    wrong = _wrong_in_pseudo(
        tuple(pseudo), *(pseudo.get(name) for name in SHORT_PSEUDO), pseudo.get(":path", "")[:2], host
    )
    if wrong:
        raise _malformed(stream_id, wrong)
    return fields


def check_trailers(stream_id: int, decoded: list[RawField]) -> None:
    """StreamFailure if these fields may not stand after a body. What they say means nothing to APNs."""
    for raw_name, raw_value in decoded:
        name = _require_allowed(stream_id, raw_name, raw_value)
        if name[0] == ":":  # section 8.3
            raise _malformed(stream_id, f"pseudo-header {name!r} in trailers")


def _malformed(stream_id: int, what: str) -> StreamFailure:
    return StreamFailure(stream_id, ErrorCode.PROTOCOL_ERROR, what)


def _require_allowed(stream_id: int, raw_name: bytes, value: bytes) -> str:
    """The name. StreamFailure for a field that no request may hold; its value is not repeated: it may be a provider token."""
    name, wrong = _read_name(raw_name)
    if wrong or (name == "te" and value != b"trailers"):  # section 8.2.2
        raise _malformed(stream_id, wrong or "field 'te' is not allowed")
    if b"\n" in value or b"\r" in value or b"\0" in value:
        raise _malformed(stream_id, f"field {name!r} holds NUL, CR or LF")
    if value[:1] in _BLANKS or value[-1:] in _BLANKS:
        raise _malformed(stream_id, f"field {name!r} begins or ends with a blank")
    return name


@lru_cache(maxsize=256)
def _read_name(raw_name: bytes) -> tuple[str, str]:
    """The name of a field, and what is wrong with it: control characters, blanks, capitals, octets above ASCII, a colon that
    does not stand at the beginning (section 8.2.1), a pseudo-header that no request has (8.3), a field of the connection (8.2.2)."""
    name = raw_name.decode("latin-1")
    if name == "" or ":" in name[1:] or _FORBIDDEN_IN_NAME.search(name):
        return name, f"field name {name!r} is not allowed"
    if name[0] == ":" and name not in KNOWN_PSEUDO:
        return name, f"pseudo-header {name!r} out of place"
    return name, f"field {name!r} is not allowed" if name in CONNECTION_FIELDS else ""


@lru_cache(maxsize=64)
def _wrong_in_pseudo(
    names: tuple[str, ...],
    method: str | None,
    scheme: str | None,
    authority: str | None,
    path: str,
    host: str | None,
) -> str:
    """What is wrong with the pseudo-headers, "" if nothing: of the path the first two characters tell."""
    given = {":method": method, ":scheme": scheme, ":authority": authority, ":path": path}
    pseudo = {name: given[name] or "" for name in names}
    wrong = next((wrong for wrong, applies in REQUEST_RULES if applies(pseudo)), "")
    return wrong or (HOST_DIFFERS if _is_for_another_host(authority, host) else "")


def _is_for_another_host(authority: str | None, host: str | None) -> bool:
    """Section 8.3.1: `host` beside `:authority` has to mean the same; the port may be left out where it is https' own."""
    return authority is not None and host is not None and _host(host) != _host(authority)


def _host(text: str) -> str:
    return text.lower().removesuffix(":443")


def status_field(status: int) -> bytes:
    """`:status` in as few octets as HPACK needs without its dynamic table."""
    index = _STATUS_INDEX.get(status)
    return bytes((_INDEXED | index,)) if index else _LITERAL_STATUS + b"%03d" % status


def literal_field(name: bytes, value: bytes) -> bytes:
    """A field that enters no table, so blocks need no state. Both parts are shorter than 127 octets."""
    assert len(name) < 127 and len(value) < 127  # noqa: PT018 - one invariant: a length fits its seven bits
    return b"%b%c%b%c%b" % (_LITERAL_NEW_NAME, len(name), name, len(value), value)


class HeaderDecoder:
    """One direction of one connection; blocks must be decoded in the order in which they came."""

    def __init__(self, table_size: int, max_list_size: int) -> None:
        self._allowed = table_size
        self._limit = table_size
        self._max_list_size = max_list_size
        self._size = 0
        self._dynamic: deque[RawField] = deque()  # newest first: index 62 is entry 0

    def decode(self, octets: bytes) -> list[RawField]:
        """Names and values in order. HPACKError, after which the connection is lost, if they cannot be read."""
        fields: list[RawField] = []
        left, at, end = self._max_list_size, 0, len(octets)
        while at < end:
            first = octets[at]
            if first & 0x80:  # section 6.1, indexed
                index, at = (first & 0x7F, at + 1) if first != 0xFF else _integer(octets, at, 7)
                field = self._entry(index)
            elif first & 0x40:  # section 6.2.1, literal that enters the table
                field, at = self._literal(octets, at, 6)
                self._insert(field)
            elif first & 0x20:  # section 6.3, size update; section 4.2: only before the first field
                if fields:
                    raise HPACKDecodingError("table size update after a field")
                at = self._resize(octets, at)
                continue
            else:  # sections 6.2.2 and 6.2.3, literal that does not
                field, at = self._literal(octets, at, 4)
            left -= len(field[0]) + len(field[1]) + ENTRY_OVERHEAD
            if left < 0:
                raise OversizedHeaderListError(f"header list above {self._max_list_size} octets")
            fields.append(field)
        return fields

    def _literal(self, octets: bytes, at: int, prefix: int) -> tuple[RawField, int]:
        mask = (1 << prefix) - 1
        index = octets[at] & mask
        if index == mask:
            index, at = _integer(octets, at, prefix)
        else:
            at += 1
        if index:
            name = self._entry(index)[0]
        else:
            name, at = _string(octets, at)
        value, at = _string(octets, at)
        return (name, value), at

    def _entry(self, index: int) -> RawField:
        if 0 < index < FIRST_DYNAMIC:
            return STATIC[index - 1]
        if 0 <= index - FIRST_DYNAMIC < len(self._dynamic):
            return self._dynamic[index - FIRST_DYNAMIC]
        raise InvalidTableIndexError(f"no entry {index} in the table")

    def _insert(self, field: RawField) -> None:
        self._dynamic.appendleft(field)
        self._size += len(field[0]) + len(field[1]) + ENTRY_OVERHEAD
        self._evict()

    def _resize(self, octets: bytes, at: int) -> int:
        size, at = _integer(octets, at, 5)
        if size > self._allowed:
            raise InvalidTableSizeError(f"table of {size} octets, at most {self._allowed} were allowed")
        self._limit = size
        self._evict()
        return at

    def _evict(self) -> None:
        """Section 4.4: the oldest go; an entry larger than the table empties it."""
        while self._size > self._limit:
            name, value = self._dynamic.pop()
            self._size -= len(name) + len(value) + ENTRY_OVERHEAD


def _integer(octets: bytes, at: int, prefix: int) -> tuple[int, int]:
    """Section 5.1: the integer whose prefix is at `at`, and where the next thing begins."""
    mask = (1 << prefix) - 1
    number = octets[at] & mask
    if number < mask:
        return number, at + 1
    for shift, octet in enumerate(octets[at + 1 : at + 1 + MAX_INTEGER_OCTETS]):
        number += (octet & 0x7F) << 7 * shift
        if octet < 0x80:
            return number, at + 2 + shift
    raise HPACKDecodingError("integer without an end")


def _string(octets: bytes, at: int) -> tuple[bytes, int]:
    """Section 5.2: the string whose length is at `at`, and where the next thing begins."""
    if at >= len(octets):
        raise HPACKDecodingError("a string is missing")
    first = octets[at]
    length, start = (first & 0x7F, at + 1) if first & 0x7F != 0x7F else _integer(octets, at, 7)
    text = octets[start : start + length]
    if len(text) != length:
        raise HPACKDecodingError("a string is cut off")
    return _huffman(text) if first & 0x80 else text, start + length


@lru_cache(maxsize=1024)
def _huffman(text: bytes) -> bytes:
    return decode_huffman(text)
