"""What a provider's refusals become, against the recordings."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.opencode.script import OVERFLOW, Fault, fault
from simulator.opencode.v1.failures import retry_delay
from simulator.opencode.v1.shapes import error_body, lost, stack_trace
from simulator.scenario import load

RECORDED = {
    "c_error_400": fault(400),
    "c_error_401": fault(401),
    "c_error_context_overflow": fault(OVERFLOW),
}


@pytest.mark.parametrize("name", RECORDED)
def test_the_recorded_errors(name: str) -> None:
    (error,) = [
        line.event["payload"]["properties"]["error"]
        for line in load(name).recording.events
        if line.event["payload"]["type"] == "session.error"
    ]
    mine = error_body(RECORDED[name])
    for one in (error, mine):
        one["data"].pop("responseHeaders", None)  # the provider's own
    assert mine == error


@pytest.mark.parametrize(
    "name", ["d_retry_429_retry_after", "d_retry_503_backoff", "d_retry_connection_refused"]
)
def test_the_recorded_words_of_retries(name: str) -> None:
    kind = {"429": 429, "503": 503}.get(name.split("_")[2], "refused")
    messages = {
        line.event["payload"]["properties"]["status"]["message"]
        for line in load(name).recording.events
        if line.event["payload"]["type"] == "session.status"
        and line.event["payload"]["properties"]["status"]["type"] == "retry"
    }
    assert messages == {fault(kind).message}


@pytest.mark.parametrize(
    ("kind", "retryable"),
    [
        *((status, False) for status in (400, 401, 403, 404)),
        *((status, True) for status in (429, 500, 503, 599)),
        *(("refused", True), ("in_stream", True), ("no_model", False), (OVERFLOW, False)),
    ],
)
def test_what_is_tried_again(kind: int | str, retryable: bool) -> None:
    assert fault(kind).retryable is retryable
    if isinstance(kind, int):
        assert error_body(fault(kind))["data"]["isRetryable"] is retryable


def test_names_of_errors() -> None:
    names = {kind: error_body(fault(kind))["name"] for kind in (401, "refused", "no_model", OVERFLOW)}
    assert names == {
        401: "APIError",
        "refused": "APIError",
        "no_model": "UnknownError",
        OVERFLOW: "ContextOverflowError",
    }


def test_an_unknown_status_has_words_too() -> None:
    assert fault(418).message == "The provider answered 418"
    assert fault(418, "teapot") == Fault(418, "teapot")


def test_errors_of_the_server_itself() -> None:
    assert "\n    at " in stack_trace(error_body(fault("no_model")))["data"]["message"]
    assert "FOREIGN KEY constraint failed" in lost("ses_1")["data"]["message"]


@given(st.integers(1, 5), st.randoms())
def test_delays_double_and_jitter_up_to_a_quarter(attempt: int, source: random.Random) -> None:
    assert 2**attempt <= retry_delay(attempt, fault(503), None, source) <= 1.25 * 2**attempt


@given(st.integers(1, 5), st.floats(0, 1e5), st.randoms())
def test_the_provider_may_say_how_long(attempt: int, seconds: float, source: random.Random) -> None:
    assert retry_delay(attempt, fault(429), seconds, source) == seconds


def test_without_an_answer_thirty_seconds_are_the_most() -> None:
    assert retry_delay(5, fault("refused"), None, random.Random(0)) == 30.0
    assert retry_delay(5, fault(503), None, random.Random(0)) > 30.0
