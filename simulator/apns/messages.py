"""Requests and responses of APNs as values: picked out of HTTP/2 fields, and put into them (Apple: Handling notification
responses from APNs). Nothing is decided here. The forms that clients stumble over are made on purpose, see faults.Misshape."""

import json
from functools import lru_cache
from typing import Any, Final, NamedTuple

from simulator.apns.faults import Misshape
from simulator.apns.http2.header_block import Field, literal_field, status_field
from simulator.apns.json_text import read_json

DEVICE_PATH: Final = "/3/device/"
DEFAULT_PRIORITY: Final = 10  # Apple: Sending notification requests to APNs
DEFAULT_PUSH_TYPE: Final = "alert"  # assumed for a request without apns-push-type
ACCEPTED: Final = 200
_ID_FIELDS: Final = (
    (b"apns-id", "apns_id"),
    (b"apns-request-id", "request_id"),
    (b"apns-channel-id", "channel_id"),
    (b"apns-unique-id", "unique_id"),
)
PAGE: Final = b"<html><head><title>502 Bad Gateway</title></head><body>Bad Gateway</body></html>"
_NONE: Final[frozenset[str]] = frozenset()


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
        """The JSON object of the body (RFC 8259 in UTF-8), or None if it is not one."""
        try:
            value = read_json(self.body)
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None


def readable(text: str) -> str:
    """A header's text with U+FFFD for octets that are no UTF-8: for the journal, and for what devices get."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def read_request(fields: list[Field], body: bytes, body_size: int) -> Request:
    """Sort the fields of a well-formed HTTP/2 request."""
    headers = dict(reversed(fields))
    repeated: frozenset[str] = _NONE if len(headers) == len(fields) else _repeated(fields)
    path = headers.get(":path", "")  # a CONNECT request has none
    token = path[len(DEVICE_PATH) :].lower() if path.startswith(DEVICE_PATH) else ""
    return Request(headers[":method"], path, token, headers, repeated, body, body_size)


def _repeated(fields: list[Field]) -> frozenset[str]:
    names = [name for name, _ in fields]
    return frozenset(name for name in names if names.count(name) > 1)


class Response(NamedTuple):
    """`reason` None = accepted. `unique_id` only in the sandbox realm; `timestamp` in milliseconds, only with 410.

    Responses about channels and broadcasts have a `request_id` in place of the `apns_id`, which is empty then; `content`
    is the JSON text of one that returns something.
    """

    status: int
    reason: str | None
    apns_id: str
    unique_id: str | None = None
    timestamp: int | None = None
    request_id: str | None = None
    channel_id: str | None = None
    content: str | None = None


def encode(response: Response) -> tuple[bytes, bytes]:
    """Header block and body. Blocks use no dynamic table, so any response may go to any connection in any order."""
    body = _content(response)
    block = _first_fields(response.status, bool(body))
    for name, field in _ID_FIELDS:
        value = getattr(response, field)
        if value:
            block += literal_field(name, value.encode("ascii"))
    return block, body


def apns_uuid(bits: int) -> str:
    """128 random bits as the version 4 UUID, in upper case as the server makes them."""
    bits = bits & ~(0xF << 76) & ~(0x3 << 62) | 4 << 76 | 2 << 62  # RFC 9562 section 5.4
    digits = f"{bits:032X}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


@lru_cache(maxsize=64)
def _first_fields(status: int, has_body: bool) -> bytes:
    block = status_field(status)
    return block + literal_field(b"content-type", b"application/json") if has_body else block


def _content(response: Response) -> bytes:
    if response.reason is not None:
        return _body(response.reason, response.timestamp)
    return b"" if response.content is None else response.content.encode()


@lru_cache(maxsize=64)
def _body(reason: str, timestamp: int | None) -> bytes:
    body: dict[str, Any] = {"reason": reason}
    if timestamp is not None:
        body["timestamp"] = timestamp
    return json.dumps(body, separators=(",", ":")).encode()


def encode_misshapen(response: Response, shape: Misshape) -> tuple[bytes, bytes]:
    """Header block and body. Splitting a body is left to the connection."""
    response = _with_id(response, shape)
    block, body = encode(response)
    if not body:
        return block, body
    if shape.body == "malformed":
        return block, body[: len(body) // 2]
    if shape.body == "html":
        return _html_block(response), PAGE
    return block, body


def _with_id(response: Response, shape: Misshape) -> Response:
    if shape.apns_id == "absent":
        return response._replace(apns_id="")
    return response._replace(apns_id=response.apns_id.upper()) if shape.apns_id == "upper" else response


def _html_block(response: Response) -> bytes:
    block = status_field(response.status) + literal_field(b"content-type", b"text/html")
    return block + literal_field(b"apns-id", response.apns_id.encode("ascii")) if response.apns_id else block
