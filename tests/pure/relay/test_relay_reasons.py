"""The table of APNs' answers: complete, and a verdict in every row."""

import pytest

from outcomes import maybe_sent, not_sent
from relay.apns.push import Outcome
from relay.apns.reasons import MEANINGS, REASONS, Verdict, judge

BY_STATUS = {
    400: (
        "BadCollapseId BadDeviceToken BadExpirationDate BadMessageId BadPriority BadTopic "
        "DeviceTokenNotForTopic DuplicateHeaders IdleTimeout InvalidPushType MissingDeviceToken "
        "MissingTopic PayloadEmpty TopicDisallowed"
    ),
    403: (
        "BadCertificate BadCertificateEnvironment ExpiredProviderToken Forbidden "
        "InvalidProviderToken MissingProviderToken UnrelatedKeyIdInToken BadEnvironmentKeyIdInToken"
    ),
    404: "BadPath",
    405: "MethodNotAllowed",
    410: "ExpiredToken Unregistered",
    413: "PayloadTooLarge",
    429: "TooManyProviderTokenUpdates TooManyRequests",
    500: "InternalServerError",
    503: "ServiceUnavailable Shutdown",
}
"""Apple, "Handling notification responses from APNs": the reasons and their status."""

DOCUMENTED = {reason: status for status, reasons in BY_STATUS.items() for reason in reasons.split()}
OBSERVED = {"BadEnvironmentKeyInToken": 403}
"""How the wire spells it (kylebrowning/APNSwift#229)."""

VERDICTS = {
    Verdict.TOKEN_DEAD: {"Unregistered", "ExpiredToken"},
    Verdict.OTHER_APP: {"DeviceTokenNotForTopic"},
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
    advised = (Verdict.OUR_FAULT, Verdict.OTHER_APP, Verdict.KEY_REFUSED, Verdict.NEW_PROVIDER_TOKEN)
    if row.verdict in advised or "Environment" in reason:
        assert row.advice


@pytest.mark.parametrize("reason", ["InternalServerError", "ServiceUnavailable"])
def test_apple_asks_for_15_minutes_after_a_server_error(reason: str) -> None:
    retry_after = REASONS[reason].retry_after
    assert retry_after is not None
    assert retry_after >= 15 * 60


BY_STATUS_ALONE = {
    410: Verdict.TOKEN_DEAD,
    403: Verdict.KEY_REFUSED,  # Apple: of a 403, the certificate or the provider token is the cause
    **dict.fromkeys((0, 302, 400, 404, 418), Verdict.OUR_FAULT),
    **dict.fromkeys((429, 500, 502, 599), Verdict.RETRY_LATER),
}


@pytest.mark.parametrize(("status", "verdict"), BY_STATUS_ALONE.items())
@pytest.mark.parametrize("reason", ["OfTomorrow", "", None])
def test_an_unknown_reason_is_judged_by_its_status(status: int, verdict: Verdict, reason: str | None) -> None:
    row = judge(status, reason)
    assert row.verdict is verdict
    assert row.confidence == "assumed"
    if verdict is Verdict.KEY_REFUSED:
        assert row.retry_after
        assert row.advice


CLOCK = "the clock of this machine"


@pytest.mark.parametrize(
    "reason", ["InvalidProviderToken", "ExpiredProviderToken", "TooManyProviderTokenUpdates", "Unknown"]
)
def test_where_a_wrong_clock_may_be_the_cause_the_advice_names_it(reason: str) -> None:
    """Observed with each of them: node-apn/node-apn#450 and #590, ostinelli/apnotic#109."""
    status = REASONS[reason].status if reason in REASONS else 403
    assert CLOCK in judge(status, reason).advice


@pytest.mark.parametrize("reason", [None, "Unregistered"])
def test_200_is_delivered_whatever_it_says(reason: str | None) -> None:
    assert judge(200, reason).verdict is Verdict.DELIVERED


@pytest.mark.parametrize("outcome", [not_sent("no connection"), maybe_sent("connection lost")])
def test_without_an_answer_it_is_tried_again(outcome: Outcome) -> None:
    assert outcome.verdict is Verdict.RETRY_LATER


def test_every_documented_reason_has_apples_sentence_and_no_other() -> None:
    assert set(MEANINGS) == set(DOCUMENTED)
    assert all(sentence.endswith(".") for sentence in MEANINGS.values())
