"""What a reader learns of each load test, and in which order: for REPORT.md and for the HTML pages. Pure.

The page is one file, which needs no other.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final, Literal, NamedTuple

from loadtests.summary import cell, columns_of

Row = Mapping[str, Any]
Summary = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Section:
    """`about` says what is compared and what the figures mean; `split` by which column the rows make tables of their own.

    `columns` are those of a brief table; none: all.
    """

    title: str
    about: str
    pictures: tuple[str, ...] = ()
    split: str | None = None
    columns: tuple[str, ...] = ()


LATENCIES: Final = ("accept_ms_median", "delivery_ms_median", "delivery_ms_p95")

SECTIONS: Final[dict[str, Section]] = {
    "budget": Section(
        "The phone's budget",
        "One session and one card for an hour of virtual time, at 0.1 to 20 state changes a second, with the relay's policy and, "
        "for comparison, with naive forwarding, where every change is a push of priority 10. `behind` is for how many seconds "
        "the agent has left the state that the eye sees on the card; `late` for how many the card, as ActivityKit holds it, and "
        "`drawn_late` for how many the eye, was without a phase change or anything newer; `drawn_wrong` for how many in a row the "
        "eye saw another phase than the agent's.",
        ("budget-pushes.svg", "budget-staleness.svg"),
        columns=(
            "rate",
            "policy",
            "phone",
            "changes",
            "priority_10",
            "over_budget",
            "refused",
            "behind_median",
            "behind_longest",
        ),
    ),
    "fanout": Section(
        "Fan-out",
        "Events a second into real relays with 1, 3 and 100 phones per secret; an event counts when every phone has shown it "
        "once. `accept` is the time from telling to the relay's answer, `delivery` to a phone's screen; `..._us` is the "
        "processor time that one event costs each part of the test, which shares this machine.",
        columns=(
            "database",
            "processes",
            "phones",
            "events",
            "events_per_second",
            "lost",
            "doubled",
            *LATENCIES,
            "relay_us",
        ),
    ),
    "mixed": Section(
        "A day in minutes",
        "Sessions at work, idle phones, new tokens, removed apps, phones offline, an APNs that answers one push in five with 429, "
        "5xx, resets or a closed connection, and relays that are stopped and killed; everything is counted on the phones. "
        "`not_kept` are alerts of which APNs keeps only the newest for an offline phone, `waiting` those that met a 5xx, after "
        "which Apple wants 15 minutes of patience, `in_place` those that a resend showed again in their own place.",
        split="setup",
        columns=(
            "phone",
            "alerts",
            "lost",
            "doubled",
            "in_place",
            "not_kept",
            "waiting",
            "cards",
            "cards_wrong",
        ),
    ),
    "streams": Section(
        "Many streams into one bridge",
        "Sessions of one OpenCode, of each generation, that stream at the same time into one bridge process, with its relay and a "
        "phone behind it. `cores` is the bridge's share of one core, `megabytes` its peak, `missing` and `surplus` are alerts on "
        "the phone, and `streams` is how often the bridge connected: OpenCode 2 ends the stream of a reader that is too slow.",
    ),
    "fairness": Section(
        "Fairness",
        "A quiet secret's alerts, from the report to the phone's screen: alone, while another secret reports thousands of events a "
        "minute (`flood`), and while another's events go to very many phones (`phones`). Judged are ratios of one run, whose rounds "
        "turn the order; `others_ms_p95` is how long 95 of 100 of the other secret's own alerts took.",
        split="case",
        columns=(
            "round",
            "alert_ms_median",
            "alert_ms_p95",
            "alert_ms_longest",
            "others_events_per_second",
            "others_alerts",
            "others_ms_p95",
        ),
    ),
    "bench": Section(
        "Comparisons",
        "Ratios of one run, whose rounds are interleaved; a ratio is the median of those of single rounds. The relay beside a "
        "naive build of the same route (ORM rows, stock aioapns, log before the answer), two processes on one MariaDB beside "
        "one, the relay's transport beside stock aioapns, and the growth of an event's cost with phones and with rows. Two "
        "processes are judged with a quarter of a core each (they are stopped for the rest of the time), because on a machine "
        "with fewer cores than parts they get, free, hardly more processor than one; free rows have `share_of_core` 1.",
        ("bench-phones.svg", "bench-rows.svg"),
        "comparison",
        (
            "comparison",
            "build",
            "processes",
            "share_of_core",
            "client",
            "in_flight",
            "phones",
            "rows",
            "round",
            "events_per_second",
            "events_per_core",
            "alerts_per_core",
            "pushes_per_core",
            "delivery_ms_median",
            "lookup_us",
        ),
    ),
}


class Heading(NamedTuple):
    """Of a section."""

    text: str


class Words(NamedTuple):
    """A paragraph."""

    text: str


class Picture(NamedTuple):
    """An SVG file beside the summary."""

    name: str


class Figures(NamedTuple):
    """A table."""

    rows: Sequence[Row]


Part = Heading | Words | Picture | Figures


def parts(summary: Summary, *, brief: bool = False) -> Iterator[Part]:
    """One test: what it is, how its thresholds stand, where it ran, pictures, figures; in brief only the columns read first."""
    section = SECTIONS[summary["name"]]
    yield Heading(section.title)
    yield Words(section.about)
    yield Figures(verdicts(summary["thresholds"]))
    yield Words("; ".join(f"{part} {value}" for part, value in summary["machine"].items()))
    yield from map(Picture, section.pictures)
    rows = [_of(row, section.columns) for row in summary["rows"]] if brief else summary["rows"]
    for found in _tables(summary["rows"], rows, section.split):
        yield Figures(found)


def verdicts(thresholds: Iterable[Row]) -> list[dict[str, Any]]:
    """A row for each thing that was judged: its worst value over all cases, and in how many of them it held."""
    cases: dict[str, list[Row]] = {}
    for one in thresholds:
        cases.setdefault(one["what"], []).append(one)
    return [_verdict(what, found) for what, found in cases.items()]


def _verdict(what: str, cases: Sequence[Row]) -> dict[str, Any]:
    bound = _bound(cases[0])
    worst = (min if bound == "at least" else max)(one["value"] for one in cases)
    held = sum(one["held"] for one in cases)
    return {
        "threshold": what,
        "worst": f"{round(worst, 2):,g}",
        "limit": f"{bound} {cases[0][bound]:g}",
        "held": "yes" if held == len(cases) else "NO",
        "cases": f"{held} of {len(cases)}",
    }


def _bound(one: Row) -> Literal["at least", "at most"]:
    return "at least" if "at least" in one else "at most"


def _of(row: Row, columns: Sequence[str]) -> Row:
    return {name: row[name] for name in columns if name in row} or row


def _tables(rows: Sequence[Row], shown: Sequence[Row], split: str | None) -> list[list[Row]]:
    """What is shown of the rows, in a table for each value of `split`."""
    tables: dict[Any, list[Row]] = {}
    for row, brief in zip(rows, shown, strict=True):
        tables.setdefault(row[split] if split else None, []).append(brief)
    return list(tables.values())


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
        yield f"<p>{_words(part.text)}</p>"
    elif isinstance(part, Picture):
        svg = pictures.get(part.name, "")
        yield svg[svg.find("<svg") :] if svg else ""
    else:
        yield from _table(part)


def _words(text: str) -> str:
    """Markdown's backticks as HTML."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text))


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
