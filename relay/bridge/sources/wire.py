"""What the servers of all generations speak: JSON values, and streams of server-sent events. Pure.

Everything is optional and unknown fields are skipped, because OpenCode adds and moves fields between releases.

The streams have only `data: <JSON>` and a blank line, several events in one chunk or one event in many, and single lines
of hundreds of kilobytes (edit diffs, tool output). The other fields, comments and line ends of the standard are
understood all the same: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

import re
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct

from relay.fields import wire_name
from relay.json_body import repaired

T = TypeVar("T")


ID = Annotated[str, Meta(max_length=256)]
"""What names something. OpenCode's have 30 characters; one of megabytes would be remembered thousands of times."""


class Wire(Struct, frozen=True, kw_only=True, rename=wire_name):
    """A JSON object of OpenCode."""


class Malformed(ValueError):
    """The text is not the JSON that was expected."""


def decode(text: bytes, kind: type[T]) -> T:
    """`text` as a `kind`. Raises Malformed. Broken surrogates, which JavaScript may send, become U+FFFD."""
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError as error:
        raise Malformed(str(error)) from None
    except (ValueError, RecursionError):
        return _decode_repaired(text, kind)


def details(text: Raw | bytes, kind: type[T]) -> T:
    """`text` as a `kind`, all of whose fields have defaults; the defaults if it has another shape."""
    try:
        return decode(bytes(text), kind)
    except Malformed:
        return kind()


def _decode_repaired(text: bytes, kind: type[T]) -> T:
    try:
        text.decode()  # what is not UTF-8 at all is not OpenCode's
        return msgspec.json.decode(repaired(text), type=kind)
    except (ValueError, RecursionError) as error:
        raise Malformed(str(error)) from None


ID_TIME = re.compile(r"[a-z]+_([0-9a-f]{12})")
"""How OpenCode's ids begin: after the kind the low 48 bits of (UNIX milliseconds * 4096 + a counter). Observed on 1.18 and on
the second generation's beta."""
ID_TURN_MS = 1 << 36
"""The milliseconds in an id begin again after these, which is two years."""


def ms_apart(earlier_id: str, later_id: str) -> int | None:
    """Milliseconds between the making of two ids by OpenCode's own clock; None if they are not ids of OpenCode."""
    earlier, later = ID_TIME.match(earlier_id), ID_TIME.match(later_id)
    if earlier is None or later is None:
        return None
    apart = (int(later[1], 16) >> 12) - (int(earlier[1], 16) >> 12)
    return (apart + ID_TURN_MS // 2) % ID_TURN_MS - ID_TURN_MS // 2


def id_ms(event_id: str | None, near_ms: float) -> float | None:
    """When OpenCode made an id, by its own clock, in UNIX milliseconds; `near_ms` is less than a year from it."""
    made = ID_TIME.match(event_id or "")
    if made is None:
        return None
    ahead = ((int(made[1], 16) >> 12) - int(near_ms) + ID_TURN_MS // 2) % ID_TURN_MS - ID_TURN_MS // 2
    return float(int(near_ms) + ahead)


BOM = b"\xef\xbb\xbf"
MAX_EVENT = 64 << 20
"""Bytes of one event. OpenCode 2's own client takes 16 MiB a line; the first generation's diffs may be larger."""


class Splitter:
    """Feed it the chunks of one connection in order; each call returns the data of the events that became complete.

    Incremental. Raises Malformed at an event of more than `max_event` bytes: whatever ends it would never come.
    """

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self._max_event = max_event
        self._size = 0  # of the data of the event that has not ended yet
        self._rest = bytearray()  # the line that has not ended yet
        self._data: list[bytes] = []  # data lines of the event that has not ended yet
        self._ended_with_cr = False
        self._at_start = True

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of every event that `chunk` completes, oldest first; lines of one event are joined by a newline."""
        searched = len(self._rest)  # so that a long line is not searched again with every chunk
        self._rest += self._unix_newlines(chunk)
        events: list[bytes] = []
        start = 0
        while (end := self._rest.find(b"\n", max(start, searched))) >= 0:
            self._line(bytes(self._rest[start:end]), events)
            start = end + 1
        del self._rest[:start]
        if len(self._rest) + self._size > self._max_event:
            raise Malformed(f"an event has more than {self._max_event >> 10} KiB")
        return events

    def _unix_newlines(self, chunk: bytes) -> bytes:
        # JSON escapes control characters, so a CR is always the end of a line, alone or before an LF.
        if self._ended_with_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
            self._ended_with_cr = False
        if chunk:
            self._ended_with_cr = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _line(self, line: bytes, events: list[bytes]) -> None:
        if self._at_start:
            line = line.removeprefix(BOM)
            self._at_start = False
        if not line:
            if self._data:
                events.append(b"\n".join(self._data))
                self._data, self._size = [], 0
            return
        field, _, value = line.partition(b":")
        if field == b"data":  # id, event, retry and comments (an empty field name) carry nothing for us
            self._data.append(value.removeprefix(b" "))
            self._size += len(value)
