"""Texts on a terminal that has not all letters, in both programs."""

import codecs
import io
import json
from types import ModuleType

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


def test_json_is_json_whatever_the_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    for encoding in ("ascii", "utf-8"):
        raw = io.BytesIO()
        monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding, "readable", write_through=True))
        print_json({"title": "中…¿"})
        assert json.loads(raw.getvalue()) == {"title": "中…¿"}
