"""One session of OpenCode 2: what is known of it and of its execution, and how each end of one is reported. Pure.

An execution is `execution.started` and then exactly one of succeeded, failed and interrupted; steered and queued prompts share
one. What makes an end worth an alert is said by what came before it (recorded on a real engine):
the user's own shell command, a cleared revert and a compaction by hand are executions without a step;
a declined request ends as interrupted by "shutdown", the same word as for a server that stops.
"""

from dataclasses import dataclass, field
from typing import Literal

from relay import contract
from relay.bridge.notify.source import Kind
from relay.bridge.sources.opencode1.session import retry_info
from relay.bridge.sources.session_tree import TreeSession
from relay.text import card_title, fit

End = Literal["succeeded", "failed", "user", "shutdown", "inactivity", "other"]
"""How an execution ended; the last four are reasons of `interrupted`."""

STARTING = "Starting..."
THINKING = "Thinking..."
COMPACTING = "Compacting the conversation..."
EXPIRED = "The request expired: nothing happened in this folder for an hour."


@dataclass(frozen=True, slots=True)
class Retry:
    """A step that failed and is made again: its attempt (the first is 2), when (UNIX milliseconds), and why."""

    attempt: int
    at: float | None
    reason: str


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
    - `unobserved`: its end may have been missed, and nobody asked the server since.
    - `touched`: the number of the newest event that changed it; `began_at`: that of the newest `execution.started`.
    - `seen_ms`: when the newest event of it was created, UNIX milliseconds.
    - `tools`: names by call id, only said where its input starts. `inbox`: types of what was enqueued, by id.
    - `last_text`: the newest text of this execution. `prompt`: the first words that the user ever said in it.
    """

    executing: bool = False
    worked: bool = False
    declined: bool = False
    suspended: "Suspended | None" = None
    unobserved: bool = False
    doing: str = STARTING
    retry: Retry | None = None
    touched: int = 0
    began_at: int = 0
    seen_ms: float = 0.0
    prompt: str = ""
    last_text: str = ""
    tools: dict[str, str] = field(default_factory=dict)
    inbox: dict[str, str] = field(default_factory=dict)

    @property
    def quiet(self) -> bool:
        """Nothing is going on that would be lost with this record."""
        return not (self.pending or self.running or self.executing)

    def begin(self, touched: int) -> None:
        """An execution starts."""
        self.executing, self.began_at = True, touched
        self.worked = self.declined = self.unobserved = False
        self.suspended, self.retry = None, None
        self.doing, self.last_text = STARTING, ""

    def step(self, message_id: str) -> None:
        """The model is called."""
        self.executing = self.worked = True
        self.declined, self.retry = False, None
        self.doing = THINKING if self.doing == STARTING else self.doing
        self.newest_id = max(self.newest_id, message_id)  # ids of messages ascend

    def shown_title(self) -> str | None:
        """Its title; until it has one, what the user said first."""
        return self.title or self.prompt or None

    def state(self, now_ms: float) -> contract.ContentState:
        """What the card shows while the session runs."""
        retry = self.retry
        return contract.ContentState(
            status="retry" if retry else "working",
            session_title=card_title(self.shown_title()),
            last_message=fit(retry.reason if retry else self.doing) or STARTING,
            retry_info=retry_info(retry.attempt - 1, retry.at, now_ms) if retry else None,
        )


def end_kind(session: Session, end: End) -> Kind | None:
    """What the end of a root session's execution is for the user; None: nothing.

    Wherever a card was started, its end is at least `stopped`, which does not ring.
    """
    if end == "succeeded" and session.worked:
        return "complete"
    if end == "failed":
        return "error"
    return "stopped" if session.running else None
