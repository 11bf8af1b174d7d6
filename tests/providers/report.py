"""The table of docs/providers.md: the relay's own push client and four libraries, each through every case. `make providers`.

A library that cannot be had is left out, with a notice. Exit status 1 if anything is found of the relay's.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from component.apns.strangers.packages import STRANGERS, Stranger

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PROGRAMS = {
    "aioapns": "provide_aioapns.py",
    "pyapns-client": "provide_pyapns_client.py",
    "apns2": "provide_apns2.py",
    "@parse/node-apn": "provide_node_apn.cjs",
}
Json = dict[str, Any]


def commands() -> Iterator[tuple[str, str]]:
    """Each provider's name, and the command that starts it."""
    yield "relay", f"PYTHONPATH={ROOT} {sys.executable} {HERE / 'provide_relay.py'}"
    for one in STRANGERS:
        if one.name not in PROGRAMS or (one.name, one.registry) == ("apns2", "npm"):
            continue
        try:
            yield f"{one.name} {one.version}", _command(one)
        except (OSError, subprocess.SubprocessError) as error:
            print(f"NOT TESTED: {one.name} {one.version} cannot be had: {error}", file=sys.stderr)


def _command(one: Stranger) -> str:
    interpreter = one.command()[0]
    paths = f"NODE_PATH={one.folder / 'node_modules'} " if one.registry == "npm" else ""
    return f"{paths}{interpreter} {HERE / PROGRAMS[one.name]}"


def conform(command: str) -> Json:
    words = [sys.executable, "-m", "simulator", "conform", "--json", "--provider", command]
    done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    result: Json = json.loads(done.stdout)
    return result


def table(results: dict[str, Json]) -> str:
    """Markdown: a row for each case, a column for each provider."""
    names = list(results)
    rows = [["case", *names], ["---"] * (len(names) + 1)]
    for number, case in enumerate(next(iter(results.values()))["cases"]):
        cells = [_cell(results[name]["cases"][number]["findings"]) for name in names]
        rows.append([f"{case['case']}: {case['about']}", *cells])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(findings: list[Json]) -> str:
    counts: dict[str, int] = {}
    for one in findings:
        counts[one["kind"]] = counts.get(one["kind"], 0) + one["count"]
    return ", ".join(f"{kind} {count}" for kind, count in counts.items()) or "·"


def main() -> int:
    results = {}
    for name, command in commands():
        print(f"--- {name}", file=sys.stderr)
        results[name] = conform(command)
    print(table(results))
    return 0 if results["relay"]["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
