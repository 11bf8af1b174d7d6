"""Processes of a load test: started, waited for and ended within bounds; how much of the processor they use, and what share they get.

Two relays that share a small machine with generator, phones and database get hardly more processor than one does. With a ration
each has as much as the other setup's one, as on machines of their own, and what is measured is what they cost each other: a
process that gets no more than a share of a core is stopped (SIGSTOP) for the rest of the time.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import psutil

ROOT: Final = Path(__file__).parents[1]
START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 15.0


class StartError(Exception):
    """A process did not come up; the text has its last words."""


@contextmanager
def python(
    module: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path, *, talks: bool = False
) -> Iterator[subprocess.Popen[str]]:
    """`python -m module` with nothing of our environment but what every program needs; it writes to `log`.

    One that `talks` has its stdin and stdout as pipes.
    """
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    pipe = subprocess.PIPE if talks else None
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=pipe or subprocess.DEVNULL,
            stdout=pipe or file,
            stderr=file,
            env=inherited | {"PYTHONPATH": str(ROOT)} | dict(environment),
            cwd=log.parent,
            text=True,
        )
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[str]) -> None:
    """SIGTERM; after 15 s SIGKILL."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout):
        _close(pipe)


def _close(pipe: IO[str] | None) -> None:
    if pipe is not None:
        with contextlib.suppress(OSError):
            pipe.close()


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str], log: Path) -> None:
    """Return when `condition` is true. StartError if the process ends before, or after 30 s."""
    ends = time.monotonic() + START_SECONDS
    while not condition():
        if process.poll() is not None or time.monotonic() > ends:
            raise StartError(f"{process.args!r} did not come up: {log.read_text()[-2000:]}")
        time.sleep(0.05)


def answers(url: str) -> bool:
    """Whether a GET is answered 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


Seconds = dict[str, float]
"""Of processor, user and system, by the part that used them."""


def used(parts: Mapping[str, Sequence[int]]) -> Seconds:
    """What these processes have used since they began, by part."""
    return {part: sum(map(_of, pids)) for part, pids in parts.items()}


def since(before: Seconds, now: Seconds) -> Seconds:
    """What was used between two readings of the same parts."""
    return {part: seconds - before[part] for part, seconds in now.items()}


def _of(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


PERIOD: Final = 0.04
"""Seconds in which each process has one turn."""


@contextmanager
def rationed(pids: Sequence[int], share: float) -> Iterator[None]:
    """Each runs for `share` of every 40 ms, evenly spread and never two at once; afterwards all run freely.

    ValueError if so many shares are more than one core.
    """
    if not 0 < share * len(pids) <= 1:
        raise ValueError(f"{len(pids)} shares of {share:g} are not between nothing and one core")
    over = threading.Event()
    thread = threading.Thread(target=_ration, args=(pids, share, over), name="ration")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _ration(pids: Sequence[int], share: float, over: threading.Event) -> None:
    """Turn by turn until it is over."""
    turn = PERIOD / len(pids)
    for pid in pids:
        _signal(pid, signal.SIGSTOP)
    while not over.is_set():
        for pid in pids:
            _signal(pid, signal.SIGCONT)
            over.wait(PERIOD * share)
            _signal(pid, signal.SIGSTOP)
            over.wait(turn - PERIOD * share)
    for pid in pids:
        _signal(pid, signal.SIGCONT)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has ended, and whoever needs it will say so
        os.kill(pid, number)
