"""The life of one turn, from the first busy to the first idle, as a table. Pure.

Why it is not simply "idle means complete" (all observed on OpenCode 1.18): busy is repeated before and after every
step; errors and aborts give idle twice; a rejected permission and an abort during a retry end in idle without any
error; an unknown model gives a second error after the idle; ContextOverflowError is followed by a compaction and the
turn goes on; an error or an abort is over for good unless a new step begins.
"""

from typing import Literal

Phase = Literal["unknown", "idle", "busy", "retry", "rejected", "aborted", "failed", "recovered"]
"""`unknown` until the first status; `recovered` is busy again after an error that was told already."""

Signal = Literal["busy", "retry", "idle", "step", "error", "aborted", "overflow", "rejected", "approved"]
"""`step` is a new assistant message: a model call begins. The others are named by what OpenCode reports."""

Outcome = Literal["complete", "error"]

RUNNING: frozenset[Phase] = frozenset({"busy", "retry", "recovered"})
"""The phases in which the model or a tool is at work."""

PHASES: tuple[Phase, ...] = (
    "unknown", "idle", "busy", "retry", "rejected", "aborted", "failed", "recovered",
)  # fmt: skip
SIGNALS: tuple[Signal, ...] = (
    "busy", "retry", "idle", "step", "error", "aborted", "overflow", "rejected", "approved",
)  # fmt: skip

TURNS: dict[tuple[Phase, Signal], tuple[Phase, Outcome | None]] = {
    # A bridge that starts in the middle of a turn tells errors, but takes an idle for one of the late, doubled ones.
    ("unknown", "busy"): ("busy", None),
    ("unknown", "retry"): ("retry", None),
    ("unknown", "idle"): ("idle", None),
    ("unknown", "error"): ("failed", "error"),
    ("unknown", "aborted"): ("aborted", None),
    ("unknown", "rejected"): ("rejected", None),
    # Between turns only a new turn matters: second idles and late second errors are silent.
    ("idle", "busy"): ("busy", None),
    ("idle", "retry"): ("retry", None),
    ("busy", "retry"): ("retry", None),
    ("busy", "idle"): ("idle", "complete"),
    ("busy", "error"): ("failed", "error"),
    ("busy", "aborted"): ("aborted", None),
    ("busy", "rejected"): ("rejected", None),
    # Out of a retry into idle: the user stopped it, and OpenCode reports no error then.
    ("retry", "busy"): ("busy", None),
    ("retry", "idle"): ("idle", None),
    ("retry", "error"): ("failed", "error"),
    ("retry", "aborted"): ("aborted", None),
    ("retry", "rejected"): ("rejected", None),
    # After a no the turn just stops, unless the model is called again (a no with feedback).
    ("rejected", "busy"): ("busy", None),
    ("rejected", "retry"): ("retry", None),
    ("rejected", "step"): ("busy", None),
    ("rejected", "approved"): ("busy", None),
    ("rejected", "idle"): ("idle", None),
    ("rejected", "error"): ("failed", "error"),
    ("rejected", "aborted"): ("aborted", None),
    ("aborted", "step"): ("busy", None),
    ("aborted", "idle"): ("idle", None),
    ("failed", "step"): ("recovered", None),
    ("failed", "idle"): ("idle", None),
    # One error a turn: the second one is silent, but an end after all is told.
    ("recovered", "idle"): ("idle", "complete"),
    ("recovered", "error"): ("failed", None),
    ("recovered", "aborted"): ("aborted", None),
    ("recovered", "rejected"): ("rejected", None),
}
"""(phase, signal) -> (next phase, what to tell). What is not listed changes nothing and tells nothing."""


def step(phase: Phase, signal: Signal) -> tuple[Phase, Outcome | None]:
    """The phase after `signal`, and the outcome to tell, if any."""
    return TURNS.get((phase, signal), (phase, None))
