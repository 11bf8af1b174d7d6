"""A route of the control API, as data. The app, its OpenAPI document and the tests are made from the one table."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import msgspec

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
