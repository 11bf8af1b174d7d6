"""Plots as SVG files, all in one style and the same bytes for the same figures."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams |= {
    "svg.hashsalt": "loadtests",
    "font.size": 9,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}

from matplotlib import pyplot as plt  # noqa: E402 - the backend is chosen first
from matplotlib.ticker import FuncFormatter  # noqa: E402


@contextmanager
def plot(path: Path, title: str, *, x: str, y: str, log: str = "") -> Iterator[Any]:
    """Axes to draw on; the file is written at the end. `log` names the logarithmic axes: "x", "y" or "xy"."""
    figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    axes.set(title=title, xlabel=x, ylabel=y)
    for name in log:
        getattr(axes, f"set_{name}scale")("log")
        getattr(axes, f"{name}axis").set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    yield axes
    axes.legend()
    figure.savefig(path, format="svg", metadata={"Date": None})
    plt.close(figure)
