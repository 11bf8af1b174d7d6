"""JSON bodies as people's programs send them: broken characters repaired, and what is wrong said in words. Pure.

A server in JavaScript that shortens a text in the middle of an emoji sends half of a surrogate pair (garrytan/gstack#1440,
shakacode/react_on_rails#4726), a shell script that cuts by bytes half of a character. The first relay read its bodies with
JavaScript's `Request.json()`, which takes both (Fetch standard; Encoding standard, "UTF-8 decode"): so does this.
"""

import re
from typing import Final

import msgspec
from msgspec import Struct, inspect

_BOM: Final = b"\xef\xbb\xbf"
_RAW_SURROGATES: Final = re.compile(rb"(?:\xed[\xa0-\xbf][\x80-\xbf])+")
"""As they would look in UTF-8, which has none (RFC 3629 section 3); pairs of them are CESU-8."""
_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""A backslash and what belongs to it; the group is half of a surrogate pair (RFC 8259 section 8.2)."""


def repaired(body: bytes) -> bytes:
    """JSON text with U+FFFD for every unpaired surrogate and every byte that is not UTF-8, and without a byte order mark."""
    body = _RAW_SURROGATES.sub(lambda found: _paired(found[0]), body.removeprefix(_BOM))
    body = body.decode("utf-8", "replace").encode()
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found[1] else found[0], body)


def _paired(surrogates: bytes) -> bytes:
    text = surrogates.decode("utf-8", "surrogatepass")
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def what_is_wrong(error: Exception, kind: type[Struct]) -> str:
    """A sentence on why a body is no `kind`: the field and what it must be, or where the JSON breaks. Never the value.

    `error` is what msgspec raised. What a field must be is the description of its type.
    """
    if isinstance(error, msgspec.ValidationError):
        return _wrong_field(str(error), kind)
    if isinstance(error, RecursionError):
        return "the body is nested too deeply"
    if (place := _BYTE.search(str(error))) is not None:
        return f"the body is not JSON: it breaks at byte {place[1]}"
    return "the body is not JSON: it ends too early"


_BYTE: Final = re.compile(r"\(byte (\d+)\)$")
_PLACE: Final = re.compile(r" - at `\$([^`]*)`$")
_MISSING: Final = re.compile(r"^Object missing required field `([^`]*)`")


def _wrong_field(message: str, kind: type[Struct]) -> str:
    place, missing = _PLACE.search(message), _MISSING.search(message)
    path = [*re.findall(r"\.(\w+)", place[1] if place else ""), *([missing[1]] if missing else [])]
    if not path:
        return "the body must be a JSON object"
    must_be = f"must be {_wanted(inspect.type_info(kind), path)}"
    return f"{'.'.join(path)} is missing: it {must_be}" if missing else f"{'.'.join(path)} {must_be}"


def _wanted(kind: inspect.Type, path: list[str]) -> str:
    """What the field at `path` must be, in words."""
    match kind:
        case inspect.Metadata(extra_json_schema={"description": str(description)}):
            return description
        case inspect.UnionType(types=types):
            (inner, *_) = (one for one in types if not isinstance(one, inspect.NoneType))
            return _wanted(inner, path)
        case inspect.StructType(fields=fields) if path:
            return _wanted(next(one.type for one in fields if one.encode_name == path[0]), path[1:])
        case inspect.ListType(item_type=item):
            return f"a list of {_wanted(item, [])}"
        case inspect.LiteralType(values=values):
            return f"one of {', '.join(map(str, values))}"
        case _:
            return _WORDS[type(kind)]


_WORDS: Final[dict[type[inspect.Type], str]] = {
    inspect.StrType: "text",
    inspect.IntType: "a whole number",
    inspect.BoolType: "true or false",
    inspect.StructType: "an object",
}
