"""What APNs checks in a push request, in order: one table, one predicate a row, pure.

Apple documents the reasons but not the order. Observed on the real service: the method comes before authorization,
authorization before the device token, and a Live Activity token with a plain topic is DeviceTokenNotForTopic. The
rest of the order is assumed; a request with a single fault gets the same answer in any order.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Literal, NamedTuple, TypeVar

from simulator.apns.authentication import ProviderState
from simulator.apns.messages import DEVICE_PATH, Request, readable
from simulator.apns.profile import Profile
from simulator.apns.provider_token import Flaw, ProviderToken
from simulator.apns.reasons import APPLE, REASONS, TOKENS, Confidence
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

MAX_SHOWN: Final = 60  # characters of a header in a sentence
FIRST_MILLISECONDS: Final = 1e11  # as seconds, more than a thousand years ahead
DER_SOURCE: Final = "Apple: Sending push notifications using command-line tools; GitHub jchambers/pushy"
IAT_SOURCE: Final = "GitHub swift-server-community/APNSwift PR 246"

PUSH_TYPES: Final = frozenset(SUFFIX_OF) | {"mdm"}  # an mdm topic has no bundle id
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TOPIC: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_UNIX_SECONDS: Final = re.compile(r"[0-9]{1,15}")
_HEX: Final = re.compile(r"([0-9a-f]{2})+")


@dataclass(slots=True)
class RequestContext:
    """A request beside all that is known about it, looked up beforehand. The predicates only compare.

    `provider_token` None = none, or one with a flaw; `provider_now` = the time by which its iat is judged, and
    `renewal_now` that by which its provider renews it, both `now` but for clocks that are turned; `app` = owner of the topic; `device_token` = the record of the token in this realm;
    `pushes_left` = what the device token's rate still allows; `is_of_other_realm`: the device token is known there.
    """

    request: Request
    realm: Realm
    profile: Profile
    provider: ProviderState
    now: float
    provider_now: float
    renewal_now: float
    bearer: str | None
    provider_token: ProviderToken | Flaw | None
    app: App | None
    device_token: DeviceToken | None
    payload: dict[str, Any] | None
    pushes_left: float
    is_of_other_realm: bool = field(default=False, kw_only=True)

    @property
    def uses_certificate(self) -> bool:
        """The provider has shown a client certificate and gives no token; a token would go before it (assumed)."""
        return self.bearer is None and self.provider.certificate is not None

    def verified(self) -> ProviderToken:
        """The provider token, for what comes after the rows that refuse a request without one."""
        assert isinstance(self.provider_token, ProviderToken)
        return self.provider_token

    @property
    def valid_token(self) -> ProviderToken | None:
        """The provider token if there is one that verifies."""
        return self.provider_token if isinstance(self.provider_token, ProviderToken) else None

    @property
    def age(self) -> float:
        """Seconds since the provider token says it was issued, below zero if that is yet to come."""
        return self.provider_now - self.verified().issued_at

    def known_token(self) -> DeviceToken:
        """The device token's record, for what comes after the row that refuses an unknown one."""
        assert self.device_token is not None
        return self.device_token


C = TypeVar("C", bound="RequestContext")


class Check(NamedTuple, Generic[C]):
    """One row: `fails` says whether the request breaks the rule; then the answer is `reason`.

    `why` is no part of the answer: APNs says the reason only, and whoever tests with this sandbox has to find the mistake.
    A request that reached the stage "push" has proved its provider: APNs then raises the connection's stream limit.
    """

    name: str
    stage: Stage
    fails: Callable[[C], bool]
    reason: str
    source: str
    confidence: Confidence
    provider: Provider = "any"  # whom the row concerns
    why: Callable[[C], str] | None = None  # more than the reason says, for the journal

    @property
    def proves_provider(self) -> bool:
        """Whether a request that fails here has passed all rows about its provider."""
        return self.stage in ("push", "device")

    def explained(self, context: C) -> str:
        """What is wrong, for people."""
        return REASONS[self.reason].meaning if self.why is None else self.why(context)


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


# Why the provider was refused, in words.


def _why_missing(context: RequestContext) -> str:
    if "authorization" not in context.request.headers:
        return "there is no authorization header, and the connection has shown no client certificate"
    return "authorization is not the word bearer and a provider token"


def _why_flawed(context: RequestContext) -> str:
    token = context.provider_token
    return token.why if isinstance(token, Flaw) else ""


def _why_future(context: RequestContext) -> str:
    ahead = f"iat lies {-context.age:.0f} s ahead of this server's clock, {context.profile.clock_skew:.0f} s are allowed"
    return ahead + (
        ": it looks like milliseconds" if context.verified().issued_at > FIRST_MILLISECONDS else ""
    )


def _why_expired(context: RequestContext) -> str:
    return f"the provider token is {context.age:.0f} s old, and good for {context.profile.provider_token_age:.0f} s"


def _why_too_soon(context: RequestContext) -> str:
    limit, window = context.profile.provider_tokens, context.profile.provider_token_window
    return f"more than {limit} provider tokens came on this connection within {window:.0f} s: use one for 20 to 60 minutes"


def _why_environment(context: RequestContext) -> str:
    key = context.verified().key
    return f"the key {key.key_id} is for {key.realm}, and this is {context.realm}"


def _why_other_team(context: RequestContext) -> str:
    return f"the connection began with the team {context.provider.team_id}, and this token is of {context.verified().key.team_id}"


def _why_unrelated(context: RequestContext) -> str:
    first = context.provider.first_key
    began = "" if first is None else first.key_id
    return (
        f"the connection began with the key {began}, and {context.verified().key.key_id} is not related to it"
    )


# Why the push was refused, in words.


def _shown(context: RequestContext, name: str) -> str:
    """A header of the request for people; long ones are cut."""
    text = readable(context.request.headers.get(name, ""))
    return repr(text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…")


def _why_not_of_team(context: RequestContext) -> str:
    team = context.verified().key.team_id
    if context.app is None:
        return f"no app here has the topic {_shown(context, 'apns-topic')}"
    return (
        f"the app of {_shown(context, 'apns-topic')} is of the team {context.app.team_id}, the key of {team}"
    )


def _why_unknown_token(context: RequestContext) -> str:
    if not context.is_of_other_realm:
        return f"the device token is unknown in {context.realm}: no app here was given it"
    other = "production" if context.realm == "sandbox" else "sandbox"
    return f"the device token is of {other}, and this is {context.realm}"


def _why_other_topic(context: RequestContext) -> str:
    return f"the device token is for {context.known_token().topic}, and apns-topic is {_shown(context, 'apns-topic')}"


def _why_unfit(context: RequestContext) -> str:
    wanted = context.known_token().bundle_id + SUFFIX_OF[context.request.push_type]
    return f"the push type {context.request.push_type} goes to the topic {wanted}, not {_shown(context, 'apns-topic')}"


def _why_too_large(context: RequestContext) -> str:
    most = MAX_PAYLOAD_OF.get(context.request.push_type, MAX_PAYLOAD)
    return f"the payload has {context.request.body_size} bytes, and {most} are allowed"


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
    Check("connection not wedged", "provider", lambda c: c.provider.wedged, "ExpiredProviderToken", "GitHub jchambers/pushy PR 783", "observed", why=lambda _: "the connection has had an expired provider token and takes no other: open a new one"),
    Check("provider token present", "provider", lambda c: c.bearer is None, "MissingProviderToken", APPLE, "documented", "by token", _why_missing),
    Check("provider token verifies", "provider", lambda c: not isinstance(c.provider_token, ProviderToken), "InvalidProviderToken", TOKENS, "documented", "by token", _why_flawed),
    Check("signature as the profile takes it", "provider", lambda c: c.verified().form == "DER" and not c.profile.der_signatures, "InvalidProviderToken", DER_SOURCE, "assumed", "by token", lambda _: "the signature is in DER, and this profile takes r||s (RFC 7518 section 3.4) only"),
    Check("iat as the profile takes it", "provider", lambda c: c.verified().is_iat_text and not c.profile.iat_texts, "InvalidProviderToken", IAT_SOURCE, "assumed", "by token", lambda _: "iat is not a number but digits in a string, and this profile takes a number (RFC 7519 section 4.1.6) only"),
    Check("key not revoked", "provider", lambda c: c.verified().key.revoked, "InvalidProviderToken", TOKENS, "assumed", "by token", lambda c: f"the key {c.verified().key.key_id} was revoked"),
    Check("iat not in the future", "provider", lambda c: -c.age > c.profile.clock_skew, "InvalidProviderToken", TOKENS, "assumed", "by token", _why_future),
    Check("iat within the hour", "provider", lambda c: c.age > c.profile.provider_token_age, "ExpiredProviderToken", TOKENS, "documented", "by token", _why_expired),
    Check("provider token not new too soon", "provider", lambda c: c.provider.is_update_too_soon(c.verified().text, c.profile, c.renewal_now), "TooManyProviderTokenUpdates", TOKENS, "documented", "by token", _why_too_soon),
    Check("key serves this environment", "provider", lambda c: c.verified().key.realm not in (None, c.realm), "BadEnvironmentKeyInToken", TOKENS, "documented", "by token", _why_environment),
    Check("one team a connection", "provider", lambda c: c.provider.team_id not in (None, c.verified().key.team_id), "InvalidProviderToken", PUSHY, "assumed", "by token", _why_other_team),
    Check("key related to the first", "provider", _is_unrelated, "UnrelatedKeyIdInToken", TOKENS, "documented", "by token", _why_unrelated),
    Check("apns-id is a UUID", "push", _is_bad_id, "BadMessageId", SENDING, "documented"),
    Check("topic present", "push", lambda c: not c.request.topic, "MissingTopic", SENDING, "documented"),
    Check("topic well-formed", "push", lambda c: _TOPIC.fullmatch(c.request.topic or "") is None, "BadTopic", APPLE, "documented"),
    Check("topic of the team", "push", lambda c: c.app is None or c.app.team_id != c.verified().key.team_id, "TopicDisallowed", APPLE, "documented", "by token", _why_not_of_team),
    Check("topic of the key", "push", _is_topic_outside_key, "TopicDisallowed", TOKENS, "assumed", "by token", lambda c: f"the key {c.verified().key.key_id} is not for the topic {_shown(c, 'apns-topic')}"),
    Check("topic of the certificate", "push", _is_topic_outside_certificate, "TopicDisallowed", SENDING, "documented", "by certificate"),
    Check("topic open to certificates", "push", _is_for_token_only, "TopicDisallowed", SENDING, "observed", "by certificate"),
    Check("push type known", "push", lambda c: c.request.push_type not in PUSH_TYPES, "InvalidPushType", SENDING, "documented", why=lambda c: f"apns-push-type is {_shown(c, 'apns-push-type')}, and APNs knows {', '.join(sorted(PUSH_TYPES))}"),
    Check("priority known", "push", lambda c: c.request.headers.get("apns-priority", "10") not in PRIORITIES, "BadPriority", SENDING, "documented", why=lambda c: f"apns-priority is {_shown(c, 'apns-priority')}, and 10, 5 and 1 are known"),
    Check("background not at once", "push", _is_background_at_once, "BadPriority", SENDING, "assumed", why=lambda _: "a background push goes with apns-priority 5, not 10"),
    Check("expiration is a time", "push", _is_bad_expiration, "BadExpirationDate", SENDING, "documented", why=lambda c: f"apns-expiration is {_shown(c, 'apns-expiration')}, and UNIX seconds are wanted"),
    Check("collapse id fits", "push", _is_bad_collapse_id, "BadCollapseId", SENDING, "documented"),
    Check("payload present", "push", lambda c: c.request.body_size == 0, "PayloadEmpty", APPLE, "documented"),
    Check("payload fits", "push", _is_too_large, "PayloadTooLarge", GENERATING, "documented", why=_why_too_large),
    Check("payload is a JSON object", "push", lambda c: c.payload is None, "PayloadEmpty", GENERATING, "assumed", why=lambda _: "the payload is no JSON object in UTF-8"),
    Check("device token present", "device", lambda c: not c.request.token, "MissingDeviceToken", APPLE, "documented"),
    Check("device token is hex", "device", lambda c: _HEX.fullmatch(c.request.token) is None, "BadDeviceToken", APPLE, "documented", why=lambda _: "the device token in the path is no hex"),
    Check("device token known here", "device", lambda c: c.device_token is None, "BadDeviceToken", APPLE, "documented", why=_why_unknown_token),
    Check("device token for the topic", "device", lambda c: c.known_token().topic != c.request.topic, "DeviceTokenNotForTopic", "Apple developer forum thread 712499", "observed", why=_why_other_topic),
    Check("topic fits the push type", "device", _is_suffix_unfit, "TopicDisallowed", SENDING, "assumed", why=_why_unfit),
    Check("device token not expired", "device", lambda c: expired_at(c.known_token(), c.profile, c.now) is not None, "ExpiredToken", APPLE, "documented"),
    Check("device token registered", "device", lambda c: unregistered_at(c.known_token(), c.profile, c.now) is not None, "Unregistered", APPLE, "documented"),
    Check("not too many to one device", "device", lambda c: c.pushes_left < 1, "TooManyRequests", APPLE, "documented"),
)
# fmt: on
_BY_TOKEN: Final = tuple(check for check in CHECKS if check.provider != "by certificate")
_BY_CERTIFICATE: Final = tuple(check for check in CHECKS if check.provider != "by token")
