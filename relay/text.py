"""Texts cut so that no visible character falls apart. Pure."""

from bisect import bisect_right
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


def utf16_units(text: str) -> int:
    """The length of `text` in UTF-16 code units, as JavaScript and Swift's NSString count."""
    return len(text) + sum(character > "\uffff" for character in text)


def _ends(text: str) -> Sequence[int]:
    """Where the characters of `text` end. The last one may go on behind it: it is as long as the limit, and never fits."""
    if text.isascii():
        return range(1, len(text) + 1)
    return [match.end() for match in _CLUSTER.finditer(text)]
