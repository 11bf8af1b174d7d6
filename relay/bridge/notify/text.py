"""Texts for a lock screen: one line that fits, with nothing in it that hides or must not leave the machine. Pure."""

import math
from typing import Final

import regex

from relay.alert_payload import cut_json_middle
from relay.bridge.notify.redact import redact
from relay.bridge.notify.secret_names import MASK
from relay.text import ELLIPSIS, cut, cut_middle, sound, utf16_units

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


# Characters that a person does not see, or that make a text look like another one.
#
# A title or a sentence loses them. In a command they are made visible, because the person is to decide about what will
# really run: bidirectional controls and zero-width characters hide or reorder code ("Trojan Source", CVE-2021-42574),
# letters of other alphabets look like Latin ones (CVE-2021-42694); https://trojansource.codes. What belongs to a character
# that is seen is kept: the joiners of an emoji, of Persian and of the Indic scripts (Unicode Standard Annex 31, section 2.3,
# and Technical Standard 51).

NEWLINE_MARK: Final = " ⏎ "
"""What stands for a line's end in a command."""

_LINE_END: Final = regex.compile(r"\r\n|[\n\v\f\x85\u2028\u2029]")
_BLANKS: Final = regex.compile(r"[\s\p{Zs}]+")

_UNSEEN: Final = r"(?!\p{Prepended_Concatenation_Mark})[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Default_Ignorable_Code_Point}\u2800\u2028\u2029]"
"""Controls, format characters (bidirectional ones and zero-width ones among them), fillers, variation selectors, what
Unicode has not given to anybody, and the blank of Braille."""

_KEPT: Final = (
    r"\U0001f3f4[\U000e0061-\U000e007a\U000e0030-\U000e0039]{1,8}\U000e007f"  # the flags of Scotland, Wales, Texas
    r"|\p{Extended_Pictographic}[\ufe0e\ufe0f]?\p{Emoji_Modifier}?"
    r"(?:\u200d\p{Extended_Pictographic}[\ufe0e\ufe0f]?\p{Emoji_Modifier}?)*"  # families, a heart in red
    r"|[0-9#*]\ufe0f\u20e3"  # keycaps
    r"|(?<=[\p{Joining_Type=Dual_Joining}\p{Joining_Type=Right_Joining}]\p{M}*)\u200c"
    r"(?=\p{M}*[\p{Joining_Type=Dual_Joining}\p{Joining_Type=Right_Joining}])"  # Persian
    r"|(?<=\p{Canonical_Combining_Class=9})[\u200c\u200d]"  # Indic
)
_UNSEEN_OR_KEPT: Final = regex.compile(rf"(?P<kept>{_KEPT})|(?P<unseen>{_UNSEEN})")

_MIXED_WORD: Final = regex.compile(
    r"(?=\p{L}*\p{Script=Latin})(?=\p{L}*[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}\p{Script=Cherokee}\p{Script=Lisu}])\p{L}+"
)
_OTHER_ALPHABET: Final = regex.compile(r"[^\p{Script=Latin}]")
_DISGUISED: Final = regex.compile(
    r"[\uff21-\uff3a\uff41-\uff5a\U0001d400-\U0001d7ff\u037e\u2044\u2215\u2216\u29f8\u01c3\ua789]"
)
"""Letters and signs that are drawn like ASCII ones: full width, mathematical, and the other ; / \\ ! :."""


def plain(text: str) -> str:
    """`text` on one line without what is not seen: for titles and sentences."""
    return _BLANKS.sub(" ", _UNSEEN_OR_KEPT.sub(_drop, _BLANKS.sub(" ", sound(text)))).strip()


def visible(text: str) -> str:
    """`text` on one line with everything in it to be seen: for commands, and whatever else a person decides about.

    A line's end is "⏎", a control character its picture, as "␛", every other odd one its number, as "[U+202E]".
    """
    lines = [line.rstrip(" \t") for line in _LINE_END.split(sound(text).strip())]
    shown = _UNSEEN_OR_KEPT.sub(_show, NEWLINE_MARK.join(lines).replace("\t", " "))
    shown = _MIXED_WORD.sub(lambda word: _OTHER_ALPHABET.sub(_number, word[0]), shown)
    return regex.sub(r"(?! )\p{Zs}", _number, _DISGUISED.sub(_number, shown)).strip()


def _drop(found: "regex.Match[str]") -> str:
    return found["kept"] or ""


def _show(found: "regex.Match[str]") -> str:
    if found["kept"]:
        return found["kept"]
    code = ord(found[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else _number(found)


def _number(found: "regex.Match[str]") -> str:
    return f"[U+{ord(found[0]):04X}]"
