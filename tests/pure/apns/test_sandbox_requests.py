"""Requests as APNs reads them."""

import pytest

from simulator.apns.requests import read_request

PSEUDO = [(":method", "POST"), (":scheme", "https"), (":path", "/3/device/ABcd")]


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
