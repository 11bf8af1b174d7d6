"""What a notebook shows: pictures as SVG, tables, and charts by matplotlib, the same bytes for the same numbers."""

import base64
import html
import io
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import segno

from story import alt_texts

FOLDER = Path(__file__).parents[1] / "pictures"
"""Where the README's pictures are."""


class Picture:
    """A picture that a notebook shows; `alt` says in words what is seen on it. `save` writes it into a file, too.

    It is stored as SVG, and as an HTML image of the same: Jupyter shows that one in a notebook that nobody has trusted yet,
    and it carries the words. Those are also the text for who reads the notebook without pictures.
    """

    def __init__(self, svg: str, alt: str) -> None:
        self.svg, self.alt = svg, alt

    def __repr__(self) -> str:
        """For those who cannot see it."""
        return self.alt

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.svg.encode()).decode()
        return f'<img alt="{html.escape(self.alt)}" src="data:image/svg+xml;base64,{data}">'

    def save(self, name: str) -> Self:
        """Write it to pictures/NAME beside the notebooks, and show it all the same."""
        FOLDER.joinpath(name).write_text(self.svg + "\n", encoding="utf-8")
        return self


class HttpRequest:
    """A request as text: its first line, the headers and the JSON. The token is shortened, the provider token left out."""

    def __init__(self, path: str, headers: Mapping[str, str], payload: Mapping[str, Any]) -> None:
        self.path, self.headers, self.payload = path, headers, payload

    def __repr__(self) -> str:
        """As a person would write it down."""
        start, _, token = self.path.rpartition("/")
        fields = {name: value for name, value in self.headers.items() if not name.startswith(":")}
        fields |= {"authorization": "bearer (the provider token)"} if "authorization" in fields else {}
        lines = [
            f"POST {start}/…{token[-8:]}",
            *(f"{name}: {value}" for name, value in sorted(fields.items())),
        ]
        return "\n".join([*lines, "", json.dumps(self.payload, indent=2, ensure_ascii=False)])


class Table:
    """Rows that a notebook shows as a table; all have the same keys."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.rows = list(rows)

    def __repr__(self) -> str:
        """As text, a line for each row."""
        return "\n".join(str(dict(row)) for row in self.rows)

    def _repr_html_(self) -> str:
        names = list(self.rows[0]) if self.rows else ["nothing"]
        rows = [_row("td", [row[name] for name in names]) for row in self.rows]
        return f"<table>{_row('th', names)}{''.join(rows)}</table>"


def _row(kind: str, values: Sequence[Any]) -> str:
    return f"<tr>{''.join(f'<{kind}>{html.escape(str(value))}</{kind}>' for value in values)}</tr>"


def qr_code(link: str) -> Picture:
    """The link as a phone's camera reads it."""
    file = io.BytesIO()
    segno.make(link, error="m").save(
        file, kind="svg", xmldecl=False, nl=False, scale=4, border=3, light="#ffffff"
    )
    return Picture(file.getvalue().decode(), f"QR code of the link {link}")


def timeline(
    rows: Mapping[str, Iterable[float]], *, title: str, ends: float, unit: str = "minutes"
) -> Picture:
    """A chart of moments from 0 to `ends`: one line for each name, with a mark at each moment and their number."""
    lists = {name: list(moments) for name, moments in rows.items()}
    figure, axes = _chart(title, 0.9 + 0.42 * len(lists), unit)
    for height, found in enumerate(lists.values()):
        axes.plot(found, [height] * len(found), "|", markersize=14, markeredgewidth=1.6)
        axes.annotate(str(len(found)), (1.01, height), xycoords=("axes fraction", "data"), va="center")
    axes.set_yticks(range(len(lists)), list(lists))
    axes.set_ylim(len(lists) - 0.5, -0.5)
    axes.set_xlim(-0.01 * ends, ends)
    return _drawn(figure, alt_texts.of_timeline(title, lists, unit))


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
    return _drawn(figure, alt_texts.of_steps(title, of, lines))


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


def _drawn(figure: Any, alt: str) -> Picture:
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    return Picture(text[text.index("<svg") :].rstrip(), alt)
