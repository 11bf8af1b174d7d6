"""The ActivityAttributes types of an app, and what Swift's JSONDecoder makes of a push for them. No I/O.

Documented (Apple, "Starting and updating Live Activities with ActivityKit push notifications"): `attributes-type` is the
exact name of the type; the system decodes with the default strategies of JSONDecoder, and what cannot be decoded fails
silently. A kind is written like the Swift type of a field:

    "string" "int" "uint" "double" "bool" "date" "date-iso8601" "url" "uuid" "data"    one value
    "string?"                                   optional: it may be missing or null
    "[string]", or ["string"]                   an array
    "[string: int]"                             a dictionary
    {"name": "string", "plate?": "string"}      a nested object; `?` after a field's name makes the field optional
    {"enum": ["baking", "out"]}                 an enumeration with raw values, strings or whole numbers
    {"enum": {"idle": {}, "out": {"_0": "int"}}}  one with associated values, as Swift writes it: one key, the case's name

Keys that a type does not know are ignored at every depth; what is optional but has the wrong type fails as a whole.
"""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any
from urllib.parse import urlsplit

Fields = Mapping[str, Any]
"""Field name -> kind."""


@dataclass(frozen=True, slots=True)
class ActivityType:
    """One ActivityAttributes type of an app: its Swift name, its static fields and those of its ContentState.

    ValueError if a field is of a kind that does not exist; the sentence names those that do.
    """

    name: str
    attributes: Fields
    content_state: Fields

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("an activity type has a name: that of its Swift type")
        for part, fields in (("attributes", self.attributes), ("content_state", self.content_state)):
            _object(fields, part)


class Undecodable(ValueError):
    """A value that the type cannot hold; the sentence says where, what was expected and what was found."""


def decode(value: Any, fields: Fields) -> dict[str, Any] | None:
    """The object as the app holds it: only the fields of its type; None if it cannot be decoded."""
    return None if undecodable(value, fields) else _whole(value, fields)


def undecodable(value: Any, fields: Fields) -> str:
    """Why it cannot be decoded, "" if it can."""
    try:
        _whole(value, fields)
    except Undecodable as error:
        return str(error)
    return ""


def dates(value: Any, fields: Fields) -> dict[str, str]:
    """What Swift reads from the dates of an object that can be decoded: ISO 8601 in UTC, by the field's path."""
    found: dict[str, str] = {}
    _object(fields, "")(value, "", found)
    return found


def _whole(value: Any, fields: Fields) -> dict[str, Any]:
    decoded: dict[str, Any] = _object(fields, "")(value, "", {})
    return decoded


# Kinds of one value: what it is called in a sentence, and the value itself or Undecodable.

Decoder = Callable[[Any, str, dict[str, str]], Any]
"""Takes a JSON value, its path, and where dates are noted by their paths."""

REFERENCE_DATE = datetime(2001, 1, 1, tzinfo=UTC)
"""Where Swift's Date begins: 978307200 in UNIX seconds."""

_INTERNET_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:?\d\d)\Z")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
_INT, _UINT = range(-(2**63), 2**63), range(2**64)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value)


def _is_finite(value: float) -> bool:
    try:
        return isfinite(value)
    except OverflowError:
        return False


def _is_whole(value: Any, within: range) -> bool:
    return _is_number(value) and float(value).is_integer() and int(value) in within


def _is_url(value: Any) -> bool:
    """URL(string:) since iOS 17: empty text and broken hosts and ports are none; other characters are percent-encoded."""
    if not isinstance(value, str) or not value:
        return False
    try:
        _ = urlsplit(value).port
    except ValueError:
        return False
    return True


def _is_base64(value: Any) -> bool:
    try:
        base64.b64decode(value if isinstance(value, str) else "?", validate=True)
    except ValueError:
        return False
    return True


def _internet_date(value: Any) -> datetime | None:
    if not isinstance(value, str) or not _INTERNET_DATE.match(value):
        return None
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


# Documented in Apple's texts on JSONDecoder: the default strategies for Date (.deferredToDate: seconds since 2001, so that
# UNIX seconds decode to a date 31 years later) and Data (base64). Observed by others: GoCarrot/TeakCocoaPodsExample PR 2.
_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "string": ("String, a string", lambda value: isinstance(value, str)),
    "int": ("Int, a whole number of 64 bits", lambda value: _is_whole(value, _INT)),
    "uint": ("UInt, a whole number from 0 on", lambda value: _is_whole(value, _UINT)),
    "double": ("Double, a number", _is_number),
    "bool": ("Bool, true or false", lambda value: isinstance(value, bool)),
    "date": ("Date, a number: seconds since 2001-01-01", _is_number),
    # A type that decodes it itself, with the strategy .iso8601: no fractions of a second (ISO8601DateFormatter).
    "date-iso8601": (
        'Date in ISO 8601, such as "2026-11-30T09:30:00Z"',
        lambda value: _internet_date(value) is not None,
    ),
    "url": ("URL, a string", _is_url),
    "uuid": (
        "UUID, a string of 8-4-4-4-12 digits",
        lambda value: isinstance(value, str) and bool(_UUID.match(value)),
    ),
    "data": ("Data, a string in base64", _is_base64),
}

ALSO = {"float": "double", "iso8601": "date-iso8601"}
"""Other names of a kind."""

KINDS = (
    f"{', '.join(_KINDS)}; kind? is optional, [kind] an array, [string: kind] a dictionary, "
    '{"field": kind} a nested object, {"enum": ["a", "b"]} an enumeration'
)
"""All kinds, in words."""


def _one(name: str) -> Decoder:
    wanted, fits = _KINDS[name]

    def decoder(value: Any, path: str, noted: dict[str, str]) -> Any:
        if not fits(value):
            raise _mismatch(path, wanted, value)
        if name.startswith("date"):
            noted[path] = _date_text(value)
        return value

    return decoder


def _date_text(value: Any) -> str:
    try:
        at = (
            REFERENCE_DATE + timedelta(seconds=value)
            if not isinstance(value, str)
            else _internet_date(value) or REFERENCE_DATE
        )
    except OverflowError:
        return "beyond the year 9999"
    return at.isoformat().replace("+00:00", "Z")


# Kinds of several values.


def _kind(spec: Any, where: str) -> Decoder:
    """The decoder of a kind. ValueError if there is no such kind."""
    if isinstance(spec, str):
        return _named(spec, spec, where)
    if isinstance(spec, list | tuple) and len(spec) == 1:
        return _array(_kind(spec[0], f"{where}[]"))
    if isinstance(spec, Mapping) and set(spec) == {"enum"} and not isinstance(spec["enum"], str):
        return _enumeration(spec["enum"], where)
    if isinstance(spec, Mapping):
        return _object(spec, where)
    raise _unknown(spec, where)


def _named(text: str, spec: str, where: str) -> Decoder:
    """A kind in words; `spec` is the whole of it, for the sentence if there is no such kind."""
    name = ALSO.get(text.strip().casefold(), text.strip())
    if name.endswith("?"):
        return _optional(_named(name[:-1], spec, where))
    if name.startswith("[") and name.endswith("]"):
        key, colon, value = name[1:-1].partition(":")
        if not colon:
            return _array(_named(key, spec, where))
        if key.strip().casefold() == "string":
            return _dictionary(_named(value, spec, where))
    if name.casefold() not in _KINDS:
        raise _unknown(spec, where)
    return _one(name.casefold())


def _unknown(spec: Any, where: str) -> ValueError:
    return ValueError(f"{where} has the kind {spec!r:.80}, which does not exist; there are {KINDS}")


def _optional(inner: Decoder) -> Decoder:
    return lambda value, path, noted: None if value is None else inner(value, path, noted)


def _array(element: Decoder) -> Decoder:
    def decoder(value: Any, path: str, noted: dict[str, str]) -> Any:
        if not isinstance(value, list):
            raise _mismatch(path, "an array", value)
        return [element(one, f"{path}[{index}]", noted) for index, one in enumerate(value)]

    return decoder


def _dictionary(element: Decoder) -> Decoder:
    def decoder(value: Any, path: str, noted: dict[str, str]) -> Any:
        if not isinstance(value, dict):
            raise _mismatch(path, "a dictionary", value)
        return {key: element(one, _below(path, key), noted) for key, one in value.items()}

    return decoder


def _object(fields: Fields, where: str) -> Decoder:
    decoders = {
        name.removesuffix("?"): (name.endswith("?"), _kind(spec, _below(where, name)))
        for name, spec in fields.items()
    }

    def decoder(value: Any, path: str, noted: dict[str, str]) -> Any:
        if not isinstance(value, dict):
            raise _mismatch(path, "an object", value)
        decoded = {
            name: _optional(inner)(value.get(name), _below(path, name), noted)
            if may_miss
            else _present(inner, value, name, path, noted)
            for name, (may_miss, inner) in decoders.items()
        }
        return {name: one for name, one in decoded.items() if name in value}

    return decoder


def _present(inner: Decoder, value: dict[str, Any], name: str, path: str, noted: dict[str, str]) -> Any:
    try:
        return inner(value.get(name), _below(path, name), noted)
    except Undecodable:
        if name in value:
            raise
        raise Undecodable(f"{_below(path, name)} is missing") from None


def _enumeration(cases: Any, where: str) -> Decoder:
    if isinstance(cases, Mapping) and cases and all(isinstance(one, Mapping) for one in cases.values()):
        return _associated({name: _object(one, _below(where, name)) for name, one in cases.items()})
    if not isinstance(cases, list | tuple) or not cases:
        raise _unknown({"enum": cases}, where)
    if not any(all(_is_raw(case, of) for case in cases) for of in (str, int)):
        raise _unknown({"enum": cases}, where)
    wanted = f"one of {', '.join(repr(case) for case in cases)}"

    def decoder(value: Any, path: str, _: dict[str, str]) -> Any:
        if not any(type(case) is type(value) and case == value for case in cases):
            raise _mismatch(path, wanted, value)
        return value

    return decoder


def _is_raw(case: Any, of: type) -> bool:
    return isinstance(case, of) and not isinstance(case, bool)


def _associated(cases: dict[str, Decoder]) -> Decoder:
    """As Swift's own coding of enumerations wants it (Swift Evolution SE-0295): exactly one key that is a case's name."""

    def decoder(value: Any, path: str, noted: dict[str, str]) -> Any:
        known = [name for name in cases if isinstance(value, dict) and name in value]
        if len(known) != 1:
            raise _mismatch(path, f"an object with one key, one of {', '.join(cases)}", value)
        return {known[0]: cases[known[0]](value[known[0]], _below(path, known[0]), noted)}

    return decoder


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


_JSON_NAMES: dict[type, str] = {
    dict: "an object",
    list: "an array",
    bool: "a boolean",
    type(None): "null or nothing",
}


def _mismatch(path: str, wanted: str, value: Any) -> Undecodable:
    found = _JSON_NAMES.get(type(value)) or f"{value!r:.60}"
    return Undecodable(f"{path or 'it'} is {wanted} in the app, and {found} came")


SESSION = ActivityType(
    "SessionActivityAttributes",
    {"sessionId": "string"},
    {
        "status": "string",
        "sessionTitle": "string",
        "lastMessage": "string",
        "retryInfo": "string?",
        "enc?": {"v": "int", "kid": "string", "n": "string", "ct": "string"},
    },
)
"""An app with a type of its own for sessions."""

EXPO_WIDGETS = ActivityType(
    "LiveActivityAttributes", {"url": "string?"}, {"name": "string", "props": "string"}
)
"""expo-widgets 55 to 57, ios/Widgets/WidgetLiveActivity.swift: `props` is JSON in a string."""

EXPO_WIDGETS_58 = ActivityType(
    "LiveActivityAttributes", {"url": "string?"}, {"name": "string", "props": "string?"}
)
"""From expo-widgets 58 on `props` may be missing."""

APP_TYPES = (SESSION, EXPO_WIDGETS)
"""Both spellings a relay may send to our app."""
