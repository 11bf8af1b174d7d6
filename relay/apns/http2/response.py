"""Responses: what became of a request, and the status in a header block."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from hpack import Decoder, HPACKError

from relay.apns.http2.frames import ErrorCode, Http2ConnectionError
from relay.apns.push import Transmission

MAX_BODY: Final = 16 * 1024
"""Octets. Apple's bodies have some 60; of a larger one only the status counts."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a request: its response, or why there is none."""

    transmission: Transmission
    status: int = 0
    body: bytes = b""
    error: str = ""


OK: Final = Result("answered", 200)
"""The response to nearly every push; of a 200, the body says nothing."""


class PartialResponse:
    """A response of which more is to come."""

    def __init__(self, status: int) -> None:
        self.status, self.body = status, b""


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
