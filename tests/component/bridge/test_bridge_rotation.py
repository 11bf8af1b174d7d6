"""A new secret: the relay forgets the old one at once, or as soon as it can be told; nothing is half done in between."""

import io
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from component.bridge.fake_relay import FakeRelay
from component.bridge.running import Stage
from relay.bridge.errors import SecretFileError
from relay.bridge.options import BridgeOptions
from relay.bridge.pair import pair
from relay.bridge.pairing.secret_file import (
    keep_replaced,
    load_key,
    load_secret,
    renew_secret,
    replaced_secrets,
)
from relay.bridge.relay_secret import Phones, read_phones
from relay.contract import secret_hash
from waiting import eventually

NOWHERE = "http://127.0.0.1:9"

Pair = Callable[..., Awaitable[str]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "relay-secret"


@pytest.fixture
def paired(file: Path) -> Pair:
    """`await paired(relay_url, rotate=True)`: what `relay pair` says beside the link."""

    async def run(relay_url: str, rotate: bool = False) -> str:
        notes = io.StringIO()
        options = BridgeOptions("http://192.0.2.7:4096", relay_url, secret_file=file)
        await pair(options, out=io.StringIO(), notes=notes, rotate=rotate)
        return notes.getvalue()

    return run


async def test_the_relay_forgets_and_refuses_the_old_secret(
    fake_relay: FakeRelay, paired: Pair, file: Path
) -> None:
    old, old_key = load_secret(file), load_key(file.with_name(f"{file.name}.key"))
    fake_relay.phones = {old: 2}
    said = await paired(fake_relay.url, rotate=True)
    assert "has forgotten the old secret: 2 phone(s) under it get nothing any more" in said
    assert fake_relay.forgotten == [(old, True)]
    assert load_secret(file) != old
    assert load_key(file.with_name(f"{file.name}.key")) != old_key, "who saw the code has the key, too"
    assert replaced_secrets(file) == []
    assert sorted(one.name for one in file.parent.iterdir()) == [file.name, f"{file.name}.key"]


async def test_with_a_relay_that_knows_its_secrets_it_says_what_to_ask_its_operator_for(
    fake_relay: FakeRelay, paired: Pair, file: Path
) -> None:
    old = load_secret(file)
    fake_relay.phones, fake_relay.known = {old: 1}, {old}
    said = await paired(fake_relay.url, rotate=True)
    new = load_secret(file)
    assert fake_relay.forgotten == [(old, True)]
    assert f"ask the operator to run:\n  relay secret add NAME --hash {secret_hash(new)}\n" in said
    assert new not in said
    fake_relay.known = None
    assert "operator" not in await paired(fake_relay.url, rotate=True)


async def test_a_relay_that_is_away_is_told_when_the_bridge_starts(
    stage: Stage, paired: Pair, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old = load_secret(file)
    said = await paired(NOWHERE, rotate=True)
    assert (
        f"The old secret still works: the relay {NOWHERE} could not be told (nothing listens there)" in said
    )
    assert old not in said
    assert load_secret(file) != old
    assert len(list(file.parent.iterdir())) == 3
    assert {stat.S_IMODE(one.stat().st_mode) for one in file.parent.iterdir()} == {0o600}
    # Here the relay was named wrongly, too: the bridge tells its own.
    stage.relay.phones = {old: 1}
    async with stage.running(relay_secret=None, secret_file=file):
        await eventually(lambda: stage.relay.forgotten == [(old, True)])
        await eventually(lambda: replaced_secrets(file) == [] and len(list(file.parent.iterdir())) == 2)
    assert old not in caplog.text


async def test_a_relay_of_an_earlier_release_is_named(
    fake_relay: FakeRelay, paired: Pair, file: Path
) -> None:
    load_secret(file)
    said = await paired(fake_relay.url, rotate=True)
    assert "it is of an earlier release, which does not know the question: update it" in said
    assert len(replaced_secrets(file)) == 1


async def test_the_first_secret_replaces_none(fake_relay: FakeRelay, paired: Pair, file: Path) -> None:
    fake_relay.phones = {}
    assert "old secret" not in await paired(fake_relay.url, rotate=True)
    assert fake_relay.forgotten == []


class TestFile:
    def test_several_wait_and_each_goes_alone(self, file: Path) -> None:
        olds = []
        for _ in range(3):
            olds.append((NOWHERE, load_secret(file)))
            renew_secret(file, NOWHERE)
        assert replaced_secrets(file) == olds
        keep_replaced(file, without=olds[1])
        assert replaced_secrets(file) == [olds[0], olds[2]]

    def test_the_secret_in_use_is_never_forgotten(self, file: Path) -> None:
        """The old one was kept aside, and then the new one could not be written, or the power failed."""
        current = load_secret(file)
        file.with_name("relay-secret.replaced").write_text(f"{NOWHERE}\t{current}\n")
        assert replaced_secrets(file) == []

    def test_what_cannot_be_written_leaves_the_old_secret(self, file: Path) -> None:
        old = load_secret(file)
        file.with_name("relay-secret.replaced").mkdir()
        with pytest.raises(SecretFileError):
            renew_secret(file, NOWHERE)
        assert load_secret(file) == old


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b'{"ok":true,"phones":2}', Phones(2)),
        (200, b"<html>", Phones(None, "what answers there is no relay")),
        (404, b"", Phones(None, "it is of an earlier release, which does not know the question: update it")),
        (403, b"", Phones(None, "it answers 403")),
        (
            403,
            b'{"ok":false,"error":"no","code":"secret_replaced"}',
            Phones(None, "it was replaced or revoked", refused="secret_replaced"),
        ),
        (429, b"", Phones(None, "it was asked too often", later=True)),
        (503, b"", Phones(None, "it answers 503", is_up=False)),
        (407, b"", Phones(None, "the proxy wants another user name or password (407)")),
    ],
)
def test_what_an_answer_says(status: int, body: bytes, said: Phones) -> None:
    assert read_phones(status, body) == said
