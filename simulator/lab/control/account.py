"""What a developer account has: provider keys, apps, and broadcast channels without the detour over the channel management host."""

from typing import Annotated, Literal

import msgspec

from simulator.apns.channels.registry import MAX_CHANNELS, Channel
from simulator.apns.errors import UnknownChannel
from simulator.apns.registry import REALMS, Realm
from simulator.lab.control.route import Body, Call, Fields, Query, Route
from simulator.lab.errors import Impossible, Taken, Unknown


class NewKey(Body):
    """`team` None = the sandbox's own, `realm` None = both, `topics` None = all of the team's.

    `related_to` is the id of a key with which this one counts as one provider, as when a key is replaced. A key of one's own is given
    by its `key_id` and `private_key` (PEM); it belongs to a whole team, in both environments.
    """

    team: str | None = None
    realm: Realm | None = None
    topics: list[str] | None = None
    related_to: str | None = None
    key_id: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9]{1,64}$")] | None = None
    private_key: str | None = None

    def __post_init__(self) -> None:
        own = self.private_key is not None
        if own and (self.key_id is None or self.realm or self.topics is not None or self.related_to):
            raise ValueError("beside a private_key stand a key_id and, if you like, a team, and nothing else")


def _key(call: Call, key_id: str) -> Fields:
    """Without the private half, which is shown once."""
    key = call.lab.sandbox.registry.keys[key_id]
    return {
        "key_id": key.key_id,
        "team_id": key.team_id,
        "realm": key.realm,
        "topics": None if key.topics is None else sorted(key.topics),
        "related_to": key.related_to,
        "revoked": key.revoked,
    }


async def list_keys(call: Call) -> Fields:
    """All keys."""
    return {"keys": [_key(call, key_id) for key_id in call.lab.keys]}


async def issue_key(call: Call) -> Fields:
    """A new key, or one of one's own; this reply is the only one with its `private_key` (PKCS#8 PEM, the text of a .p8 file)."""
    body: NewKey = call.body
    if body.key_id in call.lab.keys:
        raise Taken(f"there is a key {body.key_id!r} already")
    if body.private_key is not None:
        key = call.lab.add_key(body.private_key, key_id=body.key_id or "", team_id=body.team)
        return {"key": _key(call, key.key_id) | {"private_key": key.private_key}}
    topics = None if body.topics is None else frozenset(body.topics)
    key = call.lab.issue_key(
        body.team, realm=body.realm, topics=topics, related_to=body.related_to, key_id=body.key_id
    )
    return {"key": _key(call, key.key_id) | {"private_key": key.private_key}}


async def revoke_key(call: Call) -> Fields:
    """From now on 403 InvalidProviderToken for what it signs."""
    key_id = call.path["key_id"]
    call.lab.revoke_key(key_id)
    return {"key": _key(call, key_id)}


KEY_ROUTES = (
    Route("GET", "/control/keys", "provider keys", list_keys),
    Route(
        "POST",
        "/control/keys",
        "issue a key: team, realm, topics, related_to, key_id; or take one: private_key",
        issue_key,
        NewKey,
        status=201,
    ),
    Route("DELETE", "/control/keys/{key_id}", "revoke a key", revoke_key),
)


BundleId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9.-]+$", max_length=155)]


class NewApp(Body):
    """`team` None = the sandbox's own."""

    bundle_id: BundleId
    team: str | None = None


def _app(call: Call, bundle_id: str) -> Fields:
    registry = call.lab.sandbox.registry
    app = registry.apps[bundle_id]
    topics = [topic for topic, one in registry.topics.items() if one is app]
    return {"bundle_id": app.bundle_id, "team_id": app.team_id, "topics": topics}


async def list_apps(call: Call) -> Fields:
    """All apps with their topics."""
    return {"apps": [_app(call, bundle_id) for bundle_id in call.lab.sandbox.registry.apps]}


async def add_app(call: Call) -> Fields:
    """A new app, with every topic that Apple's table of push types gives it."""
    body: NewApp = call.body
    if body.bundle_id in call.lab.sandbox.registry.apps:
        raise Taken(f"there is an app {body.bundle_id!r} already")
    call.lab.sandbox.add_app(body.bundle_id, body.team)
    return {"app": _app(call, body.bundle_id)}


APP_ROUTES = (
    Route("GET", "/control/apps", "apps and their topics", list_apps),
    Route("POST", "/control/apps", "add an app: bundle_id, team", add_app, NewApp, status=201),
)


class NewChannel(Body):
    """`policy` 0: no message is stored; 1: the newest is, for phones that are offline."""

    bundle_id: str
    realm: Realm = "sandbox"
    policy: Literal[0, 1] = 0


class OneChannel(Query):
    """A channel's id is base64 and may hold a slash, so it stands behind the question mark."""

    channel_id: Annotated[str, msgspec.Meta(min_length=1)]


def _channel(channel: Channel) -> Fields:
    """`created_at` is UNIX seconds; `subscribers` the names of the phones that listen."""
    return {
        "channel_id": channel.channel_id,
        "realm": channel.realm,
        "bundle_id": channel.bundle_id,
        "policy": channel.policy,
        "created_at": channel.created_at,
        "subscribers": [one.device.name for one in channel.subscriptions],
    }


async def list_channels(call: Call) -> Fields:
    """All channels of all apps, and who listens to them."""
    sandbox = call.lab.sandbox
    ids = [
        channel_id
        for realm in REALMS
        for bundle_id in sandbox.registry.apps
        for channel_id in sandbox.channels.ids(realm, bundle_id)
    ]
    return {"channels": [_channel(sandbox.channels.channel(channel_id)) for channel_id in ids]}


async def create_channel(call: Call) -> Fields:
    """A new channel; a phone listens once an activity of its app was started on it."""
    body: NewChannel = call.body
    sandbox = call.lab.sandbox
    if body.bundle_id not in sandbox.registry.apps:
        raise Unknown(f"there is no app {body.bundle_id!r}")
    if sandbox.channels.count(body.realm, body.bundle_id) >= MAX_CHANNELS:
        raise Impossible(f"the app has {MAX_CHANNELS} channels already")
    channel_id = sandbox.channels.create(body.realm, body.bundle_id, body.policy, call.lab.clock.now())
    return {"channel": _channel(sandbox.channels.channel(channel_id))}


async def delete_channel(call: Call) -> Fields:
    """It is gone, and what was stored of it."""
    query: OneChannel = call.query
    try:
        channel = call.lab.sandbox.channels.channel(query.channel_id)
    except UnknownChannel:
        raise Unknown(f"there is no channel {query.channel_id!r}") from None
    call.lab.sandbox.delete_channel(channel.realm, channel.bundle_id, channel.channel_id)
    return {}


class WantedCertificate(Body):
    """`realm` None: it is good for both environments, as Apple's are today."""

    bundle_id: str
    realm: Realm | None = None


async def issue_certificate(call: Call) -> Fields:
    """A client certificate of an app, which stands in for provider tokens; `pem` has `private_key` and `certificate` in one."""
    body: WantedCertificate = call.body
    if body.bundle_id not in call.lab.sandbox.registry.apps:
        raise Unknown(f"there is no app {body.bundle_id!r}")
    issued = call.lab.sandbox.issue_certificate(body.bundle_id, realm=body.realm)
    return {"certificate": issued.certificate, "private_key": issued.private_key, "pem": issued.pem}


CERTIFICATE_ROUTES = (
    Route(
        "POST",
        "/control/certificates",
        "a client certificate of an app: bundle_id, realm",
        issue_certificate,
        WantedCertificate,
        status=201,
    ),
)


CHANNEL_ROUTES = (
    Route("GET", "/control/channels", "broadcast channels and who listens", list_channels),
    Route(
        "POST",
        "/control/channels",
        "make a channel: bundle_id, realm, policy",
        create_channel,
        NewChannel,
        status=201,
    ),
    Route(
        "DELETE",
        "/control/channels",
        "delete the channel with this channel_id",
        delete_channel,
        query=OneChannel,
    ),
)
