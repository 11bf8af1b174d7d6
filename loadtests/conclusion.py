"""The end of every load test: its files are written, its thresholds printed, its exit status known."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loadtests.page import page
from loadtests.sections import SECTIONS
from loadtests.summary import OUT, Row, Threshold, passed, record


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
