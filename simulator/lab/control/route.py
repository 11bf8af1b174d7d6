"""A route of the control API, as data, and the replies to what goes wrong. The app, its OpenAPI document and the tests are made from one table."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import msgspec
from werkzeug.exceptions import HTTPException

from simulator.apns.errors import SandboxError
from simulator.lab.control.reading import NOT_JSON, in_words
from simulator.lab.errors import Impossible, LabError, NotNow, RealTime, Taken, Unknown
from simulator.lab.lab import Lab

Method = Literal["GET", "POST", "PATCH", "DELETE"]
Fields = dict[str, Any]


class Body(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The JSON object of a request. A field that is not known is an error, not a typo that does nothing."""


class Query(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The parameters behind the question mark."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request, decoded: `body` and `query` are of the route's types, None where it has none."""

    lab: Lab
    path: Mapping[str, str]
    query: Any = None
    body: Any = None


class Stream(NamedTuple):
    """A reply that does not end by itself: Server-Sent Events, as bytes."""

    chunks: AsyncIterator[bytes]


class Raw(NamedTuple):
    """A reply without the envelope, where another standard says what it looks like."""

    fields: Fields


def encode(fields: object) -> bytes:
    """As JSON, whatever is in it: what JSON has no word for as text, and what UTF-8 cannot hold as U+FFFD.

    A sandbox that shows what was pushed to it must not stop at that; payloads are nested at most as deep as Python can go.
    """
    try:
        return msgspec.json.encode(fields, enc_hook=str)
    except UnicodeEncodeError:
        return msgspec.json.encode(_readable(fields), enc_hook=str)


def _readable(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        return {_readable(name): _readable(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_readable(one) for one in value]
    return value if isinstance(value, int | float | None) else _readable(str(value))


Handler = Callable[[Call], Awaitable[Fields | Raw | Stream]]


@dataclass(frozen=True, slots=True)
class Route:
    """`path` has its parameters in braces. The reply is `{ok: true}` and the fields that `handle` returns.

    `body` is a type that msgspec decodes: a Body, or dict[str, Any] where somebody else knows the fields.
    """

    method: Method
    path: str
    summary: str
    handle: Handler
    body: Any = None
    query: type[Query] | None = None
    status: int = 200

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names in braces."""
        return tuple(part[1:-1] for part in self.path.split("/") if part.startswith("{"))


class Problem(NamedTuple):
    """The reply's status, its stable `code`, and one sentence."""

    status: int
    code: str
    error: str

    def fields(self) -> dict[str, object]:
        """The body of the reply."""
        return {"ok": False, "error": self.error, "code": self.code}


class Refusal(Exception):
    """A request that is refused before it reaches its route."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.error)
        self.problem = problem


FOREIGN = Problem(403, "foreign_origin", "this API answers to programs of this machine, not to web pages")
UNREADABLE = Problem(415, "unsupported_media_type", "send the body as application/json")

KINDS: tuple[tuple[type[Exception], int, str], ...] = (
    (Unknown, 404, "not_found"),
    (Taken, 409, "taken"),
    (RealTime, 409, "real_clock"),
    (NotNow, 409, "not_now"),
    (Impossible, 422, "impossible"),
    (LabError, 500, "lab_failed"),
    (msgspec.ValidationError, 400, "invalid_request"),
    (msgspec.DecodeError, 400, "invalid_json"),
    (UnicodeError, 400, "invalid_json"),
    (RecursionError, 400, "invalid_json"),
    (SandboxError, 422, "impossible"),
)
"""Exceptions that are somebody else's mistake; the first that fits counts."""

CODES = {404: "not_found", 405: "method_not_allowed", 408: "request_timeout", 413: "body_too_large"}


def problem(error: Exception) -> Problem:
    """The reply to an exception. What is in no table is our own defect: 500, and its text is shown, for this is a tool."""
    if isinstance(error, Refusal):
        return error.problem
    if isinstance(error, HTTPException):
        status = error.code or 500
        return Problem(status, CODES.get(status, f"http_{status}"), error.description or error.name)
    for kind, status, code in KINDS:
        if isinstance(error, kind):
            return Problem(status, code, _sentence(error, code) or kind.__name__)
    return Problem(500, "internal_error", f"{type(error).__name__}: {error}")


def _sentence(error: Exception, code: str) -> str:
    if isinstance(error, msgspec.ValidationError):
        return in_words(error)
    return NOT_JSON if code == "invalid_json" else str(error)
