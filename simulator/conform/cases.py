"""Case files: reading them, and filling in the placeholders of a request.

A file is `{"cases": [...]}`. A case is `{id, group, description, request, jwt: {variant}, token_state, expect: {status,
reason, assert}, confidence, setup?, then?, send_request?}`; `request` is `{method, host, path, headers, payload |
payload_size}`. `setup` runs before the request, `then` after it, `expect.assert` at the end.
"""

import json
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from simulator.conform.case_format import FILE_KEYS, problem

Json = dict[str, Any]

SKIPPED_GROUPS = {"relay": "tests the relay, not this server"}
"""Groups that this runner leaves out, and why."""

REQUIRED = ("id", "group", "description", "expect")
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
        data = json.loads(path.read_text("utf-8"), object_pairs_hook=_without_doubles)
        cases = list(data["cases"])
    except OSError as error:
        raise CaseFileError(f"cannot read {path}: {error.strerror}") from None
    except _Doubled as error:
        raise CaseFileError(f"{path}: the key {error} stands twice in one object") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise CaseFileError(f'{path} is not a case file: expected JSON {{"cases": [...]}}') from None
    unknown = [name for name in data if name not in FILE_KEYS]
    if unknown:
        raise CaseFileError(f"{path} has the unknown key {unknown[0]!r}; it may have {', '.join(FILE_KEYS)}")
    return _with_ids_of_their_own(_case(each) for each in cases)


class _Doubled(Exception):
    """Of a key that stands twice JSON readers keep one, and the other says nothing."""


def _without_doubles(pairs: list[tuple[str, Any]]) -> Json:
    found: Json = {}
    for name, value in pairs:
        if name in found:
            raise _Doubled(repr(name))
        found[name] = value
    return found


def _with_ids_of_their_own(cases: Iterable[Case]) -> list[Case]:
    """A second case of one id is broken."""
    found: dict[str, Case] = {}
    return [
        replace(case, broken="its id is that of an earlier case")
        if found.setdefault(case.id, case) is not case
        else case
        for case in cases
    ]


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
    broken = problem(data)
    return replace(case, broken=broken) if broken else replace(case, **_parts(data))


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
