"""Who may see /admin: sessions that nobody can make or prolong, wrong tokens that are counted, requests that are ours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.server.admin.access import (
    FAILURE_SECONDS,
    FAILURES,
    MOST_ADDRESSES,
    MOST_ENDED,
    SESSION_SECONDS,
    Failures,
    Sessions,
    is_from_our_page,
    is_https,
)

TOKEN = "an-admin-token-of-thirty-two-or-more"


class Time:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


def begun(sessions: Sessions) -> str:
    session = sessions.begin(f" {TOKEN}\n")
    assert session is not None
    return session


def test_a_session_is_good_for_half_a_day(time: Time) -> None:
    sessions = Sessions(TOKEN, time)
    session = begun(sessions)
    assert TOKEN not in session
    time.now += SESSION_SECONDS - 1
    assert sessions.is_good(session)
    time.now += 1
    assert not sessions.is_good(session)


@pytest.mark.parametrize("wrong", ["", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "\u00fc\u00ff", "None"])
def test_no_other_token_begins_one(time: Time, wrong: str) -> None:
    assert Sessions(TOKEN, time).begin(wrong) is None


def test_relays_with_the_same_token_share_sessions_and_another_token_ends_them(time: Time) -> None:
    session = begun(Sessions(TOKEN, time))
    assert Sessions(TOKEN, time).is_good(session)
    assert not Sessions(TOKEN + "x", time).is_good(session)


def test_one_that_was_ended_is_over(time: Time) -> None:
    sessions = Sessions(TOKEN, time)
    first, *others = (begun(sessions) for _ in range(MOST_ENDED + 2))
    sessions.end(first)
    assert not sessions.is_good(first)
    for one in others:
        assert sessions.is_good(one)
        sessions.end(one)
    assert not sessions.is_good(others[-1])


@given(st.data())
def test_nobody_makes_or_prolongs_one(data: st.DataObject) -> None:
    sessions = Sessions(TOKEN, Time())
    session = begun(sessions)
    place = data.draw(st.integers(0, len(session) - 1))
    other = data.draw(st.characters(exclude_categories=("Cs",)).filter(lambda one: one != session[place]))
    assert not sessions.is_good(session[:place] + other + session[place + 1 :])
    assert not sessions.is_good(data.draw(st.text()))


def test_a_form_belongs_to_one_session(time: Time) -> None:
    sessions = Sessions(TOKEN, time)
    one, other = begun(sessions), begun(sessions)
    token = sessions.form_token(one)
    assert sessions.is_form_of(one, token)
    assert not sessions.is_form_of(other, token)
    assert not sessions.is_form_of(one, "")
    assert not sessions.is_good(token)


def test_after_some_wrong_tokens_an_address_waits_and_no_other(time: Time) -> None:
    failures = Failures(time)
    for _ in range(FAILURES):
        assert failures.wait("192.0.2.1") == 0
        failures.add("192.0.2.1")
        time.now += 1
    assert failures.wait("192.0.2.1") == FAILURE_SECONDS - FAILURES
    assert failures.wait("192.0.2.2") == 0
    time.now += FAILURE_SECONDS - FAILURES
    assert failures.wait("192.0.2.1") == 0
    failures.add("192.0.2.1")
    assert failures.wait("192.0.2.1") == 1


def test_of_very_many_addresses_the_oldest_are_forgotten(time: Time) -> None:
    failures = Failures(time)
    for _ in range(FAILURES):
        failures.add("first")
    for number in range(MOST_ADDRESSES):
        failures.add(str(number))
    assert failures.wait("first") == 0


@pytest.mark.parametrize(
    ("headers", "ours"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-origin", "origin": "https://relay.example", "host": "10.0.0.2"}, True),
        ({"sec-fetch-site": "cross-site", "origin": "http://relay.example", "host": "relay.example"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"origin": "http://relay.example:8787", "host": "relay.example:8787"}, True),
        ({"origin": "https://relay.example", "host": "relay.example"}, True),
        ({"origin": "https://evil.example", "host": "relay.example"}, False),
        ({"origin": "https://relay.example.evil.example", "host": "relay.example"}, False),
        ({"origin": "null", "host": "relay.example"}, False),
        ({"origin": "", "host": ""}, False),
        ({"host": "relay.example"}, False),
        ({}, False),
    ],
)
def test_where_a_request_comes_from(headers: dict[str, str], ours: bool) -> None:
    assert is_from_our_page(headers) is ours


@pytest.mark.parametrize(
    ("scheme", "headers", "secure"),
    [
        ("https", {}, True),
        ("http", {}, False),
        ("http", {"x-forwarded-proto": "https, http"}, True),
        ("http", {"x-forwarded-proto": "http"}, False),
        ("http", {"origin": "https://relay.example"}, True),
        ("http", {"origin": "http://relay.example"}, False),
    ],
)
def test_whether_the_way_is_encrypted(scheme: str, headers: dict[str, str], secure: bool) -> None:
    assert is_https(scheme, headers) is secure
