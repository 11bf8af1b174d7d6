"""What a notebook shows: pictures as SVG, and tables."""

import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import segno

FOLDER = Path(__file__).parents[1] / "pictures"
"""Where the README's pictures are."""


class Picture:
    """A picture that a notebook shows; `save` writes it into a file, too."""

    def __init__(self, svg: str) -> None:
        self.svg = svg

    def __repr__(self) -> str:
        """For those who cannot see it."""
        return "a picture"

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, name: str) -> Self:
        """Write it to pictures/NAME beside the notebooks, and show it all the same."""
        FOLDER.joinpath(name).write_text(self.svg + "\n", encoding="utf-8")
        return self


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
    return Picture(file.getvalue().decode())
