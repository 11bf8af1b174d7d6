"""Apps, keys, tokens and the devices they lead to: seeded, separate by realm."""

from random import Random

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from simulator.apns.delivery.device import AlwaysOnline, Delivery, as_device
from simulator.apns.errors import SandboxError, UnknownApp, UnknownToken
from simulator.apns.registry import BadKey, Registry

BUNDLE = "com.example.app"
PUSH = Delivery("ID", None, "ab" * 32, BUNDLE, "alert", 10, None, None, {"aps": {}}, 1.0, "sandbox")


@pytest.fixture
def registry() -> Registry:
    registry = Registry(Random(3))
    registry.add_app(BUNDLE)
    return registry


@pytest.mark.parametrize(
    ("kind", "digits", "topic"),
    [
        ("alert", 64, BUNDLE),
        ("voip", 64, f"{BUNDLE}.voip"),
        ("activity", 160, f"{BUNDLE}.push-type.liveactivity"),
        ("push-to-start", 160, f"{BUNDLE}.push-type.liveactivity"),
    ],
)
def test_tokens_have_the_length_and_topic_of_their_kind(
    registry: Registry, kind, digits: int, topic: str
) -> None:
    token = registry.mint_token(BUNDLE, "sandbox", kind)
    assert len(token) == digits
    assert token == token.lower()
    bytes.fromhex(token)
    record = registry.token(token)
    assert (record.topic, record.kind, record.bundle_id, record.realm) == (topic, kind, BUNDLE, "sandbox")


def test_the_seed_decides_every_id() -> None:
    def make(seed: int) -> tuple[object, ...]:
        registry = Registry(Random(seed))
        registry.add_app(BUNDLE)
        return registry.team_id, registry.issue_key(), registry.mint_token(BUNDLE, "sandbox")

    assert make(1) == make(1)
    assert make(1) != make(2)


def test_ids_have_ten_characters_and_the_key_is_a_p8(registry: Registry) -> None:
    key = registry.issue_key()
    assert len(key.key_id) == len(key.team_id) == len(registry.team_id) == 10
    assert key.private_key.startswith("-----BEGIN PRIVATE KEY-----")
    private_key = load_pem_private_key(key.private_key.encode(), None)
    assert private_key.public_key() == registry.keys[key.key_id].public_key


def test_a_function_becomes_a_device_that_is_always_online_and_takes_everything() -> None:
    got: list[Delivery] = []
    device = as_device(got.append)
    assert isinstance(device, AlwaysOnline)
    assert (device.name, device.online, device.asleep, device.refuses(PUSH)) == ("device", True, False, None)
    device.receive(PUSH)
    assert got == [PUSH]


def test_strangers_are_errors_of_one_tree_and_never_show_a_whole_token(registry: Registry) -> None:
    with pytest.raises(UnknownApp):
        registry.mint_token("com.nobody", "sandbox")
    with pytest.raises(UnknownToken) as caught:
        registry.attach("ab" * 32, print)
    assert "ab" * 32 not in str(caught.value)
    assert issubclass(UnknownApp, SandboxError)
    assert isinstance(caught.value, LookupError)


def test_a_key_of_ones_own_is_on_the_curve_of_es256() -> None:
    other = ec.generate_private_key(ec.SECP384R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(BadKey, match="not one for ES256"):
        Registry(Random(1)).add_key("KEY1234567", "TEAM123456", other.decode())


def test_a_token_of_ones_own_is_of_an_app_that_is_known() -> None:
    with pytest.raises(UnknownApp):
        Registry(Random(1)).add_token("ab" * 32, "com.example.unknown", "sandbox")
