"""How a connection is treated for what it was answered: limits, slowing down, closing; held responses; misshapen responses."""

import json

import pytest
from hpack import Decoder
from hypothesis import given
from hypothesis import strategies as st

from simulator.apns.faults import Misshape
from simulator.apns.http2.policy import ConnectionPolicy, HeldResponses
from simulator.apns.http2.streams import split_pieces
from simulator.apns.messages import PAGE, Response, encode, encode_misshapen
from simulator.apns.profile import Profile

ID = "123e4567-e89b-12d3-a456-426614174000"
OK = Response(200, None, ID)
REFUSED = Response(400, "BadDeviceToken", ID)


# --- stream limits ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 400, 410, 503])
def test_only_a_proven_provider_gets_the_full_limit(status: int) -> None:
    policy = ConnectionPolicy(Profile())
    assert policy.limit_before(status, authenticated=False) is None
    assert policy.limit_before(status, authenticated=True) == 1000


@pytest.mark.parametrize("status", [400, 403, 410, 429, 500])
def test_a_lowered_limit_comes_back_with_an_accepted_push_only(status: int) -> None:
    policy = ConnectionPolicy(Profile())
    policy.lower()
    assert policy.limit_before(status, authenticated=True) is None
    assert policy.limit_before(200, authenticated=True) == 1000
    assert policy.limit_before(status, authenticated=True) == 1000


# --- errors -------------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from([200, 400, 403, 410, 429, 500]), max_size=60), st.integers(1, 5) | st.none())
def test_a_connection_ends_when_the_run_of_errors_is_long_enough(found: list[int], limit: int | None) -> None:
    policy = ConnectionPolicy(Profile(errors_before_close=limit))
    run = 0
    for status in found:
        run = 0 if status == 200 else run + (400 <= status < 500 and status != 410)
        shown = policy.ends_after(status)
        assert shown == (run == limit and 400 <= status < 500 and status != 410)


def test_errors_slow_a_connection_down_up_to_a_limit() -> None:
    policy = ConnectionPolicy(Profile(error_delay_s=0.5, error_delay_limit_s=1.2))
    delays = []
    for _ in range(4):
        delays.append(policy.delay_s)
        policy.ends_after(400)
    assert delays == [0.0, 0.5, 1.0, 1.2]
    policy.ends_after(200)
    assert policy.delay_s == 0.0


# --- held responses -------------------------------------------------------------------------------------------------------


def test_an_accepted_response_is_held_once_for_each_call() -> None:
    held_responses, sent = HeldResponses(), []
    held_responses.hold()
    assert not held_responses.holds(REFUSED, lambda: sent.append("refused"))
    assert held_responses.holds(OK, lambda: sent.append("first"))
    assert not held_responses.holds(OK, lambda: sent.append("second"))
    assert held_responses.release() == 1
    assert sent == ["first"]
    assert held_responses.release() == 0
    held_responses.hold()
    held_responses.hold()
    assert held_responses.holds(OK, lambda: None)
    assert held_responses.release() == 1  # and what was not used is forgotten
    assert not held_responses.holds(OK, lambda: None)


# --- misshapen responses --------------------------------------------------------------------------------------------


def fields(block: bytes) -> dict[str, str]:
    return dict(Decoder().decode(block))


def test_a_plain_shape_changes_nothing() -> None:
    assert encode_misshapen(REFUSED, Misshape()) == encode(REFUSED)
    assert encode_misshapen(REFUSED, Misshape("split")) == encode(REFUSED)


def test_a_malformed_body_is_no_json() -> None:
    block, body = encode_misshapen(REFUSED, Misshape("malformed"))
    assert fields(block)["content-type"] == "application/json"
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)


@pytest.mark.parametrize(("apns_id", "found"), [("unchanged", ID), ("upper", ID.upper()), ("absent", None)])
def test_a_page_in_place_of_json(apns_id: str, found: str | None) -> None:
    block, body = encode_misshapen(REFUSED, Misshape("html", apns_id))  # type: ignore[arg-type]
    assert body == PAGE
    assert fields(block).get("apns-id") == found
    assert fields(block)["content-type"] == "text/html"
    assert fields(block)[":status"] == "400"


@pytest.mark.parametrize("shape", ["whole", "split", "malformed", "html"])
def test_an_answer_without_body_keeps_none(shape: str) -> None:
    assert encode_misshapen(OK, Misshape(shape)) == encode(OK)  # type: ignore[arg-type]


@pytest.mark.parametrize(("apns_id", "found"), [("upper", ID.upper()), ("absent", None)])
def test_an_id_may_change_its_case_or_be_missing(apns_id: str, found: str | None) -> None:
    for answer in (OK, REFUSED):
        block, body = encode_misshapen(answer, Misshape(apns_id=apns_id))  # type: ignore[arg-type]
        assert fields(block).get("apns-id") == found
        assert body == encode(answer)[1]


@given(st.lists(st.tuples(st.integers(1, 9), st.binary(min_size=1, max_size=9), st.booleans())))
def test_halves_make_the_whole(pieces: list[tuple[int, bytes, bool]]) -> None:
    halves = split_pieces(pieces)
    assert b"".join(octets for _, octets, _ in halves) == b"".join(octets for _, octets, _ in pieces)
    assert [stream for stream, _, last in halves if last] == [stream for stream, _, last in pieces if last]
    assert all(octets for _, octets, _ in halves)
