"""What the bridge pairs a phone with."""

from pathlib import Path

import pytest

from component.bridge.fake_opencode import FakeOpenCode
from component.bridge.running import SECRET
from relay.bridge.errors import BridgeError, OptionError
from relay.bridge.options import BridgeOptions
from relay.bridge.pairing.pairing import pairing_of


class TestPairing:
    async def test_the_secret_file_is_made_and_kept(
        self, fake_opencode: FakeOpenCode, tmp_path: Path
    ) -> None:
        path = tmp_path / "state" / "relay-secret"
        options = BridgeOptions(fake_opencode.url, "https://relay.example.org/", secret_file=path)
        first, second = await pairing_of(options), await pairing_of(options)
        assert first == second
        assert first.relay_url == "https://relay.example.org"
        assert first.hosts == [fake_opencode.url]
        assert path.read_text() == first.relay_secret + "\n"

    async def test_without_a_file_the_state_directory_is_used(
        self, fake_opencode: FakeOpenCode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
        pair = await pairing_of(BridgeOptions(fake_opencode.url, "https://relay.example.org"))
        assert (tmp_path / "opencode-push-relay" / "relay-secret").read_text().strip() == pair.relay_secret

    async def test_an_address_that_is_not_local_stands_for_itself(self) -> None:
        options = BridgeOptions("http://192.0.2.77:4096", "https://relay.example.org", relay_secret=SECRET)
        assert (await pairing_of(options)).hosts == ["http://192.0.2.77:4096"]

    async def test_a_bridge_error_is_one_sentence(self, tmp_path: Path) -> None:
        options = BridgeOptions("http://127.0.0.1:1", "https://relay.example.org", secret_file=tmp_path)
        with pytest.raises(BridgeError, match="Is a directory"):
            await pairing_of(options)

    async def test_a_pairing_needs_a_relay_url(self) -> None:
        with pytest.raises(OptionError, match="the relay URL"):
            await pairing_of(BridgeOptions("http://127.0.0.1:1", "relay", relay_secret=SECRET))

    async def test_an_empty_secret_counts_as_none(self, tmp_path: Path) -> None:
        options = BridgeOptions(
            "http://127.0.0.1:1", "http://relay", relay_secret="", secret_file=tmp_path / "relay-secret"
        )
        assert len((await pairing_of(options)).relay_secret) == 24
