"""What an answer of APNs means for the relay: one table, walked by the tests.

Sources: Apple, "Handling notification responses from APNs" (documented); what developers saw (observed, with the
issue). Confidence "assumed" marks our own reading.
"""

from enum import Enum
from typing import Final, NamedTuple


class Verdict(Enum):
    """What the relay does next with the push and its token."""

    DELIVERED = "delivered"
    TOKEN_DEAD = "token dead"  # noqa: S105 - a verdict about a device token, not a password
    OTHER_APP = "token of another app"
    WRONG_ENVIRONMENT = "wrong environment"
    RETRY_LATER = "retry later"
    NEW_PROVIDER_TOKEN = "new provider token"  # noqa: S105 - same
    KEY_REFUSED = "key refused"
    OUR_FAULT = "our fault"


class Reason(NamedTuple):
    """A row of the table. `retry_after` is in seconds; `advice` is for the operator's log."""

    status: int
    verdict: Verdict
    retry_after: float | None = None
    advice: str = ""
    confidence: str = "documented"


_DEAD, _FAULT, _RETRY = Verdict.TOKEN_DEAD, Verdict.OUR_FAULT, Verdict.RETRY_LATER
_KEY_REFUSED = Verdict.KEY_REFUSED
_1_MINUTE, _15_MINUTES, _20_MINUTES = 60.0, 900.0, 1200.0
_CLOCK = "the clock of this machine"
_KEY = f"check APNS_KEY_ID, APNS_TEAM_ID and APNS_PRIVATE_KEY, then {_CLOCK}"
"""A token from a wrong time is refused like one of a wrong key (observed: node-apn/node-apn#590 and #450)."""
_KEY_ENVIRONMENT = (
    "this key serves only the other APNs environment; create one for both at developer.apple.com"
)
_TOPIC = "check bundleId and APNS_DEFAULT_BUNDLE_ID: the key may not push to this app"
_OTHER_APP = (
    "the phone stays registered, but its token is of another app: check bundleId and APNS_DEFAULT_BUNDLE_ID"
)
_BUG = "the relay built a request that APNs does not accept; please report it"

REASONS: dict[str, Reason] = {
    # The token. "Unregistered" and "ExpiredToken" carry the time since when; never retried.
    "Unregistered": Reason(410, _DEAD),
    "ExpiredToken": Reason(410, _DEAD),
    # A universal key on the wrong host answers BadDeviceToken (observed: kylebrowning/APNSwift#229), so the other
    # environment is tried once before the token counts as dead.
    "BadDeviceToken": Reason(400, Verdict.WRONG_ENVIRONMENT),
    # Apple's table spells it ...KeyIdInToken; the wire was seen to say ...KeyInToken (kylebrowning/APNSwift#229).
    "BadEnvironmentKeyIdInToken": Reason(403, Verdict.WRONG_ENVIRONMENT, advice=_KEY_ENVIRONMENT),
    "BadEnvironmentKeyInToken": Reason(403, Verdict.WRONG_ENVIRONMENT, advice=_KEY_ENVIRONMENT, confidence="observed"),
    # Try again later. Apple: after a 5xx wait 15 minutes, then back off; a token update at most every 20 minutes.
    "InternalServerError": Reason(500, _RETRY, _15_MINUTES),
    "ServiceUnavailable": Reason(503, _RETRY, _15_MINUTES),
    "Shutdown": Reason(503, _RETRY, 1.0, confidence="assumed"),
    "TooManyRequests": Reason(429, _RETRY, 60.0, confidence="assumed"),
    "TooManyProviderTokenUpdates": Reason(429, _RETRY, _20_MINUTES, f"another process signs with this key too often, or {_CLOCK} is wrong"),
    "IdleTimeout": Reason(400, _RETRY, 1.0),
    # The provider token: sign a new one, on a new connection (observed: jchambers/pushy#783), once.
    "ExpiredProviderToken": Reason(403, Verdict.NEW_PROVIDER_TOKEN, _20_MINUTES, f"check {_CLOCK}: is it right?"),
    # The key or the team: no push can get through until the operator acts, so all wait instead of failing one by one.
    "InvalidProviderToken": Reason(403, _KEY_REFUSED, _1_MINUTE, _KEY),
    "MissingProviderToken": Reason(403, _KEY_REFUSED, _1_MINUTE, _KEY),
    "UnrelatedKeyIdInToken": Reason(403, _KEY_REFUSED, _1_MINUTE, _KEY),
    "BadCertificate": Reason(403, _KEY_REFUSED, _1_MINUTE, _KEY),
    "BadCertificateEnvironment": Reason(403, _KEY_REFUSED, _1_MINUTE, _KEY),
    # Ours to mend; sending again would not help. A token of another topic says more of the bundle id than of the phone
    # (Apple: "The device token doesn't match the specified topic"; that the token is alive is assumed).
    "DeviceTokenNotForTopic": Reason(400, Verdict.OTHER_APP, advice=_OTHER_APP),
    "Forbidden": Reason(403, _FAULT, advice=_KEY),
    "TopicDisallowed": Reason(400, _FAULT, advice=_TOPIC),
    "BadTopic": Reason(400, _FAULT, advice=_TOPIC),
    "MissingTopic": Reason(400, _FAULT, advice=_TOPIC),
    "BadCollapseId": Reason(400, _FAULT, advice=_BUG),
    "BadExpirationDate": Reason(400, _FAULT, advice=_BUG),
    "BadMessageId": Reason(400, _FAULT, advice=_BUG),
    "BadPriority": Reason(400, _FAULT, advice=_BUG),
    "DuplicateHeaders": Reason(400, _FAULT, advice=_BUG),
    "InvalidPushType": Reason(400, _FAULT, advice=_BUG),
    "MissingDeviceToken": Reason(400, _FAULT, advice=_BUG),
    "PayloadEmpty": Reason(400, _FAULT, advice=_BUG),
    "BadPath": Reason(404, _FAULT, advice=_BUG),
    "MethodNotAllowed": Reason(405, _FAULT, advice=_BUG),
    "PayloadTooLarge": Reason(413, _FAULT, advice=_BUG),
}  # fmt: skip

SOURCE: Final = 'Apple, "Handling notification responses from APNs"'
MEANINGS: Final[dict[str, str]] = {
    "BadCollapseId": "The collapse identifier exceeds the maximum allowed size.",
    "BadDeviceToken": "The specified device token is invalid.",
    "BadExpirationDate": "The apns-expiration value is invalid.",
    "BadMessageId": "The apns-id value is invalid.",
    "BadPriority": "The apns-priority value is invalid.",
    "BadTopic": "The apns-topic value is invalid.",
    "DeviceTokenNotForTopic": "The device token doesn't match the specified topic.",
    "DuplicateHeaders": "One or more headers are repeated.",
    "IdleTimeout": "Idle timeout.",
    "InvalidPushType": "The apns-push-type value is invalid.",
    "MissingDeviceToken": "The device token isn't specified in the request :path.",
    "MissingTopic": "The apns-topic header of the request isn't specified and is required.",
    "PayloadEmpty": "The message payload is empty.",
    "TopicDisallowed": "Pushing to this topic is not allowed.",
    "BadCertificate": "The certificate is invalid.",
    "BadCertificateEnvironment": "The client certificate doesn't match the environment.",
    "ExpiredProviderToken": "The provider token is stale and a new token should be generated.",
    "Forbidden": "The specified action is not allowed.",
    "InvalidProviderToken": "The provider token is not valid, or the token signature can't be verified.",
    "MissingProviderToken": "The authorization header is missing or no provider token is specified.",
    "UnrelatedKeyIdInToken": "The key ID in the provider token isn't related to the key ID of the token used in the first push of this connection.",
    "BadEnvironmentKeyIdInToken": "The key ID in the provider token doesn't match the environment.",
    "BadPath": "The request contained an invalid :path value.",
    "MethodNotAllowed": "The specified :method value isn't POST.",
    "ExpiredToken": "The device token has expired.",
    "Unregistered": "The device token is inactive for the specified topic.",
    "PayloadTooLarge": "The message payload is too large.",
    "TooManyProviderTokenUpdates": "The provider's authentication token is being updated too often.",
    "TooManyRequests": "Too many requests were made consecutively to the same device token.",
    "InternalServerError": "An internal server error occurred.",
    "ServiceUnavailable": "The service is unavailable.",
    "Shutdown": "The APNs server is shutting down.",
}
"""What Apple says that a reason means: the sentence of SOURCE, its first where there are several. A reason that was only seen has none."""

_DELIVERED = Reason(200, Verdict.DELIVERED)
_UNKNOWN_BY_STATUS: dict[int, Reason] = {
    # Apple's table of statuses: "an error with the certificate or with the provider's authentication token" (documented).
    403: Reason(403, _KEY_REFUSED, _1_MINUTE, _KEY, confidence="assumed"),
    410: Reason(410, _DEAD, confidence="assumed"),
    429: Reason(429, _RETRY, 60.0, confidence="assumed"),
}
_UNKNOWN_SERVER_ERROR = Reason(500, _RETRY, _15_MINUTES, confidence="assumed")
_UNKNOWN = Reason(400, _FAULT, advice=_BUG, confidence="assumed")
UNANSWERED: Final = Verdict.RETRY_LATER
"""Where APNs gave no answer (assumed)."""


def judge(status: int, reason: str | None) -> Reason:
    """The row for an answer. A reason that Apple adds one day gets the verdict of its status."""
    if status == 200:
        return _DELIVERED
    if reason in REASONS:
        return REASONS[reason]
    return _UNKNOWN_SERVER_ERROR if status >= 500 else _UNKNOWN_BY_STATUS.get(status, _UNKNOWN)
