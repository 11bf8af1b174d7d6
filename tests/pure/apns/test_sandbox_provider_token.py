"""Provider tokens: only what a known key signed with ES256 is read."""

import base64
import json

import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from simulator.apns.authentication import TokenReader, bearer


def b64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def handmade(header: object, claims: object, signature: bytes = b"") -> str:
    return ".".join([b64(json.dumps(header).encode()), b64(json.dumps(claims).encode()), b64(signature)])


@pytest.mark.parametrize(
    ("authorization", "token"),
    [
        ("bearer abc", "abc"),
        ("Bearer abc", "abc"),
        ("BEARER  abc ", "abc"),
        ("bearer ", None),
        ("bearer", None),
        ("bearerabc", None),
        ("Basic abc", None),
        ("", None),
        (None, None),
    ],
)
def test_bearer(authorization: str | None, token: str | None) -> None:
    assert bearer(authorization) == token


def test_a_good_token_tells_key_and_time(room) -> None:
    token = room.reader.read(room.sign())
    assert token is not None
    assert token.key is room.registry.keys[room.key.key_id]
    assert token.issued_at == int(room.now)


def test_extra_claims_and_old_times_are_not_the_readers_business(room) -> None:
    for claims in (
        {"exp": 1},
        {"nbf": 9e12},
        {"iat": 9e12},
        {"aud": "x"},
        {"sub": 5},
        {"jti": 5},
        {"iat": 1.5},
    ):
        assert room.reader.read(room.sign(**claims)) is not None


@pytest.mark.parametrize(
    "claims", [{"iss": "ZZZZZZZZZZ"}, {"iss": ""}, {"iat": None}, {"iat": "1795226400"}, {"iat": True}]
)
def test_claims_that_do_not_fit(room, claims: dict[str, object]) -> None:
    assert room.reader.read(room.sign(**claims)) is None


def test_a_key_of_another_team_does_not_sign_for_this_one(room) -> None:
    other = room.registry.issue_key("OTHERTEAM0")
    assert room.reader.read(room.sign(other)) is not None
    assert room.reader.read(room.sign(other, iss=room.key.team_id)) is None


@pytest.mark.parametrize("kid", [None, "ZZZZZZZZZZ", ""])
def test_keys_that_nobody_has(room, kid: str | None) -> None:
    headers = {} if kid is None else {"kid": kid}
    claims = {"iss": room.key.team_id, "iat": 1}
    text = jwt.encode(claims, room.key.private_key, algorithm="ES256", headers=headers)
    assert room.reader.read(text) is None


def test_a_signature_of_another_key(room) -> None:
    stranger = room.registry.issue_key()
    text = room.sign(room.key._replace(private_key=stranger.private_key))
    assert room.reader.read(text) is None


def test_other_algorithms(room) -> None:
    claims = {"iss": room.key.team_id, "iat": 1}
    hs256 = jwt.encode(claims, "s" * 32, algorithm="HS256", headers={"kid": room.key.key_id})
    assert room.reader.read(hs256) is None
    assert room.reader.read(handmade({"alg": "none", "kid": room.key.key_id}, claims)) is None


def test_a_signature_in_der_is_refused(room) -> None:
    private_key = load_pem_private_key(room.key.private_key.encode(), None)
    assert isinstance(private_key, ec.EllipticCurvePrivateKey)
    text = handmade({"alg": "ES256", "kid": room.key.key_id}, {"iss": room.key.team_id, "iat": 1})
    signed = text.rpartition(".")[0]
    der = private_key.sign(signed.encode(), ec.ECDSA(hashes.SHA256()))
    assert room.reader.read(f"{signed}.{b64(der)}") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "a.b",
        "a.b.c",
        "....",
        "é.é.é",
        "\udcff",
        handmade({"kid": ["x"]}, {}),
        handmade([], {}),
        "a" * 9000,
    ],
)
def test_what_is_no_token_at_all(room, text: str) -> None:
    assert room.reader.read(text) is None


def test_claims_must_be_an_object(room) -> None:
    key = load_pem_private_key(room.key.private_key.encode(), None)
    text = jwt.PyJWS().encode(b"[1]", key, algorithm="ES256", headers={"kid": room.key.key_id})
    assert room.reader.read(text) is None


def test_a_verified_token_is_remembered_and_a_refused_one_is_not(room, monkeypatch) -> None:
    text = room.sign()
    token = room.reader.read(text)
    verified = []
    monkeypatch.setattr(room.reader, "_verify", verified.append)
    assert room.reader.read(text) is token
    assert verified == []
    room.reader.read("a.b.c")
    room.reader.read("a.b.c")
    assert verified == ["a.b.c", "a.b.c"]


def test_only_so_many_tokens_are_remembered(room) -> None:
    reader = TokenReader(room.registry.keys, cache_size=2)
    texts = [room.sign(iat=number) for number in range(3)]
    for text in texts:
        assert reader.read(text) is not None
    assert list(reader._verified) == texts[1:]
