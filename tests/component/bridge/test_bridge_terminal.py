"""`relay bridge` and `relay pair` in a terminal, and without one: the code, and when a phone is paired."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
import zxingcpp

from component.bridge.fake_opencode import FakeOpenCode
from component.bridge.fake_relay import FakeRelay
from component.bridge.running import SECRET
from pseudo_terminal import PseudoTerminal, in_terminal
from relay.contract import parse_pairing_link
from terminal_picture import THEMES, picture
from waiting import PATIENCE, eventually


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


async def test_the_bridge_goes_on_without_a_relay_and_speaks_to_people(
    words: list[str], environment: dict[str, str], fake_relay: FakeRelay, fake_opencode: FakeOpenCode
) -> None:
    fake_relay.phones = {}
    await fake_relay.stop()
    async with in_terminal("bridge", *words, "--port=0", environment=environment, columns=200) as terminal:
        await terminal.shows(
            f"the relay at {fake_relay.url} does not answer (nothing listens there): alerts wait"
        )
        await eventually(lambda: fake_opencode.streams)
        await fake_relay.start()
        await terminal.shows(f"the relay at {fake_relay.url} answers")
        fake_opencode.create("ses_a", "Fix the login")
        fake_opencode.turn("ses_a")
        await terminal.shows("rang: Done, Fix the login (1 phone)")
        assert "delivered" not in terminal.text
        assert "sessionID=" not in terminal.text


async def test_the_bridge_in_a_journal_names_no_secret_and_no_title(
    words: list[str], environment: dict[str, str], fake_opencode: FakeOpenCode
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "relay", "bridge", *words, "--port=0", env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    await eventually(lambda: fake_opencode.streams)
    fake_opencode.create("ses_a", "Geheim")
    fake_opencode.turn("ses_a")
    assert process.stdout
    said = ""
    async with asyncio.timeout(PATIENCE):
        while "delivered" not in said:
            said += (await process.stdout.readline()).decode()
    process.terminate()
    said += (await asyncio.wait_for(process.communicate(), PATIENCE))[0].decode()
    assert "To pair a phone: relay pair --relay-url" in said
    assert "eventType=complete sessionID=ses_a" in said
    for private in (SECRET, "mobilevoice:", "Geheim", "▀"):
        assert private not in said


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
