"""`relay bridge` and `relay pair` in a terminal, and without one: the code, and when a phone is paired."""

import os
from pathlib import Path

import pytest
import zxingcpp

from component.bridge.fake_opencode import FakeOpenCode
from component.bridge.fake_relay import FakeRelay
from component.bridge.running import SECRET
from pseudo_terminal import PseudoTerminal, in_terminal
from relay.contract import parse_pairing_link
from terminal_picture import THEMES, picture


@pytest.fixture
def words(fake_opencode: FakeOpenCode, fake_relay: FakeRelay) -> list[str]:
    return [
        f"--opencode-url={fake_opencode.url}",
        f"--relay-url={fake_relay.url}",
        f"--relay-secret={SECRET}",
    ]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"XDG_STATE_HOME": str(tmp_path), "LANG": "C.UTF-8"}


def link(terminal: PseudoTerminal) -> str:
    (found,) = [line for line in terminal.text.splitlines() if line.startswith("mobilevoice:")]
    return found


@pytest.mark.parametrize("columns", [80, 60])
@pytest.mark.parametrize("theme", THEMES)
async def test_the_code_on_the_screen_is_the_link(
    words: list[str], environment: dict[str, str], columns: int, theme: str
) -> None:
    async with in_terminal("pair", *words, environment=environment, columns=columns, lines=50) as terminal:
        assert await terminal.ended() == 0
        await terminal.shows("▀")
    drawn = "\n".join(line for line in terminal.text.splitlines() if line.startswith("\x1b[38"))
    (found,) = zxingcpp.read_barcodes(picture(drawn, theme))
    assert found.text == link(terminal)


async def test_a_small_terminal_gets_the_link_and_says_what_else_there_is(
    words: list[str], environment: dict[str, str]
) -> None:
    async with in_terminal("pair", *words, environment=environment) as terminal:
        assert await terminal.ended() == 0
        await terminal.shows("code.svg")
    said = " ".join(terminal.text.split())
    assert "and this terminal has 80 and 24" in said
    assert "relay pair --output code.svg" in said
    assert "▀" not in terminal.text
    assert parse_pairing_link(link(terminal)).relay_secret == SECRET


@pytest.mark.parametrize(("term", "language"), [("dumb", "C.UTF-8"), ("xterm", "C")])
async def test_a_terminal_that_draws_nothing(
    words: list[str], environment: dict[str, str], term: str, language: str
) -> None:
    given = environment | {
        "LANG": language,
        "LC_ALL": language,
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
    }
    async with in_terminal("pair", *words, environment=given, lines=60, term=term) as terminal:
        assert await terminal.ended() == 0
        await terminal.shows("cannot draw a QR code")
    assert "\x1b" not in terminal.text


async def test_the_bridge_says_when_a_phone_is_paired(
    words: list[str], environment: dict[str, str], fake_relay: FakeRelay
) -> None:
    fake_relay.phones = {}
    given = environment | {"HOME": os.environ.get("HOME", "/")}
    async with in_terminal("bridge", *words, "--port=0", environment=given, lines=60) as terminal:
        await terminal.shows("No iPhone is paired yet")
        assert "▀" in terminal.text
        fake_relay.phones = {SECRET: 1}
        await terminal.shows("iPhone paired (1)")
