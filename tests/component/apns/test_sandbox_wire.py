"""Every reason over real TLS and HTTP/2, seen by an independent client."""

import uuid

import pytest

from simulator.apns.channels.checks import BROADCAST_CHECKS, MANAGE_CHECKS
from simulator.apns.faults import AnswerWith, Fault
from simulator.apns.profile import Rate
from simulator.apns.reasons import REASONS

from .conftest import within

TOPIC = "com.example.app"
LIVE = f"{TOPIC}.push-type.liveactivity"


def expired(bench) -> None:
    bench.sandbox.registry.expire(bench.token, bench.clock.now() - 60)


def unregistered(bench) -> None:
    bench.sandbox.registry.unregister(bench.token, bench.clock.now() - 60)


def one_push_only(bench) -> None:
    bench.sandbox.profile.device_rate = Rate(burst=0, per_second=1)


def no_updates(bench) -> None:
    bench.sandbox.profile.provider_tokens = 0


def staged(reason: str):
    return lambda bench: bench.sandbox.faults.add(Fault(AnswerWith(reason))) and None


def nothing(bench) -> None:
    pass


def key_of_production(bench) -> dict[str, str]:
    return {"authorization": "bearer " + bench.sign(bench.sandbox.issue_key(realm="production"))}


def stale(bench) -> dict[str, str]:
    return {"authorization": "bearer " + bench.sign(iat=int(bench.clock.now()) - 3700)}


def documented_spelling(bench) -> None:
    bench.sandbox.profile.environment_reason = "BadEnvironmentKeyIdInToken"


# reason -> what is arranged, what is sent otherwise than in a good push
PROVOKED = {
    "BadCollapseId": (nothing, {"apns_collapse_id": "c" * 65}),
    "BadDeviceToken": (nothing, {"path": "/3/device/" + "0" * 64}),
    "BadExpirationDate": (nothing, {"apns_expiration": "tomorrow"}),
    "BadMessageId": (nothing, {"apns_id": "not-a-uuid"}),
    "BadPriority": (nothing, {"apns_priority": "7"}),
    "BadTopic": (nothing, {"apns_topic": "not a topic!"}),
    "DeviceTokenNotForTopic": (nothing, {"apns_topic": LIVE}),
    "IdleTimeout": (staged("IdleTimeout"), {}),
    "InvalidPushType": (nothing, {"apns_push_type": "liveActivity"}),
    "MissingDeviceToken": (nothing, {"path": "/3/device/"}),
    "MissingTopic": (nothing, {"apns_topic": None}),
    "TopicDisallowed": (nothing, {"apns_topic": "com.nobody"}),
    "BadCertificate": (staged("BadCertificate"), {}),
    "BadCertificateEnvironment": (staged("BadCertificateEnvironment"), {}),
    "BadEnvironmentKeyInToken": (nothing, key_of_production),
    "BadEnvironmentKeyIdInToken": (documented_spelling, key_of_production),
    "ExpiredProviderToken": (nothing, stale),
    "Forbidden": (staged("Forbidden"), {}),
    "InvalidProviderToken": (nothing, {"authorization": "bearer not-a-jwt"}),
    "MissingProviderToken": (nothing, {"authorization": None}),
    "BadPath": (nothing, {"path": "/"}),
    "MethodNotAllowed": (nothing, {"method": "PUT"}),
    "ExpiredToken": (expired, {}),
    "Unregistered": (unregistered, {}),
    "TooManyProviderTokenUpdates": (no_updates, {}),
    "TooManyRequests": (one_push_only, {}),
    "InternalServerError": (staged("InternalServerError"), {}),
    "ServiceUnavailable": (staged("ServiceUnavailable"), {}),
    "Shutdown": (staged("Shutdown"), {}),
}
BY_THEIR_BODY = {"PayloadEmpty": b"", "PayloadTooLarge": b'{"aps":"' + b"x" * 4090 + b'"}'}
IN_TESTS_BELOW = {"DuplicateHeaders", "UnrelatedKeyIdInToken"}
OF_CHANNELS = {
    check.reason for check in (*MANAGE_CHECKS, *BROADCAST_CHECKS)
}  # test_sandbox_broadcast provokes them


def test_every_reason_is_provoked() -> None:
    assert {*PROVOKED, *BY_THEIR_BODY, *IN_TESTS_BELOW} | OF_CHANNELS | {"BadRequestParams"} == set(REASONS)


@pytest.mark.parametrize("reason", PROVOKED)
async def test_each_reason(bench, reason: str) -> None:
    arrange, changes = PROVOKED[reason]
    arrange(bench)
    answer = await bench.ask(await bench.connect(), **(changes(bench) if callable(changes) else changes))
    assert (answer.status, answer.reason) == (REASONS[reason].status, reason)
    assert answer.headers["content-type"] == "application/json"
    assert "apns-unique-id" not in answer.headers
    assert uuid.UUID(answer.headers["apns-id"])
    assert bench.delivered == []


@pytest.mark.parametrize("reason", BY_THEIR_BODY)
async def test_each_reason_of_the_payload(bench, reason: str) -> None:
    answer = await bench.ask(await bench.connect(), BY_THEIR_BODY[reason])
    assert (answer.status, answer.reason) == (REASONS[reason].status, reason)


async def test_duplicate_headers(bench) -> None:
    provider = await bench.connect()
    answer = await within(provider.send([*bench.headers(), ("apns-topic", TOPIC)], b"{}").done)
    assert answer.reason == "DuplicateHeaders"


async def test_unrelated_key(bench) -> None:
    provider = await bench.connect()
    first, second = (bench.sandbox.issue_key(topics=frozenset({TOPIC})) for _ in range(2))
    assert (await bench.ask(provider, authorization=f"bearer {bench.sign(first)}")).status == 200
    assert (
        await bench.ask(provider, authorization=f"bearer {bench.sign(second)}")
    ).reason == "UnrelatedKeyIdInToken"
    other = await bench.connect()
    assert (await bench.ask(other, authorization=f"bearer {bench.sign(second)}")).status == 200


async def test_410_tells_when_in_milliseconds(bench) -> None:
    unregistered(bench)
    answer = await bench.ask(await bench.connect())
    assert answer.body == b'{"reason":"Unregistered","timestamp":%d}' % ((bench.clock.now() - 60) * 1000)


async def test_an_accepted_push(bench) -> None:
    answer = await bench.ask(await bench.connect())
    assert (answer.status, answer.body) == (200, b"")
    own = answer.headers["apns-id"]
    assert own == str(uuid.UUID(own)).upper()
    [delivery] = bench.delivered
    assert delivery.apns_id == own
    assert delivery.apns_unique_id == answer.headers["apns-unique-id"]
    assert delivery.accepted_at == bench.clock.now()


@pytest.mark.parametrize("convert", [str.upper, str.lower])
async def test_an_apns_id_is_echoed_as_given(bench, convert) -> None:
    given = convert("123e4567-e89b-12d3-a456-426614174abc")
    assert (await bench.ask(await bench.connect(), apns_id=given)).headers["apns-id"] == given


async def test_the_production_realm_has_its_own_tokens_and_no_unique_id(bench) -> None:
    provider = await bench.connect("production")
    assert (await bench.ask(provider)).reason == "BadDeviceToken"
    token = bench.sandbox.registry.mint_token(TOPIC, "production")
    answer = await bench.ask(provider, path=f"/3/device/{token}")
    assert answer.status == 200
    assert "apns-unique-id" not in answer.headers


async def test_four_provider_tokens_in_20_minutes_block_the_connection_until_the_window_has_passed(
    bench,
) -> None:
    provider = await bench.connect()

    async def ask(number: int) -> int:
        token = bench.sign(iat=int(bench.clock.now()) - number)
        return (await bench.ask(provider, authorization=f"bearer {token}")).status

    assert [await ask(number) for number in range(4)] == [200, 200, 200, 429]
    assert await ask(0) == 429
    assert (await bench.ask(await bench.connect())).status == 200
    await bench.clock.advance(1200)
    assert await ask(0) == 200


async def test_a_wedged_connection_stays_expired(bench) -> None:
    bench.sandbox.profile.wedge_after_expired = True
    provider = await bench.connect()
    assert (await bench.ask(provider, **stale(bench))).reason == "ExpiredProviderToken"
    assert (await bench.ask(provider)).reason == "ExpiredProviderToken"
    assert (await bench.ask(await bench.connect())).status == 200


async def test_one_device_may_get_a_burst_and_then_a_rate(bench) -> None:
    bench.sandbox.profile.device_rate = Rate(burst=2, per_second=0.5)
    provider = await bench.connect()
    assert [(await bench.ask(provider)).status for _ in range(3)] == [200, 200, 429]
    await bench.clock.advance(2)
    assert (await bench.ask(provider)).status == 200


async def test_a_phone_that_fails_does_not_harm_the_connection(bench) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("the phone fell into the water")

    bench.sandbox.registry.attach(bench.token, broken)
    provider = await bench.connect()
    assert [(await bench.ask(provider)).status for _ in range(2)] == [200, 200]
    failed = bench.journal.entries("apns", "delivery_failed")
    assert len(failed) == 2
    assert "water" in failed[0].detail["error"]


async def test_a_token_without_a_phone_is_accepted(bench) -> None:
    bench.sandbox.registry.attach(bench.token, None)
    assert (await bench.ask(await bench.connect())).status == 200


async def test_the_journal_tells_what_happened_and_no_secret(bench) -> None:
    provider = await bench.connect()
    jwt = bench.sign()
    answer = await bench.ask(
        provider, authorization=f"bearer {jwt}", apns_priority="5", apns_collapse_id="same"
    )
    await bench.ask(provider, apns_topic=None)
    await bench.ask(provider, path="/3/device/abcdef12")
    good, bad, short = bench.pushes()
    assert good == {
        "realm": "sandbox",
        "apns_id": answer.headers["apns-id"],
        "apns_unique_id": answer.headers["apns-unique-id"],
        "token": bench.token[-8:],
        "topic": TOPIC,
        "push_type": "alert",
        "priority": "5",
        "collapse_id": "same",
        "status": 200,
        "reason": None,
        "fault": None,
    }
    assert (bad["status"], bad["reason"]) == (400, "MissingTopic")
    assert short["token"] == ""
    everything = repr(bench.journal.entries())
    assert bench.token not in everything
    assert jwt not in everything
    assert bench.journal.entries("apns", "connection_opened")
