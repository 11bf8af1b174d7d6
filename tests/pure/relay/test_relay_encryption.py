"""The envelope opens for the right key in the right place only, as the published vectors say."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.encryption import Envelope, PairingKey, Purpose, Sealed, base64url, netstrings

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[3] / "docs" / "encryption-vectors.json").read_text(encoding="utf-8")
)
KEY = PairingKey.parse(VECTORS["key"])
TEXT = st.text(max_size=20)
PARTS = st.lists(TEXT, max_size=5)
PURPOSES = st.sampled_from(("alert/1", "card/1", "typed/1"))


def _ids(vector: dict[str, Any]) -> str:
    return str(vector.get("why") or "-".join((vector["purpose"], *vector["context"])))


def test_a_key_is_named_and_derived_as_published() -> None:
    assert KEY.kid == VECTORS["kid"]
    assert {purpose: base64url(KEY.derived(purpose)) for purpose in VECTORS["derived"]} == VECTORS["derived"]
    assert len(set(VECTORS["derived"].values())) == 4
    for vector in VECTORS["netstrings"]:
        assert netstrings(vector["parts"]) == vector["octets"].encode()


@pytest.mark.parametrize("vector", VECTORS["envelopes"], ids=_ids)
def test_an_envelope_is_sealed_and_opened_as_published(vector: dict[str, Any]) -> None:
    envelope = msgspec.convert(vector["envelope"], Envelope)
    assert KEY.open(envelope, vector["purpose"], vector["context"]) == vector["plain"].encode()
    number = VECTORS["envelopes"].index(vector) + 1
    again = KEY.seal(
        vector["plain"].encode(), vector["purpose"], vector["context"], nonce=bytes([number]) * 12
    )
    assert again == envelope


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=_ids)
def test_an_envelope_that_is_not_right_stays_closed(vector: dict[str, Any]) -> None:
    with pytest.raises(Sealed):
        KEY.open(msgspec.convert(vector["envelope"], Envelope), vector["purpose"], vector["context"])


@pytest.mark.parametrize("vector", VECTORS["proofs"], ids=lambda vector: "-".join(vector["parts"]))
def test_the_proof_of_an_answer_is_as_published(vector: dict[str, Any]) -> None:
    assert KEY.proof(vector["parts"]) == vector["proof"]
    for other in VECTORS["proofs"]:
        assert KEY.proves(other["parts"], vector["proof"]) is (other == vector)


@pytest.mark.parametrize("text", ["", "AAAA", "!" * 43, "A" * 44, "ä" * 43])
def test_what_is_no_key_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=r"base64url|32 bytes") as refused:
        PairingKey.parse(text)
    assert not text or text not in str(refused.value)


def test_a_key_is_not_shown_where_it_is_printed() -> None:
    key = PairingKey.new()
    assert key.text not in repr(key)
    assert PairingKey.parse(key.text) == key
    assert PairingKey.new() != key


@pytest.mark.parametrize("changes", [{"n": "AA"}, {"n": "?"}, {"ct": ""}, {"ct": "ÄÖ"}])
def test_an_envelope_that_is_none_stays_closed(changes: dict[str, str]) -> None:
    envelope = msgspec.structs.replace(KEY.seal(b"text", "alert/1", ["ses_1"]), **changes)
    with pytest.raises(Sealed):
        KEY.open(envelope, "alert/1", ["ses_1"])


@given(plain=st.binary(max_size=300), purpose=PURPOSES, context=PARTS, other_purpose=PURPOSES, other=PARTS)
def test_only_the_same_place_opens_an_envelope(
    plain: bytes, purpose: Purpose, context: list[str], other_purpose: Purpose, other: list[str]
) -> None:
    envelope = KEY.seal(plain, purpose, context)
    assert KEY.open(envelope, purpose, context) == plain
    assert envelope != KEY.seal(plain, purpose, context)
    if (purpose, context) != (other_purpose, other):
        with pytest.raises(Sealed):
            KEY.open(envelope, other_purpose, other)


@given(envelope=st.builds(Envelope, kid=st.just(KEY.kid), n=TEXT, ct=TEXT))
def test_whatever_stands_in_an_envelope_it_opens_or_is_refused(envelope: Envelope) -> None:
    with pytest.raises(Sealed):
        KEY.open(envelope, "alert/1", [])


@given(parts=PARTS, other=PARTS)
def test_no_two_lists_of_parts_have_the_same_proof(parts: list[str], other: list[str]) -> None:
    assert KEY.proves(other, KEY.proof(parts)) is (parts == other)
