"""Bodies and queries of requests: broken characters repaired, and what is wrong said in words. Pure."""

import json
import re
from typing import Any, Final

import msgspec

_BOM: Final = b"\xef\xbb\xbf"


def decode(body: bytes, kind: Any) -> Any:
    """The body as `kind`, a type that msgspec decodes; nothing at all counts as an empty object.

    Halves of surrogate pairs, as programs send them that cut a text amid an emoji, and bytes that are not UTF-8 become
    U+FFFD. Raises msgspec.ValidationError, or msgspec.DecodeError or RecursionError for what is no JSON.
    """
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeError):
        return msgspec.json.decode(_repaired(body), type=kind)


def _repaired(body: bytes) -> bytes:
    try:
        found = json.loads(body.removeprefix(_BOM).decode("utf-8", "replace"), parse_constant=_no_number)
    except ValueError as error:
        raise msgspec.DecodeError(str(error)) from None
    text = json.dumps(found, ensure_ascii=False)
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number")


NOT_JSON: Final = "the body is not JSON"

_PLACE: Final = re.compile(r" - at `\$([^`]*)`$")
_SENTENCES: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r"Object missing required field `(.*)`"), "{0} is missing in {place}"),
    (re.compile(r"Object contains unknown field `(.*)`", re.DOTALL), "there is no field {0} in {place}"),
    (re.compile(r"Invalid enum value (.*)", re.DOTALL), "{place} cannot be {0}"),
    (re.compile(r"Expected `(.*)`, got `(.*)`"), "{place} must be {0}, not {1}"),
    (re.compile(r"Expected `(.*)` of length >= (\d+)"), "{place} must be {0} of at least {1} character(s)"),
    (re.compile(r"Expected `(.*)` of length <= (\d+)"), "{place} must be {0} of at most {1} character(s)"),
    (re.compile(r"Expected `(.*)` >= (\S+)"), "{place} must be {0}, {1} or more"),
    (re.compile(r"Expected `(.*)` <= (\S+)"), "{place} must be {0}, {1} or less"),
)
"""msgspec's messages, and ours. What is in no row is described by the OpenAPI document, and is said to be there."""

_TYPES: Final = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}


def in_words(error: msgspec.ValidationError) -> str:
    """A sentence that names the field."""
    place = _PLACE.search(message := str(error))
    named = (place[1].lstrip(".") if place else "") or "the body"
    if isinstance(error.__cause__, ValueError):  # a type's own sentence about its value
        return f"{named}: {error.__cause__}"
    message = message[: place.start()] if place else message
    for pattern, sentence in _SENTENCES:
        if found := pattern.fullmatch(message):
            return sentence.format(*map(_typed, found.groups()), place=named)
    return f"{named} does not have the form that GET /control/openapi.json describes"


def _typed(text: str) -> str:
    """The names of types as words; anything else is the sender's own, or a number."""
    words = [_TYPES.get(name) for name in text.split(" | ")]
    return " or ".join(word for word in words if word) if all(words) else text
