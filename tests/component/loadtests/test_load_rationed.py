import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import pytest

from loadtests.processes import rationed
from waiting import eventually


@contextmanager
def busy() -> Iterator[psutil.Process]:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        yield psutil.Process(process.pid)
        process.kill()


def stopped(process: psutil.Process) -> Callable[[], bool]:
    return lambda: process.status() == psutil.STATUS_STOPPED


async def test_each_runs_and_is_stopped_in_turn_and_never_two_at_once() -> None:
    with busy() as one, busy() as other:
        with rationed([one.pid, other.pid], 0.25):
            for mine, its in ((one, other), (other, one)):
                await eventually(lambda mine=mine: not stopped(mine)())
                await eventually(lambda its=its: not stopped(its)())
                await eventually(lambda one=one, other=other: stopped(one)() and stopped(other)())
        await eventually(lambda: not stopped(one)() and not stopped(other)())


async def test_they_run_freely_again_also_after_an_error() -> None:
    with busy() as one:
        with contextlib.suppress(KeyError), rationed([one.pid], 0.5):
            await eventually(stopped(one))
            raise KeyError
        await eventually(lambda: not stopped(one)())
    with rationed([one.pid], 0.5):  # it has ended, which is nobody's fault
        pass


@pytest.mark.parametrize("share", [0.0, 0.6])
def test_more_than_a_core_cannot_be_shared_out(share: float) -> None:
    with pytest.raises(ValueError, match="one core"), rationed([1, 2], share):
        pass
