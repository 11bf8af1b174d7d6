"""Header blocks: read whole and decompressed, judged for form, and written for answers (RFC 9113 sections 4.3 and 8)."""

from typing import Final, NamedTuple

from hpack import HPACKError, OversizedHeaderListError

from simulator.apns.errors import ConnectionFailure, StreamFailure
from simulator.apns.http2.frames import END_HEADERS, END_STREAM, ErrorCode, Frame, read_headers
from simulator.apns.http2.header_decoder import HeaderDecoder, RawField
from simulator.apns.http2.settings import HEADER_TABLE_SIZE

Field = tuple[str, str]

REQUIRED_PSEUDO: Final = frozenset({":method", ":scheme", ":path"})  # section 8.3.1
KNOWN_PSEUDO: Final = REQUIRED_PSEUDO | {":authority"}
CONNECTION_FIELDS: Final = frozenset(  # section 8.2.2: they have no meaning in HTTP/2
    {"connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade"}
)

MAX_HEADER_BLOCK: Final = 65_536  # compressed or not; APNs announces no limit with token authentication
# RFC 7541 appendix A: these statuses are one byte; the others are a literal whose name is entry 8.
_STATUS_INDEX: Final = {200: 8, 204: 9, 206: 10, 304: 11, 400: 12, 404: 13, 500: 14}
_INDEXED: Final = 0x80
_LITERAL_STATUS: Final = b"\x08\x03"  # literal without indexing, name = entry 8, three octets follow
_LITERAL_NEW_NAME: Final = b"\x00"  # literal without indexing, the name follows
TABLE_SIZE_ZERO: Final = b"\x20"  # RFC 7541 section 6.3


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

    def start(self, frame: Frame) -> Block | None:
        """Take a HEADERS frame; the block if it is whole."""
        fragment = read_headers(frame)
        if frame.flags & END_HEADERS:
            return self._whole(frame, fragment)
        self._first, self._fragments = frame, fragment
        return None

    def go_on(self, frame: Frame) -> Block | None:
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


def fields_of(stream_id: int, decoded: list[RawField]) -> list[Field]:
    """Fields as text, in order. StreamFailure if they make a malformed request (section 8.1.1)."""
    fields: list[Field] = []
    pseudo: set[str] = set()
    for raw_name, raw_value in decoded:
        # Values are UTF-8 by APNs' convention; other bytes survive as surrogates, so that the checks see them.
        name, value = raw_name.decode("latin-1"), raw_value.decode("utf-8", "surrogateescape")
        if name[:1] == ":":
            if name in pseudo or name not in KNOWN_PSEUDO or len(pseudo) < len(fields):
                raise StreamFailure(
                    stream_id, ErrorCode.PROTOCOL_ERROR, f"pseudo-header {name!r} out of place"
                )
            pseudo.add(name)
        elif not _is_plain(name, value):
            raise StreamFailure(stream_id, ErrorCode.PROTOCOL_ERROR, f"field {name!r} is not allowed")
        fields.append((name, value))
    if not pseudo >= REQUIRED_PSEUDO:
        raise StreamFailure(stream_id, ErrorCode.PROTOCOL_ERROR, "a required pseudo-header is missing")
    return fields


def _is_plain(name: str, value: str) -> bool:
    """Lower case, not a connection field, and `te` only for trailers (sections 8.2 and 8.2.2)."""
    return (
        name != ""
        and name == name.lower()
        and name not in CONNECTION_FIELDS
        and (name != "te" or value == "trailers")
    )


def status_field(status: int) -> bytes:
    """`:status` in as few octets as HPACK needs without its dynamic table."""
    index = _STATUS_INDEX.get(status)
    return bytes((_INDEXED | index,)) if index else _LITERAL_STATUS + b"%03d" % status


def literal_field(name: bytes, value: bytes) -> bytes:
    """A field that enters no table, so blocks need no state. Both parts are shorter than 127 octets."""
    assert len(name) < 127 and len(value) < 127  # noqa: PT018 - one invariant: a length fits its seven bits
    return b"%b%c%b%c%b" % (_LITERAL_NEW_NAME, len(name), name, len(value), value)
