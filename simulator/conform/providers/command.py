"""`simulator conform --provider COMMAND`: the cases that are wanted, the table or JSON, and the exit status."""

import asyncio
import sys
from collections.abc import Sequence

from simulator.conform.providers.cases import CASES, Case
from simulator.conform.providers.report import as_json, passed, table, total
from simulator.conform.providers.run import run_cases
from simulator.conform.providers.verdict import Verdict
from simulator.process import CommandError


def run(command: str, only: Sequence[str], *, json: bool) -> int:
    """0 if nothing was found, 1 if something was. CommandError for a case that does not exist."""
    cases = chosen(only)
    verdicts = asyncio.run(run_cases(cases, command, _progress))
    if json:
        print(as_json(verdicts, command))
    else:
        print(f"{table(verdicts)}\n{total(verdicts)}")
    return 0 if passed(verdicts) else 1


def chosen(only: Sequence[str]) -> list[Case]:
    """The cases of these names, or all. CommandError."""
    names = [case.name for case in CASES]
    unknown = [name for name in only if name not in names]
    if unknown:
        raise CommandError(f"there is no case {unknown[0]!r}: it is one of {', '.join(names)}")
    return [case for case in CASES if not only or case.name in only]


def _progress(verdict: Verdict) -> None:
    found = ", ".join(f"{one.kind} {one.count}" for one in verdict.findings) or "nothing found"
    print(f"{verdict.case}: {found} ({verdict.seconds:g} s)", file=sys.stderr, flush=True)
