"""How the bridge starts its own `opencode serve`."""

import sys

import pytest

from relay.bridge.address import Address, address
from relay.bridge.errors import OptionError
from relay.bridge.sources.serve import generation_of, serve_command

HERE = Address("http://127.0.0.1:4096", "opencode", None)


@pytest.mark.parametrize(
    ("url", "arguments", "words", "host", "port"),
    [
        ("http://127.0.0.1:4096", [], ["--hostname=127.0.0.1", "--port=4096"], "127.0.0.1", 4096),
        ("http://localhost:5000", [], ["--hostname=127.0.0.1", "--port=5000"], "127.0.0.1", 5000),
        ("http://0.0.0.0:4096", [], ["--hostname=0.0.0.0", "--port=4096"], "127.0.0.1", 4096),
        ("http://[::]:4096", [], ["--hostname=::", "--port=4096"], "[::1]", 4096),
        ("http://127.0.0.1:4096", ["--hostname", "0.0.0.0"], ["--port=4096"], "127.0.0.1", 4096),
        ("http://127.0.0.1:4096", ["--port", "1", "--hostname=fd00::1"], [], "[fd00::1]", 1),
        ("http://127.0.0.1:4096", ["--port=any"], ["--hostname=127.0.0.1"], "127.0.0.1", 0),
        ("http://127.0.0.1:4096", ["--mdns", "--port=1"], ["--hostname=0.0.0.0"], "127.0.0.1", 1),
    ],
)
def test_it_listens_where_the_url_says_unless_its_own_arguments_say_otherwise(
    url: str, arguments: list[str], words: list[str], host: str, port: int
) -> None:
    command = serve_command(address(url), arguments, {"OPENCODE_BIN": sys.executable})
    assert command.words == (sys.executable, "serve", *arguments, *words)
    assert (command.host, command.port) == (host, port)


def test_a_missing_program_is_one_sentence() -> None:
    with pytest.raises(
        OptionError, match="there is no program opencode: install OpenCode, or name it in OPENCODE_BIN"
    ):
        serve_command(HERE, [], {"PATH": "/nowhere"})


def test_the_password_goes_into_the_environment_and_does_not_show() -> None:
    command = serve_command(
        Address("http://a:1", "me", "geheim"),
        [],
        {"OPENCODE_BIN": sys.executable, "HOME": "/h", "OPENCODE_PASSWORD": "another"},
    )
    assert command.environment["OPENCODE_PASSWORD"] == "geheim"
    assert command.environment["OPENCODE_SERVER_PASSWORD"] == "geheim"
    assert command.environment["HOME"] == "/h"
    assert "geheim" not in repr(command)


def test_generation_2_gets_a_password_and_no_name() -> None:
    command = serve_command(
        Address("http://a:1", "opencode", "geheim"), [], {"OPENCODE_BIN": sys.executable}, 2
    )
    assert command.environment["OPENCODE_PASSWORD"] == "geheim"
    assert "OPENCODE_SERVER_USERNAME" not in command.environment


@pytest.mark.parametrize(
    ("said", "generation"),
    [
        ("1.18.33\n", 1),
        ("opencode v2.0.22\n", 2),
        ("npm warn something\nopencode v2.3.1\n", 2),
        ("opencode v10.0.0", 2),
        ("opencode v0.0.0-next-202608070013", 2),
        ("0.15.2", 1),
        ("", 1),
        ("no such command", 1),
    ],
)
def test_a_program_says_its_generation_by_its_version(said: str, generation: int) -> None:
    assert generation_of(said) == generation
