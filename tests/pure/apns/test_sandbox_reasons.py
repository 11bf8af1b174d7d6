"""The table of reasons against Apple's published lists, and against what the sandbox can say."""

from simulator.apns.channels.checks import BROADCAST_CHECKS, MANAGE_CHECKS
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
# Apple, "Handling error responses from Apple Push Notification service", what is only said of channels and broadcasts.
OF_CHANNELS = {
    400: "BadChannelId BadRequestParams BadRequestPayload CannotCreateChannelConfig ChannelNotRegistered "
    "FeatureNotEnabled MissingChannelId MissingPushType",
    403: "TopicMismatch",
}
SEEN_ONLY = {"BadEnvironmentKeyInToken": 403, "MissingChannelQueueSize": 400}  # never in Apple's tables
# Said only on purpose, by a fault: nothing a request contains provokes them here.
STAGED = {
    "BadCertificate",
    "BadCertificateEnvironment",
    "BadEnvironmentKeyIdInToken",
    "Forbidden",
    "IdleTimeout",
}
STAGED |= {"InternalServerError", "ServiceUnavailable", "Shutdown", "BadRequestParams"}


def test_every_published_reason_has_its_published_status() -> None:
    tables = [*PUBLISHED.items(), *OF_CHANNELS.items()]
    published = {reason: status for status, names in tables for reason in names.split()}
    assert {name: reason.status for name, reason in REASONS.items()} == published | SEEN_ONLY


def test_every_reason_says_what_it_means_and_who_says_so() -> None:
    for reason in REASONS.values():
        assert reason.meaning
        assert reason.source.startswith(("Apple", "GitHub"))


def test_every_reason_is_given_by_a_check_or_staged() -> None:
    checks = {check.reason for table in (CHECKS, MANAGE_CHECKS, BROADCAST_CHECKS) for check in table}
    assert checks | STAGED == set(REASONS)
