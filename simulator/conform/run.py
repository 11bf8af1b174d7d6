"""`simulator conform`: every case of a file in a world of its own, a line for each, and the totals."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from simulator.clock import VirtualClock
from simulator.conform.bench import Bench, MakeClock
from simulator.conform.cases import SKIPPED_GROUPS, Case, CaseError, SkipCase
from simulator.conform.checks import check
from simulator.conform.sending import send
from simulator.conform.states import arranged
from simulator.conform.steps import perform
from simulator.lab.why import explain

CASE_SECONDS = 60.0
"""Real time. A case that takes longer hangs."""
Verdict = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Result:
    """How a case went; `why` says what was wrong, or why it was left out."""

    id: str
    group: str
    confidence: str
    description: str
    verdict: Verdict
    why: str = ""


async def run_case(case: Case, clock: MakeClock = VirtualClock) -> Result:
    """One case in a fresh world, on a clock of its own. Never raises for what the case or the sandbox does wrong."""
    if case.broken:
        return _result(case, "failed", case.broken)
    if case.group in SKIPPED_GROUPS:
        return _result(case, "skipped", SKIPPED_GROUPS[case.group])
    try:
        async with asyncio.timeout(CASE_SECONDS), arranged(case, clock) as bench:
            await _run(case, bench)
    except SkipCase as reason:
        return _result(case, "skipped", str(reason))
    except CaseError as error:
        return _result(case, "failed", str(error))
    except TimeoutError:
        return _result(case, "failed", f"not finished after {CASE_SECONDS:.0f} s")
    except Exception as error:  # whatever breaks is this case's failure and no other's
        return _result(case, "failed", f"{type(error).__name__}: {error}")
    return _result(case, "passed")


async def _run(case: Case, bench: Bench) -> None:
    """Setup, the request, what comes then, and the assertions, in this order."""
    for step in case.setup:
        await perform(bench, step)
    if case.sends:
        bench.mark()
        answer = await send(bench, bench.request)
        bench.sent(answer)
        await bench.finish()
        _compare(case, answer.status, answer.fields.get("reason"), _explained(bench))
    for step in case.then:
        await perform(bench, step)
    await bench.finish()
    for assertion in case.asserts:
        await check(bench, assertion)


def _explained(bench: Bench) -> str:
    """Why the sandbox refused the request, in its own words, with the source; "" if it did not."""
    pushes = [one for one in bench.journal.entries("apns") if one.what in ("push", "channel")]
    why = explain(pushes[-1]) if pushes else None
    return "" if why is None else f": {why.short} ({why.source})"


def _compare(case: Case, status: int | None, reason: str | None, why: str) -> None:
    if (status, reason) != (case.status, case.reason):
        raise CaseError(
            f"answered {status} {reason or ''}, expected {case.status} {case.reason or ''}".rstrip() + why
        )


def _result(case: Case, verdict: Verdict, why: str = "") -> Result:
    return Result(case.id, case.group, case.confidence, case.description, verdict, why)


async def run_cases(cases: Iterable[Case], report: Callable[[Result], None]) -> list[Result]:
    """All cases, one after the other; `report` is called with each result."""
    results = []
    for case in cases:
        result = await run_case(case)
        report(result)
        results.append(result)
    return results


MARKS: dict[Verdict, str] = {"passed": "[green]✓[/]", "failed": "[red]✗[/]", "skipped": "[yellow]-[/]"}


def print_result(console: Console, result: Result) -> None:
    """One line a case."""
    why = f": {result.why}" if result.why else ""
    line = escape(f"{result.id} {result.group}: {result.description}{why}")
    console.print(
        f"{MARKS[result.verdict]} {line}",
        highlight=False,
        soft_wrap=True,
    )


def print_totals(console: Console, results: Sequence[Result]) -> None:
    """Passed, failed and skipped by group and by confidence."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("", "passed", "failed", "skipped"):
        table.add_column(column, justify="left" if not column else "right")
    for names in (
        {result.group: None for result in results},
        {result.confidence: None for result in results},
    ):
        for name in names:
            table.add_row(name, *map(str, _counts(results, name)))
    table.add_row("[bold]all", *map(str, _counts(results, None)))
    console.print(table)
    if not any(result.verdict != "skipped" for result in results):
        console.print("No case was run.")


def totals(results: Sequence[Result]) -> dict[str, dict[str, int]]:
    """`{group or confidence or "all": {passed, failed, skipped}}`."""
    names = {name: None for result in results for name in (result.group, result.confidence)}
    verdicts = ("passed", "failed", "skipped")
    return {name: dict(zip(verdicts, _counts(results, name), strict=True)) for name in names} | {
        "all": dict(zip(verdicts, _counts(results, None), strict=True))
    }


def passed(results: Sequence[Result]) -> bool:
    """Whether no case failed. Where none ran at all nothing has been shown, and nothing passed."""
    verdicts = {result.verdict for result in results}
    return "failed" not in verdicts and "passed" in verdicts


def print_json(results: Sequence[Result]) -> None:
    """`{ok, totals, cases}` as one JSON object."""
    json.dump(
        {"ok": passed(results), "totals": totals(results), "cases": [asdict(one) for one in results]},
        sys.stdout,
        indent=2,
    )
    print()


def _counts(results: Sequence[Result], name: str | None) -> tuple[int, int, int]:
    counts = Counter(one.verdict for one in results if name is None or name in (one.group, one.confidence))
    return counts["passed"], counts["failed"], counts["skipped"]
