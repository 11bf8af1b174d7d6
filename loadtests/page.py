"""The HTML report of one load test: one file, which needs no other. Pure."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

from loadtests.sections import Figures, Heading, Part, Picture, Words, parts
from loadtests.summary import cell, columns_of

STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 80rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto; font-size: 13px }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap }
th:first-child, td:first-child { text-align: left }
td.no { color: #b00020; font-weight: bold }
svg { max-width: 100%; height: auto }
"""


def page(summary: Mapping[str, Any], pictures: Mapping[str, str]) -> str:
    """The whole page; `pictures` are SVG texts by file name, and what is not there is left out."""
    found = list(parts(summary))
    title = next(part.text for part in found if isinstance(part, Heading))
    body = "\n".join(line for part in found for line in _lines(part, pictures))
    return f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n<style>{STYLE}</style>\n{body}\n</html>\n'


def _lines(part: Part, pictures: Mapping[str, str]) -> Iterator[str]:
    if isinstance(part, Heading):
        yield f"<h1>{escape(part.text)}</h1>"
    elif isinstance(part, Words):
        yield f"<p>{escape(part.text)}</p>"
    elif isinstance(part, Picture):
        svg = pictures.get(part.name, "")
        yield svg[svg.find("<svg") :] if svg else ""
    else:
        yield from _table(part)


def _table(figures: Figures) -> Iterator[str]:
    columns = columns_of(figures.rows)
    yield "<table>"
    yield f"<tr>{''.join(f'<th>{escape(name)}</th>' for name in columns)}</tr>"
    for row in figures.rows:
        yield f"<tr>{''.join(_cell(row.get(name)) for name in columns)}</tr>"
    yield "</table>"


def _cell(value: Any) -> str:
    mark = ' class="no"' if value == "NO" else ""
    return f"<td{mark}>{escape(cell(value))}</td>"
