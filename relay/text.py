"""Texts for a lock screen: cut so that no visible character falls apart, and without what must not leave the machine. Pure.

A phone's lock screen is public and the relay may be somebody else's, so better one word too many is masked than one too few.
"""

import re
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


MAX_WORDS = 18
MAX_UNITS = 140
"""UTF-16 code units, as the first implementation (and every JavaScript string) counts."""
MAX_CARD = 120
"""Characters of a card's last message: what the plan of the Live Activity gives it."""


def shorten(text: str, max_words: int = MAX_WORDS, max_units: int = MAX_UNITS) -> str:
    """`text` on one line, with at most `max_words` words and `max_units` UTF-16 units; "…" shows that it was cut.

    The ellipsis counts as a unit. Broken surrogates, which cannot be written as UTF-8, become U+FFFD.
    """
    words = _repaired(text).split()
    more = ELLIPSIS if len(words) > max_words else ""
    return cut(" ".join(words[:max_words]) + more, max_units, utf16_units)


def fit(text: str, limit: int = MAX_CARD) -> str:
    """`text` on one line of at most `limit` code points; "…" shows that it was cut."""
    beginning = text[
        : 20 * limit
    ]  # of a long text; it may end amid a character, so its last one is never kept
    words = " ".join(_repaired(beginning).split())
    return cut(words, min(limit, len(words) - (len(text) > len(beginning))))


def card_title(title: str | None) -> str:
    """The title of the card of a session with this title."""
    return shorten(title or "") or "OpenCode session"


def _repaired(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


MASK = "***"

_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*-----|$)", re.DOTALL), MASK),
    (re.compile(r"(://)[^/\s@]+@"), rf"\1{MASK}@"),  # user and password in a URL
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}"), rf"\1 {MASK}"),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?"), MASK),  # JSON web tokens
    (re.compile(r"\b(?:sk|pk|rk|gh[oprsu]|github_pat|glpat|xox[abeprs]|hf|npm|pypi)[-_][\w-]{8,}"), MASK),
    (re.compile(r"\b(?:AKIA|ASIA|AIza)[\w-]{12,}"), MASK),
    (
        re.compile(
            r"(?i)([\w-]*(?:api[-_ ]?key|token|secret|passw(?:or)?d|authorization|credential)\b[\"']?\s*[:=]\s*)"
            r"(?:\"[^\"]*\"|'[^']*'|[^\s\"'&,;)}]+)"
        ),
        rf"\1{MASK}",
    ),
    # Anything as long and as mixed as a key; a commit's hash and a path are not mixed like that.
    (re.compile(r"\b(?=[\w-]*[a-z])(?=[\w-]*[A-Z])(?=[\w-]*\d)[\w-]{32,}"), MASK),
)
"""The formats by which GitHub, GitLab, Slack, OpenAI, Anthropic, Stripe, AWS, Google, npm, PyPI and Hugging Face name
their keys, as their documents give them; the rest is assumed."""

_ADDRESSES = re.compile(
    r"(?i)\b[a-z][a-z0-9+.-]*://\S+"  # URLs
    r"|\b(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?\b"
    r"|(?<=ENOTFOUND )\S+|\blocalhost:\d+"
    r"|\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}:\d+\b"
)
ADDRESS_MASK = "[address]"

MAX_REDACTED = 4000
"""Characters of a text that are read; a notification shows fewer than 200."""


def redact(text: str) -> str:
    """The beginning of `text` with credentials masked."""
    text = cut(text, MAX_REDACTED)
    for pattern, mask in _SECRETS:
        text = pattern.sub(mask, text)
    return text


def redact_addresses(text: str) -> str:
    """`redact`, and without URLs and hosts: an error must not say where a provider lives."""
    return _ADDRESSES.sub(ADDRESS_MASK, redact(text))
