"""A case's request on the wire: its headers, its provider token and its body."""

import json
from typing import Any

from simulator.conform.bench import Bench
from simulator.conform.cases import CaseError
from simulator.conform.client import Answer, Header

Json = dict[str, Any]

PADDED: dict[str, Json] = {
    "alert": {"aps": {"alert": {"title": "T", "body": "B"}}},
    "voip": {"aps": {}},
    "liveactivity": {
        "aps": {
            "timestamp": "${NOW}",
            "event": "update",
            "content-state": {"name": "Run", "props": '{"phase":"working"}'},
        }
    },
}
"""The payloads that `payload_size` fills up, by push type."""


async def send(bench: Bench, request: Json, variant: str | None = None) -> Answer:
    """Send a request and wait for its answer."""
    stream_id = await start(bench, request, variant)
    connection = await bench.connection()
    return await connection.answer(stream_id)


async def start(bench: Bench, request: Json, variant: str | None = None) -> int | None:
    """Send a request; its stream, None if it could not be sent."""
    connection = await bench.connection()
    headers = _headers(bench, request, variant or bench.case.variant)
    stream_id = await connection.request(headers, body_of(bench, request))
    bench.streams.append((connection, stream_id))
    return stream_id


def _headers(bench: Bench, request: Json, variant: str) -> list[Header]:
    headers: list[Header] = [
        (":method", request["method"]),
        (":scheme", "https"),
        (":authority", request["host"].rpartition(":")[0]),
        (":path", bench.names.text(request["path"])),
    ]
    authorization = bench.tokens.authorization(variant)
    if authorization is not None:
        # HTTP/2 carries no blank at the end of a value (RFC 9113 section 8.2.1): `bearer ` arrives as `bearer`.
        headers.append(("authorization", authorization.rstrip(" ")))
    for name, value in request.get("headers", {}).items():
        values = value if isinstance(value, list) else [value]
        headers += [(name, bench.names.text(str(one))) for one in values]
    return headers


def body_of(bench: Bench, request: Json) -> bytes | None:
    """The body as bytes: compact JSON, the text as it stands, padded to a size, or none at all."""
    if "payload_size" in request:
        return _padded(bench, request)
    payload = request.get("payload")
    if payload is None:
        return None
    if isinstance(payload, str):
        return bench.names.text(payload).encode()
    return _compact(bench.names.filled(payload))


def _padded(bench: Bench, request: Json) -> bytes:
    if "payload" in request:
        raise CaseError("a request has payload or payload_size, not both")
    push_type = request["headers"].get("apns-push-type", "alert")
    if push_type not in PADDED:
        raise CaseError(f"payload_size goes with {', '.join(PADDED)}, not with {push_type!r}")
    payload = bench.names.filled(PADDED[push_type]) | {"pad": ""}
    missing = request["payload_size"] - len(_compact(payload))
    if missing < 0:
        raise CaseError(f"payload_size is at least {len(_compact(payload))} for {push_type!r}")
    payload["pad"] = "x" * missing
    return _compact(payload)


def _compact(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
