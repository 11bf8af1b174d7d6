"""How wide a text will be, near enough to break and shorten it. No I/O.

Widths are those of Helvetica in thousandths of the size, a little widened, so that a text also fits in fonts like Inter.
"""

import unicodedata
from collections.abc import Iterator

WIDER = 1.06
BOLD = 1.04
"""How much wider a bold letter is than a plain one, about."""

ELLIPSIS = "…"

_OTHER, _FULL = 556, 1000
_WIDTHS = {
    222: "ijl'|",
    278: "ft .,:;!/\\I[]",
    333: "r()-`·“”",
    389: "*",
    500: "cksvxyzJ",
    584: "+<=>~",
    667: "ABEKPSVXY&",
    722: "CDHNRUw",
    778: "GOQ",
    833: "mM%",
    944: "W",
    1000: "@—…",
}
_WIDTH_OF = {letter: width for width, letters in _WIDTHS.items() for letter in letters}


def width(content: str, size: float, *, bold: bool = False) -> float:
    """In the units of `size`."""
    return _sized(sum(map(_width, content)), size, bold)


def _sized(thousandths: int, size: float, bold: bool) -> float:
    return thousandths / 1000 * size * WIDER * (BOLD if bold else 1.0)


def _fits(content: str, most: float, size: float, bold: bool = False, beside: str = "") -> int:
    """How many letters from the first on have at most this width, with `beside` next to them. Reads no further than that."""
    thousandths = sum(map(_width, beside))
    for taken, letter in enumerate(content):
        thousandths += _width(letter)
        if _sized(thousandths, size, bold) > most:
            return taken
    return len(content)


def shortened(content: str, most: float, size: float, *, bold: bool = False) -> str:
    """The text in one line of at most this width; "…" where something was cut."""
    line = " ".join(content.split())
    if width(line, size, bold=bold) <= most:
        return line
    return line[: _fits(line, most, size, bold, ELLIPSIS)].rstrip() + ELLIPSIS


def wrapped(content: str, most: float, size: float, lines: int) -> list[str]:
    """The text in at most so many lines of at most this width; the last is shortened if there is more."""
    found: list[str] = []
    words = list(_words(content, most, size))
    while words and len(found) < lines - 1:
        taken = _fitting(words, most, size)
        found.append(" ".join(words[:taken]))
        words = words[taken:]
    return [*found, shortened(" ".join(words), most, size)] if words else found


def _words(content: str, most: float, size: float) -> Iterator[str]:
    """The words; one that is wider than a line comes in pieces."""
    for word in content.split():
        rest = word
        while (taken := _fits(rest, most, size)) < len(rest):
            yield rest[: max(1, taken)]
            rest = rest[max(1, taken) :]
        if rest:
            yield rest


def _fitting(words: list[str], most: float, size: float) -> int:
    """How many words fit in one line, at least one."""
    taken = 1
    while taken < len(words) and width(" ".join(words[: taken + 1]), size) <= most:
        taken += 1
    return taken


def _width(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    wide = unicodedata.east_asian_width(letter) in "WF"
    return _FULL if wide else _WIDTH_OF.get(letter, _OTHER)
