"""What APNs checks in a push request, in order: one table, one predicate a row, pure.

Apple documents the reasons but not the order. Observed on the real service: the method comes before authorization,
authorization before the device token, and a Live Activity token with a plain topic is DeviceTokenNotForTopic. The
rest of the order is assumed; a request with a single fault gets the same answer in any order.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from simulator.apns.authentication.provider_token import ProviderToken
from simulator.apns.delivery.token_life import expired_at, unregistered_at
from simulator.apns.profile import Profile
from simulator.apns.reasons import APPLE, TOKENS, Confidence
from simulator.apns.registry import App, DeviceToken, Realm
from simulator.apns.requests import DEVICE_PATH, Request
from simulator.apns.session import Session

Stage = Literal["route", "provider", "push", "device"]
Provider = Literal["any", "by token", "by certificate"]

SENDING: Final = "Apple: Sending notification requests to APNs"
GENERATING: Final = "Apple: Generating a remote notification"
PUSHY: Final = "GitHub jchambers/pushy, ValidatingPushNotificationHandler"

PUSH_TYPES: Final = frozenset(
    [
        "alert",
        "background",
        "complication",
        "controls",
        "fileprovider",
        "liveactivity",
        "location",
        "mdm",
        "pushtotalk",
        "voip",
        "widgets",
    ]
)
PRIORITIES: Final = {"10": 10, "5": 5, "1": 1}
MAX_COLLAPSE_ID: Final = 64  # bytes
MAX_PAYLOAD: Final = 4096  # bytes
MAX_PAYLOAD_OF: Final = {"voip": 5120}
SINGLE_FIELDS: Final = frozenset(
    {
        "authorization",
        "apns-id",
        "apns-topic",
        "apns-push-type",
        "apns-priority",
        "apns-expiration",
        "apns-collapse-id",
    }
)

# What the push type adds to the bundle id (Apple: Sending notification requests to APNs). An mdm topic has no bundle id.
SUFFIX_OF: Final = {
    "alert": "",
    "background": "",
    "complication": ".complication",
    "controls": ".push-type.controls",
    "fileprovider": ".pushkit.fileprovider",
    "liveactivity": ".push-type.liveactivity",
    "location": ".location-query",
    "pushtotalk": ".voip-ptt",
    "voip": ".voip",
    "widgets": ".push-type.widgets",
}

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TOPIC: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_UNIX_SECONDS: Final = re.compile(r"[0-9]{1,15}")
_HEX: Final = re.compile(r"([0-9a-f]{2})+")


@dataclass(slots=True)
class Exam:
    """A request beside all that is known about it, looked up beforehand. The predicates only compare.

    `provider_token` None = none that verifies; `app` = owner of the topic; `device` = the token's record in this
    realm; `pushes_left` = what the device token's rate still allows.
    """

    request: Request
    realm: Realm
    profile: Profile
    session: Session
    now: float
    bearer: str | None
    provider_token: ProviderToken | None
    app: App | None
    device: DeviceToken | None
    payload: dict[str, Any] | None
    pushes_left: float

    @property
    def uses_certificate(self) -> bool:
        """The provider has shown a client certificate and gives no token; a token would go before it (assumed)."""
        return self.bearer is None and self.session.certificate is not None


class Check(NamedTuple):
    """One row: `fails` says whether the request breaks the rule; then the answer is `reason`.

    A request that reached the stage "push" has proved its provider: APNs then raises the connection's stream limit.
    """

    name: str
    stage: Stage
    fails: Callable[[Exam], bool]
    reason: str
    source: str
    confidence: Confidence
    provider: Provider = "any"  # whom the row concerns


def examine(exam: Exam) -> Check | None:
    """The first check that fails, or None: the push is accepted."""
    for check in _BY_CERTIFICATE if exam.uses_certificate else _BY_TOKEN:
        if check.fails(exam):
            return check
    return None


def has_path_beyond_token(path: str) -> bool:
    """True for a path that is not /3/device/<one segment>; the segment may be empty."""
    return not path.startswith(DEVICE_PATH) or "/" in path[len(DEVICE_PATH) :]


def is_canonical(apns_id: str) -> bool:
    """True for 8-4-4-4-12 hex digits in either case."""
    return _UUID.fullmatch(apns_id) is not None


def _token(exam: Exam) -> ProviderToken:
    assert exam.provider_token is not None  # an earlier row has refused the request otherwise
    return exam.provider_token


def _device(exam: Exam) -> DeviceToken:
    assert exam.device is not None  # as above
    return exam.device


def _is_unrelated(exam: Exam) -> bool:
    first, key = exam.session.first_key, _token(exam).key
    if first is None or first.key_id == key.key_id or (first.topics is None and key.topics is None):
        return False
    if first.topics is None or key.topics is None:  # a team key and a topic-specific one, in either order
        return True
    return first.related_to != key.key_id and key.related_to != first.key_id


def _is_topic_outside_certificate(exam: Exam) -> bool:
    certificate = exam.session.certificate
    return certificate is None or exam.app is None or exam.app.bundle_id != certificate.bundle_id


def _is_for_token_only(exam: Exam) -> bool:
    return (exam.request.topic or "").endswith((".push-type.liveactivity", ".location-query"))


def _is_suffix_unfit(exam: Exam) -> bool:
    suffix = SUFFIX_OF.get(exam.request.push_type)
    return (
        exam.profile.suffix_must_fit
        and suffix is not None
        and exam.request.topic != _device(exam).bundle_id + suffix
    )


def _is_topic_outside_key(exam: Exam) -> bool:
    topics = _token(exam).key.topics
    return topics is not None and exam.request.topic not in topics


def _is_bad_id(exam: Exam) -> bool:
    given = exam.request.headers.get("apns-id")
    return given is not None and not is_canonical(given)


def _is_bad_expiration(exam: Exam) -> bool:
    given = exam.request.headers.get("apns-expiration")
    return given is not None and _UNIX_SECONDS.fullmatch(given) is None


def _is_bad_collapse_id(exam: Exam) -> bool:
    given = exam.request.headers.get("apns-collapse-id")
    return given is not None and not 0 < len(given.encode("utf-8", "surrogateescape")) <= MAX_COLLAPSE_ID


def _is_background_at_once(exam: Exam) -> bool:
    headers = exam.request.headers
    return headers.get("apns-push-type") == "background" and headers.get("apns-priority") == "10"


def _is_too_large(exam: Exam) -> bool:
    return exam.request.body_size > MAX_PAYLOAD_OF.get(exam.request.push_type, MAX_PAYLOAD)


# fmt: off
CHECKS: Final[tuple[Check, ...]] = (
    Check("method is POST", "route", lambda e: e.request.method != "POST", "MethodNotAllowed", APPLE, "observed"),
    Check("path is /3/device/", "route", lambda e: has_path_beyond_token(e.request.path), "BadPath", APPLE, "documented"),
    Check("no header twice", "route", lambda e: bool(e.request.repeated & SINGLE_FIELDS), "DuplicateHeaders", APPLE, "documented"),
    Check("connection not wedged", "provider", lambda e: e.session.wedged, "ExpiredProviderToken", "GitHub jchambers/pushy PR 783", "observed"),
    Check("provider token present", "provider", lambda e: e.bearer is None, "MissingProviderToken", APPLE, "documented", "by token"),
    Check("provider token verifies", "provider", lambda e: e.provider_token is None, "InvalidProviderToken", TOKENS, "documented", "by token"),
    Check("key not revoked", "provider", lambda e: _token(e).key.revoked, "InvalidProviderToken", TOKENS, "assumed", "by token"),
    Check("iat not in the future", "provider", lambda e: _token(e).issued_at > e.now + e.profile.clock_skew, "InvalidProviderToken", TOKENS, "assumed", "by token"),
    Check("iat within the hour", "provider", lambda e: _token(e).issued_at < e.now - e.profile.provider_token_age, "ExpiredProviderToken", TOKENS, "documented", "by token"),
    Check("provider token not new too soon", "provider", lambda e: e.session.is_update_too_soon(_token(e).text, e.profile, e.now), "TooManyProviderTokenUpdates", TOKENS, "documented", "by token"),
    Check("key serves this environment", "provider", lambda e: _token(e).key.realm not in (None, e.realm), "BadEnvironmentKeyInToken", TOKENS, "documented", "by token"),
    Check("one team a connection", "provider", lambda e: e.session.team_id not in (None, _token(e).key.team_id), "InvalidProviderToken", PUSHY, "assumed", "by token"),
    Check("key related to the first", "provider", _is_unrelated, "UnrelatedKeyIdInToken", TOKENS, "documented", "by token"),
    Check("apns-id is a UUID", "push", _is_bad_id, "BadMessageId", SENDING, "documented"),
    Check("topic present", "push", lambda e: not e.request.topic, "MissingTopic", SENDING, "documented"),
    Check("topic well-formed", "push", lambda e: _TOPIC.fullmatch(e.request.topic or "") is None, "BadTopic", APPLE, "documented"),
    Check("topic of the team", "push", lambda e: e.app is None or e.app.team_id != _token(e).key.team_id, "TopicDisallowed", APPLE, "documented", "by token"),
    Check("topic of the key", "push", _is_topic_outside_key, "TopicDisallowed", TOKENS, "assumed", "by token"),
    Check("topic of the certificate", "push", _is_topic_outside_certificate, "TopicDisallowed", SENDING, "documented", "by certificate"),
    Check("topic open to certificates", "push", _is_for_token_only, "TopicDisallowed", SENDING, "observed", "by certificate"),
    Check("push type known", "push", lambda e: e.request.push_type not in PUSH_TYPES, "InvalidPushType", SENDING, "documented"),
    Check("priority known", "push", lambda e: e.request.headers.get("apns-priority", "10") not in PRIORITIES, "BadPriority", SENDING, "documented"),
    Check("background not at once", "push", _is_background_at_once, "BadPriority", SENDING, "assumed"),
    Check("expiration is a time", "push", _is_bad_expiration, "BadExpirationDate", SENDING, "documented"),
    Check("collapse id fits", "push", _is_bad_collapse_id, "BadCollapseId", SENDING, "documented"),
    Check("payload present", "push", lambda e: e.request.body_size == 0, "PayloadEmpty", APPLE, "documented"),
    Check("payload fits", "push", _is_too_large, "PayloadTooLarge", GENERATING, "documented"),
    Check("payload is a JSON object", "push", lambda e: e.payload is None, "PayloadEmpty", GENERATING, "assumed"),
    Check("device token present", "device", lambda e: not e.request.token, "MissingDeviceToken", APPLE, "documented"),
    Check("device token is hex", "device", lambda e: _HEX.fullmatch(e.request.token) is None, "BadDeviceToken", APPLE, "documented"),
    Check("device token known here", "device", lambda e: e.device is None, "BadDeviceToken", APPLE, "documented"),
    Check("device token for the topic", "device", lambda e: _device(e).topic != e.request.topic, "DeviceTokenNotForTopic", "Apple developer forum thread 712499", "observed"),
    Check("topic fits the push type", "device", _is_suffix_unfit, "TopicDisallowed", SENDING, "assumed"),
    Check("device token not expired", "device", lambda e: expired_at(_device(e), e.profile, e.now) is not None, "ExpiredToken", APPLE, "documented"),
    Check("device token registered", "device", lambda e: unregistered_at(_device(e), e.profile, e.now) is not None, "Unregistered", APPLE, "documented"),
    Check("not too many to one device", "device", lambda e: e.pushes_left < 1, "TooManyRequests", APPLE, "documented"),
)
# fmt: on
_BY_TOKEN: Final = tuple(check for check in CHECKS if check.provider != "by certificate")
_BY_CERTIFICATE: Final = tuple(check for check in CHECKS if check.provider != "by token")
