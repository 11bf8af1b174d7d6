"""What a load test found, as JSON and CSV, and the thresholds that decide its exit status.

Thresholds are counts, shares and ratios of one run, or times on a virtual clock; never times of the machine.
"""

import csv
import json
import os
import platform
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, Literal

PACKAGES: Final = (
    "quart",
    "hypercorn",
    "tortoise-orm",
    "aiosqlite",
    "aiomysql",
    "aioapns",
    "msgspec",
    "locust",
)


def machine() -> dict[str, str]:
    """By name, in words."""
    return {
        "processor": f"{os.cpu_count()} x {_processor()}",
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        **{name: found for name in PACKAGES if (found := _version(name))},
    }


def _processor() -> str:
    """Linux tells the model in /proc; elsewhere only the architecture is known."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or "processor")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


OUT: Final = Path(__file__).with_name("out")

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Threshold:
    """`what` was measured as `value`, in the case `where`, and must be `bound` `limit`."""

    what: str
    value: float
    bound: Literal["at least", "at most"]
    limit: float
    where: str = ""

    @property
    def held(self) -> bool:
        """Whether it is as it must be. What could not be measured (NaN) is not."""
        return self.value >= self.limit if self.bound == "at least" else self.value <= self.limit

    def __str__(self) -> str:
        verdict = "ok    " if self.held else "MISSED"
        where = f", {self.where}" if self.where else ""
        return f"{verdict} {self.what}{where}: {self.value:g}, {self.bound} {self.limit:g}"

    def fields(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "what": self.what,
            "where": self.where,
            "value": self.value,
            self.bound: self.limit,
            "held": self.held,
        }


def record(name: str, rows: Sequence[Row], thresholds: Sequence[Threshold], folder: Path, **more: Any) -> Row:
    """Write `name`.json and `name`.csv, as often as there is something new; what is in the first."""
    folder.mkdir(parents=True, exist_ok=True)
    verdicts = [one.fields() for one in thresholds]
    found = {"name": name, "machine": machine(), "thresholds": verdicts, "rows": list(rows), **more}
    (folder / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
    _write_csv(folder / f"{name}.csv", rows)
    return found


def passed(thresholds: Sequence[Threshold]) -> bool:
    """Print how each threshold stands; whether all held, and there are any."""
    for one in thresholds:
        print(one, file=sys.stdout if one.held else sys.stderr)
    return bool(thresholds) and all(one.held for one in thresholds)


def _write_csv(path: Path, rows: Sequence[Row]) -> None:
    columns = columns_of(rows)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def columns_of(rows: Sequence[Row]) -> list[str]:
    """Every name that a row has, in the order in which they come up."""
    return list(dict.fromkeys(name for row in rows for name in row))


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table; what a row has not is left empty."""
    columns = columns_of(rows)
    lines = [columns, ["---"] * len(columns), *([cell(row.get(name)) for name in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(value: Any) -> str:
    """A figure to be read: three digits where there are decimals, thousands apart."""
    if isinstance(value, float):
        return f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str("" if value is None else value)
