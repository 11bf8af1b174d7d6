"""Texts short enough for a notification, and for a card on the lock screen."""

from relay.bridge.notify.graphemes import first_graphemes

MAX_WORDS = 18
MAX_UNITS = 140
"""UTF-16 code units, as the first implementation (and every JavaScript string) counts."""
ELLIPSIS = "…"
MAX_CARD = 120
"""Characters of a card's last message: what the plan of the Live Activity gives it."""


def shorten(text: str, max_words: int = MAX_WORDS, max_units: int = MAX_UNITS) -> str:
    """`text` on one line, with at most `max_words` words and `max_units` UTF-16 units; "…" shows that it was cut.

    The ellipsis counts as a unit, and a character beyond the BMP is kept whole or cut whole. Broken surrogates, which
    cannot be written as UTF-8, become U+FFFD.
    """
    words = _repaired(text).split()
    line = " ".join(words[:max_words])
    cut = len(words) > max_words
    if units(line) + cut <= max_units:
        return line + ELLIPSIS * cut
    return _first_units(line, max_units - 1).rstrip() + ELLIPSIS


def fit(text: str, limit: int = MAX_CARD) -> str:
    """`text` on one line of at most `limit` code points, cut between two visible characters; "…" shows that it was cut."""
    line = " ".join(_repaired(text[: 20 * limit]).split())
    if len(line) <= limit:
        return line
    return first_graphemes(line, limit - 1).rstrip() + ELLIPSIS


def units(text: str) -> int:
    """The length of `text` in UTF-16 code units."""
    return len(text) + sum(character > "\uffff" for character in text)


def _repaired(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _first_units(text: str, limit: int) -> str:
    # Cutting the bytes may split a surrogate pair; "ignore" then drops the stray half.
    return text.encode("utf-16-le")[: 2 * limit].decode("utf-16-le", "ignore")
