"""Where a text may be cut so that no visible character falls apart. Pure.

The rules of Unicode Standard Annex 29 that matter in titles and messages: combining marks, variation selectors, emoji
with skin tones, joined emoji, flags, and Hangul written in parts. https://unicode.org/reports/tr29/
"""

import unicodedata

_JOINER = "\u200d"
_MARKS = frozenset({"Mn", "Me", "Mc"})


def first_graphemes(text: str, limit: int) -> str:
    """The longest beginning of `text` that has at most `limit` code points and ends between two visible characters."""
    end = limit
    while 0 < end < len(text) and _joined(text, end):
        end -= 1
    return text[:end]


def _joined(text: str, index: int) -> bool:
    """Whether the character at `index` belongs to the one before it."""
    before, here = text[index - 1], text[index]
    if unicodedata.category(here) in _MARKS or _is_skin_tone(here) or here == _JOINER or before == _JOINER:
        return True
    if _is_flag_half(here):
        return _flag_halves_before(text, index) % 2 == 1
    return _is_jamo(here) and (_is_jamo(before) or _is_syllable(before))


def _flag_halves_before(text: str, index: int) -> int:
    count = 0
    while index > count and _is_flag_half(text[index - count - 1]):
        count += 1
    return count


def _is_skin_tone(character: str) -> bool:
    return "\U0001f3fb" <= character <= "\U0001f3ff"


def _is_flag_half(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _is_jamo(character: str) -> bool:
    return "\u1100" <= character <= "\u11ff"


def _is_syllable(character: str) -> bool:
    return "\uac00" <= character <= "\ud7a3"
