"""One run of the generator against servers: so many events, told as fast as they are answered, and what became of them."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from loadtests.accounts import Accounts, Shown, Told, accounts
from loadtests.processes import ROOT
from loadtests.servers import Servers

BOTTLENECK: Final = 0.8
"""Of a core: a generator, or phones, that need more may themselves be what is measured."""
RUN_SECONDS: Final = 600.0
STRAGGLE_SECONDS: Final = 120.0
"""For how long an alert that is still missing is waited for, by default: what exceeds the relay's queue waits for a lease."""


@dataclass(frozen=True, slots=True)
class Barrage:
    """`cpu` is the seconds of processor that the servers used, and the phones; `share` and `lag` are the generator's own."""

    accounts: Accounts
    cpu: float
    phones_cpu: float
    share: float
    lag: float

    @property
    def bottlenecks(self) -> list[str]:
        """What worked so hard beside the servers that it may be what was measured."""
        seconds = self.accounts.seconds
        shares = {"generator": self.share, "phones": self.phones_cpu / seconds if seconds else 0.0}
        return [f"{name} at {share:.0%} of a core" for name, share in shares.items() if share > BOTTLENECK]

    def row(self) -> dict[str, Any]:
        """For a summary. `events_per_core` is events per second of the servers' processor time."""
        return self.accounts.row() | {
            "events_per_core": round(self.accounts.events / self.cpu, 1) if self.cpu else 0.0,
            "generator_share": self.share,
            "generator_lag_s": self.lag,
            "bottleneck": ", ".join(self.bottlenecks),
        }


def barrage(
    servers: Servers,
    folder: Path,
    *,
    name: str,
    secrets: Sequence[str],
    phones: int,
    events: int,
    users: int = 32,
    report: Path | None = None,
    straggle: float = STRAGGLE_SECONDS,
) -> Barrage:
    """Tell so many events, each to `phones` phones; `name` makes them others than those of the last run.

    With `report`, Locust writes its HTML and CSV beside that path.
    """
    sent = folder / "sent.txt"
    load = {
        "urls": list(servers.urls),
        "secrets": list(secrets),
        "events": events,
        "name": name,
        "sent": str(sent),
    }
    before, phones_before = _cpu(servers.pids), _cpu([servers.phones.pid])
    _locust(load, users, folder, report)
    told, share, lag = read(sent)
    shown = _shown(servers, sum(not one.refused for one in told) * phones, straggle)
    cpu, phones_cpu = _cpu(servers.pids) - before, _cpu([servers.phones.pid]) - phones_before
    found = Barrage(accounts(told, shown, phones), cpu, phones_cpu, share, lag)
    for bottleneck in found.bottlenecks:
        print(f"maybe not the relay is what was measured: {bottleneck}", file=sys.stderr)
    return found


def _locust(load: Mapping[str, Any], users: int, folder: Path, report: Path | None) -> None:
    """Headless, in a process of its own: gevent and asyncio do not mix. RuntimeError if it fails."""
    reports = [f"--html={report}.html", f"--csv={report}"] if report else []
    command = [sys.executable, "-m", "locust", "-f", str(ROOT / "loadtests/event_user.py"), "--headless",
               f"--users={users}", f"--spawn-rate={users}", f"--host={load['urls'][0]}", "--only-summary", *reports]  # fmt: skip
    with (folder / "locust.log").open("w") as log:
        done = subprocess.run(
            command,
            env=_environment(load),
            stdout=log,
            stderr=log,
            cwd=folder,
            timeout=RUN_SECONDS,
            check=False,
        )
    if done.returncode or not Path(load["sent"]).exists():
        raise RuntimeError(
            f"locust ended with {done.returncode}: {(folder / 'locust.log').read_text()[-2000:]}"
        )


def _environment(load: Mapping[str, Any]) -> dict[str, str]:
    return {**os.environ, "LOAD": json.dumps(load)}


def read(path: Path) -> tuple[list[Told], float, float]:
    """The generator's file: its events, and its own share of a core and longest lag."""
    *lines, last = [line.split() for line in path.read_text().splitlines()]
    told = [
        Told(session, float(begun), float(answered), *map(int, counts))
        for session, begun, answered, *counts in lines
    ]
    return told, float(last[1]), float(last[2])


def _shown(servers: Servers, expected: int, straggle: float) -> list[Shown]:
    """What the phones showed: as soon as it is enough, or nothing more comes."""
    shown: list[Shown] = []
    ends = time.monotonic() + straggle
    while True:
        shown += [Shown(*fact) for fact in servers.phones.shown()]
        if len(shown) >= expected or time.monotonic() > ends:
            return shown
        time.sleep(0.2)


def _cpu(pids: Sequence[int]) -> float:
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return float(sum(one.user + one.system for one in times))
