"""Answers in forms that clients stumble over, on purpose (see faults.Misshape). Pure."""

from typing import Final

from simulator.apns.answers import Answer, encode
from simulator.apns.faults import Misshape
from simulator.apns.http2.header_block import literal_field, status_field

PAGE: Final = b"<html><head><title>502 Bad Gateway</title></head><body>Bad Gateway</body></html>"


def encode_misshapen(answer: Answer, shape: Misshape) -> tuple[bytes, bytes]:
    """Header block and body. Splitting a body is left to the connection."""
    answer = _with_id(answer, shape)
    block, body = encode(answer)
    if not body:
        return block, body
    if shape.body == "malformed":
        return block, body[: len(body) // 2]
    if shape.body == "html":
        return _html_block(answer), PAGE
    return block, body


def _with_id(answer: Answer, shape: Misshape) -> Answer:
    if shape.apns_id == "absent":
        return answer._replace(apns_id="")
    return answer._replace(apns_id=answer.apns_id.upper()) if shape.apns_id == "upper" else answer


def _html_block(answer: Answer) -> bytes:
    block = status_field(answer.status) + literal_field(b"content-type", b"text/html")
    return block + literal_field(b"apns-id", answer.apns_id.encode("ascii")) if answer.apns_id else block
