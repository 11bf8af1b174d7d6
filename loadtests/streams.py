"""Many sessions that stream at once into one bridge: what it costs, and whether every alert is still right.

    python -m loadtests.streams [--generation 1 2] [--sessions 200] [--seconds 30] [--events 10000] [--out FOLDER]

An OpenCode of each generation in this process lets all sessions answer at the same time, word by word; bridge and relay are the
real processes. The bridge's processor time and memory are read from /proc (Linux only). Exit status 1 if an alert is missing,
doubled or of the wrong kind, or the bridge took more than one core or 150 MB, or could not read as fast as OpenCode sends.
"""

import argparse
import asyncio
import contextlib
import json
import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from loadtests.command import amount, conclude, count, run
from loadtests.second_streams import SecondWorld, answer_all
from loadtests.summary import OUT, Threshold
from simulator.replay.world import ReplayWorld, WorldOptions

CORES, MEGABYTES = 1.0, 150.0
PATIENCE = 60.0
"""Seconds after the last word until the last alert must be on the phone."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured. `events_per_second` is what the server sent; `cores` the bridge's share of one while it did.

    `streams` is how often the bridge opened the stream: OpenCode 2 ends that of a reader that is too slow.
    """

    generation: int
    sessions: int
    seconds: float
    events_per_second: float
    cores: float
    megabytes: float
    alerts: int
    missing: int
    surplus: int
    streams: int = 1


def thresholds(figures: Figures) -> list[Threshold]:
    """The bridge's bounds, and what the phone must show."""
    where = f"OpenCode {figures.generation}"
    return [
        Threshold("alerts missing on the phone", figures.missing, "at most", 0, where),
        Threshold("alerts that the phone showed too often", figures.surplus, "at most", 0, where),
        Threshold("cores of the bridge", figures.cores, "at most", CORES, where),
        Threshold("megabytes of the bridge", figures.megabytes, "at most", MEGABYTES, where),
        Threshold("streams that the bridge needed", figures.streams, "at most", 1, where),
    ]


OPTIONS = WorldOptions(live_activities=True, phone_profile="lenient")


async def measure(generation: int, sessions: int, seconds: float, events: float) -> Figures:
    """`sessions` answers of about so many seconds, all at once, at `events` a second in all."""
    gap = sessions / events
    words = int(seconds / gap)
    async with SecondWorld(OPTIONS) if generation == 2 else ReplayWorld(OPTIONS) as world:
        world.apns.profile.device_rate = None  # one phone takes the alerts of all sessions
        pid = int(world.journal.entries("bridge", "process started")[-1].detail["pid"])
        sent = _count_events(world)
        before, began = _cpu_seconds(pid), time.monotonic()
        if isinstance(world, SecondWorld):
            expected = await answer_all(world, sessions, words, gap)
        else:
            expected = await _prompt_all(world, sessions, words, gap)
        took = time.monotonic() - began
        rate = sum(sent) / took
        shown = await _shown(world, expected)
        spent = (
            _cpu_seconds(pid) - before
        )  # all that the stream cost, also what the bridge had not read when it ended
        return Figures(
            generation=generation,
            sessions=sessions,
            seconds=took,
            events_per_second=rate,
            cores=spent / took,
            megabytes=_peak_megabytes(pid),
            alerts=shown.total(),
            missing=(expected - shown).total(),
            surplus=(shown - expected).total(),
            streams=len(world.journal.entries("opencode", "stream opened")),
        )


def _count_events(world: ReplayWorld) -> list[int]:
    """The sizes of all that the server sends from now on."""
    sent: list[int] = []
    streams = world.opencode.process.streams
    send = streams.send

    def counted(frames: Sequence[Any]) -> None:
        sent.append(len(frames))
        send(frames)

    streams.send = counted  # type: ignore[method-assign]
    return sent


async def _prompt_all(world: ReplayWorld, sessions: int, words: int, gap: float) -> Counter[tuple[str, str]]:
    """Every session gets a prompt and answers it, word by word; what the phone must show of each."""
    prompt = "@@" + json.dumps([{"op": "text", "n": words, "ms": 1000 * gap}])
    api = world.opencode1.api
    made = [api.create("/code/load", {"title": f"Load {number}"}) for number in range(sessions)]
    turns = [api.prompt(one, {"parts": [{"type": "text", "text": prompt}]}) for one in made]
    await asyncio.gather(*(turn for turn in turns if turn is not None))
    return Counter((one["id"], "complete") for one in made)


async def _shown(world: ReplayWorld, expected: Counter[tuple[str, str]]) -> Counter[tuple[str, str]]:
    """What the phone has shown when all of it is there, or patience is over."""
    phone = world.phones[0]
    with contextlib.suppress(TimeoutError):
        await phone.shown(expected.total(), within=PATIENCE)
    await world.still(2.0)
    return Counter((str(one["sessionID"]), str(one["eventType"])) for one in phone.showings)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_megabytes(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _print(figures: Figures) -> None:
    print(
        f"OpenCode {figures.generation}: {figures.sessions} sessions, {figures.events_per_second:,.0f} events a second for {figures.seconds:.0f} s"
    )
    print(f"bridge: {figures.cores:.2f} cores, {figures.megabytes:.0f} MB at most")
    print(f"alerts: {figures.alerts} shown, {figures.missing} missing, {figures.surplus} too many")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, writes and judges; 0 if all was as it should be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--generation", type=int, choices=(1, 2), nargs="+", default=[1, 2], help="of OpenCode (both)"
    )
    parser.add_argument("--sessions", type=count, default=200, metavar="N", help="that stream at once (200)")
    parser.add_argument("--seconds", type=amount, default=30.0, metavar="S", help="for so long (30)")
    parser.add_argument(
        "--events", type=amount, default=10_000.0, metavar="N", help="a second, in all (10000)"
    )
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    rows: list[dict[str, float]] = []
    found: list[Threshold] = []
    for generation in options.generation:
        figures = asyncio.run(measure(generation, options.sessions, options.seconds, options.events))
        _print(figures)
        rows.append({name: round(value, 2) for name, value in asdict(figures).items()})
        found += thresholds(figures)
    return conclude("streams", rows, found, folder=options.out)


if __name__ == "__main__":
    run(main)
