"""What APNs checks in a push request, in order: one table, one predicate a row, pure.

Apple documents the reasons but not the order. Observed on the real service: the method comes before authorization,
authorization before the device token, and a Live Activity token with a plain topic is DeviceTokenNotForTopic. The
rest of the order is assumed; a request with a single fault gets the same answer in any order.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, NamedTuple, TypeVar

from simulator.apns.authentication import ProviderState, ProviderToken
from simulator.apns.messages import DEVICE_PATH, Request
from simulator.apns.profile import Profile
from simulator.apns.reasons import APPLE, TOKENS, Confidence
from simulator.apns.registry import SUFFIX_OF, App, DeviceToken, Realm

Stage = Literal["route", "provider", "push", "device"]
Provider = Literal["any", "by token", "by certificate"]

SENDING: Final = "Apple: Sending notification requests to APNs"
GENERATING: Final = "Apple: Generating a remote notification"
PUSHY: Final = "GitHub jchambers/pushy, ValidatingPushNotificationHandler"

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

PUSH_TYPES: Final = frozenset(SUFFIX_OF) | {"mdm"}  # an mdm topic has no bundle id
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TOPIC: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_UNIX_SECONDS: Final = re.compile(r"[0-9]{1,15}")
_HEX: Final = re.compile(r"([0-9a-f]{2})+")


@dataclass(slots=True)
class RequestContext:
    """A request beside all that is known about it, looked up beforehand. The predicates only compare.

    `provider_token` None = none that verifies; `app` = owner of the topic; `device_token` = the record of the
    token in this realm; `pushes_left` = what the device token's rate still allows.
    """

    request: Request
    realm: Realm
    profile: Profile
    provider: ProviderState
    now: float
    bearer: str | None
    provider_token: ProviderToken | None
    app: App | None
    device_token: DeviceToken | None
    payload: dict[str, Any] | None
    pushes_left: float

    @property
    def uses_certificate(self) -> bool:
        """The provider has shown a client certificate and gives no token; a token would go before it (assumed)."""
        return self.bearer is None and self.provider.certificate is not None

    def verified(self) -> ProviderToken:
        """The provider token, for what comes after the rows that refuse a request without one."""
        assert self.provider_token is not None
        return self.provider_token

    def known_token(self) -> DeviceToken:
        """The device token's record, for what comes after the row that refuses an unknown one."""
        assert self.device_token is not None
        return self.device_token


C = TypeVar("C", bound="RequestContext")


class Check(NamedTuple, Generic[C]):
    """One row: `fails` says whether the request breaks the rule; then the answer is `reason`.

    A request that reached the stage "push" has proved its provider: APNs then raises the connection's stream limit.
    """

    name: str
    stage: Stage
    fails: Callable[[C], bool]
    reason: str
    source: str
    confidence: Confidence
    provider: Provider = "any"  # whom the row concerns

    @property
    def proves_provider(self) -> bool:
        """Whether a request that fails here has passed all rows about its provider."""
        return self.stage in ("push", "device")


def first_failed(context: RequestContext) -> Check[RequestContext] | None:
    """The first check that fails, or None: the push is accepted."""
    for check in _BY_CERTIFICATE if context.uses_certificate else _BY_TOKEN:
        if check.fails(context):
            return check
    return None


def has_path_beyond_token(path: str) -> bool:
    """True for a path that is not /3/device/<one segment>; the segment may be empty."""
    return not path.startswith(DEVICE_PATH) or "/" in path[len(DEVICE_PATH) :]


def is_canonical(apns_id: str) -> bool:
    """True for 8-4-4-4-12 hex digits in either case."""
    return _UUID.fullmatch(apns_id) is not None


# When a device token stops to work. Apple reports a removed app late and on purpose at no certain time; how late is the
# profile's `unregister_after_s`.


def unregistered_at(token: DeviceToken, profile: Profile, now: float) -> float | None:
    """When APNs had confirmed that the app is gone, UNIX seconds; None if it has not by now."""
    if token.unregistered_since is not None:
        return token.unregistered_since
    if token.uninstalled_at is None:
        return None
    return _past(token.uninstalled_at + profile.unregister_after_s, now)


def expired_at(token: DeviceToken, profile: Profile, now: float) -> float | None:
    """When the token of an activity that ended or took a new one had its grace behind it; None if not yet."""
    if token.expired_since is None:
        return None
    return _past(token.expired_since + profile.token_grace_s, now)


def _past(at: float, now: float) -> float | None:
    return at if at <= now else None


def _is_unrelated(context: RequestContext) -> bool:
    first, key = context.provider.first_key, context.verified().key
    if first is None or first.key_id == key.key_id or (first.topics is None and key.topics is None):
        return False
    if first.topics is None or key.topics is None:  # a team key and a topic-specific one, in either order
        return True
    return first.related_to != key.key_id and key.related_to != first.key_id


def _is_topic_outside_certificate(context: RequestContext) -> bool:
    certificate = context.provider.certificate
    return certificate is None or context.app is None or context.app.bundle_id != certificate.bundle_id


def _is_for_token_only(context: RequestContext) -> bool:
    return (context.request.topic or "").endswith((".push-type.liveactivity", ".location-query"))


def _is_suffix_unfit(context: RequestContext) -> bool:
    suffix = SUFFIX_OF.get(context.request.push_type)
    return (
        context.profile.suffix_must_fit
        and suffix is not None
        and context.request.topic != context.known_token().bundle_id + suffix
    )


def _is_topic_outside_key(context: RequestContext) -> bool:
    topics = context.verified().key.topics
    return topics is not None and context.request.topic not in topics


def _is_bad_id(context: RequestContext) -> bool:
    given = context.request.headers.get("apns-id")
    return given is not None and not is_canonical(given)


def _is_bad_expiration(context: RequestContext) -> bool:
    given = context.request.headers.get("apns-expiration")
    return given is not None and _UNIX_SECONDS.fullmatch(given) is None


def _is_bad_collapse_id(context: RequestContext) -> bool:
    given = context.request.headers.get("apns-collapse-id")
    return given is not None and not 0 < len(given.encode("utf-8", "surrogateescape")) <= MAX_COLLAPSE_ID


def _is_background_at_once(context: RequestContext) -> bool:
    headers = context.request.headers
    return headers.get("apns-push-type") == "background" and headers.get("apns-priority") == "10"


def _is_too_large(context: RequestContext) -> bool:
    return context.request.body_size > MAX_PAYLOAD_OF.get(context.request.push_type, MAX_PAYLOAD)


# fmt: off
CHECKS: Final[tuple[Check[RequestContext], ...]] = (
    Check("method is POST", "route", lambda c: c.request.method != "POST", "MethodNotAllowed", APPLE, "observed"),
    Check("path is /3/device/", "route", lambda c: has_path_beyond_token(c.request.path), "BadPath", APPLE, "documented"),
    Check("no header twice", "route", lambda c: bool(c.request.repeated & SINGLE_FIELDS), "DuplicateHeaders", APPLE, "documented"),
    Check("connection not wedged", "provider", lambda c: c.provider.wedged, "ExpiredProviderToken", "GitHub jchambers/pushy PR 783", "observed"),
    Check("provider token present", "provider", lambda c: c.bearer is None, "MissingProviderToken", APPLE, "documented", "by token"),
    Check("provider token verifies", "provider", lambda c: c.provider_token is None, "InvalidProviderToken", TOKENS, "documented", "by token"),
    Check("key not revoked", "provider", lambda c: c.verified().key.revoked, "InvalidProviderToken", TOKENS, "assumed", "by token"),
    Check("iat not in the future", "provider", lambda c: c.verified().issued_at > c.now + c.profile.clock_skew, "InvalidProviderToken", TOKENS, "assumed", "by token"),
    Check("iat within the hour", "provider", lambda c: c.verified().issued_at < c.now - c.profile.provider_token_age, "ExpiredProviderToken", TOKENS, "documented", "by token"),
    Check("provider token not new too soon", "provider", lambda c: c.provider.is_update_too_soon(c.verified().text, c.profile, c.now), "TooManyProviderTokenUpdates", TOKENS, "documented", "by token"),
    Check("key serves this environment", "provider", lambda c: c.verified().key.realm not in (None, c.realm), "BadEnvironmentKeyInToken", TOKENS, "documented", "by token"),
    Check("one team a connection", "provider", lambda c: c.provider.team_id not in (None, c.verified().key.team_id), "InvalidProviderToken", PUSHY, "assumed", "by token"),
    Check("key related to the first", "provider", _is_unrelated, "UnrelatedKeyIdInToken", TOKENS, "documented", "by token"),
    Check("apns-id is a UUID", "push", _is_bad_id, "BadMessageId", SENDING, "documented"),
    Check("topic present", "push", lambda c: not c.request.topic, "MissingTopic", SENDING, "documented"),
    Check("topic well-formed", "push", lambda c: _TOPIC.fullmatch(c.request.topic or "") is None, "BadTopic", APPLE, "documented"),
    Check("topic of the team", "push", lambda c: c.app is None or c.app.team_id != c.verified().key.team_id, "TopicDisallowed", APPLE, "documented", "by token"),
    Check("topic of the key", "push", _is_topic_outside_key, "TopicDisallowed", TOKENS, "assumed", "by token"),
    Check("topic of the certificate", "push", _is_topic_outside_certificate, "TopicDisallowed", SENDING, "documented", "by certificate"),
    Check("topic open to certificates", "push", _is_for_token_only, "TopicDisallowed", SENDING, "observed", "by certificate"),
    Check("push type known", "push", lambda c: c.request.push_type not in PUSH_TYPES, "InvalidPushType", SENDING, "documented"),
    Check("priority known", "push", lambda c: c.request.headers.get("apns-priority", "10") not in PRIORITIES, "BadPriority", SENDING, "documented"),
    Check("background not at once", "push", _is_background_at_once, "BadPriority", SENDING, "assumed"),
    Check("expiration is a time", "push", _is_bad_expiration, "BadExpirationDate", SENDING, "documented"),
    Check("collapse id fits", "push", _is_bad_collapse_id, "BadCollapseId", SENDING, "documented"),
    Check("payload present", "push", lambda c: c.request.body_size == 0, "PayloadEmpty", APPLE, "documented"),
    Check("payload fits", "push", _is_too_large, "PayloadTooLarge", GENERATING, "documented"),
    Check("payload is a JSON object", "push", lambda c: c.payload is None, "PayloadEmpty", GENERATING, "assumed"),
    Check("device token present", "device", lambda c: not c.request.token, "MissingDeviceToken", APPLE, "documented"),
    Check("device token is hex", "device", lambda c: _HEX.fullmatch(c.request.token) is None, "BadDeviceToken", APPLE, "documented"),
    Check("device token known here", "device", lambda c: c.device_token is None, "BadDeviceToken", APPLE, "documented"),
    Check("device token for the topic", "device", lambda c: c.known_token().topic != c.request.topic, "DeviceTokenNotForTopic", "Apple developer forum thread 712499", "observed"),
    Check("topic fits the push type", "device", _is_suffix_unfit, "TopicDisallowed", SENDING, "assumed"),
    Check("device token not expired", "device", lambda c: expired_at(c.known_token(), c.profile, c.now) is not None, "ExpiredToken", APPLE, "documented"),
    Check("device token registered", "device", lambda c: unregistered_at(c.known_token(), c.profile, c.now) is not None, "Unregistered", APPLE, "documented"),
    Check("not too many to one device", "device", lambda c: c.pushes_left < 1, "TooManyRequests", APPLE, "documented"),
)
# fmt: on
_BY_TOKEN: Final = tuple(check for check in CHECKS if check.provider != "by certificate")
_BY_CERTIFICATE: Final = tuple(check for check in CHECKS if check.provider != "by token")
