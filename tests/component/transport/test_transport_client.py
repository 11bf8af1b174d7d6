"""aioapns' interface on the lean transport, and the choice between the two transports."""

import inspect
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import aioapns
import pytest
from aioapns import NotificationRequest, PushType
from aioapns.exceptions import MaxAttemptsExceeded
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from component.transport.sending import reason
from relay.apns import client, provider_token
from relay.apns.aioapns_gateway import AioapnsGateway
from relay.apns.client import PRODUCTION, SANDBOX, APNs, PushMaybeSentError, PushNotSentError
from relay.apns.gateway import ApnsGateway
from waiting import eventually

TOKEN = "ab" * 32
BuildClient = Callable[..., APNs]


def credentials(key: str) -> dict[str, Any]:
    """What every client names, as its users do with aioapns."""
    return {"key": key, "key_id": "KEY1234567", "team_id": "TEAM123456", "topic": "com.example.app"}


@pytest.fixture
async def build_client(apns: Any, certificates: Any, private_key: str) -> AsyncIterator[BuildClient]:
    built: list[APNs] = []

    def make(**changes: Any) -> APNs:
        options: dict[str, Any] = {"server": ("127.0.0.1", apns.port), "ca_file": certificates.ca_file}
        built.append(APNs(**credentials(private_key), **(options | changes)))
        return built[-1]

    yield make
    for each in built:
        await each.close(0.1)


async def test_a_notification_on_the_wire(build_client: BuildClient, apns: Any) -> None:
    request = NotificationRequest(
        TOKEN,
        {"aps": {"alert": "Grüße"}},
        time_to_live=60,
        priority=5,
        collapse_key="c1",
        push_type=PushType.LIVEACTIVITY,
        apns_topic="com.example.app.push-type.liveactivity",
    )
    result = await build_client().send_notification(request)
    assert (result.is_successful, result.notification_id, result.status) == (
        True,
        request.notification_id,
        "200",
    )
    (seen,) = apns.requests
    assert seen.body.decode() == '{"aps":{"alert":"Grüße"}}'
    assert seen.headers["apns-id"] == request.notification_id
    assert seen.headers["apns-topic"] == "com.example.app.push-type.liveactivity"
    assert (seen.headers["apns-push-type"], seen.headers["apns-priority"]) == ("liveactivity", "5")
    assert seen.headers["apns-collapse-id"] == "c1"


async def test_what_a_request_leaves_open_has_apples_defaults(build_client: BuildClient, apns: Any) -> None:
    await build_client().send_notification(NotificationRequest(TOKEN, {"aps": {}}))
    (seen,) = apns.requests
    assert seen.headers["apns-topic"] == "com.example.app"
    assert seen.headers["apns-priority"] == "10"
    assert "apns-push-type" not in seen.headers
    assert "apns-collapse-id" not in seen.headers


async def test_an_error_is_a_result_and_told_to_err_func(build_client: BuildClient, apns: Any) -> None:
    told: list[Any] = []

    async def err_func(request: Any, result: Any) -> None:
        told.append((request, result))

    apns.on_push = lambda request: request.answer(410, reason("Unregistered", timestamp=1_700_000_000_000))
    client = build_client(err_func=err_func)
    request = NotificationRequest(TOKEN, {"aps": {}})
    result = await client.send_notification(request)
    assert (result.status, result.description, result.timestamp) == ("410", "Unregistered", 1_700_000_000_000)
    assert told == [(request, result)]
    assert not (await build_client().send_notification(request)).is_successful


async def test_an_illegal_request_is_answered_without_a_connection(
    build_client: BuildClient, apns: Any
) -> None:
    result = await build_client().send_notification(NotificationRequest("no token", {"aps": {}}))
    assert (result.status, result.description) == ("400", "BadDeviceToken")
    assert apns.peers == []


async def test_what_was_not_sent_is_told_from_what_may_have_been(
    build_client: BuildClient, apns: Any
) -> None:
    """Both are what aioapns raises, so that old code goes on catching it."""
    apns.on_push = lambda request: None
    client = build_client(deadline=1.0)
    with pytest.raises(PushMaybeSentError, match="no answer"):
        await client.send_notification(NotificationRequest(TOKEN, {"aps": {}}))
    await client.close()
    with pytest.raises(PushNotSentError, match="closed"):
        await client.send_notification(NotificationRequest(TOKEN, {"aps": {}}))
    assert issubclass(PushMaybeSentError, MaxAttemptsExceeded)
    assert issubclass(PushNotSentError, MaxAttemptsExceeded)


async def test_it_is_a_context_and_clients_of_one_key_share_its_token(
    build_client: BuildClient, apns: Any
) -> None:
    async with build_client() as one, build_client(max_connections=1) as two:
        for client in (one, two):
            await client.send_notification(NotificationRequest(TOKEN, {"aps": {}}))
    await eventually(lambda: [peer.closed for peer in apns.peers] == [True, True])
    assert len({request.headers["authorization"] for request in apns.requests}) == 1


async def test_a_message_that_is_no_json_reaches_the_caller_and_harms_nothing(
    build_client: BuildClient,
) -> None:
    client = build_client()
    with pytest.raises(TypeError):
        await client.send_notification(NotificationRequest(TOKEN, {"aps": object()}))
    assert (await client.send_notification(NotificationRequest(TOKEN, {"aps": {}}))).is_successful


CANNOT: dict[str, tuple[dict[str, Any], str]] = {
    "a path for a key": ({"key": "/keys/AuthKey.p8"}, "read the file"),
    "a key that is none": (
        {"key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"},
        "P-256 key",
    ),
    "a part of the key is missing": ({"team_id": None}, "team_id"),
    "a certificate": ({"client_cert": "cert.pem"}, "client_cert"),
    "a proxy": ({"proxy_host": "localhost", "proxy_port": 3128}, "proxy_host"),
    "a server that is not verified": ({"no_cert_validation": True}, "always verified"),
}


@pytest.mark.parametrize("name", CANNOT)
async def test_what_this_transport_does_not_do_is_said_at_once(private_key: str, name: str) -> None:
    changes, said = CANNOT[name]
    with pytest.raises(ValueError, match=said):
        APNs(**(credentials(private_key) | changes))


async def test_a_key_of_another_kind_is_refused_at_once() -> None:
    other = ec.generate_private_key(ec.SECP384R1())
    pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(ValueError, match="P-256"):
        APNs(**credentials(pem))


async def test_a_context_as_one_gives_it_to_aioapns(
    build_client: BuildClient, certificates: Any, apns: Any
) -> None:
    """It names no ALPN, as aioapns needs none; one that verifies nobody is refused."""
    tls = ssl.create_default_context(cafile=str(certificates.ca_file))
    client = build_client(ssl_context=tls)
    assert (await client.send_notification(NotificationRequest(TOKEN, {"aps": {}}))).is_successful
    tls.check_hostname = False
    with pytest.raises(ValueError, match="verifies"):
        build_client(ssl_context=tls)


async def test_an_expired_provider_token_is_renewed_and_the_push_sent_once_more(
    build_client: BuildClient, apns: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = build_client()
    request = NotificationRequest(TOKEN, {"aps": {}})
    assert (await client.send_notification(request)).is_successful
    old, wedged = apns.requests[0].headers["authorization"], apns.peers[0]
    apns.on_push = lambda request: (
        request.answer(403, reason("ExpiredProviderToken"))
        if request.peer is wedged or request.headers["authorization"] == old
        else request.answer()
    )
    monkeypatch.setattr(provider_token, "MIN_AGE", 0)  # it is old enough
    assert (await client.send_notification(request)).is_successful
    assert len(apns.peers) == 2
    assert len(apns.requests) == 3


async def test_without_err_func_an_error_is_logged(
    build_client: BuildClient, apns: Any, caplog: pytest.LogCaptureFixture
) -> None:
    apns.on_push = lambda request: request.answer(410, reason("Unregistered"))
    request = NotificationRequest(TOKEN, {"aps": {}})
    await build_client().send_notification(request)
    assert request.notification_id in caplog.text
    assert "Unregistered" in caplog.text
    assert TOKEN not in caplog.text


async def test_apples_servers_are_the_default(private_key: str) -> None:
    for sandbox, expected in ((False, PRODUCTION), (True, SANDBOX)):
        client = APNs(**credentials(private_key), use_sandbox=sandbox)
        assert client.pool._connector.address == f"{expected[0]}:{expected[1]}"


def test_its_parameters_are_those_of_aioapns() -> None:
    """In their order and with their defaults; ours come after them, by name only."""
    ours, theirs = (list(inspect.signature(each).parameters.values()) for each in (APNs, aioapns.APNs))
    kept, more = ours[: len(theirs)], ours[len(theirs) :]
    assert [(each.name, each.kind, each.default) for each in kept] == [
        (each.name, each.kind, each.default) for each in theirs
    ]
    assert all(each.kind is inspect.Parameter.KEYWORD_ONLY for each in more)


def test_what_aioapns_exports_is_here() -> None:
    assert set(aioapns.__all__) - {"ConnectionError"} <= set(client.__all__)
    assert all(
        getattr(client, name) is getattr(aioapns, name) for name in ("NotificationRequest", "PushType")
    )


async def test_the_transport_is_chosen_by_its_name(build: Any) -> None:
    assert isinstance(build(1), ApnsGateway)
    assert isinstance(build(1, transport="aioapns"), AioapnsGateway)
