"""A push request as APNs sees it: method, path and headers picked out of HTTP/2 fields, nothing judged yet."""

import json
from typing import Any, Final, NamedTuple

from simulator.apns.http2.header_block import Field

DEVICE_PATH: Final = "/3/device/"
DEFAULT_PRIORITY: Final = 10  # Apple: Sending notification requests to APNs
DEFAULT_PUSH_TYPE: Final = "alert"  # assumed for a request without apns-push-type


class Request(NamedTuple):
    """`headers` holds the first value of each name; `repeated` the names that came again.

    `token` is what follows /3/device/ in lower case, empty on any other path. Bodies: see RequestReceived.
    """

    method: str
    path: str
    token: str
    headers: dict[str, str]
    repeated: frozenset[str]
    body: bytes
    body_size: int

    @property
    def topic(self) -> str | None:
        """The header apns-topic."""
        return self.headers.get("apns-topic")

    @property
    def push_type(self) -> str:
        """The header apns-push-type or its default."""
        return self.headers.get("apns-push-type", DEFAULT_PUSH_TYPE)

    def payload(self) -> dict[str, Any] | None:
        """The JSON object of the body, or None if it is not one."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None


def read_request(fields: list[Field], body: bytes, body_size: int) -> Request:
    """Sort the fields of a well-formed HTTP/2 request."""
    headers = dict(reversed(fields))
    repeated: frozenset[str] = _NONE if len(headers) == len(fields) else _repeated(fields)
    path = headers[":path"]
    token = path[len(DEVICE_PATH) :].lower() if path.startswith(DEVICE_PATH) else ""
    return Request(headers[":method"], path, token, headers, repeated, body, body_size)


_NONE: Final[frozenset[str]] = frozenset()


def _repeated(fields: list[Field]) -> frozenset[str]:
    names = [name for name, _ in fields]
    return frozenset(name for name in names if names.count(name) > 1)
