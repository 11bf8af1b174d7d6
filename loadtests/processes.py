"""Processes of a load test: started, waited for, and ended within bounds, whatever happens to the test."""

import contextlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

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


def wait_for(look: Callable[[], bool], process: subprocess.Popen[str], log: Path) -> None:
    """Return when `look` says so. StartError if the process ends before, or after 30 s."""
    ends = time.monotonic() + START_SECONDS
    while not look():
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
