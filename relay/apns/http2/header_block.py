"""Header blocks: of requests in as few octets and steps as HPACK allows; of responses, the status.

Apple, "Sending notification requests to APNs", has its small table kept free: `:path` and `authorization` as literals
without indexing; apns-id, apns-expiration and apns-collapse-id with indexing the first time, so that their names are
known, and without from then on; all others with indexing. No Huffman: it costs more time than the octets it saves.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from hpack import Decoder, HPACKError

from relay.apns.http2.frames import ErrorCode, Http2ConnectionError
from relay.apns.push import Push

# --- HPACK (RFC 7541): the table that the peer's decoder keeps, as far as we fill it --------------------------------

MAX_TABLE: Final = 4096
"""Octets. RFC 9113 6.5.2's default, and what APNs announces; of a larger table we would use no more."""
FIRST_DYNAMIC: Final = 62  # RFC 7541 2.3.3: behind the static table
ENTRY_OVERHEAD: Final = 32  # section 4.1
STATIC_NAMES: Final = {b":authority": 1, b":path": 4, b"authorization": 23}  # appendix A
STATIC_FIELDS: Final = {(b":method", b"POST"): 3, (b":scheme", b"https"): 7}

_INDEXED, _INDEXING, _PLAIN, _RESIZE = (
    (0x80, 7),
    (0x40, 6),
    (0x00, 4),
    (0x20, 5),
)  # sections 6.1, 6.2.1, 6.2.2, 6.3


class HeaderTable:
    """Fields that were sent "with incremental indexing". They are added while there is room, and never evicted.

    So an entry, once known, stays known, and only its index moves: by one with each entry after it (section 2.3.2).
    """

    def __init__(self) -> None:
        self._limit = MAX_TABLE
        self._notice = b""
        self._clear()

    def _clear(self) -> None:
        self._fields: dict[tuple[bytes, bytes], int] = {}
        self._names: dict[bytes, int] = {}
        self._size = 0

    @property
    def entries(self) -> int:
        """How many fields are in the table."""
        return len(self._fields)

    def resize(self, octets: int) -> None:
        """Obey SETTINGS_HEADER_TABLE_SIZE. A smaller table starts anew: section 4.2 has it emptied by a size of 0."""
        limit = min(octets, MAX_TABLE)
        if limit < self._limit:
            self._clear()
            self._notice = integer(0, _RESIZE) + (integer(limit, _RESIZE) if limit else b"")
            self._limit = limit

    def notice(self) -> bytes:
        """What the next header block must begin with (section 4.2); once."""
        notice, self._notice = self._notice, b""
        return notice

    def repeated(self, name: bytes, value: bytes) -> bytes:
        """A field that comes again and again: an index from the second time on."""
        index = STATIC_FIELDS.get((name, value)) or self._index(self._fields.get((name, value)))
        return integer(index, _INDEXED) if index else self._new(name, value)

    def unique(self, name: bytes, value: bytes) -> bytes:
        """A field whose value does not come again: only its name is indexed, from the second time on."""
        return self.name(name) + string(value) if self._knows(name) else self._new(name, value)

    def name(self, name: bytes) -> bytes:
        """The head of a literal without indexing (6.2.2): the value follows."""
        index = STATIC_NAMES.get(name) or self._index(self._names.get(name))
        return integer(index, _PLAIN) if index else integer(0, _PLAIN) + string(name)

    def _knows(self, name: bytes) -> bool:
        return name in STATIC_NAMES or name in self._names

    def _index(self, position: int | None) -> int:
        return 0 if position is None else FIRST_DYNAMIC + self.entries - 1 - position

    def _new(self, name: bytes, value: bytes) -> bytes:
        size = len(name) + len(value) + ENTRY_OVERHEAD
        if self._size + size > self._limit:
            return self.name(name) + string(value)
        index = STATIC_NAMES.get(name) or self._index(self._names.get(name))
        self._names[name] = self._fields[name, value] = self.entries
        self._size += size
        return integer(index, _INDEXING) + (b"" if index else string(name)) + string(value)


def integer(number: int, form: tuple[int, int]) -> bytes:
    """Section 5.1. `form` is the pattern of the first octet, and how many of its bits are left for the number."""
    pattern, bits = form
    most = (1 << bits) - 1
    if number < most:
        return bytes((pattern | number,))
    octets, rest = [pattern | most], number - most
    while rest > 0x7F:
        octets.append(0x80 | rest & 0x7F)
        rest >>= 7
    return bytes((*octets, rest))


_LENGTHS: Final = tuple(integer(length, (0, 7)) for length in range(2048))


def string(octets: bytes) -> bytes:
    """Section 5.2, without Huffman. At most 2047 octets: no value of ours is longer."""
    return _LENGTHS[len(octets)] + octets


# --- requests -----------------------------------------------------------------------------------------------------

MAX_TEMPLATES: Final = 256
"""Topics times push types times priorities that one connection remembers."""


class _Template(NamedTuple):
    """What all blocks of one topic, push type and priority have in common."""

    before_path: bytes
    after_path: bytes
    expiration: bytes
    collapse_id: bytes


class RequestBlocks:
    """Encodes the requests of one connection, in the order in which they are sent."""

    def __init__(self, authority: str) -> None:
        self._authority = authority.encode()
        self._authorization = ""
        self._table = HeaderTable()
        self._templates: dict[tuple[str, str, int], _Template] = {}

    def resize_table(self, octets: int) -> None:
        """The peer announced this SETTINGS_HEADER_TABLE_SIZE."""
        self._table.resize(octets)
        self._templates.clear()

    def block(self, push: Push, authorization: str) -> bytes:
        """The header block of a push whose values were checked (`push.refusal`)."""
        if authorization is not self._authorization:
            self._authorization = authorization
            self._templates.clear()
        template = self._templates.get((push.topic, push.push_type, push.priority))
        if template is None:
            return self._first(push)
        return b"".join(
            (
                template.before_path,
                string(b"/3/device/" + push.device_token.encode()),
                template.after_path,
                push.apns_id.encode(),
                template.expiration,
                string(b"%d" % push.expiration),
                template.collapse_id + string(push.collapse_id.encode()) if push.collapse_id else b"",
            )
        )

    def _first(self, push: Push) -> bytes:
        """Field by field. If that added nothing to the peer's table, the next block can be made from a template."""
        notice, known = self._table.notice(), self._table.entries
        block = b"".join((notice, *self._fields(push)))
        if self._table.entries != known:
            self._templates.clear()  # their indices have moved
        elif len(self._templates) < MAX_TEMPLATES:
            self._templates[push.topic, push.push_type, push.priority] = self._template(push)
        return block

    def _fields(self, push: Push) -> Iterator[bytes]:
        """In the order of the wire: each one may move the indices of those after it. Empty ones are left out."""
        table = self._table
        yield self._before_path()
        yield table.unique(b":path", b"/3/device/" + push.device_token.encode())
        yield self._kind(push)
        yield table.unique(b"apns-id", push.apns_id.encode())
        yield table.unique(b"apns-expiration", b"%d" % push.expiration)
        if push.collapse_id:
            yield table.unique(b"apns-collapse-id", push.collapse_id.encode())

    def _before_path(self) -> bytes:
        repeated = self._table.repeated
        fields = ((b":method", b"POST"), (b":scheme", b"https"), (b":authority", self._authority))
        return b"".join(repeated(*field) for field in fields)

    def _kind(self, push: Push) -> bytes:
        repeated = self._table.repeated
        fields = [
            self._table.unique(b"authorization", self._authorization.encode()),
            repeated(b"apns-topic", push.topic.encode()),
            repeated(b"apns-push-type", push.push_type.encode()) if push.push_type else b"",
            repeated(b"apns-priority", b"%d" % push.priority),
        ]
        return b"".join(fields)

    def _template(self, push: Push) -> _Template:
        name = self._table.name
        return _Template(
            before_path=self._before_path() + name(b":path"),
            after_path=self._kind(push) + name(b"apns-id") + b"\x24",  # an apns-id has 36 octets
            expiration=name(b"apns-expiration"),
            collapse_id=name(b"apns-collapse-id"),
        )


# --- responses -------------------------------------------------------------------------------------------------------

INDEXED_STATUS: Final = {0x88: 200, 0x89: 204, 0x8A: 206, 0x8B: 304, 0x8C: 400, 0x8D: 404, 0x8E: 500}
"""RFC 7541 appendix A: these statuses are one octet."""
_LITERAL_STATUS: Final = frozenset(
    {0x08, 0x18, 0x48}
)  # a literal whose name is entry 8, in its three forms (6.2)


class StatusReader:
    """Reads the header blocks of one connection, in the order in which they come.

    We announce a table of size 0. Until the peer acknowledges that (RFC 9113 6.5.3), its blocks may share state, and
    each must be read whole; from then on they share none (RFC 7541 4.2).
    """

    def __init__(self) -> None:
        self._decoder: Decoder | None = Decoder()

    def acknowledged(self) -> None:
        """From now on there is no table."""
        self._decoder = None

    def status(self, block: bytes) -> int:
        """The status; 0 if there is none that is a number of three digits. Http2ConnectionError: no header block."""
        return status_of(block) if self._decoder is None else _read_status(self._decoder, block)


def status_of(block: bytes) -> int:
    """The status of a block that shares no state with others.

    As `:status` comes first (RFC 9113 8.3), the rest of the block need not be looked at: answers are matched by their
    stream, not by apns-id.
    """
    first = block[0] if block else 0
    if status := INDEXED_STATUS.get(first):
        return status
    if first in _LITERAL_STATUS and len(block) > 1:
        return _decoded_status(block[: 2 + (block[1] & 0x7F)])
    return _decoded_status.__wrapped__(block)


@lru_cache(maxsize=1024)
def _decoded_status(block: bytes) -> int:
    return _read_status(Decoder(), block)


def _read_status(decoder: Decoder, block: bytes) -> int:
    try:
        fields = decoder.decode(block, raw=True)
    except HPACKError as error:
        raise Http2ConnectionError(ErrorCode.COMPRESSION_ERROR, f"header block: {error}") from error
    status = next((bytes(value) for name, value in fields if name == b":status"), b"")
    return int(status) if _STATUS.fullmatch(status) else 0


_STATUS: Final = re.compile(rb"[1-9][0-9]{2}")
