"""The table of APNs' answers: complete, and a verdict in every row."""

import pytest

from outcomes import maybe_sent, not_sent
from relay.apns.push import Outcome
from relay.apns.reasons import REASONS, Verdict, judge

DOCUMENTED = {
    "BadCollapseId": 400,
    "BadDeviceToken": 400,
    "BadExpirationDate": 400,
    "BadMessageId": 400,
    "BadPriority": 400,
    "BadTopic": 400,
    "DeviceTokenNotForTopic": 400,
    "DuplicateHeaders": 400,
    "IdleTimeout": 400,
    "InvalidPushType": 400,
    "MissingDeviceToken": 400,
    "MissingTopic": 400,
    "PayloadEmpty": 400,
    "TopicDisallowed": 400,
    "BadCertificate": 403,
    "BadCertificateEnvironment": 403,
    "ExpiredProviderToken": 403,
    "Forbidden": 403,
    "InvalidProviderToken": 403,
    "MissingProviderToken": 403,
    "UnrelatedKeyIdInToken": 403,
    "BadEnvironmentKeyIdInToken": 403,
    "BadPath": 404,
    "MethodNotAllowed": 405,
    "ExpiredToken": 410,
    "Unregistered": 410,
    "PayloadTooLarge": 413,
    "TooManyProviderTokenUpdates": 429,
    "TooManyRequests": 429,
    "InternalServerError": 500,
    "ServiceUnavailable": 503,
    "Shutdown": 503,
}
"""Apple, "Handling notification responses from APNs": the reasons and their status."""

OBSERVED = {"BadEnvironmentKeyInToken": 403}
"""How the wire spells it (kylebrowning/APNSwift#229)."""

VERDICTS = {
    Verdict.TOKEN_DEAD: {"Unregistered", "ExpiredToken", "DeviceTokenNotForTopic"},
    Verdict.WRONG_ENVIRONMENT: {"BadDeviceToken", "BadEnvironmentKeyIdInToken", "BadEnvironmentKeyInToken"},
    Verdict.NEW_PROVIDER_TOKEN: {"ExpiredProviderToken"},
    Verdict.KEY_REFUSED: {
        "InvalidProviderToken",
        "MissingProviderToken",
        "UnrelatedKeyIdInToken",
        "BadCertificate",
        "BadCertificateEnvironment",
    },
    Verdict.RETRY_LATER: {
        "InternalServerError",
        "ServiceUnavailable",
        "Shutdown",
        "TooManyRequests",
        "TooManyProviderTokenUpdates",
        "IdleTimeout",
    },
}
"""All others are ours to mend."""


def test_the_table_has_every_reason_and_no_other() -> None:
    assert {reason: row.status for reason, row in REASONS.items()} == DOCUMENTED | OBSERVED


@pytest.mark.parametrize("reason", REASONS)
def test_every_row(reason: str) -> None:
    row = REASONS[reason]
    assert judge(row.status, reason) is row
    expected = next(
        (verdict for verdict, reasons in VERDICTS.items() if reason in reasons), Verdict.OUR_FAULT
    )
    assert row.verdict is expected
    assert row.confidence in ("documented", "observed", "assumed")
    waits = (Verdict.RETRY_LATER, Verdict.KEY_REFUSED, Verdict.NEW_PROVIDER_TOKEN)
    assert (row.retry_after is not None) == (row.verdict in waits)
    if row.verdict in (Verdict.OUR_FAULT, Verdict.KEY_REFUSED, Verdict.NEW_PROVIDER_TOKEN):
        assert row.advice


@pytest.mark.parametrize("reason", ["BadEnvironmentKeyIdInToken", "BadEnvironmentKeyInToken"])
def test_both_spellings_mean_the_other_environment(reason: str) -> None:
    row = judge(403, reason)
    assert row.verdict is Verdict.WRONG_ENVIRONMENT
    assert row.advice


@pytest.mark.parametrize("reason", ["InternalServerError", "ServiceUnavailable"])
def test_apple_asks_for_15_minutes_after_a_server_error(reason: str) -> None:
    retry_after = REASONS[reason].retry_after
    assert retry_after is not None
    assert retry_after >= 15 * 60


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (400, Verdict.OUR_FAULT),
        (403, Verdict.OUR_FAULT),
        (404, Verdict.OUR_FAULT),
        (410, Verdict.TOKEN_DEAD),
        (418, Verdict.OUR_FAULT),
        (429, Verdict.RETRY_LATER),
        (500, Verdict.RETRY_LATER),
        (502, Verdict.RETRY_LATER),
        (599, Verdict.RETRY_LATER),
        (0, Verdict.OUR_FAULT),
        (302, Verdict.OUR_FAULT),
    ],
)
@pytest.mark.parametrize("reason", ["OfTomorrow", "", None])
def test_an_unknown_reason_is_judged_by_its_status(status: int, verdict: Verdict, reason: str | None) -> None:
    row = judge(status, reason)
    assert row.verdict is verdict
    assert row.confidence == "assumed"


@pytest.mark.parametrize("reason", [None, "Unregistered"])
def test_200_is_delivered_whatever_it_says(reason: str | None) -> None:
    assert judge(200, reason).verdict is Verdict.DELIVERED


@pytest.mark.parametrize("outcome", [not_sent("no connection"), maybe_sent("connection lost")])
def test_without_an_answer_it_is_tried_again(outcome: Outcome) -> None:
    assert outcome.verdict is Verdict.RETRY_LATER
