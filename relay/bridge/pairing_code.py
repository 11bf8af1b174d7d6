"""Pairing a phone: the QR code and the link, as the terminal shows them."""

import io
from typing import TextIO

import segno

from relay.contract import Pairing, pairing_link

COLUMNS = 80
QUIET_ZONE = 4
"""Modules of margin around a QR code, as its standard wants; a very long link gets less, but never none."""


def show_pairing(pair: Pairing, out: TextIO) -> None:
    """Print the QR code and, on a line of its own, the link it holds. Whoever sees either can push to the phones."""
    link = pairing_link(pair)
    code = qr_code(link)
    if _can_show(out, code):
        print(f"Scan this with the app, or with the phone's camera:\n\n{code}", file=out)
    print(f"{link}\n", file=out, flush=True)


def qr_code(text: str) -> str:
    """`text` as a QR code of error level M in half blocks, two modules high; made for a dark terminal."""
    code = segno.make(text, error="m", boost_error=False, micro=False)
    width = int(code.symbol_size(border=0)[0])
    lines = io.StringIO()
    code.terminal(lines, border=max(1, min(QUIET_ZONE, (COLUMNS - width) // 2)), compact=True)
    return lines.getvalue()


def _can_show(out: TextIO, text: str) -> bool:
    try:
        text.encode(out.encoding or "utf-8")
    except UnicodeEncodeError:
        return False  # a terminal that is not UTF-8: the link alone has to do
    return True
