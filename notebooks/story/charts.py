"""Charts of what happened over time, by matplotlib, the same bytes for the same numbers."""

import io
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from story.pictures import Picture


def lanes(rows: Mapping[str, Iterable[float]], *, title: str, ends: float, unit: str = "minutes") -> Picture:
    """A chart of moments from 0 to `ends`: one lane for each name, with a mark at each moment and their number."""
    figure, axes = _chart(title, 0.9 + 0.42 * len(rows), unit)
    for height, moments in enumerate(rows.values()):
        found = list(moments)
        axes.plot(found, [height] * len(found), "|", markersize=14, markeredgewidth=1.6)
        axes.annotate(str(len(found)), (1.01, height), xycoords=("axes fraction", "data"), va="center")
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(-0.01 * ends, ends)
    return _drawn(figure)


def steps(
    lines: Mapping[str, Sequence[tuple[float, float]]], *, title: str, of: str, unit: str = "minutes"
) -> Picture:
    """A chart of values that stay until they change: for each name its `(moment, value)` in order; `of` is what they count."""
    figure, axes = _chart(title, 2.6, unit)
    for name, points in lines.items():
        axes.step(*zip(*points, strict=True), where="post", label=name)
    axes.set_ylabel(of)
    axes.set_ylim(bottom=-0.03 * axes.get_ylim()[1])  # so that a line at 0 does not lie under the axis
    axes.legend(frameon=False)
    return _drawn(figure)


def _chart(title: str, height: float, unit: str) -> tuple[Any, Any]:
    """An empty chart, `height` inches high. Matplotlib is slow to import, and most notebooks draw none."""
    logging.getLogger("matplotlib").setLevel(
        logging.ERROR
    )  # it warns while it looks for fonts the first time
    from matplotlib import rcParams
    from matplotlib.figure import Figure

    rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "opencode-push-relay", "font.size": 9})
    figure = Figure(figsize=(8, height), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xlabel(unit)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _drawn(figure: Any) -> Picture:
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    return Picture(text[text.index("<svg") :].rstrip())
