"""One session: the life of a turn, from the first busy to the first idle, as a table, and what its card shows. Pure.

Why it is not simply "idle means complete" (all observed on OpenCode 1.18): busy is repeated before and after every
step; errors and aborts give idle twice; a rejected permission and an abort during a retry end in idle without any
error; an unknown model gives a second error after the idle; ContextOverflowError is followed by a compaction and the
turn goes on; an error or an abort is over for good unless a new step begins.
"""

from dataclasses import dataclass, field
from typing import Literal

from relay import contract
from relay.bridge.notify.text import card_title, fit
from relay.bridge.sources.opencode1.wording import retry_info

Phase = Literal["unknown", "idle", "busy", "retry", "rejected", "aborted", "failed", "recovered"]
"""`unknown` until the first status; `recovered` is busy again after an error that was reported already."""

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
    # A bridge that starts in the middle of a turn reports errors, but takes an idle for one of the late, doubled ones.
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
    # One error a turn: the second one is silent, but an end after all is reported.
    ("recovered", "idle"): ("idle", "complete"),
    ("recovered", "error"): ("failed", None),
    ("recovered", "aborted"): ("aborted", None),
    ("recovered", "rejected"): ("rejected", None),
}
"""(phase, signal) -> (next phase, what to report). What is not listed changes nothing and reports nothing."""


def step(phase: Phase, signal: Signal) -> tuple[Phase, Outcome | None]:
    """The phase after `signal`, and the outcome to report, if any."""
    return TURNS.get((phase, signal), (phase, None))


STARTING = "Starting..."
"""The first words of a card, as the plan of the Live Activity has them."""


@dataclass(frozen=True, slots=True)
class Retry:
    """A model call that failed and is made again: its number, when (UNIX milliseconds), and why."""

    attempt: int
    next_ms: float | None
    reason: str


@dataclass(slots=True)
class Session:
    """One session.

    - `learnt`: its parent and title are known, or cannot be; `requested`: they are being asked for.
    - `running`: its beginning was reported, and not yet its end. `doing`: its newest tool or text in words.
    - `newest_id`: its newest message; `ended_id`: what that was when a run last ended.
    - `touched`: the number of the newest event by which its phase or requests may have changed; `ended_at`: what that was
      when a run last ended.
    - `unobserved`: a root that ran when the stream was cut, and the server was not asked since, so that an idle does not
      say how the run ended.
    - `pending`: open requests, oldest first, each with what `touched` was when it was asked.
    """

    phase: Phase = "unknown"
    learnt: bool = False
    requested: bool = False
    title: str | None = None
    parent_id: str | None = None
    directory: str | None = None
    step_id: str | None = None
    newest_id: str = ""
    ended_id: str = ""
    running: bool = False
    unobserved: bool = False
    doing: str = STARTING
    retry: Retry | None = None
    touched: int = 0
    ended_at: int = 0
    pending: dict[str, int] = field(default_factory=dict)

    @property
    def quiet(self) -> bool:
        """Nothing is going on that would be lost with this record."""
        return self.phase in ("idle", "unknown") and not self.pending and not self.running

    @property
    def unsure(self) -> bool:
        """The run is over, but nobody knows how."""
        return self.unobserved and self.running and self.phase == "idle"

    def end_subject(self, otherwise: str) -> str:
        """What names the end of a run: its newest message, because that is the same after a restart of anything.

        `otherwise`: for a run of which no message was seen.
        """
        if not self.newest_id or self.newest_id == self.ended_id:
            return otherwise
        self.ended_id = self.newest_id
        return self.newest_id

    def state(self, now_ms: float) -> contract.ContentState:
        """What the card shows while the session runs."""
        retry = self.retry if self.phase == "retry" else None
        return contract.ContentState(
            status="retry" if retry else "working",
            session_title=card_title(self.title),
            last_message=fit(retry.reason if retry else self.doing) or STARTING,
            retry_info=retry_info(retry.attempt, retry.next_ms, now_ms) if retry else None,
        )
