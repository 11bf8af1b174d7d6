"""Answers as bytes, read back by an independent HPACK decoder."""

import json
import uuid

from hpack import Decoder
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.apns.answers import Answer, apns_uuid, encode
from simulator.apns.reasons import REASONS

ID = "123E4567-E89B-42D3-A456-426614174000"


def read(answer: Answer) -> tuple[dict[str, str], bytes]:
    block, body = encode(answer)
    return dict(Decoder().decode(block)), body


def test_an_accepted_push() -> None:
    assert read(Answer(200, None, ID)) == ({":status": "200", "apns-id": ID}, b"")


def test_an_accepted_push_in_the_sandbox_realm() -> None:
    headers, body = read(Answer(200, None, ID, ID.lower()))
    assert (headers["apns-unique-id"], body) == (ID.lower(), b"")


def test_every_reason_is_compact_json() -> None:
    for name, reason in REASONS.items():
        headers, body = read(Answer(reason.status, name, ID))
        assert headers == {":status": str(reason.status), "apns-id": ID, "content-type": "application/json"}
        assert body == b'{"reason":"%s"}' % name.encode()


def test_410_tells_when() -> None:
    _, body = read(Answer(410, "Unregistered", ID, None, 1_795_226_400_123))
    assert json.loads(body) == {"reason": "Unregistered", "timestamp": 1_795_226_400_123}


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**128 - 1))
def test_ids_are_random_uuids_in_upper_case(bits: int) -> None:
    text = apns_uuid(bits)
    assert text == text.upper()
    assert str(uuid.UUID(text)) == text.lower()
    assert (uuid.UUID(text).version, uuid.UUID(text).variant) == (4, uuid.RFC_4122)
