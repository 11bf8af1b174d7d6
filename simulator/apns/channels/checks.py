"""What APNs checks in a request that manages a channel, and in one that sends to it: two tables, in order, pure.

Apple documents the reasons ("Handling error responses from Apple Push Notification service") but not the order, which
is assumed; a request with a single fault gets the same answer in any order. The provider is checked as for a push.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from simulator.apns.channels.registry import MAX_CHANNELS, NOT_STORED, Channel, is_channel_id
from simulator.apns.checks import CHECKS, PRIORITIES, Check, Provider, RequestContext, is_canonical
from simulator.apns.reasons import BROADCAST_ERRORS, HAPNS
from simulator.apns.registry import LIVE_ACTIVITY_SUFFIX

Operation = Literal["create", "read", "delete", "list", "send"]

MANAGING: Final = "Apple: Sending channel management requests to APNs"
BROADCASTING: Final = "Apple: Sending broadcast push notification requests to APNs"

BROADCAST_PATH: Final = "/4/broadcasts/apps/"
MAX_BROADCAST: Final = 5120  # bytes
CHANNEL_PUSH_TYPE: Final = (
    "LiveActivity"  # in the body that makes a channel; the header apns-push-type has it in lower case
)
BROADCAST_PUSH_TYPE: Final = "liveactivity"
OPERATIONS: Final[dict[tuple[str, str], Operation]] = {
    ("POST", "channels"): "create",
    ("GET", "channels"): "read",
    ("DELETE", "channels"): "delete",
    ("GET", "all-channels"): "list",
}
CHANNEL_FIELDS: Final = frozenset(
    {
        "authorization",
        "apns-request-id",
        "apns-channel-id",
        "apns-push-type",
        "apns-priority",
        "apns-expiration",
    }
)

_MANAGE_PATH: Final = re.compile(r"/1/apps/([^/]+)/(channels|all-channels)")
_BROADCAST_PATH: Final = re.compile(r"/4/broadcasts/apps/([^/]+)")
_UNIX_SECONDS: Final = re.compile(r"[0-9]{1,15}")


class Target(NamedTuple):
    """What a path and method are about. `operation` None: this path does not know the method."""

    bundle_id: str
    operation: Operation | None


def manage_target(method: str, path: str) -> Target | None:
    """Of a request to a manage host; None for an unknown path."""
    found = _MANAGE_PATH.fullmatch(path)
    return None if found is None else Target(found[1], OPERATIONS.get((method, found[2])))


def broadcast_target(method: str, path: str) -> Target | None:
    """Of a broadcast; None for an unknown path."""
    found = _BROADCAST_PATH.fullmatch(path)
    return None if found is None else Target(found[1], "send" if method == "POST" else None)


@dataclass(slots=True)
class ChannelContext(RequestContext):
    """As for a push. `app` is the one of the path, `channel` the one of apns-channel-id, `channels` how many the app has."""

    target: Target | None
    channel: Channel | None
    channels: int

    @property
    def channel_id(self) -> str | None:
        """The header apns-channel-id."""
        return self.request.headers.get("apns-channel-id")

    @property
    def bundle_id(self) -> str:
        """The one of the path; empty if the path is unknown."""
        return "" if self.target is None else self.target.bundle_id

    def known_channel(self) -> Channel:
        """The channel, for what comes after the row that refuses an unknown one."""
        assert self.channel is not None
        return self.channel

    @property
    def operation(self) -> Operation | None:
        """What is to be done."""
        return None if self.target is None else self.target.operation


ChannelCheck = Check[ChannelContext]


def first_failed(context: ChannelContext, checks: tuple[ChannelCheck, ...]) -> ChannelCheck | None:
    """The first check that fails, or None: the request is good."""
    skipped: Provider = "by token" if context.uses_certificate else "by certificate"
    return next((check for check in checks if check.provider != skipped and check.fails(context)), None)


def _is_bad_request_id(context: ChannelContext) -> bool:
    given = context.request.headers.get("apns-request-id")
    return given is not None and not is_canonical(given)


def _is_outside_key(context: ChannelContext) -> bool:
    topics, bundle_id = context.verified().key.topics, context.bundle_id
    return topics is not None and not {bundle_id, bundle_id + LIVE_ACTIVITY_SUFFIX} & topics


def _is_outside_certificate(context: ChannelContext) -> bool:
    certificate = context.provider.certificate
    return certificate is not None and certificate.bundle_id != context.bundle_id


def _needs_channel(context: ChannelContext) -> bool:
    return context.operation in ("read", "delete", "send")


def _body(context: ChannelContext) -> dict[str, Any]:
    return context.payload or {}


def _creates(fails: Callable[[ChannelContext], bool]) -> Callable[[ChannelContext], bool]:
    """A rule for the request that makes a channel, which alone has a body."""
    return lambda context: context.operation == "create" and fails(context)


def _is_bad_policy(context: ChannelContext) -> bool:
    policy = _body(context).get("message-storage-policy")
    return type(policy) is not int or policy not in (0, 1)


def _expiration(context: ChannelContext) -> str:
    return context.request.headers.get("apns-expiration", "0")


def _is_stored_where_nothing_is(context: ChannelContext) -> bool:
    return (
        context.channel is not None
        and context.channel.policy == NOT_STORED
        and int(_expiration(context)) != 0
    )


# fmt: off
_ROUTE: Final[tuple[ChannelCheck, ...]] = (
    ChannelCheck("path known", "route", lambda c: c.target is None, "BadPath", BROADCAST_ERRORS, "documented"),
    ChannelCheck("method fits the path", "route", lambda c: c.operation is None, "MethodNotAllowed", BROADCAST_ERRORS, "documented"),
    ChannelCheck("no header twice", "route", lambda c: bool(c.request.repeated & CHANNEL_FIELDS), "DuplicateHeaders", "none", "assumed"),
)
_PROVIDER: Final[tuple[ChannelCheck, ...]] = tuple(ChannelCheck(*check) for check in CHECKS if check.stage == "provider")
_APP: Final[tuple[ChannelCheck, ...]] = (
    ChannelCheck("apns-request-id is a UUID", "push", _is_bad_request_id, "BadMessageId", BROADCAST_ERRORS, "documented"),
    ChannelCheck("bundle id without suffix", "push", lambda c: c.app is None, "TopicDisallowed", BROADCAST_ERRORS, "documented"),
    ChannelCheck("bundle id of the team", "push", lambda c: c.app is None or c.app.team_id != c.verified().key.team_id, "TopicDisallowed", BROADCAST_ERRORS, "assumed", "by token"),
    ChannelCheck("bundle id of the key", "push", _is_outside_key, "TopicDisallowed", BROADCAST_ERRORS, "assumed", "by token"),
    ChannelCheck("bundle id of the certificate", "push", _is_outside_certificate, "TopicMismatch", BROADCAST_ERRORS, "documented", "by certificate"),
    ChannelCheck("broadcast capability on", "push", lambda c: not c.profile.broadcast_capability, "FeatureNotEnabled", BROADCAST_ERRORS, "documented"),
    ChannelCheck("channel id present", "push", lambda c: _needs_channel(c) and not c.channel_id, "MissingChannelId", BROADCAST_ERRORS, "documented"),
    ChannelCheck("channel id is base64", "push", lambda c: _needs_channel(c) and not is_channel_id(c.channel_id or ""), "BadChannelId", BROADCAST_ERRORS, "documented"),
    ChannelCheck("channel exists", "push", lambda c: _needs_channel(c) and c.channel is None, "ChannelNotRegistered", BROADCAST_ERRORS, "documented"),
)
MANAGE_CHECKS: Final[tuple[ChannelCheck, ...]] = (
    *_ROUTE,
    *_PROVIDER,
    *_APP,
    ChannelCheck("body present", "push", _creates(lambda c: c.request.body_size == 0), "PayloadEmpty", BROADCAST_ERRORS, "documented"),
    ChannelCheck("body is a JSON object", "push", _creates(lambda c: c.payload is None), "BadRequestPayload", BROADCAST_ERRORS, "documented"),
    ChannelCheck("push-type present", "push", _creates(lambda c: "push-type" not in _body(c)), "MissingPushType", BROADCAST_ERRORS, "documented"),
    ChannelCheck("push-type is LiveActivity", "push", _creates(lambda c: _body(c)["push-type"] != CHANNEL_PUSH_TYPE), "InvalidPushType", BROADCAST_ERRORS, "documented"),
    ChannelCheck("storage policy is 0 or 1", "push", _creates(_is_bad_policy), "MissingChannelQueueSize", HAPNS, "observed"),
    ChannelCheck("not too many channels", "push", _creates(lambda c: c.channels >= MAX_CHANNELS), "CannotCreateChannelConfig", MANAGING, "documented"),
)
BROADCAST_CHECKS: Final[tuple[ChannelCheck, ...]] = (
    *_ROUTE,
    *_PROVIDER,
    *_APP,
    ChannelCheck("push type present", "push", lambda c: not c.request.headers.get("apns-push-type"), "MissingPushType", BROADCAST_ERRORS, "documented"),
    ChannelCheck("push type is liveactivity", "push", lambda c: c.request.push_type != BROADCAST_PUSH_TYPE, "InvalidPushType", BROADCAST_ERRORS, "documented"),
    ChannelCheck("priority known", "push", lambda c: c.request.headers.get("apns-priority", "10") not in PRIORITIES, "BadPriority", BROADCAST_ERRORS, "documented"),
    ChannelCheck("expiration is a time", "push", lambda c: _UNIX_SECONDS.fullmatch(_expiration(c)) is None, "BadExpirationDate", BROADCAST_ERRORS, "documented"),
    ChannelCheck("nothing to store where nothing is", "push", _is_stored_where_nothing_is, "BadExpirationDate", BROADCAST_ERRORS, "documented"),
    ChannelCheck("payload present", "push", lambda c: c.request.body_size == 0, "PayloadEmpty", BROADCAST_ERRORS, "documented"),
    ChannelCheck("payload fits", "push", lambda c: c.request.body_size > MAX_BROADCAST, "PayloadTooLarge", BROADCASTING, "documented"),
    ChannelCheck("payload is a JSON object", "push", lambda c: c.payload is None, "BadRequestPayload", BROADCAST_ERRORS, "assumed"),
)
# fmt: on
