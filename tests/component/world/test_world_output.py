"""Every command of both programs on a terminal without UTF-8, into a pipe that nobody reads, and onto a full disk."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CASE = Path(__file__).parents[1] / "conform" / "further-cases.json"
FULL = Path("/dev/full")
NOWHERE = "http://127.0.0.1:1"
COMMANDS = {
    "relay pair": ["--relay-url", NOWHERE, "--opencode-url", NOWHERE, "--secret-file", "{folder}/secret"],
    "relay doctor": ["--no-push", "--relay-url", NOWHERE, "--opencode-url", NOWHERE, "--secret-file", "{folder}/secret"],
    "relay bridge": ["--help"],
    "simulator replay": ["--list"],
    "simulator conform": ["{folder}/cases.json"],
}  # fmt: skip
"""A short run of each; the others print through the same door."""
RUNS = [*((command, "") for command in COMMANDS), ("relay doctor", "1"), ("simulator replay", "1")]
"""Each with its output held back by Python, some without."""
TERMINALS = (
    {"PYTHONIOENCODING": "ascii"},
    {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"},
    {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With one conformance case, whose description an ASCII terminal cannot show as it stands."""
    case = json.loads(CASE.read_text("utf-8"))["cases"][4] | {"description": "“PING” …"}
    (tmp_path / "cases.json").write_text(json.dumps({"cases": [case]}), "utf-8")
    return tmp_path


def _words(command: str, folder: Path) -> list[str]:
    program, name = command.split()
    return [
        sys.executable,
        "-m",
        program,
        name,
        *(one.format(folder=folder) for one in COMMANDS[command]),
    ]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("environment", TERMINALS, ids=["io", "c", "no utf8 mode"])
def test_on_a_terminal_without_utf8(command: str, environment: dict[str, str], folder: Path) -> None:
    done = subprocess.run(
        _words(command, folder), capture_output=True, timeout=60, env=os.environ | environment
    )
    assert done.returncode == (1 if command == "relay doctor" else 0)
    assert b"Traceback" not in done.stderr
    assert done.stdout
    if environment is not TERMINALS[1]:  # there Python 3.11 takes UTF-8 by itself (PEP 540)
        assert done.stdout.isascii()


@pytest.mark.parametrize(("command", "unbuffered"), RUNS)
def test_into_a_pipe_that_nobody_reads(command: str, unbuffered: str, folder: Path) -> None:
    """As with `| head`: the reader is gone before the first line."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        _words(command, folder), stdout=writing, stderr=subprocess.PIPE, timeout=60,
        env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
    )  # fmt: skip
    os.close(writing)
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr
    assert done.returncode in {1, 141}


@pytest.mark.skipif(not FULL.exists(), reason="this system has no full disk to try")
@pytest.mark.parametrize(("command", "unbuffered"), RUNS)
def test_onto_a_full_disk(command: str, unbuffered: str, folder: Path) -> None:
    with FULL.open("wb") as full:
        done = subprocess.run(
            _words(command, folder), stdout=full, stderr=subprocess.PIPE, timeout=60,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        )  # fmt: skip
    assert b"Traceback" not in done.stderr
    if "--help" not in COMMANDS[command]:  # argparse asks nobody whether its help was written
        assert b"No space left on device" in done.stderr
        assert done.returncode in {1, 2}
