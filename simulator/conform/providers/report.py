"""The verdicts as a table for people, and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from simulator.conform.providers.verdict import KINDS, Verdict

Json = dict[str, Any]


def table(verdicts: Sequence[Verdict]) -> str:
    """A row for each case; under it what was found. Columns in which nobody has anything are left out."""
    kinds = [kind for kind in KINDS if any(verdict.count(kind) for verdict in verdicts)]
    width = max([len(verdict.case) for verdict in verdicts] + [4])
    head = f"{'':<2}{'case':<{width}}  pushes  {'  '.join(kinds)}"
    return "\n".join(
        [head.rstrip(), *(line for verdict in verdicts for line in _rows(verdict, kinds, width))]
    )


def _rows(verdict: Verdict, kinds: Sequence[Any], width: int) -> list[str]:
    mark = "✗" if verdict.findings else "✓"
    counts = "  ".join(f"{verdict.count(kind) or '·':>{len(kind)}}" for kind in kinds)
    row = f"{mark} {verdict.case:<{width}}  {verdict.pushes:>6}  {counts}".rstrip()
    return [row, *(f"    {one.kind}: {one.count} {one.text}" for one in verdict.findings)]


def total(verdicts: Sequence[Verdict]) -> str:
    """One line."""
    sound = sum(not verdict.findings for verdict in verdicts)
    return f"{sound} of {len(verdicts)} cases without a finding."


def passed(verdicts: Sequence[Verdict]) -> bool:
    """Whether there was a case, and nothing was found in any."""
    return bool(verdicts) and not any(verdict.findings for verdict in verdicts)


def fields(verdicts: Sequence[Verdict], command: str) -> Json:
    """`{ok, provider, totals: {kind: count}, cases: [{case, about, pushes, seconds, findings: [{kind, count, text}]}]}`."""
    return {
        "ok": passed(verdicts),
        "provider": command,
        "totals": {kind: sum(verdict.count(kind) for verdict in verdicts) for kind in KINDS},
        "cases": [
            {
                "case": verdict.case,
                "about": verdict.about,
                "pushes": verdict.pushes,
                "seconds": verdict.seconds,
                "findings": [asdict(one) for one in verdict.findings],
            }
            for verdict in verdicts
        ],
    }


def as_json(verdicts: Sequence[Verdict], command: str) -> str:
    """The same as text."""
    return json.dumps(fields(verdicts, command), indent=2)
