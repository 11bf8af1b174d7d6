"""What is remembered of one session while it runs, and what its card shows of that. Pure."""

from dataclasses import dataclass, field

from relay import contract
from relay.bridge.notify.text import fit, shorten
from relay.bridge.sources.opencode1.turns import Phase
from relay.bridge.sources.opencode1.wording import retry_info

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
    """One session. `learnt`: its parent and title are known, or cannot be.

    `running`: the phones were told that it runs, and not yet that it ended. `doing`: its newest tool or text in words.
    `newest_id` is its newest message's, `ended_id` what that was when a run last ended. `touched`: the number of the
    newest event by which its phase or requests may have changed; `ended_at`: what that was when a run last ended. `blind`: a root that ran when the stream was cut, and the server
    was not asked since, so that an idle does not tell how the run ended.
    """

    phase: Phase = "unknown"
    learnt: bool = False
    wanted: bool = False
    title: str | None = None
    parent_id: str | None = None
    directory: str | None = None
    step_id: str | None = None
    newest_id: str = ""
    ended_id: str = ""
    running: bool = False
    blind: bool = False
    doing: str = STARTING
    retry: Retry | None = None
    touched: int = 0
    ended_at: int = 0
    pending: dict[str, int] = field(
        default_factory=dict
    )  # open requests, oldest first, with `touched` when asked

    @property
    def quiet(self) -> bool:
        """Nothing is going on that would be lost with this record."""
        return self.phase in ("idle", "unknown") and not self.pending and not self.running

    @property
    def unsure(self) -> bool:
        """The run is over, but nobody knows how."""
        return self.blind and self.running and self.phase == "idle"

    def end_fact(self, otherwise: str) -> str:
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


def card_title(title: str | None) -> str:
    """The title of the card of a session with this title."""
    return shorten(title or "") or "OpenCode session"
