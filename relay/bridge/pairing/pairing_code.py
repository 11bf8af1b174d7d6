"""The pairing as a person gets it: a QR code and a link in the terminal, or a picture in a file."""

import io
import os
from pathlib import Path
from typing import TextIO

import segno

from relay.bridge.errors import OptionError
from relay.contract import Pairing, pairing_link

COLUMNS = 80
QUIET_ZONE = 4
"""Modules of margin around a QR code, as its standard wants; a very long link gets less, but never none."""
LEVELS = ("m", "l")
"""Error correction, best first: less of it makes a smaller code."""
PICTURES = (".png", ".svg")
PICTURE_SCALE = 8
"""Pixels for a module."""

TOO_LONG = f"""\
The link is too long for a QR code of {COLUMNS} columns. Open it on the phone, or scan a picture of it, made by:
relay pair --output pairing.png
"""


def show_pairing(pair: Pairing, out: TextIO) -> None:
    """Print the QR code and, on a line of its own, the link it holds. Whoever sees either can push to the phones."""
    link = pairing_link(pair)
    code = qr_code(link)
    if code is None:
        print(TOO_LONG, file=out)
    elif _can_show(out, code):
        print(f"Scan this with the app, or with the phone's camera:\n\n{code}", file=out)
    print(f"{link}\n", file=out, flush=True)


def save_pairing(pair: Pairing, path: Path) -> None:
    """Write the QR code as a picture that only its owner can read: PNG or SVG, by the name. Raises OptionError."""
    if path.suffix.lower() not in PICTURES:
        raise OptionError(f"--output must name a {' or '.join(PICTURES)} file, not {path.name}")
    code = segno.make(pairing_link(pair), error=LEVELS[0], micro=False)
    picture = io.BytesIO()
    code.save(picture, kind=path.suffix[1:].lower(), scale=PICTURE_SCALE, border=QUIET_ZONE)
    try:
        _write_private(path, picture.getvalue())
    except OSError as error:
        raise OptionError(f"cannot write {path}: {error.strerror}") from None


def qr_code(text: str) -> str | None:
    """`text` as a QR code in half blocks, two modules high, made for a dark terminal; None: it needs too many columns."""
    for level in LEVELS:
        code = segno.make(text, error=level, boost_error=False, micro=False)
        width = int(code.symbol_size(border=0)[0])
        quiet_zone = min(QUIET_ZONE, (COLUMNS - width) // 2)
        if quiet_zone == QUIET_ZONE or (level == LEVELS[-1] and quiet_zone > 0):
            lines = io.StringIO()
            code.terminal(lines, border=quiet_zone, compact=True)
            return lines.getvalue()
    return None


def _can_show(out: TextIO, text: str) -> bool:
    try:
        text.encode(out.encoding or "utf-8")
    except UnicodeEncodeError:
        return False  # a terminal that is not UTF-8: the link alone has to do
    return True


def _write_private(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(handle, 0o600)  # the file may have been there before
        file.write(data)
