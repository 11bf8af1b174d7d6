"""Texts for a lock screen: one line that fits, with nothing in it that hides or must not leave the machine. Pure."""

import math
from typing import Final

from relay.alert_payload import cut_json_middle
from relay.bridge.notify.characters import plain, visible
from relay.bridge.notify.redact import redact
from relay.bridge.notify.secret_names import MASK
from relay.text import ELLIPSIS, cut, cut_middle, utf16_units

MAX_WORDS: Final = 18
MAX_UNITS: Final = 140
"""UTF-16 code units, as the first implementation (and every JavaScript string) counts."""
MAX_CARD: Final = 120
"""Characters of a card's last message: what the plan of the Live Activity gives it."""
MAX_SAID: Final = 400
"""Characters of what the agent said last: so much an opened notification shows without scrolling (assumed)."""


def shorten(text: str, max_words: int = MAX_WORDS, max_units: int = MAX_UNITS) -> str:
    """`text` on one line, with at most `max_words` words and `max_units` UTF-16 units; "…" shows that it was cut.

    The ellipsis counts as a unit. Broken surrogates, which cannot be written as UTF-8, become U+FFFD.
    """
    words = sentence(text).split()
    more = ELLIPSIS if len(words) > max_words else ""
    return cut(" ".join(words[:max_words]) + more, max_units, utf16_units)


def fit(text: str, limit: int = MAX_CARD) -> str:
    """`text` on one line of at most `limit` code points; "…" shows that it was cut."""
    return cut(sentence(text), limit)


def card_title(title: str | None) -> str:
    """The title of the card of a session with this title."""
    return shorten(title or "") or "OpenCode session"


def duration(seconds: float) -> str:
    """How long that is, rounded up, in the units that people use: "8s", "5 min", "2 h 30 min", "18 days 15 h"."""
    if seconds <= 90:
        return f"{max(0, math.ceil(seconds))}s"
    minutes = math.ceil(seconds / 60)
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return " ".join(f"{number} {unit}" for number, unit in ((hours, "h"), (minutes, "min")) if number)
    days, hours = divmod(hours + (minutes > 0), 24)
    return f"{days} days {hours} h" if hours else f"{days} days"


def sentence(text: str) -> str:
    """`text` on one line as a person reads it, without credentials and without what is not seen."""
    return redact(plain(redact(text)))


HIDDEN: Final = " [hidden characters removed]"


def request(text: str) -> str:
    """`text` that somebody is to decide about, on one line, with everything in it to be seen except credentials."""
    shown = redact(visible(redact(text)))
    joined = sentence(text)  # a credential with something invisible in it has no shape until that is gone
    return joined + HIDDEN if joined.count(MASK) > shown.count(MASK) else shown


def fit_request(text: str, limit: int = MAX_CARD) -> str:
    """The same in at most `limit` code points: what does not fit is cut out of its middle."""
    return cut_middle(request(text), limit)


def request_in_bytes(text: str, limit: int) -> str:
    """The same in at most `limit` bytes inside JSON."""
    return cut_json_middle(request(text), limit)
