"""JSON as APNs reads it: UTF-8 and RFC 8259, and nothing of what Python's reader takes beside them. Pure."""

import json
import re
from typing import Any, Final, Never

MAX_DEPTH: Final = 512
"""Objects and arrays within each other. Apple's reader of JSON stops there (GitHub swiftlang/swift-corelibs-foundation,
JSONSerialization); that APNs does so, too, is assumed."""
REPLACEMENT: Final = "\\ufffd"

# An escape of a whole surrogate pair, of half of one, or any other: in JSON they occur within strings only.
_ESCAPE: Final = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_NESTING: Final = {"{": 1, "[": 1, "}": -1, "]": -1}


def read_json(octets: bytes) -> Any:
    """The value. ValueError: no UTF-8, a byte order mark, NaN or Infinity, nested too deep, or no JSON at all.

    Half a surrogate pair, which RFC 8259 section 8.2 allows and no UTF-8 can hold, becomes U+FFFD (assumed).
    """
    text = octets.decode("utf-8")
    if "\\" in text:
        text = _ESCAPE.sub(lambda match: REPLACEMENT if match[1] else match[0], text)
    if _may_be_deep(text) and _depth(_STRING.sub("", text)) > MAX_DEPTH:
        raise ValueError(f"JSON that is nested deeper than {MAX_DEPTH}")
    return json.loads(text, parse_constant=_refuse)


def _refuse(name: str) -> Never:
    raise ValueError(f"{name} is not a number")  # RFC 8259 section 6


def _may_be_deep(text: str) -> bool:
    return text.count("[") + text.count("{") > MAX_DEPTH


def _depth(text: str) -> int:
    deepest = depth = 0
    for letter in text:
        depth += _NESTING.get(letter, 0)
        deepest = max(deepest, depth)
    return deepest
