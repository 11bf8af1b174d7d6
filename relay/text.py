"""Texts are cut so that no visible character falls apart: at their end, or in the middle if somebody is to decide about them. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import Final

import regex

ELLIPSIS: Final = "…"
"""Where something was cut."""

_CLUSTER: Final = regex.compile(r"\X")
"""An extended grapheme cluster, what a reader takes for one character: a flag, a joined emoji, a letter with its marks.
Unicode Standard Annex 29, https://unicode.org/reports/tr29/
"""


def cut(text: str, limit: int, size: Callable[[str], int] = len) -> str:
    """`text` if its `size` is at most `limit`, else its longest beginning of whole characters that fits with "…" behind it.

    `size` measures every code point as one or more, and a text as the sum of them; without it code points are counted.
    The result is "" only where not even "…" fits.
    """
    if size(text) <= limit:
        return text
    ends = _ends(text[: max(limit, 0)])
    fitting = bisect_right(ends, limit, key=lambda end: size(text[:end].rstrip() + ELLIPSIS))
    if fitting:
        return text[: ends[fitting - 1]].rstrip() + ELLIPSIS
    return ELLIPSIS if size(ELLIPSIS) <= limit else ""


CUT_MARK: Final = regex.compile(r"\[… (\d+) characters cut …\]")
"""What stands in the middle of a text that was too long, with how much was left out."""


def cut_middle(text: str, limit: int, size: Callable[[str], int] = len) -> str:
    """`text` if its `size` is at most `limit`, else its first and its last part with "[… 312 characters cut …]" between them.

    For what somebody is to decide: the dangerous part of a command may stand at its end. Both parts are verbatim and
    about as long, in whole characters. A text that was cut like this before is cut at the same place, and the number is
    the sum. Where the mark does not fit it is cut at the end.
    """
    if size(text) <= limit:
        return text
    earlier = CUT_MARK.search(text)
    before, after = (text[: earlier.start()], text[earlier.end() :]) if earlier else (text, text)
    room = limit - size(cut_mark(len(text) + (int(earlier[1]) if earlier else 0)))
    if room < MIN_PARTS:
        return cut(text, limit, size)
    head = _beginning(before, max(room // 2, room - size(after) if earlier else 0), size)
    tail = _end(after, room - size(head), size)
    left_out = len(_ends(before)) - len(_ends(head)) - len(_ends(tail))
    if earlier:
        left_out += len(_ends(after)) + int(earlier[1])
    return head + cut_mark(left_out) + tail


MIN_PARTS: Final = 16
"""A beginning and an end that are shorter together say less than a beginning alone."""


def cut_mark(left_out: int) -> str:
    """What stands for so many characters."""
    return f"[… {left_out} characters cut …]"


def _beginning(text: str, room: int, size: Callable[[str], int]) -> str:
    ends = _ends(text[: max(room, 0) + 1])
    fitting = bisect_right(ends, room, key=lambda end: size(text[:end]))
    return text[: ends[fitting - 1]] if fitting else ""


def _end(text: str, room: int, size: Callable[[str], int]) -> str:
    starts = [0, *_ends(text)][:-1]
    first = bisect_left(starts, -room, key=lambda start: -size(text[start:]))
    return text[starts[first] :] if first < len(starts) else ""


def utf16_units(text: str) -> int:
    """The length of `text` in UTF-16 code units, as JavaScript and Swift's NSString count."""
    return len(text) + sum(character > "\uffff" for character in text)


def _ends(text: str) -> Sequence[int]:
    """Where the characters of `text` end. The last one may go on behind it: it is as long as the limit, and never fits."""
    if text.isascii():
        return range(1, len(text) + 1)
    return [match.end() for match in _CLUSTER.finditer(text)]


def sound(text: str) -> str:
    """`text` with U+FFFD for unpaired surrogates, which cannot be written as UTF-8."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
