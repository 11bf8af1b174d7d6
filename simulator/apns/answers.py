"""What goes back to the provider, and its bytes (Apple: Handling notification responses from APNs)."""

import json
from functools import lru_cache
from typing import Any, Final, NamedTuple

from simulator.apns.http2.header_block import literal_field, status_field

ACCEPTED: Final = 200
_ID_FIELDS: Final = (
    (b"apns-id", "apns_id"),
    (b"apns-request-id", "request_id"),
    (b"apns-channel-id", "channel_id"),
    (b"apns-unique-id", "unique_id"),
)


class Answer(NamedTuple):
    """`reason` None = accepted. `unique_id` only in the sandbox realm; `timestamp` in milliseconds, only with 410.

    Answers about channels and broadcasts have a `request_id` in place of the `apns_id`, which is empty then; `content`
    is the JSON text of one that tells something.
    """

    status: int
    reason: str | None
    apns_id: str
    unique_id: str | None = None
    timestamp: int | None = None
    request_id: str | None = None
    channel_id: str | None = None
    content: str | None = None


def encode(answer: Answer) -> tuple[bytes, bytes]:
    """Header block and body. Blocks use no dynamic table, so any answer may go to any connection in any order."""
    body = _content(answer)
    block = _first_fields(answer.status, bool(body))
    for name, field in _ID_FIELDS:
        value = getattr(answer, field)
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


def _content(answer: Answer) -> bytes:
    if answer.reason is not None:
        return _body(answer.reason, answer.timestamp)
    return b"" if answer.content is None else answer.content.encode()


@lru_cache(maxsize=64)
def _body(reason: str, timestamp: int | None) -> bytes:
    body: dict[str, Any] = {"reason": reason}
    if timestamp is not None:
        body["timestamp"] = timestamp
    return json.dumps(body, separators=(",", ":")).encode()
