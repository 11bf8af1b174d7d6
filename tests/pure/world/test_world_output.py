"""Texts on a terminal that has not all letters, in both programs."""

import codecs
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TextIO

import pytest

import relay.output
import simulator.output
from simulator.replay.command import print_json

BOTH = pytest.mark.parametrize("output", [relay.output, simulator.output], ids=["relay", "simulator"])


@BOTH
@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("✓ done", "+ done"),
        ("✗ “Run” … 3 × – —", '"Run" ... 3 x - -'),
        ("╭─ café ─╮│", "+- cafe -+|"),
        ("e\u0301", "e"),
        ("中文 🎉 ¿", r"\u4e2d\u6587 \U0001f389 \xbf"),
        ("a\ud83d", r"a\ud83d"),
    ],
)
def test_what_an_ascii_terminal_shows(output: ModuleType, text: str, printed: str) -> None:
    assert text.encode("ascii", "readable").decode().removeprefix("x ") == printed


@BOTH
def test_only_what_the_encoding_lacks_is_changed(output: ModuleType) -> None:
    assert "é…\ud800".encode("utf-8", "readable").decode() == r"é…\ud800"
    assert "é…".encode("latin-1", "readable").decode("latin-1") == "é..."
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("ascii", "readable")
    assert codecs.lookup_error("readable") in (relay.output.readable, simulator.output.readable)


@BOTH
def test_a_command_without_standard_output(output: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    assert output.printing(lambda: 3) == 3


@BOTH
def test_an_error_of_the_network_stays_one(output: ModuleType) -> None:
    def command() -> int:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        output.printing(command)


@pytest.fixture(params=["", "unbuffered"])
def closed(request: pytest.FixtureRequest) -> Iterator[TextIO]:
    """Standard output is a pipe whose reader has left."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        stream.reconfigure(write_through=bool(request.param))
        yield stream


@pytest.fixture(params=["", "unbuffered"])
def full(request: pytest.FixtureRequest) -> Iterator[TextIO]:
    """Standard output is a file on a full disk."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no full disk to try")
    with open(os.open("/dev/full", os.O_WRONLY), "w") as stream:  # noqa: PTH123 - a descriptor
        stream.reconfigure(write_through=bool(request.param))
        yield stream


def _prints() -> int:
    print("x" * 10)
    return 0


def _prints_and_exits() -> int:
    print("x", flush=True)
    raise SystemExit(0)


@BOTH
@pytest.mark.parametrize("command", [_prints, _prints_and_exits])
def test_nobody_reads_it_any_more(
    output: ModuleType, command: Callable[[], int], closed: TextIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout", closed)
    assert output.printing(command) == 141


@BOTH
@pytest.mark.parametrize("command", [_prints, _prints_and_exits])
def test_the_disk_is_full(
    output: ModuleType,
    command: Callable[[], int],
    full: TextIO,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdout", full)
    assert output.printing(command) == 1
    assert capsys.readouterr().err == "cannot write to standard output: No space left on device\n"


@BOTH
def test_a_command_that_ends_by_itself(output: ModuleType) -> None:
    with pytest.raises(SystemExit):
        output.printing(lambda: sys.exit(2))
    with pytest.raises(FileNotFoundError):
        output.printing(lambda: len(Path("/none/x").read_bytes()))


def test_which_letters_a_stream_has() -> None:
    for encoding, all_of_them in (("ascii", False), ("utf-8", True), ("latin-1", False), ("utf-16", True)):
        stream = io.TextIOWrapper(io.BytesIO(), encoding)
        assert relay.output.takes(stream, "✓") == simulator.output.takes_all_letters(stream) == all_of_them


def test_json_is_json_whatever_the_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    for encoding in ("ascii", "utf-8"):
        raw = io.BytesIO()
        monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding, "readable", write_through=True))
        print_json({"title": "中…¿"})
        assert json.loads(raw.getvalue()) == {"title": "中…¿"}
