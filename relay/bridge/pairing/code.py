"""The QR code in a terminal: black on white whatever the colours of the terminal, as large as it fits, or not at all. Pure but for `terminal_of`."""

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TextIO

import segno

from relay.output import takes

ON_PAPER, OFF = "\x1b[38;5;16;48;5;231m", "\x1b[0m"
"""Black on white of the fixed part of the 256 colours: a theme changes only the first 16."""
HALF_BLOCKS: Final = {(0, 0): " ", (1, 0): "▀", (0, 1): "▄", (1, 1): "█"}
"""Two modules, one above the other, as one letter."""
FORMS: Final = (("m", 4), ("l", 4), ("m", 2), ("l", 2), ("l", 1))
"""Error correction and margin (modules), best first: the standard wants a margin of 4, phones read the code with less on white."""
LINES_BESIDE = 1
"""The line with the cursor under the code."""
UNKNOWN_SIZE = os.terminal_size((80, 24))


@dataclass(frozen=True, slots=True)
class Terminal:
    """What a person sees at once. `draws`: it has colours and half blocks."""

    columns: int
    lines: int
    draws: bool = True


def terminal_of(out: TextIO) -> Terminal | None:
    """The terminal behind `out`; None: it is a file, a pipe or a journal, where a code would be of no use and stay."""
    try:
        if not out.isatty():
            return None
        size = os.get_terminal_size(out.fileno())
    except (OSError, ValueError):
        return None
    columns, lines = (given or usual for given, usual in zip(size, UNKNOWN_SIZE, strict=True))
    return Terminal(columns, lines, os.environ.get("TERM", "dumb") != "dumb" and takes(out, "▀▄█"))


@dataclass(frozen=True, slots=True)
class Code:
    """A code that is drawn, or how large a terminal would have to be at least."""

    text: str | None
    columns: int
    lines: int


def code_for(link: str, terminal: Terminal) -> Code:
    """The best code of the link that the terminal shows whole. Raises segno.DataOverflowError for a link that no code holds."""
    columns = lines = 0
    for level, margin in FORMS:
        code = segno.make(link, error=level, boost_error=False, micro=False)
        columns = int(code.symbol_size(border=margin)[0])
        lines = (columns + 1) // 2
        if columns <= terminal.columns and lines + LINES_BESIDE <= terminal.lines:
            return Code("\n".join(_drawn(code, margin)), columns, lines)
    return Code(None, columns, lines + LINES_BESIDE)


def _drawn(code: segno.QRCode, margin: int) -> Iterator[str]:
    rows = [tuple(row) for row in code.matrix_iter(border=margin)]
    rows += [(0,) * len(rows[0])] * (len(rows) % 2)
    for upper, lower in zip(rows[::2], rows[1::2], strict=True):
        yield ON_PAPER + "".join(HALF_BLOCKS[pair] for pair in zip(upper, lower, strict=True)) + OFF


def picture(link: str, kind: str) -> bytes:
    """The code as a picture, black on white: `kind` is png or svg."""
    code = segno.make(link, error=FORMS[0][0], micro=False)
    file = io.BytesIO()
    code.save(file, kind=kind, scale=8, border=FORMS[0][1], light="white")
    return file.getvalue()
