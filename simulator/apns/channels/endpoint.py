"""The endpoints for broadcast channels: where they are managed, and where a broadcast is sent to one.

Apple: Sending channel management requests to APNs; Sending broadcast push notification requests to APNs.
"""

import json
from dataclasses import replace
from typing import Final

from simulator.apns.authentication import ProviderState
from simulator.apns.channels.checks import (
    BROADCAST_CHECKS,
    BROADCAST_PUSH_TYPE,
    CHANNEL_PUSH_TYPE,
    MANAGE_CHECKS,
    ChannelCheck,
    ChannelContext,
    Operation,
    Target,
    broadcast_target,
    first_failed,
    manage_target,
)
from simulator.apns.channels.registry import NOT_STORED, Channel
from simulator.apns.checks import PRIORITIES
from simulator.apns.delivery.device import Delivery
from simulator.apns.delivery.mailbox import AcceptedPush
from simulator.apns.delivery.service import DeliveryService
from simulator.apns.endpoints import Decision, Environment, refusal
from simulator.apns.faults import AnswerWith
from simulator.apns.messages import ACCEPTED, DEFAULT_PRIORITY, Request, Response

STATUS_OF: Final[dict[Operation, int]] = {
    "create": 201,
    "read": 200,
    "delete": 204,
    "list": 200,
    "send": ACCEPTED,
}


class _Endpoint:
    """What both endpoints do alike: look up, check, and identify requests by apns-request-id."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def staged(self, request: Request, fault: AnswerWith) -> Response:
        """What a fault wants, with apns-request-id."""
        return Response(fault.code(), fault.reason, "", None, fault.timestamp, self._request_id(request))

    def _request_id(self, request: Request) -> str:
        return self._environment.id_for(request.headers.get("apns-request-id"))

    def _context(self, request: Request, provider: ProviderState, target: Target | None) -> ChannelContext:
        environment = self._environment
        realm, channels = environment.realm, environment.channels
        text, provider_token = environment.token_of(request)
        bundle_id = "" if target is None else target.bundle_id
        return ChannelContext(
            request=request,
            realm=realm,
            profile=environment.profile,
            provider=provider,
            now=environment.clock.now(),
            provider_now=environment.provider_now(provider_token),
            renewal_now=environment.renewal_now(),
            bearer=text,
            provider_token=provider_token,
            app=environment.registry.apps.get(bundle_id),
            device_token=None,
            payload=request.payload(),
            pushes_left=float("inf"),
            target=target,
            channel=channels.find(realm, bundle_id, request.headers.get("apns-channel-id", "")),
            channels=channels.count(realm, bundle_id),
        )

    def _refusal(self, context: ChannelContext, checks: tuple[ChannelCheck, ...]) -> Decision | None:
        """None if the request passes all checks."""
        check = first_failed(context, checks)
        if check is not None:
            return refusal(context, check, "", self._request_id(context.request))
        context.provider.learn(context.valid_token, None, context.profile, context.renewal_now)
        return None


class BroadcastEndpoint(_Endpoint):
    """POST /4/broadcasts/apps/<bundle id>."""

    def handle(self, request: Request, provider: ProviderState) -> Decision:
        """A good one becomes a push for each subscription of the channel."""
        context = self._context(request, provider, broadcast_target(request.method, request.path))
        refused = self._refusal(context, BROADCAST_CHECKS)
        if refused is not None:
            return refused
        request_id = self._request_id(request)
        response = done("send", request_id)
        if context.realm == "sandbox":
            response = response._replace(unique_id=self._environment.unique_id())
        return Decision(response, True, self._pushes(context, request_id, response.unique_id))

    def _pushes(
        self, context: ChannelContext, request_id: str, unique_id: str | None
    ) -> tuple[AcceptedPush, ...]:
        """The first push has the response's apns-unique-id, any other one of its own."""
        channel = context.known_channel()
        delivery = _broadcast(context, channel, request_id)
        pushes = []
        for number, (device, activity) in enumerate(channel.subscriptions):
            own_id = (unique_id if number == 0 else None) or self._environment.unique_id()
            # `activity` stands where an ordinary push has its device token.
            shown_id = own_id if delivery.realm == "sandbox" else None
            copy = replace(delivery, apns_unique_id=shown_id, device_token=activity)
            pushes.append(AcceptedPush(own_id, copy, None, device, activity))
        return tuple(pushes)


class ChannelEndpoint(_Endpoint):
    """/1/apps/<bundle id>/channels and /1/apps/<bundle id>/all-channels of a manage host."""

    def __init__(self, environment: Environment, deliveries: DeliveryService) -> None:
        super().__init__(environment)
        self._deliveries = deliveries
        self._do = {"create": self._create, "read": self._read, "delete": self._delete, "list": self._list}

    def handle(self, request: Request, provider: ProviderState) -> Decision:
        """Carry out a good request."""
        context = self._context(request, provider, manage_target(request.method, request.path))
        refused = self._refusal(context, MANAGE_CHECKS)
        if refused is not None:
            return refused
        request_id = self._request_id(request)
        return Decision(self._do[context.operation or ""](context, request_id), True)

    def _create(self, context: ChannelContext, request_id: str) -> Response:
        """The new channel's id goes back as a header."""
        policy = (context.payload or {})["message-storage-policy"]
        channels = self._environment.channels
        channel_id = channels.create(context.realm, context.bundle_id, policy, context.now)
        return done("create", request_id)._replace(channel_id=channel_id)

    def _read(self, context: ChannelContext, request_id: str) -> Response:
        """What a channel was made with."""
        policy = context.known_channel().policy
        return _with_content(
            "read", request_id, {"message-storage-policy": policy, "push-type": CHANNEL_PUSH_TYPE}
        )

    def _delete(self, context: ChannelContext, request_id: str) -> Response:
        channel_id = context.channel_id or ""
        self._environment.channels.delete(context.realm, context.bundle_id, channel_id)
        self._deliveries.close_channel(channel_id)
        return done("delete", request_id)

    def _list(self, context: ChannelContext, request_id: str) -> Response:
        ids = self._environment.channels.ids(context.realm, context.bundle_id)
        return _with_content("list", request_id, {"channels": ids})


def done(operation: Operation, request_id: str) -> Response:
    """The response to a request that was carried out."""
    return Response(STATUS_OF[operation], None, "", request_id=request_id)


def _with_content(operation: Operation, request_id: str, content: dict[str, object]) -> Response:
    return done(operation, request_id)._replace(content=json.dumps(content, separators=(",", ":")))


def _broadcast(context: ChannelContext, channel: Channel, request_id: str) -> Delivery:
    """What each subscribed device gets, but for the ids of its own. Absent expiration on a channel that stores nothing is 0."""
    headers = context.request.headers
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
        payload=context.payload or {},
        accepted_at=context.now,
        realm=context.realm,
        channel_id=channel.channel_id,
    )
