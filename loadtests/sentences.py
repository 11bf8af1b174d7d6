"""What the last runs found, in about ten sentences, for a reader who wants no table. Pure.

Every figure is taken from the summaries; a test that has not run has no sentence.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from loadtests.fairness import WHAT
from loadtests.summary import cell

Row = Mapping[str, Any]
Summary = Mapping[str, Any]


def sentences(summaries: Sequence[Summary]) -> list[str]:
    """The verdict first, then what each test found."""
    found = [_verdict([one for summary in summaries for one in summary["thresholds"]])]
    for summary in summaries:
        found += SENTENCES[summary["name"]](summary)
    return found


def _verdict(thresholds: Sequence[Row]) -> str:
    missed = dict.fromkeys(one["what"] for one in thresholds if not one["held"])
    if not missed:
        return f"All {len(thresholds)} thresholds held."
    return f"{sum(not one['held'] for one in thresholds)} of {len(thresholds)} thresholds did not hold: {', '.join(missed)}."


def _budget(summary: Summary) -> Iterator[str]:
    for naive, relay in _pairs(summary["rows"], rate=8, phone="on"):
        yield (
            f"Of a session that changes 8 times a second, the relay makes {cell(relay['priority_10'])} urgent pushes in an hour, all "
            f"within Apple's budget; naive forwarding makes {cell(naive['priority_10'])}, of which {cell(naive['refused'])} are refused."
        )
        yield (
            f"With the relay the card is {relay['behind_median']:.0f} s behind the agent in the middle and "
            f"{relay['behind_longest']:.0f} s at the longest; with naive forwarding {naive['behind_longest']:.0f} s at the longest."
        )


def _pairs(rows: Iterable[Row], **case: Any) -> Iterator[tuple[Row, Row]]:
    some = {row["policy"]: row for row in _like(rows, **case)}
    if {"naive", "relay"} <= some.keys():
        yield some["naive"], some["relay"]


def _fanout(summary: Summary) -> Iterator[str]:
    alone = {row["phones"]: row for row in _like(summary["rows"], database="sqlite", processes=1)}
    if alone:
        counts = (
            f"{row['events_per_second']:,.0f} with {phones} phone{'s'[: phones - 1]}"
            for phones, row in alone.items()
        )
        yield f"One relay process on SQLite takes so many events a second on this machine: {', '.join(counts)}."
        few = alone[min(alone)]
        yield (
            f"Half of the alerts are on the screen {few['delivery_ms_median']:.0f} ms after they were reported, and 95 of 100 after "
            f"{few['delivery_ms_p95']:.0f} ms, at that load and with the fewest phones."
        )
    faults = sum(row[fault] for row in summary["rows"] for fault in ("refused", "lost", "doubled"))
    events = sum(row["events"] for row in summary["rows"])
    yield f"Of {events:,} events {faults or 'none'} were refused, lost on a phone or shown twice."


def _mixed(summary: Summary) -> Iterator[str]:
    for row in _like(summary["rows"], phone="all"):
        yield (
            f"In a day of faults and restarts ({row['setup']}) {row['alerts']} alerts had to ring and {row['cards']} cards to end: "
            f"{row['lost']} lost, {row['doubled']} twice, {row['cards_wrong']} cards wrong."
        )


def _streams(summary: Summary) -> Iterator[str]:
    for row in summary["rows"]:
        yield (
            f"A bridge that follows {row['sessions']} sessions of OpenCode {row['generation']} at once, "
            f"{row['events_per_second']:,.0f} events a second, uses {row['cores']:.0%} of a core and {row['megabytes']:.0f} MB."
        )


def _fairness(summary: Summary) -> Iterator[str]:
    for case, words in (
        ("flood", "thousands of events a minute"),
        ("phones", "events with very many phones"),
    ):
        ratios = [one["value"] for one in summary["thresholds"] if one["what"] == WHAT[case]]
        of = [row["alert_ms_median"] for row in _like(summary["rows"], case=case)]
        if ratios and of:
            yield (
                f"Beside another secret's {words} an alert takes {ratios[0]:.1f} times as long as alone: "
                f"{sorted(of)[len(of) // 2]:.0f} ms in the middle."
            )


RATIOS: Final = {
    "events a second, relay / naive": "Beside a naive build of the same route the relay takes {:.1f} times as many events a second.",
    "pushes a second and core with 200 in flight, lean / stock transport": "Its push client sends {:.0f} times as many pushes per core as "
    "stock aioapns with 200 in flight.",
    "lookup with 1,000,000 rows / with 1,000": "A million phones in the table make an event's lookups {:.1f} times as expensive as a thousand.",
}


def _bench(summary: Summary) -> Iterator[str]:
    values = {one["what"]: one["value"] for one in summary["thresholds"]}
    yield from (text.format(values[what]) for what, text in RATIOS.items() if what in values)


SENTENCES: Final[Mapping[str, Callable[[Summary], Iterable[str]]]] = {
    "budget": _budget,
    "fanout": _fanout,
    "mixed": _mixed,
    "streams": _streams,
    "fairness": _fairness,
    "bench": _bench,
}


def _like(rows: Iterable[Row], **case: Any) -> list[Row]:
    return [row for row in rows if all(row.get(name) == value for name, value in case.items())]
