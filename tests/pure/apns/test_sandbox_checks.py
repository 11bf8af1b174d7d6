"""The table of checks, walked: every row refuses the request that breaks it and lets the neighbours pass."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from simulator.apns.authentication import ProviderCertificate, ProviderState
from simulator.apns.checks import CHECKS, MAX_PAYLOAD, PUSH_TYPES, SINGLE_FIELDS, first_failed
from simulator.apns.reasons import REASONS

TOPIC = "com.example.app"
HOUR, MINUTE = 3600, 60


def unknown_token(case) -> None:
    case.path = "/3/device/" + "ab" * 32


def use_other_team(case) -> None:
    case.provider.add_token(case.reader.read(case.sign()), case.now)
    case.use(case.registry.issue_key("FOREIGN000"))


def use_unrelated_key(case) -> None:
    case.provider.add_token(case.reader.read(case.sign()), case.now)
    case.use(case.registry.issue_key(topics=frozenset({TOPIC})))


def renew_too_often(case) -> None:
    for second in range(3):
        case.provider.add_token(case.reader.read(case.sign(iat=int(case.now) - second - 1)), case.now)


def by_certificate(bundle_id: str, topic: str):
    """The provider shows a certificate instead of a token."""

    def change(case) -> None:
        case.authorization = None
        case.provider = ProviderState(ProviderCertificate(bundle_id))
        case.set("apns-topic", topic)

    return change


def mix_types(case) -> None:
    case.profile.suffix_must_fit = True
    case.set("apns-push-type", "voip")


def revoke(case) -> None:
    case.registry.keys[case.key.key_id].revoked = True


def signed_in_der(case) -> None:
    case.profile.der_signatures = False
    case.sign_in_der()


def iat_as_text(case) -> None:
    case.profile.iat_texts = False
    case.use(case.key, iat=str(int(case.now)))


def wedge(case) -> None:
    case.provider.wedged = True


def foreign_topic(case) -> None:
    case.set("apns-topic", "com.foreign.app")


def other_topic(case) -> None:
    case.set("apns-topic", "com.example.other")


def key_for(**options: object) -> Callable[[object], None]:
    return lambda case: case.use(case.registry.issue_key(**options))


def signed(**claims: int) -> Callable[[object], None]:
    return lambda case: case.use(case.key, **{name: int(case.now) + value for name, value in claims.items()})


def header(name: str, value: str | None) -> Callable[[object], None]:
    return lambda case: case.set(name, value)


def also(name: str, value: str) -> Callable[[object], None]:
    return lambda case: case.headers.append((name, value))


def attribute(name: str, value: object) -> Callable[[object], None]:
    return lambda case: setattr(case, name, value)


# The name of each row -> what breaks it, and nothing before it.
BREAKERS: dict[str, Callable[[object], None]] = {
    "method is POST": attribute("method", "GET"),
    "path is /3/device/": attribute("path", "/3/devices/ab"),
    "no header twice": also("apns-topic", TOPIC),
    "connection not wedged": wedge,
    "provider token present": attribute("authorization", None),
    "provider token verifies": attribute("authorization", "bearer not-a-jwt"),
    "signature as the profile takes it": signed_in_der,
    "iat as the profile takes it": iat_as_text,
    "key not revoked": revoke,
    "iat not in the future": signed(iat=6 * MINUTE),
    "iat within the hour": signed(iat=-HOUR - 1),
    "provider token not new too soon": renew_too_often,
    "key serves this environment": key_for(realm="production"),
    "one team a connection": use_other_team,
    "key related to the first": use_unrelated_key,
    "apns-id is a UUID": header("apns-id", "not-a-uuid"),
    "topic present": header("apns-topic", None),
    "topic well-formed": header("apns-topic", "not a topic!"),
    "topic of the team": foreign_topic,
    "topic of the key": key_for(topics=frozenset({"com.example.other"})),
    "topic of the certificate": by_certificate(TOPIC, "com.example.other"),
    "topic open to certificates": by_certificate(TOPIC, f"{TOPIC}.push-type.liveactivity"),
    "push type known": header("apns-push-type", "liveActivity"),
    "priority known": header("apns-priority", "7"),
    "background not at once": lambda case: (
        case.set("apns-push-type", "background"),
        case.set("apns-priority", "10"),
    ),
    "expiration is a time": header("apns-expiration", "tomorrow"),
    "collapse id fits": header("apns-collapse-id", "c" * 65),
    "payload present": attribute("body", b""),
    "payload fits": attribute("body_size", MAX_PAYLOAD + 1),
    "payload is a JSON object": attribute("body", b"[1]"),
    "device token present": attribute("path", "/3/device/"),
    "device token is hex": attribute("path", "/3/device/" + "z" * 64),
    "device token known here": unknown_token,
    "device token for the topic": other_topic,
    "topic fits the push type": mix_types,
    "device token not expired": lambda case: case.registry.expire(case.device, 5.0),
    "device token registered": lambda case: case.registry.unregister(case.device, 5.0),
    "not too many to one device": attribute("pushes_left", 0.5),
}


def test_a_good_push_passes_every_row(case) -> None:
    assert case.reason() is None


def test_every_row_has_its_breaker_and_a_reason_of_the_table() -> None:
    assert [check.name for check in CHECKS] == list(BREAKERS)
    for check in CHECKS:
        assert check.reason in REASONS
        assert check.source
        assert check.confidence in ("documented", "observed", "assumed")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_each_row_refuses_what_breaks_it(case, check) -> None:
    BREAKERS[check.name](case)
    failed = first_failed(case.context())
    assert failed is not None
    assert (failed.name, failed.reason) == (check.name, check.reason)


WHYS = {
    "connection not wedged": "open a new one",
    "provider token present": "no authorization header",
    "provider token verifies": "it is no JWT",
    "signature as the profile takes it": "the signature is in DER",
    "iat as the profile takes it": "iat is not a number but digits in a string",
    "key not revoked": "was revoked",
    "iat not in the future": "iat lies 360 s ahead of this server's clock, 300 s are allowed",
    "iat within the hour": "the provider token is 3601 s old, and good for 3600 s",
    "provider token not new too soon": "more than 3 provider tokens came on this connection within 1200 s",
    "key serves this environment": "is for production, and this is sandbox",
    "one team a connection": "and this token is of FOREIGN000",
    "key related to the first": "is not related to it",
    "topic of the team": "the app of 'com.foreign.app' is of the team FOREIGN000, the key of ",
    "topic of the key": "is not for the topic 'com.example.app'",
    "push type known": "apns-push-type is 'liveActivity', and APNs knows alert, background, ",
    "priority known": "apns-priority is '7', and 10, 5 and 1 are known",
    "background not at once": "a background push goes with apns-priority 5, not 10",
    "expiration is a time": "apns-expiration is 'tomorrow', and UNIX seconds are wanted",
    "payload fits": "the payload has 4097 bytes, and 4096 are allowed",
    "payload is a JSON object": "the payload is no JSON object in UTF-8",
    "device token is hex": "the device token in the path is no hex",
    "device token known here": "the device token is unknown in sandbox: no app here was given it",
    "device token for the topic": "is for com.example.app, and apns-topic is 'com.example.other'",
    "topic fits the push type": "the push type voip goes to the topic com.example.app.voip, not 'com.example.app'",
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_each_row_says_what_is_wrong_beyond_its_reason(case, check) -> None:
    """APNs says InvalidProviderToken for seven different mistakes; the journal says which. No token is repeated there."""
    BREAKERS[check.name](case)
    why = check.explained(case.context())
    assert WHYS.get(check.name, REASONS[check.reason].meaning) in why
    assert check.stage != "provider" or check.name in WHYS
    assert case.device not in why
    assert (case.authorization or "bearer nothing")[7:] not in why


@pytest.mark.parametrize("authorization", ["Basic dXNlcjpwYXNz", "bearer", "bearer "])
def test_an_authorization_of_another_kind_is_told_from_none(case, authorization: str) -> None:
    case.authorization = authorization
    failed = first_failed(case.context())
    assert failed is not None
    assert failed.reason == "MissingProviderToken"
    assert "is not the word bearer and a provider token" in failed.explained(case.context())


def test_a_time_in_milliseconds_is_recognized(case) -> None:
    case.use(case.key, iat=int(case.now * 1000))
    failed = first_failed(case.context())
    assert failed is not None
    assert failed.reason == "InvalidProviderToken"
    assert "it looks like milliseconds" in failed.explained(case.context())


def test_the_first_of_two_faults_wins(new_case) -> None:
    """Only faults that a request can have at once; each pair is tried in the order of the table."""
    free = [
        "method is POST",
        "no header twice",
        "provider token present",
        "apns-id is a UUID",
        "expiration is a time",
    ]
    free += ["collapse id fits", "payload fits", "device token registered", "not too many to one device"]
    for number, name in enumerate(free):
        for later in free[number + 1 :]:
            case = new_case()
            BREAKERS[later](case)
            BREAKERS[name](case)
            failed = first_failed(case.context())
            assert failed is not None
            assert failed.name == name


# --- what passes, and finer shades ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        signed(iat=-59 * MINUTE),
        signed(iat=-HOUR),
        signed(iat=MINUTE),
        signed(exp=-HOUR),
        key_for(realm="sandbox"),
        key_for(topics=frozenset({TOPIC})),
        header("apns-id", "123e4567-e89b-12d3-a456-426614174000"),
        header("apns-id", "123E4567-E89B-12D3-A456-426614174000"),
        header("apns-push-type", None),
        header("apns-priority", "1"),
        header("apns-priority", "5"),
        header("apns-priority", None),
        header("apns-expiration", "0"),
        header("apns-expiration", "1795230000"),
        header("apns-collapse-id", "c" * 64),
        header("apns-collapse-id", "é" * 32),
        also("x-own", "1"),
        attribute("body_size", MAX_PAYLOAD),
        attribute("pushes_left", 1.0),
    ],
)
def test_what_passes(case, change) -> None:
    change(case)
    assert case.reason() is None


@pytest.mark.parametrize("push_type", sorted(PUSH_TYPES))
def test_every_push_type_of_apple_is_known(case, push_type: str) -> None:
    case.set("apns-push-type", push_type)
    assert case.reason() is None


@pytest.mark.parametrize("name", sorted(SINGLE_FIELDS))
def test_every_apns_header_may_come_only_once(case, name: str) -> None:
    case.headers += [(name, "1"), (name, "1")]
    assert case.reason() == "DuplicateHeaders"


def test_related_keys_may_share_a_connection_either_way(case) -> None:
    first = case.registry.issue_key(topics=frozenset({TOPIC}))
    second = case.registry.issue_key(topics=frozenset({TOPIC}), related_to=first.key_id)
    for one, other in [(first, second), (second, first)]:
        case.provider.first_key = case.registry.keys[one.key_id]
        case.use(other)
        assert case.reason() is None
        case.use(one)
        assert case.reason() is None


def test_a_request_is_checked_at_its_own_time(case) -> None:
    late = replace(case.context(), provider_now=case.now + 2 * HOUR)
    assert first_failed(late).reason == "ExpiredProviderToken"


@pytest.mark.parametrize("kind", ["alert", "voip", "activity"])
@pytest.mark.parametrize("push_type", sorted(PUSH_TYPES))
def test_suffix_and_type_by_profile(case, kind, push_type) -> None:
    token = case.registry.mint_token(TOPIC, "sandbox", kind)
    case.path = f"/3/device/{token}"
    case.set("apns-topic", case.registry.token(token).topic)
    case.set("apns-push-type", push_type)
    case.set("apns-priority", "5")
    assert case.reason() is None
    case.profile.suffix_must_fit = True
    fitting = {"alert": ("alert", "background"), "voip": ("voip",), "activity": ("liveactivity",)}[kind]
    refused = first_failed(case.context())
    assert (refused is None) == (push_type in (*fitting, "mdm"))
    assert refused is None or refused.reason == "TopicDisallowed"
