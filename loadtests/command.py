"""How every load test is run from a shell, and how it ends: files written, thresholds printed, exit status known."""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from loadtests.sections import SECTIONS, page
from loadtests.summary import OUT, Row, Threshold, passed, record

STOPPED: Final = 130
"""The exit status of what Ctrl-C ended, as shells have it."""


def count(text: str) -> int:
    """A whole number from 1 on, as an option."""
    try:
        found = int(text)
    except ValueError:
        found = 0
    if found < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, got {text!r}")
    return found


def amount(text: str) -> float:
    """A number above 0, as an option."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return found


def counts(text: str) -> list[int]:
    """Counts with commas between them, as an option."""
    return [count(one) for one in text.split(",")]


def amounts(text: str) -> list[float]:
    """Amounts with commas between them, as an option."""
    return [amount(one) for one in text.split(",")]


def run(main: Callable[[], int]) -> NoReturn:
    """Exit with what `main` returns. SIGTERM is Ctrl-C: every process that was started is stopped on the way out."""
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        status = main()
    except KeyboardInterrupt:
        print("stopped before its end: nothing was judged", file=sys.stderr)
        status = STOPPED
    sys.exit(status)


def conclude(
    name: str, rows: Sequence[Row], thresholds: Sequence[Threshold], *, folder: Path = OUT, **more: Any
) -> int:
    """Write `name`.json, .csv and .html, print how each threshold stands; the exit status, 1 if one was missed."""
    summary = record(name, rows, thresholds, folder, **more)
    paths = [path for picture in SECTIONS[name].pictures if (path := folder / picture).exists()]
    pictures = {path.name: path.read_text() for path in paths}
    (folder / f"{name}.html").write_text(page(summary, pictures))
    held = passed(thresholds)
    print(f"written: {folder / name}.json, .csv, .html")
    return 0 if held else 1
