"""One provider token for an hour, never renewed more often than Apple allows."""

from collections.abc import Callable

import jwt
import pytest

from relay.apns.gateway import MAX_AGE, MIN_AGE, ProviderToken

NOW = 1_800_000_000.7


@pytest.fixture
def token(private_key: str) -> ProviderToken:
    return ProviderToken(private_key=private_key, key_id="KEY1234567", team_id="TEAM123456")


def test_it_is_what_apple_asks_for(token: ProviderToken, public_key: str) -> None:
    scheme, _, signed = token.authorization(NOW).partition(" ")
    assert scheme == "bearer"
    header = jwt.get_unverified_header(signed)
    assert (header["alg"], header["kid"]) == ("ES256", "KEY1234567")
    claims = jwt.decode(signed, public_key, algorithms=["ES256"], options={"verify_iat": False})
    assert claims == {"iss": "TEAM123456", "iat": int(NOW)}


@pytest.mark.parametrize("later", [-2.0, 0.0, MAX_AGE - 0.001])
def test_it_is_used_again(token: ProviderToken, later: float) -> None:
    first = token.authorization(NOW)
    assert token.authorization(NOW + later) == first
    assert token.issued_at == NOW


def test_of_age_it_is_signed_anew(token: ProviderToken) -> None:
    first = token.authorization(NOW)
    assert token.authorization(NOW + MAX_AGE) != first
    assert token.issued_at == NOW + MAX_AGE


def test_ages_keep_apples_limits() -> None:
    assert MIN_AGE >= 20 * 60
    assert MIN_AGE < MAX_AGE <= 60 * 60 - 5 * 60


@pytest.mark.parametrize(("later", "renewed"), [(MIN_AGE - 0.001, False), (MIN_AGE, True), (-2, False)])
def test_when_apns_calls_it_expired_it_is_renewed_but_not_within_apples_limit(
    token: ProviderToken, later: float, renewed: bool
) -> None:
    """-2: a clock that is nudged back keeps the token."""
    first = token.authorization(NOW)
    assert token.renew(NOW + later) == renewed
    assert (token.authorization(NOW + max(later, 0)) != first) == renewed
    assert token.issued_at == (NOW + later if renewed else NOW)


def test_refused_though_young_it_is_replaced_once_and_then_only_when_it_is_of_age(
    token: ProviderToken,
) -> None:
    """Two tokens within 20 minutes were seen to be fine, more than two not (Apple's forum, thread 770438)."""
    signed = [token.authorization(NOW)]
    for later in (1.0, 2.0, MIN_AGE, MIN_AGE + 1.0, MIN_AGE + 2.0):
        token.replace(NOW + later)
        signed.append(token.authorization(NOW + later))
    assert [signed.index(each) for each in signed] == [0, 1, 1, 1, 4, 4]
    assert token.serial == 3


@pytest.mark.parametrize("again", [ProviderToken.replace, ProviderToken.authorization])
def test_a_refused_one_from_the_future_is_replaced_as_soon_as_the_clock_is_right(
    token: ProviderToken, again: Callable[[ProviderToken, float], object]
) -> None:
    token.authorization(NOW + 600)
    token.replace(NOW + 601)
    again(token, NOW)
    assert token.issued_at == NOW


def test_a_clock_that_was_ahead_does_not_leave_a_token_from_the_future(token: ProviderToken) -> None:
    """A machine that boots with a wrong clock, set right later, must not send that token until then."""
    token.authorization(NOW + 86_400)
    signed = token.authorization(NOW).removeprefix("bearer ")
    assert jwt.decode(signed, options={"verify_signature": False})["iat"] == int(NOW)


def test_the_key_shows_nowhere(token: ProviderToken, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        authorization = token.authorization(NOW)
    assert "PRIVATE" not in repr(token)
    assert authorization.removeprefix("bearer ") not in caplog.text
