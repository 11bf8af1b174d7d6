"""`relay secret add | list | revoke`: the operator's secrets by name, in a database of their own."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from relay.contract import DeviceRegister, secret_hash
from relay.server.secret_command import SecretError, add, listed, revoke
from relay.server.settings import Settings, load
from relay.server.store import devices, secrets
from relay.server.store.database import opened

PAIRED = "the-secret-of-a-phone-that-is-there"


@pytest.fixture
async def settings(environment: Callable[..., dict[str, str]], tmp_path: Path) -> Settings:
    """Of a relay that has one phone, and was open until now."""
    found = load(environment(DATABASE_URL=f"sqlite://{tmp_path}/relay.sqlite3", RELAY_REGISTRATION="known"))
    async with opened(found.database_url) as db:
        phone = DeviceRegister(secret=PAIRED, device_token="ab" * 32)
        await devices.register(
            db, phone, secret_hash=secret_hash(PAIRED), bundle_id="com.example.app", now_ms=1
        )
    return found


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_a_secret_is_printed_once_kept_as_its_hash_and_listed_by_name(
    settings: Settings, tmp_path: Path
) -> None:
    said = await add(settings, "alice", None)
    assert len(said.result) >= 24
    assert said.result not in said.notes
    assert "relay pair --relay-url" in said.notes
    assert said.result.encode() not in b"".join(kept.read_bytes() for kept in files(tmp_path))
    text = (await listed(settings, as_json=False)).result
    assert text.splitlines()[0].startswith(
        f"alice                secret {secret_hash(said.result)[:12]}…  0 phone(s)  added 20"
    )
    entries = json.loads((await listed(settings, as_json=True)).result)
    assert [(one["name"], one["phones"]) for one in entries] == [("alice", 0), (None, 1)]
    assert entries[0]["secretHash"] == secret_hash(said.result)
    assert entries[0]["addedAt"].endswith("Z")


@pytest.mark.parametrize("given", [secret_hash(PAIRED), f"{secret_hash(PAIRED)[:12]}…"])
async def test_one_that_is_in_use_is_known_by_its_hash_and_its_phones_stay(
    settings: Settings, given: str
) -> None:
    found = await listed(settings, as_json=False)
    assert found.result.startswith("(no name)")
    assert "relay secret add NAME --hash HASH takes one" in found.notes
    assert (await add(settings, "bob", given)).result.startswith("bob is known now")
    found = await listed(settings, as_json=False)
    assert (found.result.split()[0], found.notes) == ("bob", "")
    assert "1 phone(s)" in found.result
    with pytest.raises(SecretError, match="known already, as bob"):
        await add(settings, "again", given)


async def test_what_is_revoked_is_never_taken_again_and_its_name_is_free(settings: Settings) -> None:
    await add(settings, "bob", secret_hash(PAIRED))
    said = (await revoke(settings, "BOB")).result
    assert said == "revoked bob: its 1 phone(s) are forgotten, and the secret is never taken again"
    with pytest.raises(SecretError, match="there is no secret called bob"):
        await revoke(settings, "bob")
    with pytest.raises(SecretError, match="was replaced or revoked"):
        await add(settings, "bob", secret_hash(PAIRED))
    await add(settings, "bob", None)
    async with opened(settings.database_url) as db:
        assert await secrets.known_and_refused(db, [secret_hash(PAIRED)]) == (set(), {secret_hash(PAIRED)})


async def test_an_empty_list_and_an_open_relay_say_what_to_do(
    environment: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    settings = load(environment(DATABASE_URL=f"sqlite://{tmp_path}/relay.sqlite3"))
    assert (
        await listed(settings, as_json=False)
    ).result == "no secret is known: relay secret add NAME makes one"
    assert json.loads((await listed(settings, as_json=True)).result) == []
    assert "RELAY_REGISTRATION is open here" in (await add(settings, "alice", None)).notes


@pytest.mark.parametrize(
    ("name", "given", "why"),
    [
        ("", None, "a name is 1 to 64"),
        ("-x", None, "a name is 1 to 64"),
        ("two words", None, "a name is 1 to 64"),
        ("a\n", None, "a name is 1 to 64"),
        ("x" * 65, None, "a name is 1 to 64"),
        ("carol", "abc", "takes the 64 digits"),
        ("carol", "abcdef", "takes the 64 digits"),
        ("carol", "z" * 64, "takes the 64 digits"),
    ],
)
async def test_what_cannot_be_added(settings: Settings, name: str, given: str | None, why: str) -> None:
    with pytest.raises(SecretError, match=why):
        await add(settings, name, given)


async def test_two_operators_who_add_the_same_name_at_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add(settings, "alice", None)
    with pytest.raises(SecretError, match="there is a secret called alice"):
        await add(settings, "ALICE", None)

    async def none_yet(_: object) -> list[object]:
        return []

    monkeypatch.setattr(secrets, "known", none_yet)
    with pytest.raises(SecretError, match="alice cannot be added: it breaks a rule of the table"):
        await add(settings, "alice", None)
