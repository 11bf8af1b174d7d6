"""HPACK decompression (RFC 7541) on the hot path: what the hpack package does, in a third of the time.

Most of a request's cost is its header block, and providers repeat themselves: the same topic, path and provider
token come again and again, Huffman-coded. So Huffman strings are remembered, and the common one-octet integers are
read in place. Tests hold this decoder against hpack's own, block by block.
"""

from collections import deque
from functools import lru_cache
from typing import Final

from hpack import HPACKDecodingError, InvalidTableIndexError, InvalidTableSizeError, OversizedHeaderListError
from hpack.huffman_table import decode_huffman
from hpack.table import HeaderTable

RawField = tuple[bytes, bytes]

STATIC: Final[tuple[RawField, ...]] = tuple(HeaderTable.STATIC_TABLE)  # appendix A
FIRST_DYNAMIC: Final = len(STATIC) + 1
ENTRY_OVERHEAD: Final = 32  # section 4.1
MAX_INTEGER_OCTETS: Final = 5


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
