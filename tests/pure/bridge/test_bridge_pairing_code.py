"""The QR code and the link: what fits a terminal, and that it can be read there whatever its colours."""

import io
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import segno
import zxingcpp

from relay import contract
from relay.bridge.pairing.code import Terminal, code_for, picture, terminal_of
from relay.bridge.pairing.pairing import lacks, show_pairing
from terminal_picture import THEMES
from terminal_picture import picture as photo

PAIR = contract.pairing("https://relay.example.org", "s" * 24, ["http://192.168.178.20:4096"])
LINK = contract.pairing_link(PAIR)
WIDE, NARROW = Terminal(100, 60), Terminal(60, 60)


def plain(text: str) -> list[str]:
    return re.sub(r"\x1b\[[\d;]*m", "", text).splitlines()


@pytest.mark.parametrize("hosts", [1, 2, 3])
@pytest.mark.parametrize(("columns", "lines"), [(100, 60), (80, 43), (70, 40)])
def test_a_code_is_never_larger_than_its_terminal(hosts: int, columns: int, lines: int) -> None:
    pair = contract.pairing(
        "https://relay.example.org", "s" * 24, [f"http://192.168.178.{n}:4096" for n in range(hosts)]
    )
    code = code_for(contract.pairing_link(pair), Terminal(columns, lines))
    if code.text is None:
        assert code.columns > columns or code.lines > lines
    else:
        drawn = plain(code.text)
        assert {len(line) for line in drawn} == {code.columns}
        assert code.columns <= columns
        assert len(drawn) < lines


def test_a_usual_link_fits_sixty_columns_and_not_twenty_four_lines() -> None:
    assert code_for(LINK, NARROW).text is not None
    assert code_for(LINK, Terminal(80, 24)).text is None


def test_the_better_code_where_there_is_room() -> None:
    large, small = code_for(LINK, WIDE), code_for(LINK, NARROW)
    assert large.columns > small.columns
    assert large.text
    lines = plain(large.text)
    assert all(line.startswith(" " * 4) and line.endswith(" " * 4) for line in lines)
    assert not lines[0].strip()


def test_every_line_has_its_own_colours_and_leaves_none_behind() -> None:
    code = code_for(LINK, WIDE)
    assert code.text
    for line in code.text.splitlines():
        assert line.startswith("\x1b[38;5;16;48;5;231m")
        assert line.endswith("\x1b[0m")
        assert line.count("\x1b") == 2


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("terminal", [WIDE, NARROW], ids=["wide", "narrow"])
class TestDecoded:
    """The picture of the terminal, as a camera sees it."""

    def test_by_zxing(self, theme: str, terminal: Terminal) -> None:
        (found,) = zxingcpp.read_barcodes(photo(code_for(LINK, terminal).text or "", theme))
        assert found.text == LINK

    def test_by_zbar(self, theme: str, terminal: Terminal, tmp_path: Path) -> None:
        if not (zbar := shutil.which("zbarimg")):
            pytest.skip("zbarimg is not here: apt-get install zbar-tools")
        photo(code_for(LINK, terminal).text or "", theme).save(tmp_path / "screen.png")
        done = subprocess.run(
            [zbar, "--quiet", "--raw", tmp_path / "screen.png"], capture_output=True, text=True
        )
        assert done.stdout.strip() == LINK


def test_a_picture_is_black_on_white() -> None:
    assert b'fill="#fff"' in picture(LINK, "svg") or b'fill="white"' in picture(LINK, "svg")
    assert picture(LINK, "png").startswith(b"\x89PNG")


class TestNoTerminal:
    def test_a_file_gets_the_link_alone(self) -> None:
        out = io.StringIO()
        show_pairing(PAIR, out)
        assert out.getvalue() == f"{LINK}\n"
        assert terminal_of(out) is None
        assert terminal_of(io.TextIOWrapper(io.BytesIO())) is None


def test_a_link_that_no_code_holds_is_refused() -> None:
    with pytest.raises(segno.DataOverflowError):
        code_for("x" * 3000, WIDE)


class TestLacks:
    """What the app cannot get from the code."""

    def test_nothing(self) -> None:
        assert lacks(PAIR, password=False) == []

    def test_a_relay_that_is_on_this_machine_only(self) -> None:
        (said,) = lacks(contract.pairing("http://127.0.0.1:8787", "s" * 24, []), password=False)
        assert "http://127.0.0.1:8787, which on a phone is the phone itself" in said

    def test_a_password(self) -> None:
        (said,) = lacks(PAIR, password=True)
        assert "alerts need none" in said
        assert "relay pair --connect" in said
