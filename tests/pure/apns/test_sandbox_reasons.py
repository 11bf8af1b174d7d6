"""The table of reasons against Apple's published list, and against what the sandbox can say."""

from simulator.apns.checks import CHECKS
from simulator.apns.reasons import REASONS

# Apple, "Handling notification responses from APNs", table of reasons: status by reason.
PUBLISHED = {
    400: "BadCollapseId BadDeviceToken BadExpirationDate BadMessageId BadPriority BadTopic DeviceTokenNotForTopic "
    "DuplicateHeaders IdleTimeout InvalidPushType MissingDeviceToken MissingTopic PayloadEmpty TopicDisallowed",
    403: "BadCertificate BadCertificateEnvironment ExpiredProviderToken Forbidden InvalidProviderToken "
    "MissingProviderToken UnrelatedKeyIdInToken BadEnvironmentKeyIdInToken",
    404: "BadPath",
    405: "MethodNotAllowed",
    410: "ExpiredToken Unregistered",
    413: "PayloadTooLarge",
    429: "TooManyProviderTokenUpdates TooManyRequests",
    500: "InternalServerError",
    503: "ServiceUnavailable Shutdown",
}
# Said only on purpose, by a fault: nothing a request contains provokes them here.
STAGED = {
    "BadCertificate",
    "BadCertificateEnvironment",
    "BadEnvironmentKeyIdInToken",
    "Forbidden",
    "IdleTimeout",
}
STAGED |= {"InternalServerError", "ServiceUnavailable", "Shutdown"}


def test_every_published_reason_has_its_published_status() -> None:
    published = {reason: status for status, names in PUBLISHED.items() for reason in names.split()}
    mine = {name: reason.status for name, reason in REASONS.items() if name != "BadEnvironmentKeyInToken"}
    assert mine == published


def test_every_reason_says_what_it_means_and_who_says_so() -> None:
    for reason in REASONS.values():
        assert reason.meaning
        assert reason.source.startswith(("Apple", "GitHub"))


def test_every_reason_is_given_by_a_check_or_staged() -> None:
    assert {check.reason for check in CHECKS} | STAGED == set(REASONS)
