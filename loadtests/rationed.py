"""Processes that get no more than a share of a core each: they are stopped (SIGSTOP) for the rest of the time.

Two relays that share a small machine with generator, phones and database get hardly more processor than one does. With a ration
each has as much as the other setup's one, as on machines of their own, and what is measured is what they cost each other.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

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
