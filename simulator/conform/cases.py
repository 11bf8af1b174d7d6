"""Case files: reading them, and filling in the placeholders of a request.

A file is `{"cases": [...]}`. A case is `{id, group, description, request, jwt: {variant}, token_state, expect: {status,
reason, assert}, confidence, setup?, then?, send_request?}`; `request` is `{method, host, path, headers, payload |
payload_size}`. `setup` runs before the request, `then` after it, `expect.assert` at the end.
"""

import json
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

Json = dict[str, Any]

SKIPPED_GROUPS = {"relay": "tests the relay, not this server"}
"""Groups that this runner leaves out, and why."""

REQUIRED = ("id", "group", "description", "expect")
SHAPES: dict[str, type] = {
    "request": dict,
    "jwt": dict,
    "token_state": str,
    "setup": list,
    "then": list,
    "send_request": bool,
}
"""The JSON type of each part that may be left out, or be null."""
_NAME = re.compile(r"\$\{([^}+*-]*)(?:([+*-])([^}]*))?\}")
_ARITHMETIC: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
}
_WHOLE = re.compile(r"\$\{[A-Z0-9_]+(?:[+*-]\d+)?\}\Z")


class CaseFileError(Exception):
    """The file cannot be run; the text says what was expected."""


class CaseError(Exception):
    """A case uses something that this runner does not know, or that did not come true: the case fails."""


class SkipCase(Exception):
    """This machine cannot run the case."""


@dataclass(frozen=True, slots=True)
class Case:
    """One case, as it stands in the file; `broken` says why it cannot be run, "" if it can."""

    id: str
    group: str
    description: str
    confidence: str
    token_state: str = "n/a"  # noqa: S105 - the name of a state
    variant: str = "valid"
    status: int | None = None
    reason: str | None = None
    asserts: tuple[Json, ...] = ()
    request: Json | None = None
    setup: tuple[Json, ...] = ()
    then: tuple[Json, ...] = ()
    sends: bool = True
    broken: str = ""


@dataclass(slots=True)
class Names:
    """What the placeholders stand for: text by name, and the virtual time."""

    now: Callable[[], float]
    words: dict[str, str] = field(default_factory=dict)

    def text(self, value: str) -> str:
        """`value` with every placeholder filled in. Raises CaseError for a name that nobody knows."""
        return _NAME.sub(lambda match: str(self._value(*match.groups())), value)

    def filled(self, value: Any) -> Any:
        """The same for a whole JSON value; a string that is nothing but a time becomes a number."""
        if isinstance(value, Mapping):
            return {name: self.filled(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self.filled(one) for one in value]
        if not isinstance(value, str):
            return value
        if _WHOLE.match(value) and value.startswith("${NOW"):
            return int(self.text(value))
        return self.text(value)

    def _value(self, name: str, sign: str | None, number: str | None) -> str | int:
        if name == "NOW" and sign is None:
            return int(self.now())
        if name == "NOW" and number and number.isdecimal():
            return _ARITHMETIC[sign or ""](int(self.now()), int(number))
        if sign is not None or name not in self.words:
            raise CaseError(f"unknown placeholder ${{{name}{sign or ''}{number or ''}}}")
        return self.words[name]


def load(path: Path) -> list[Case]:
    """The cases of a file, in its order. Raises CaseFileError."""
    try:
        cases = list(json.loads(path.read_text("utf-8"))["cases"])
    except OSError as error:
        raise CaseFileError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise CaseFileError(f'{path} is not a case file: expected JSON {{"cases": [...]}}') from None
    return [_case(data) for data in cases]


_JSON_NAMES = {str: "a string", dict: "an object", list: "an array", bool: "true or false"}


def _case(data: Json) -> Case:
    if not isinstance(data, dict):
        raise CaseFileError(f"a case is a JSON object, not {data!r:.60}")
    missing = [name for name in REQUIRED if name not in data]
    if missing:
        raise CaseFileError(f"case {data.get('id', '?')} has no {', '.join(missing)}")
    case = Case(
        id=str(data["id"]),
        group=str(data["group"]),
        description=str(data["description"]),
        confidence=str(data.get("confidence", "unknown")),
    )
    if case.group in SKIPPED_GROUPS:  # its other parts lie outside this format
        return case
    broken = _broken(data)
    return replace(case, broken=broken) if broken else replace(case, **_parts(data))


def _broken(data: Json) -> str:
    """What has not the shape that it must have, as a sentence; "" if all is well."""
    for name, shape in SHAPES.items():
        if data.get(name) is not None and not isinstance(data[name], shape):
            return f"{name} is {_JSON_NAMES[shape]}, not {data[name]!r:.60}"
    expect = data["expect"]
    if not isinstance(expect, dict) or not isinstance(expect.get("assert") or [], list):
        return "expect is an object, and its assert an array"
    steps = (data.get("setup") or []) + (data.get("then") or [])
    for each in steps + (expect.get("assert") or []):
        if not isinstance(each, dict) or not each:
            return f"a step or an assertion is an object that says something, not {each!r:.60}"
    return ""


def _parts(data: Json) -> Json:
    expect = data["expect"]
    return {
        "token_state": data.get("token_state") or "n/a",
        "variant": (data.get("jwt") or {}).get("variant", "valid"),
        "status": expect.get("status"),
        "reason": expect.get("reason"),
        "asserts": tuple(expect.get("assert") or ()),
        "request": data.get("request"),
        "setup": tuple(data.get("setup") or ()),
        "then": tuple(data.get("then") or ()),
        "sends": data.get("send_request", True),
    }
