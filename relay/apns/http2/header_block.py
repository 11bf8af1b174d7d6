"""Header blocks: a push's request in as few octets and steps as HPACK allows, and the status of an answer.

Apple, "Sending notification requests to APNs", has its small table kept free: `:path` and `authorization` as literals
without indexing; apns-id, apns-expiration and apns-collapse-id with indexing the first time, so that their names are
known, and without from then on; all others with indexing.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from hpack import Decoder, HPACKError

from relay.apns.http2.frames import ConnectionFailure, ErrorCode
from relay.apns.http2.header_table import HeaderTable, string
from relay.apns.push import Push

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
        """The header block of a push whose values were checked (`request_checks.py`)."""
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
        """Field by field. If that told the peer's table nothing new, the next block can be made from a template."""
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


# --- answers ------------------------------------------------------------------------------------------------------

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
        """The status; 0 if there is none that is a number of three digits. ConnectionFailure: no header block."""
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
        raise ConnectionFailure(ErrorCode.COMPRESSION_ERROR, f"header block: {error}") from error
    status = next((bytes(value) for name, value in fields if name == b":status"), b"")
    return int(status) if _STATUS.fullmatch(status) else 0


_STATUS: Final = re.compile(rb"[1-9][0-9]{2}")
