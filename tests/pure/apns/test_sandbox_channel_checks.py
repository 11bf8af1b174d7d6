"""Both tables of checks: a good request passes, every row fails alone, and every row is walked."""

import json
from collections.abc import Callable

import pytest

from simulator.apns.authentication import ProviderCertificate
from simulator.apns.channels.checks import (
    BROADCAST_CHECKS,
    MANAGE_CHECKS,
    MAX_BROADCAST,
    ChannelCheck,
)
from simulator.apns.channels.endpoint import BroadcastEndpoint, ChannelEndpoint
from simulator.apns.channels.registry import MAX_CHANNELS, Channels
from simulator.apns.delivery.device import as_device
from simulator.apns.delivery.service import DeliveryService
from simulator.apns.endpoints import Decision
from simulator.apns.messages import Response
from simulator.clock import VirtualClock
from simulator.journal import Journal

APP = "com.example.app"
LIVE = f"{APP}.push-type.liveactivity"
MAKE = {"message-storage-policy": 1, "push-type": "LiveActivity"}
UPDATE = {"aps": {"timestamp": 1, "event": "update", "content-state": {}}}
UUID = "123e4567-e89b-12d3-a456-42665544000a"


class ChannelCase:
    """A good request of one operation; attributes of `case` may be changed before `decide`."""

    def __init__(self, case, operation: str, policy: int = 1) -> None:
        self.case = case
        self.operation = operation
        self.channels = Channels(case.registry._random)
        self.channel_id = self.channels.create(case.realm, APP, policy, 1.0)
        case.headers = [] if operation in ("create", "list") else [("apns-channel-id", self.channel_id)]
        case.method = {"read": "GET", "delete": "DELETE", "list": "GET"}.get(operation, "POST")
        case.path = f"/1/apps/{APP}/{'all-channels' if operation == 'list' else 'channels'}"
        case.body = b""
        if operation == "create":
            self.body(MAKE)
        if operation == "send":
            case.path = f"/4/broadcasts/apps/{APP}"
            case.headers += [
                ("apns-push-type", "liveactivity"),
                ("apns-expiration", "0"),
                ("apns-priority", "10"),
            ]
            self.body(UPDATE)

    def body(self, value: object) -> None:
        self.case.body = json.dumps(value).encode()

    def make(self, **changes: object) -> None:
        self.body({name: value for name, value in (MAKE | changes).items() if value is not None})

    def decide(self) -> Decision:
        environment = self.case.environment(self.channels)
        clock = VirtualClock()
        deliveries = DeliveryService(clock, Journal(clock), self.case.profile)
        sends = self.operation == "send"
        endpoint = BroadcastEndpoint(environment) if sends else ChannelEndpoint(environment, deliveries)
        return endpoint.handle(self.case.request(), self.case.provider)

    def reason(self) -> str | None:
        return self.decide().response.reason


def set_to(name: str, value: str | None) -> Callable[[ChannelCase], None]:
    return lambda channel: channel.case.set(name, value)


def attribute(name: str, value: object) -> Callable[[ChannelCase], None]:
    return lambda channel: setattr(channel.case, name, value)


def path(text: str) -> Callable[[ChannelCase], None]:
    return lambda channel: setattr(channel.case, "path", text)


def made(**changes: object) -> Callable[[ChannelCase], None]:
    return lambda channel: channel.make(**changes)


def twice(name: str) -> Callable[[ChannelCase], None]:
    return lambda channel: channel.case.headers.extend([(name, UUID), (name, UUID)])


def key(**options: object) -> Callable[[ChannelCase], None]:
    return lambda channel: channel.case.use(channel.case.registry.issue_key(**options))


def no_capability(channel: ChannelCase) -> None:
    channel.case.profile.broadcast_capability = False


def full(channel: ChannelCase) -> None:
    channel.channels.count = lambda *_: MAX_CHANNELS


def certificate(bundle_id: str) -> Callable[[ChannelCase], None]:
    def show(channel: ChannelCase) -> None:
        channel.case.authorization = None
        channel.case.provider.certificate = ProviderCertificate(bundle_id)

    return show


ALL = ("create", "read", "delete", "list", "send")
WITH_CHANNEL = ("read", "delete", "send")
SEND, CREATE = ("send",), ("create",)

# operations, what is wrong, the reason
FAULTS = [
    (ALL, path("/"), "BadPath"),
    (("create",), path(f"/1/apps/{APP}/channels/x"), "BadPath"),
    (SEND, path("/4/broadcasts/apps/"), "BadPath"),
    (ALL, attribute("method", "PUT"), "MethodNotAllowed"),
    (("list",), attribute("method", "POST"), "MethodNotAllowed"),
    (SEND, attribute("method", "GET"), "MethodNotAllowed"),
    (ALL, twice("apns-request-id"), "DuplicateHeaders"),
    (ALL, attribute("authorization", None), "MissingProviderToken"),
    (ALL, attribute("authorization", "bearer x"), "InvalidProviderToken"),
    (ALL, lambda channel: channel.case.use(channel.case.key, iat=1), "ExpiredProviderToken"),
    (ALL, key(realm="production"), "BadEnvironmentKeyInToken"),
    (ALL, set_to("apns-request-id", "not-a-uuid"), "BadMessageId"),
    (("create", "list"), path("/1/apps/com.nobody/channels"), "TopicDisallowed"),
    (SEND, path(f"/4/broadcasts/apps/{LIVE}"), "TopicDisallowed"),
    (SEND, path("/4/broadcasts/apps/com.foreign.app"), "TopicDisallowed"),
    (ALL, key(topics=frozenset({"com.example.other"})), "TopicDisallowed"),
    (ALL, certificate("com.example.other"), "TopicMismatch"),
    (ALL, no_capability, "FeatureNotEnabled"),
    (WITH_CHANNEL, set_to("apns-channel-id", None), "MissingChannelId"),
    (WITH_CHANNEL, set_to("apns-channel-id", ""), "MissingChannelId"),
    (WITH_CHANNEL, set_to("apns-channel-id", "%%%"), "BadChannelId"),
    (WITH_CHANNEL, set_to("apns-channel-id", "AAAA"), "ChannelNotRegistered"),
    (CREATE, attribute("body", b""), "PayloadEmpty"),
    (CREATE, attribute("body", b"{"), "BadRequestPayload"),
    (CREATE, attribute("body", b"[]"), "BadRequestPayload"),
    (CREATE, made(**{"push-type": None}), "MissingPushType"),
    (CREATE, made(**{"push-type": "liveactivity"}), "InvalidPushType"),
    (CREATE, made(**{"push-type": 1}), "InvalidPushType"),
    (CREATE, made(**{"message-storage-policy": None}), "MissingChannelQueueSize"),
    (CREATE, made(**{"message-storage-policy": 2}), "MissingChannelQueueSize"),
    (CREATE, made(**{"message-storage-policy": True}), "MissingChannelQueueSize"),
    (CREATE, made(**{"message-storage-policy": "1"}), "MissingChannelQueueSize"),
    (CREATE, full, "CannotCreateChannelConfig"),
    (SEND, set_to("apns-push-type", None), "MissingPushType"),
    (SEND, set_to("apns-push-type", "alert"), "InvalidPushType"),
    (SEND, set_to("apns-push-type", "LiveActivity"), "InvalidPushType"),
    (SEND, set_to("apns-priority", "7"), "BadPriority"),
    (SEND, set_to("apns-expiration", "soon"), "BadExpirationDate"),
    (SEND, attribute("body", b""), "PayloadEmpty"),
    (SEND, attribute("body_size", MAX_BROADCAST + 1), "PayloadTooLarge"),
    (SEND, attribute("body", b"[1]"), "BadRequestPayload"),
]
CASES = [(operation, break_it, reason) for operations, break_it, reason in FAULTS for operation in operations]


@pytest.mark.parametrize("operation", ALL)
def test_a_good_request_passes(case, operation: str) -> None:
    assert ChannelCase(case, operation).reason() is None


@pytest.mark.parametrize(("operation", "break_it", "reason"), CASES)
def test_each_fault_has_its_reason(case, operation: str, break_it, reason: str) -> None:
    channel = ChannelCase(case, operation)
    break_it(channel)
    assert channel.reason() == reason


def test_every_reason_of_both_tables_is_provoked_but_those_of_the_provider() -> None:
    of_the_provider = {check.reason for check in MANAGE_CHECKS if check.stage == "provider"}
    rows = {check.reason for check in (*MANAGE_CHECKS, *BROADCAST_CHECKS)}
    assert rows - of_the_provider <= {reason for _, _, reason in FAULTS}


@pytest.mark.parametrize("checks", [MANAGE_CHECKS, BROADCAST_CHECKS])
def test_rows_have_names_of_their_own_and_a_source(checks: tuple[ChannelCheck, ...]) -> None:
    assert len({check.name for check in checks}) == len(checks)
    assert all(check.source for check in checks)


# --- responses and deliveries ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "status", "content"),
    [
        ("create", 201, None),
        ("read", 200, '{"message-storage-policy":0,"push-type":"LiveActivity"}'),
        ("delete", 204, None),
        ("list", 200, '{"channels":["%s"]}'),
    ],
)
def test_responses_carry_the_request_id_and_no_apns_id(case, operation: str, status: int, content) -> None:
    channel = ChannelCase(case, operation, policy=0)
    channel.case.set("apns-request-id", UUID)
    before = channel.channels.ids("sandbox", APP)
    response = channel.decide().response
    left = channel.channels.ids("sandbox", APP)
    created = (set(left) - set(before)).pop() if operation == "create" else None
    content = content and content.replace("%s", channel.channel_id)
    assert response == Response(status, None, "", request_id=UUID, channel_id=created, content=content)
    assert (channel.channel_id in left) is (operation != "delete")


@pytest.mark.parametrize("spelling", ["BadEnvironmentKeyInToken", "BadEnvironmentKeyIdInToken"])
def test_a_refusal_has_the_status_of_its_reason(case, spelling) -> None:
    channel = ChannelCase(case, "create")
    channel.case.profile.environment_reason = spelling
    channel.case.set("apns-request-id", UUID)
    key(realm="production")(channel)
    decision = channel.decide()
    assert decision == Decision(
        Response(403, spelling, "", request_id=UUID),
        authenticated=False,
        why=decision.why,
        source="Apple: Establishing a token-based connection to APNs",
        confidence="documented",
    )
    assert "is for production, and this is sandbox" in (decision.why or "")


@pytest.mark.parametrize(
    ("policy", "expiration", "expected"),
    [(0, None, 0), (0, "0", 0), (1, None, None), (1, "0", 0), (1, "1795230000", 1_795_230_000)],
)
def test_a_broadcast_becomes_a_delivery(
    case, policy: int, expiration: str | None, expected: int | None
) -> None:
    channel = ChannelCase(case, "send", policy)
    channel.case.set("apns-expiration", expiration)
    channel.case.set("apns-priority", "5")
    channel.case.set("apns-request-id", UUID)
    for activity in ("activity-1", "activity-2"):
        channel.channels.subscribe(channel.channel_id, as_device(print), activity)
    decision = channel.decide()
    assert decision.response == Response(200, None, "", decision.response.unique_id, request_id=UUID)
    first, second = decision.pushes
    delivery = first.delivery
    assert (delivery.apns_id, delivery.channel_id, delivery.topic) == (UUID, channel.channel_id, APP)
    assert (delivery.push_type, delivery.priority, delivery.payload) == ("liveactivity", 5, UPDATE)
    assert (delivery.expiration, delivery.accepted_at, delivery.realm) == (expected, case.now, "sandbox")
    assert (first.activity, delivery.device_token, second.activity) == ("activity-1",) * 2 + ("activity-2",)
    assert first.unique_id == delivery.apns_unique_id == decision.response.unique_id
    assert second.unique_id == second.delivery.apns_unique_id != first.unique_id


def test_only_the_sandbox_gives_unique_ids(case) -> None:
    case.realm = "production"
    channel = ChannelCase(case, "send")
    channel.channels.subscribe(channel.channel_id, as_device(print))
    decision = channel.decide()
    [push] = decision.pushes
    assert (decision.response.unique_id, push.delivery.apns_unique_id) == (None, None)
    assert push.unique_id
