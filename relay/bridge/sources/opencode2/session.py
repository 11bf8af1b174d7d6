"""One session of OpenCode 2: what is known of it and of its execution, and how each end of one is reported. Pure.

An execution is `execution.started` and then exactly one of succeeded, failed and interrupted; steered and queued prompts share
one. What makes an end worth an alert is said by what came before it (recorded on a real engine):
the user's own shell command, a cleared revert and a compaction by hand are executions without a step;
a declined request ends as interrupted by "shutdown", the same word as for a server that stops.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from relay import contract
from relay.bridge.notify.source import Kind, Retry
from relay.bridge.notify.text import card_title, fit
from relay.bridge.sources.doing import retry_info
from relay.bridge.sources.session_tree import TreeSession

End = Literal["succeeded", "failed", "user", "shutdown", "inactivity", "other", "killed"]
"""How an execution ended; four are reasons of `interrupted`. `killed`: with its server, as only the transcript shows."""

STARTING = "Starting..."
THINKING = "Thinking…"
COMPACTING = "Compacting the conversation..."
EXPIRED = "The request expired: nothing happened in this folder for an hour."


@dataclass(frozen=True, slots=True)
class Suspended:
    """A run that is not over although its execution is.

    - `children`: it succeeded while a background subagent works on, whose end wakes it again.
    - `shutdown`: the server stops, or closes the folder, and may go on with the run after its start.
    """

    why: Literal["children", "shutdown"]
    since: int


@dataclass(slots=True)
class Session(TreeSession):
    """One session.

    - `executing`: an execution has started and not ended. `worked`: it had a step. `declined`: a request of it was refused
      or dismissed, and no step began since.
    - `suspended`: since which `check` its run goes on without an execution, and why; None: it does not.
    - `unobserved`: its end may have been missed, and nobody asked the server since. `end_read`: the server's answers said that
      it ended, and nothing began since; the event of that end may still come.
    - `expired`: a request of it or of a subagent was given up because nothing happened for long.
    - `seq`, `event_id`: number and id of its newest event that has a number.
    - `touched`: the number of the newest event that changed it; `began_at`: that of the newest `execution.started`.
    - `tools`: names by call id, only said where its input starts; `calls`: what they are called with. `inbox`: types of what was enqueued, by id.
    """

    executing: bool = False
    worked: bool = False
    declined: bool = False
    suspended: Suspended | None = None
    unobserved: bool = False
    end_read: bool = False
    expired: bool = False
    seq: int = -1
    event_id: str = ""
    doing: str = STARTING
    retry: Retry | None = None
    touched: int = 0
    began_at: int = 0
    tools: dict[str, str] = field(default_factory=dict)
    calls: dict[str, dict[str, Any]] = field(default_factory=dict)
    inbox: dict[str, str] = field(default_factory=dict)

    @property
    def quiet(self) -> bool:
        """Nothing is going on that would be lost with this record."""
        return not (self.pending or self.running or self.executing)

    def begin(self, touched: int) -> None:
        """An execution starts."""
        self.executing, self.began_at = True, touched
        self.worked = self.declined = self.unobserved = self.end_read = self.expired = False
        self.suspended, self.retry = None, None
        self.doing = STARTING
        self.calls.clear()

    def step(self, message_id: str) -> None:
        """The model is called."""
        self.speak()
        self.declined = False
        self.doing = THINKING if self.doing == STARTING else self.doing
        self.newest_id = message_id or self.newest_id

    def speak(self) -> None:
        """The model answers."""
        self.executing = self.worked = True
        self.retry, self.end_read = None, False

    def state(self, title: str | None, retry: Retry | None, now_ms: float) -> contract.ContentState:
        """What the card shows while the session runs under this title; `retry`: what it, or a child, waits for."""
        return contract.ContentState(
            status="retry" if retry else "working",
            session_title=card_title(title),
            last_message=fit(retry.reason if retry else self.doing) or STARTING,
            # The first attempt that is made again is 2 here, and 1 in the first generation and on the card.
            retry_info=retry_info(max(1, retry.attempt - 1), retry.next_ms, now_ms) if retry else None,
        )


def end_kind(session: Session, end: End) -> Kind | None:
    """What the end of a root session's execution is for the user; None: nothing.

    Wherever a card was started, its end is at least `stopped`, which does not ring.
    """
    if end == "succeeded" and session.worked:
        return "complete"
    if end == "failed":
        return "error"
    if end == "killed" and session.running:
        return "interrupted"
    return "stopped" if session.running else None
