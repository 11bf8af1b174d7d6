"""One run of the generator against servers: so many events, reported as fast as they are answered, and what became of them."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from loadtests.accounts import Accounts, Reported, Shown, accounts
from loadtests.processes import ROOT, Seconds, since, used
from loadtests.servers import Servers

BOTTLENECK: Final = 0.8
"""Of a core: a generator, or phones, that need more may themselves be what is measured."""
RUN_SECONDS: Final = 600.0
STRAGGLE_SECONDS: Final = 120.0
"""For how long an alert that is still missing is waited for, by default: what exceeds the relay's queue waits for a lease."""


@dataclass(frozen=True, slots=True)
class Barrage:
    """`cpu` is the processor that each part used: "relay", "phones", "database" where it is a server, "generator".

    `lag` is how late the generator's timers were at worst, in seconds.
    """

    accounts: Accounts
    cpu: Seconds
    lag: float

    @property
    def bottlenecks(self) -> list[str]:
        """What worked so hard beside the servers that it may be what was measured; both are of one thread."""
        seconds = self.accounts.seconds
        shares = {part: self.cpu[part] / seconds for part in ("generator", "phones") if seconds}
        return [f"{part} at {share:.0%} of a core" for part, share in shares.items() if share > BOTTLENECK]

    def row(self) -> dict[str, Any]:
        """For a summary. `..._us` is microseconds of processor per event, `events_per_core` the relay's share of that."""
        events, relay = self.accounts.events, self.cpu["relay"]
        return {
            **self.accounts.row(),
            "events_per_core": round(events / relay, 1) if relay else 0.0,
            **{
                f"{part}_us": round(1e6 * seconds / events) if events else 0
                for part, seconds in self.cpu.items()
            },
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
    users: int = 64,
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
    before = used(servers.parts)
    _locust(load, users, folder, report)
    reported, generator, lag = read(sent)
    shown = _shown(servers, sum(not one.refused for one in reported) * phones, straggle)
    cpu = since(before, used(servers.parts)) | {"generator": generator}
    found = Barrage(accounts(reported, shown, phones), cpu, lag)
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
    return {**os.environ, "LOAD": json.dumps(load), "PYTHONPATH": str(ROOT)}


def read(path: Path) -> tuple[list[Reported], float, float]:
    """The generator's file: its events, the seconds of processor that it used, and its longest lag."""
    *lines, last = [line.split() for line in path.read_text().splitlines()]
    reported = [
        Reported(session, float(begun), float(answered), *map(int, counts))
        for session, begun, answered, *counts in lines
    ]
    return reported, float(last[1]), float(last[2])


def _shown(servers: Servers, expected: int, straggle: float) -> list[Shown]:
    """What the phones showed: as soon as it is enough, or nothing more comes."""
    shown: list[Shown] = []
    ends = time.monotonic() + straggle
    while True:
        shown += [Shown(*one) for one in servers.phones.shown()]
        if len(shown) >= expected or time.monotonic() > ends:
            return shown
        time.sleep(0.2)
