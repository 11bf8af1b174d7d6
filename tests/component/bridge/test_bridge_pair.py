"""`relay pair` as a command: the link, the picture, a new secret; and what it refuses."""

import asyncio
import os
import socket
import stat
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from component.bridge.fake_opencode import FakeOpenCode
from component.bridge.running import SECRET
from relay import contract
from relay.bridge.errors import OptionError, SecretFileError
from relay.bridge.options import BridgeOptions
from relay.bridge.pairing import pairing as pairing_module
from relay.bridge.pairing.hosts import Tailnet
from relay.bridge.pairing.pairing import pairing_of, rotate_secret, save_pairing
from waiting import PATIENCE

PAIR = contract.pairing("https://relay.example.org", SECRET, ["http://192.168.1.5:4096"])

Run = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
def run() -> Run:
    """`await run(*words, **environment)`: exit status, stdout and stderr of `relay pair`."""

    async def pair(*words: str, **environment: str) -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "relay", "pair", *words, env=os.environ | environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    return pair


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def link_in(out: str) -> contract.Pairing:
    (link,) = [text for text in out.splitlines() if text.startswith("mobilevoice:")]
    return contract.parse_pairing_link(link)


class TestCommand:
    async def test_the_variables_of_the_first_implementation_do(self, run: Run) -> None:
        first = "OPENCODE_EXPERIMENTAL_PUSH_"
        status, out, _ = await run(
            "--advertise-host=a", **{f"{first}RELAY_URL": "https://relay.example.org", f"{first}RELAY_SECRET": SECRET,
                                     f"{first}ADVERTISE_HOSTS": "b,c"},
        )  # fmt: skip
        pair = link_in(out)
        assert status == 0
        assert (pair.relay_url, pair.relay_secret) == ("https://relay.example.org", SECRET)
        assert pair.hosts[:3] == ["http://a:4096", "http://b:4096", "http://c:4096"]
        assert out.count("\n") == 1, "without a terminal there is the link and nothing else"

    async def test_a_new_secret_is_kept(self, run: Run, tmp_path: Path) -> None:
        file = tmp_path / "relay-secret"
        _, before, _ = await run(f"--secret-file={file}")
        status, out, err = await run(f"--secret-file={file}", "--rotate-secret")
        assert status == 0
        assert "pair every phone again" in err
        assert link_in(out).relay_secret == file.read_text().strip() != link_in(before).relay_secret
        assert mode(file) == 0o600
        assert link_in((await run(f"--secret-file={file}"))[1]) == link_in(out)

    async def test_a_picture_takes_the_place_of_the_link(self, run: Run, tmp_path: Path) -> None:
        file = tmp_path / "pair.svg"
        status, out, err = await run(
            f"--relay-secret={SECRET}", f"--output={file}", "--relay-url=https://relay.example.org"
        )
        assert (status, err) == (0, "")
        assert str(file) in out
        assert "mobilevoice" not in out
        assert ElementTree.parse(file).getroot().tag == "{http://www.w3.org/2000/svg}svg"

    async def test_what_it_cannot_do_is_one_line(self, run: Run, tmp_path: Path) -> None:
        for words in (
            [f"--relay-secret={SECRET}", "--rotate-secret"],
            [f"--relay-secret={SECRET}", f"--output={tmp_path / 'pair.pdf'}"],
            [f"--relay-secret={SECRET}", f"--output={tmp_path / 'nowhere' / 'pair.png'}"],
        ):
            status, out, err = await run(*words)
            assert (status, out, err.count("\n")) == (1, "", 1)
            assert SECRET not in err


class TestPicture:
    def test_a_png_is_private_also_where_a_file_was(self, tmp_path: Path) -> None:
        path = tmp_path / "pair.PNG"
        path.write_text("public")
        path.chmod(0o644)
        save_pairing(PAIR, path)
        assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
        assert mode(path) == 0o600

    def test_other_kinds_are_named(self, tmp_path: Path) -> None:
        with pytest.raises(OptionError, match=r"--output must name a \.png or \.svg file, not pair\.gif"):
            save_pairing(PAIR, tmp_path / "pair.gif")


class TestSecret:
    def test_one_that_is_given_cannot_be_renewed(self) -> None:
        with pytest.raises(OptionError, match="gives another"):
            rotate_secret(BridgeOptions("http://a", "http://b", relay_secret=SECRET))

    def test_a_file_that_cannot_be_written_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        options = BridgeOptions("http://a", "http://b", secret_file=tmp_path / "file" / "relay-secret")
        with pytest.raises(SecretFileError, match="cannot write the secret file"):
            rotate_secret(options)


class TestPairing:
    async def test_the_secret_file_is_made_and_kept(
        self, fake_opencode: FakeOpenCode, state_home: Path
    ) -> None:
        options = BridgeOptions(fake_opencode.url, "https://relay.example.org/", relay_secret="")
        first, second = await pairing_of(options), await pairing_of(options)
        assert first == second
        assert (first.relay_url, first.hosts) == ("https://relay.example.org", [fake_opencode.url])
        assert len(first.relay_secret) == 24
        path = state_home / "opencode-push-relay" / "relay-secret"
        assert path.read_text() == first.relay_secret + "\n"

    async def test_an_address_that_is_not_local_stands_for_itself(self) -> None:
        options = BridgeOptions("http://192.0.2.77:4096", "https://relay.example.org", relay_secret=SECRET)
        assert (await pairing_of(options)).hosts == ["http://192.0.2.77:4096"]

    async def test_what_cannot_be_paired_is_one_sentence(self, tmp_path: Path) -> None:
        with pytest.raises(SecretFileError, match="Is a directory"):
            await pairing_of(
                BridgeOptions("http://127.0.0.1:1", "https://relay.example.org", secret_file=tmp_path)
            )
        with pytest.raises(OptionError, match="the relay URL"):
            await pairing_of(BridgeOptions("http://127.0.0.1:1", "relay", relay_secret=SECRET))

    async def test_every_named_address_takes_a_connection(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def tailnet() -> Tailnet:
            return Tailnet("laptop.ts.net", ("127.0.0.2", "127.0.0.3"))

        monkeypatch.setattr(pairing_module, "ask_tailscale", tailnet)
        monkeypatch.setattr(pairing_module, "own_addresses", lambda: ["127.0.0.4", "::1"])
        monkeypatch.setattr(
            "relay.bridge.pairing.hosts.is_local", lambda host: host in ("127.0.0.1", "0.0.0.0")
        )
        with socket.create_server(("127.0.0.2", 0)) as listener:
            port = listener.getsockname()[1]
            options = BridgeOptions(f"http://127.0.0.1:{port}", "http://relay", relay_secret=SECRET)
            pair = await pairing_of(options)
        assert pair.hosts == [f"http://laptop.ts.net:{port}", f"http://127.0.0.2:{port}"]
