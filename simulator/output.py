"""What the commands print: readable on every terminal, and without a traceback where nobody reads it any more.

Python's own standard output refuses what its encoding has no byte for (UnicodeEncodeError), and a reader that leaves early,
as in `simulator replay --list | head`, ends the program with a traceback (BrokenPipeError).
"""

import codecs
import errno
import os
import select
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Callable
from typing import Final, TextIO

IN_ASCII: Final[dict[str, str]] = {
    "…": "...", "“": '"', "”": '"', "‘": "'", "’": "'", "–": "-", "—": "-", "·": "-", "•": "*", "→": "->", "×": "x",
    "✓": "+", "✗": "x", "●": "*", "↻": "~", "\N{NO-BREAK SPACE}": " ",
    **dict.fromkeys("─━", "-"), **dict.fromkeys("│┃", "|"), **dict.fromkeys("╭╮╰╯┌┐└┘├┤┬┴┼", "+"), **dict.fromkeys("█▀▄", "#"),
}  # fmt: skip
"""What our own texts use, where the terminal has no such letter."""

SIGPIPE_STATUS: Final = 128 + 13
"""How a shell calls the end of a program that nobody reads any more."""


def readable(error: UnicodeError) -> tuple[str, int]:
    """An error handler of `codecs`: the same in ASCII as far as it goes, anything else by its number, `\\u4e2d`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_in_ascii, error.object[error.start : error.end])), error.end


def _in_ascii(character: str) -> str:
    if character in IN_ASCII:
        return IN_ASCII[character]
    if unicodedata.combining(character):
        return ""
    letters = unicodedata.normalize("NFD", character).encode("ascii", "ignore")
    return (letters or character.encode("ascii", "backslashreplace")).decode("ascii")


codecs.register_error("readable", readable)


def in_letters_of(stream_encoding: str, text: str) -> str:
    """The text as such a terminal can show it, before it is laid out: `…` is three letters in ASCII."""
    return text.encode(stream_encoding, "readable").decode(stream_encoding)


def takes_all_letters(stream: TextIO) -> bool:
    """Whether the stream's encoding is one of Unicode's, so that JSON may have letters as they are."""
    return (stream.encoding or "utf-8").lower().startswith("utf")


def printing(command: Callable[[], int]) -> int:
    """Run a command, and return its status. Every command of the program goes through here."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="readable")
    unwritten: OSError | None = None
    try:
        try:
            status = command()
        finally:
            unwritten = _unwritten()
    except OSError as error:
        unwritten = unwritten or (error if _is_of_output(error) else None)
        if unwritten is None:
            raise
    except SystemExit:
        if unwritten is None:
            raise
    return status if unwritten is None else _status(unwritten)


def _unwritten() -> OSError | None:
    """Write what is still held back; why that could not be done, if so, and then it is thrown away."""
    if sys.stdout is None:
        return None
    try:
        sys.stdout.flush()
    except OSError as error:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        return error
    return None


def _is_of_output(error: OSError) -> bool:
    """Whether standard output is what could not be written; an unbuffered one says so only once."""
    if not isinstance(error, BrokenPipeError):
        return error.errno == errno.ENOSPC
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return bool(poll.poll(0))
    except (AttributeError, OSError, ValueError):  # there is no standard output, or none that is a file
        return False


def _status(error: OSError) -> int:
    if isinstance(error, BrokenPipeError):
        return SIGPIPE_STATUS
    print(f"cannot write to standard output: {error.strerror}", file=sys.stderr)
    return 1


class Output:
    """Standard output that never waits for its reader, and does without one: what does not go into a full pipe is counted."""

    def __init__(self) -> None:
        self._missed = 0
        self._is_read = True

    def write(self, text: str) -> None:
        """Print one line if there is room for it. Never raises: who prints it has more to do than that."""
        if not self._is_read:
            return
        if not _has_room():
            self._missed += 1
            return
        missed, self._missed = self._missed, 0
        try:
            if missed:
                print(f"({missed} lines were not read in time)")
            print(fitted(text, _columns()), flush=True)
        except (OSError, ValueError):  # nobody reads it any more, or the disk is full
            self._is_read = False


def fitted(text: str, columns: int | None) -> str:
    """A line broken between words where a terminal is narrower; below a time its further lines begin at the second word."""
    if columns is None or len(text) <= columns:
        return text
    indent = " " * (text.find(" ") + 1 if text[:1].isdigit() else 0)
    return textwrap.fill(text, columns, subsequent_indent=indent, break_on_hyphens=False)


def _columns() -> int | None:
    """How wide the terminal is; None if standard output is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _has_room() -> bool:
    """Whether a line can be written without waiting for whoever reads."""
    try:
        return bool(select.select([], [sys.stdout.fileno()], [], 0)[1])
    except (OSError, ValueError):  # no file behind it, as in a test
        return True
