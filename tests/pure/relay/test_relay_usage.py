"""What people type wrongly, and what they read then."""

import re

import pytest

from relay.__main__ import _parser


def refused(words: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        _parser({}.get).parse(words.split("|"))
    assert ended.value.code == 2
    said = capsys.readouterr().err
    (sentence,) = said.splitlines()[-1:]
    assert "_" not in sentence, "no name of a function"
    return sentence


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("brigde", "relay: there is no command 'brigde': did you mean bridge? (see relay --help)"),
        ("xyz", "relay: there is no command 'xyz': there are serve, migrate, phones, forget, secret, log, bridge, pair, doctor, completion (see relay --help)"),
        ("bridge|--relay-ulr=x", "relay bridge: there is no option --relay-ulr: did you mean --relay-url? (see relay bridge --help)"),
        ("pair|--zzz", "relay pair: there is no option --zzz (see relay pair --help)"),
        ("pair|now", "relay pair: 'now' is one argument too many (see relay pair --help)"),
        ("bridge|--port=x", "relay bridge: --port takes a port from 0 to 65535, not 'x' (see relay bridge --help)"),
        ("bridge|--port=70000", "relay bridge: --port takes a port from 0 to 65535, not '70000' (see relay bridge --help)"),
        ("bridge|--lost-after=soon", "relay bridge: --lost-after takes a number of seconds, 0 or more, not 'soon' (see relay bridge --help)"),
        ("pair|--advertise-host=foo bar", "relay pair: --advertise-host 'foo bar' is no host name, address or http:// URL (see relay pair --help)"),
        ("pair|--advertise-host=http://", "relay pair: --advertise-host 'http://' is no host name, address or http:// URL (see relay pair --help)"),
        ("pair|--output", "relay pair: --output expected one argument (see relay pair --help)"),
        ("log|--last=0", "relay log: --last takes a number from 1 to 1000, not '0' (see relay log --help)"),
        ("log|--since=soon", "relay log: --since takes a time such as 90s, 15m, 1h or 2d, not 'soon' (see relay log --help)"),
        ("completion|fish", "relay completion: SHELL is bash or zsh or tcsh, not 'fish' (see relay completion --help)"),
        ("completion", "relay completion: SHELL is missing (see relay completion --help)"),
    ],
)  # fmt: skip
def test_one_sentence_and_status_2(words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(words, capsys) == said


def test_no_command_at_all(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        _parser({}.get).parse([])
    assert ended.value.code == 2
    assert capsys.readouterr().err == "relay: which command? (see relay --help)\n"


@pytest.mark.parametrize(
    "host",
    ["laptop", "laptop.local", "laptop.ts.net.", "192.168.1.5", "192.168.1.5:4096", "::1", "[fe80::1]:4096", "my_host", "https://opencode.example.com/x"],
)  # fmt: skip
def test_every_kind_of_host_is_taken(host: str) -> None:
    assert _parser({}.get).parse(["pair", f"--advertise-host={host}"]).advertise_host == [host]


def test_serve_lists_its_settings(capsys: pytest.CaptureFixture[str]) -> None:
    from relay.server.settings import VARIABLES

    with pytest.raises(SystemExit) as ended:
        _parser({}.get).parse(["serve", "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    for name, one in VARIABLES.items():
        assert re.search(rf"^  {name}(?: |$)", said, re.MULTILINE)
        assert one.about in said
    assert "required" in said
    assert "default 8787" in said
