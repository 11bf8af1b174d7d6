"""Broadcast channels, without the provider's detour over the channel management host."""

from typing import Annotated, Literal

import msgspec

from simulator.apns.channels.registry import MAX_CHANNELS, Channel
from simulator.apns.errors import UnknownChannel
from simulator.apns.registry import REALMS, Realm
from simulator.lab.control.route import Body, Call, Fields, Query, Route
from simulator.lab.errors import Impossible, Unknown


class NewChannel(Body):
    """`policy` 0: no message is stored; 1: the newest is, for phones that are offline."""

    bundle_id: str
    realm: Realm = "sandbox"
    policy: Literal[0, 1] = 0


class OneChannel(Query):
    """A channel's id is base64 and may hold a slash, so it stands behind the question mark."""

    channel_id: Annotated[str, msgspec.Meta(min_length=1)]


def _fields(channel: Channel) -> Fields:
    """`created_at` is UNIX seconds; `subscribers` the names of the phones that listen."""
    return {
        "channel_id": channel.channel_id,
        "realm": channel.realm,
        "bundle_id": channel.bundle_id,
        "policy": channel.policy,
        "created_at": channel.created_at,
        "subscribers": [one.device.name for one in channel.subscriptions],
    }


async def index(call: Call) -> Fields:
    """All channels of all apps, and who listens to them."""
    sandbox = call.lab.sandbox
    ids = [
        channel_id
        for realm in REALMS
        for bundle_id in sandbox.registry.apps
        for channel_id in sandbox.channels.ids(realm, bundle_id)
    ]
    return {"channels": [_fields(sandbox.channels.channel(channel_id)) for channel_id in ids]}


async def create(call: Call) -> Fields:
    """A new channel; a phone listens once an activity of its app was started on it."""
    body: NewChannel = call.body
    sandbox = call.lab.sandbox
    if body.bundle_id not in sandbox.registry.apps:
        raise Unknown(f"there is no app {body.bundle_id!r}")
    if sandbox.channels.count(body.realm, body.bundle_id) >= MAX_CHANNELS:
        raise Impossible(f"the app has {MAX_CHANNELS} channels already")
    channel_id = sandbox.channels.create(body.realm, body.bundle_id, body.policy, call.lab.clock.now())
    return {"channel": _fields(sandbox.channels.channel(channel_id))}


async def delete(call: Call) -> Fields:
    """It is gone, and what was stored of it."""
    query: OneChannel = call.query
    try:
        channel = call.lab.sandbox.channels.channel(query.channel_id)
    except UnknownChannel:
        raise Unknown(f"there is no channel {query.channel_id!r}") from None
    call.lab.sandbox.delete_channel(channel.realm, channel.bundle_id, channel.channel_id)
    return {}


ROUTES = (
    Route("GET", "/control/channels", "broadcast channels and who listens", index),
    Route(
        "POST",
        "/control/channels",
        "make a channel: bundle_id, realm, policy",
        create,
        NewChannel,
        status=201,
    ),
    Route("DELETE", "/control/channels", "delete the channel with this channel_id", delete, query=OneChannel),
)
