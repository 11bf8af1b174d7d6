"""A command line that cannot be understood is one plain sentence with the nearest that there is, and exit status 2."""

import pytest

from simulator.__main__ import RUN, main
from simulator.arguments import parser_of_simulator
from simulator.usage import sentence

WRONG = {
    "aps": "simulator: there is no command 'aps'; did you mean apns?",
    "xyz": "simulator: there is no command 'xyz'; there are replay, demo, apns, push, opencode, conform",
    "": "simulator: which command?",
    "push --titel x": "simulator push: there is no option '--titel'; did you mean --title?",
    "push --zzz=1": "simulator push: there is no option '--zzz'",
    "--verson": "simulator: which command?",
    "apns --port x": "simulator apns: --port: 'x' is not a port: a number from 0 (any free one) to 65535",
    "apns --port 65536": "simulator apns: --port: '65536' is not a port",
    "apns --clock reel": "simulator apns: --clock is real or virtual, not 'reel'; did you mean real?",
    "opencode --turns x": "simulator opencode: --turns: 'x' is not a number from 0 on",
    "opencode --seed x": "simulator opencode: --seed takes a whole number, not 'x'",
    "opencode --pause nan": "simulator opencode: --pause: 'nan' is not a number of seconds from 0 on",
    "replay a_text b": "simulator replay: 'b' is one argument too many",
    "demo --speed 0": "simulator demo: --speed: '0' is not a number above 0 and at most 1000",
    "conform": "simulator conform: CASES.json is missing",
}


@pytest.mark.parametrize("line", WRONG)
def test_it_is_one_sentence_and_status_2(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(line.split())
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    [said] = captured.err.splitlines()
    assert said.startswith(WRONG[line])
    assert said.endswith("--help)")


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("simulator 0.")


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_shell_can_complete_commands_and_options(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--print-completion", shell])
    assert ended.value.code == 0
    script = capsys.readouterr().out
    assert all(word in script for word in ("simulator", "apns", "--ready-file", "--start-opencode"))


def test_what_argparse_says_otherwise_is_kept() -> None:
    assert sentence("argument --x: expected one argument") == "--x: expected one argument"
    assert sentence("something else") == "something else"


def test_every_command_has_its_help_and_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser_of_simulator().parse(["--help"])
    shown = capsys.readouterr().out
    for command in RUN:
        assert f"    {command}" in shown
