"""Requests as APNs reads them; responses as bytes, read back by an independent HPACK decoder."""

import uuid

import pytest
from hpack import Decoder
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.apns.messages import Response, apns_uuid, encode, read_request
from simulator.apns.reasons import REASONS

PSEUDO = [(":method", "POST"), (":scheme", "https"), (":path", "/3/device/ABcd")]
ID = "123E4567-E89B-42D3-A456-426614174000"


def read(response: Response) -> tuple[dict[str, str], bytes]:
    block, body = encode(response)
    return dict(Decoder().decode(block)), body


def test_every_reason_is_compact_json() -> None:
    for name, reason in REASONS.items():
        headers, body = read(Response(reason.status, name, ID))
        assert headers == {":status": str(reason.status), "apns-id": ID, "content-type": "application/json"}
        assert body == b'{"reason":"%s"}' % name.encode()


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**128 - 1))
def test_ids_are_random_uuids_in_upper_case(bits: int) -> None:
    text = apns_uuid(bits)
    assert text == text.upper()
    assert str(uuid.UUID(text)) == text.lower()
    assert (uuid.UUID(text).version, uuid.UUID(text).variant) == (4, uuid.RFC_4122)


def test_the_first_value_of_a_repeated_header_is_kept_and_its_name_noted() -> None:
    request = read_request([*PSEUDO, ("a", "1"), ("b", "2"), ("a", "3")], b"", 0)
    assert (request.headers["a"], request.headers["b"], request.repeated) == ("1", "2", {"a"})


def test_what_is_read() -> None:
    request = read_request([*PSEUDO, ("apns-topic", "t"), ("apns-push-type", "voip")], b'{"a":1}', 7)
    assert (request.method, request.path, request.token) == ("POST", "/3/device/ABcd", "abcd")
    assert (request.topic, request.push_type, request.repeated) == ("t", "voip", frozenset())
    assert request.payload() == {"a": 1}


def test_what_is_absent() -> None:
    request = read_request([*PSEUDO[:2], (":path", "/elsewhere")], b"", 0)
    assert (request.token, request.topic, request.push_type) == ("", None, "alert")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1", b"null", b"\xff", b"[" * 16_000, b'{"a":' * 3000])
def test_bodies_that_are_no_object(body: bytes) -> None:
    assert read_request(PSEUDO, body, len(body)).payload() is None
