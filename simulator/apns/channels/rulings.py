"""What becomes of an examined channel request or broadcast, as values (Apple: Sending channel management requests to APNs)."""

import json
from dataclasses import replace
from typing import Final

from simulator.apns.answers import ACCEPTED, Answer
from simulator.apns.channels.checks import (
    BROADCAST_PUSH_TYPE,
    CHANNEL_PUSH_TYPE,
    ChannelCheck,
    ChannelExam,
    Operation,
)
from simulator.apns.channels.registry import NOT_STORED, Channel
from simulator.apns.checks import PRIORITIES
from simulator.apns.delivery.delivery import Delivery
from simulator.apns.reasons import REASONS
from simulator.apns.requests import DEFAULT_PRIORITY

STATUS_OF: Final[dict[Operation, int]] = {
    "create": 201,
    "read": 200,
    "delete": 204,
    "list": 200,
    "send": ACCEPTED,
}


def refused(exam: ChannelExam, check: ChannelCheck, request_id: str) -> Answer:
    """The answer to a request that failed this check."""
    reason = check.reason
    if reason == "BadEnvironmentKeyInToken":
        reason = exam.profile.environment_reason
    return Answer(REASONS[reason].status, reason, "", request_id=request_id)


def done(operation: Operation, request_id: str) -> Answer:
    """The answer to a request that was carried out."""
    return Answer(STATUS_OF[operation], None, "", request_id=request_id)


def created(request_id: str, channel_id: str) -> Answer:
    """A channel was made; its id goes back as a header."""
    return done("create", request_id)._replace(channel_id=channel_id)


def configuration(request_id: str, channel: Channel) -> Answer:
    """What a channel was made with."""
    body: dict[str, object] = {"message-storage-policy": channel.policy, "push-type": CHANNEL_PUSH_TYPE}
    return done("read", request_id)._replace(content=_compact(body))


def listing(request_id: str, channel_ids: list[str]) -> Answer:
    """The ids of all channels."""
    return done("list", request_id)._replace(content=_compact({"channels": channel_ids}))


def broadcast(exam: ChannelExam, channel: Channel, request_id: str) -> Delivery:
    """What each subscribed device gets, but for the ids of its own. Absent expiration on a channel that stores nothing is 0."""
    headers = exam.request.headers
    expiration = headers.get("apns-expiration", "0" if channel.policy == NOT_STORED else None)
    return Delivery(
        apns_id=request_id,
        apns_unique_id=None,
        device_token="",
        topic=channel.bundle_id,
        push_type=BROADCAST_PUSH_TYPE,
        priority=PRIORITIES.get(headers.get("apns-priority", ""), DEFAULT_PRIORITY),
        expiration=None if expiration is None else int(expiration),
        collapse_id=None,
        payload=exam.payload or {},
        accepted_at=exam.now,
        realm=exam.realm,
        channel_id=channel.channel_id,
    )


def copy_for(delivery: Delivery, unique_id: str, activity: str) -> Delivery:
    """The same for one subscription. `activity` stands where an ordinary push has its device token."""
    unique = unique_id if delivery.realm == "sandbox" else None
    return replace(delivery, apns_unique_id=unique, device_token=activity)


def _compact(body: dict[str, object]) -> str:
    return json.dumps(body, separators=(",", ":"))
