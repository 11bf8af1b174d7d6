"""One session: the life of a turn, from the first busy to the first idle, as a table, and what is said of it. Pure.

Why it is not simply "idle means complete" (all observed on OpenCode 1.18): busy is repeated before and after every
step; errors and aborts give idle twice; a rejected permission and an abort during a retry end in idle without any
error; an unknown model gives a second error after the idle; ContextOverflowError is followed by a compaction and the
turn goes on; an error or an abort is over for good unless a new step begins.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from relay import contract
from relay.bridge.notify.source import Retry
from relay.bridge.notify.text import card_title, fit
from relay.bridge.sources.doing import error_line, retry_info, tool_words
from relay.bridge.sources.opencode1.wire import Info, PendingRequest, RetryStatus, SessionError, Tool
from relay.bridge.sources.session_tree import TreeSession
from relay.bridge.sources.wording import (
    Permission,
    Question,
    card_question,
    permission_words,
    question_words,
)

Phase = Literal["unknown", "idle", "busy", "retry", "rejected", "aborted", "failed", "recovered"]
"""`unknown` until the first status; `recovered` is busy again after an error that was reported already."""

Signal = Literal[
    "busy", "retry", "idle", "prompt", "step", "error", "aborted", "overflow", "rejected", "approved"
]
"""`prompt` is a new message of the user, `step` one of the assistant: a model call begins. The others are named by what
OpenCode reports."""

Outcome = Literal["complete", "error"]

RUNNING: frozenset[Phase] = frozenset({"busy", "retry", "recovered"})
"""The phases in which the model or a tool is at work."""

PHASES: tuple[Phase, ...] = (
    "unknown", "idle", "busy", "retry", "rejected", "aborted", "failed", "recovered",
)  # fmt: skip
SIGNALS: tuple[Signal, ...] = (
    "busy", "retry", "idle", "prompt", "step", "error", "aborted", "overflow", "rejected", "approved",
)  # fmt: skip

TURNS: dict[tuple[Phase, Signal], tuple[Phase, Outcome | None]] = {
    # A bridge that starts in the middle of a turn reports errors, but takes an idle for one of the late, doubled ones.
    ("unknown", "busy"): ("busy", None),
    ("unknown", "retry"): ("retry", None),
    ("unknown", "idle"): ("idle", None),
    ("unknown", "error"): ("idle", "error"),
    ("unknown", "aborted"): ("aborted", None),
    ("unknown", "rejected"): ("rejected", None),
    # Between turns second idles are silent, but an error is one: an agent or a command that does not exist fails before
    # there is a turn (observed on 1.18.33). What repeats an error is no signal at all (runs.py).
    ("idle", "busy"): ("busy", None),
    ("idle", "retry"): ("retry", None),
    ("idle", "error"): ("idle", "error"),
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
    # A prompt after the end of a turn is the next turn's, even if no idle came in between.
    ("aborted", "step"): ("busy", None),
    ("aborted", "prompt"): ("idle", None),
    ("aborted", "idle"): ("idle", None),
    ("failed", "step"): ("recovered", None),
    ("failed", "prompt"): ("idle", None),
    ("failed", "idle"): ("idle", None),
    # One error for one prompt: the second one is silent, but an end after all is reported.
    ("recovered", "prompt"): ("busy", None),
    ("recovered", "idle"): ("idle", "complete"),
    ("recovered", "error"): ("failed", None),
    ("recovered", "aborted"): ("aborted", None),
    ("recovered", "rejected"): ("rejected", None),
}
"""(phase, signal) -> (next phase, what to report). What is not listed changes nothing and reports nothing."""


def step(phase: Phase, signal: Signal) -> tuple[Phase, Outcome | None]:
    """The phase after `signal`, and the outcome to report, if any."""
    return TURNS.get((phase, signal), (phase, None))


MAX_CALLS = 64
"""So many running tools of a session are remembered."""
STARTING = "Starting..."
"""The first words of a card, as the plan of the Live Activity has them."""
THINKING = "Thinking…"
"""Once the model is called; a model may think for minutes before it says anything."""


@dataclass(slots=True)
class Session(TreeSession):
    """One session.

    - `prompt_id`: the person's first message.
    - `doing`: its newest tool or text in words.
    - `touched`: the number of the newest event by which its phase or requests may have changed; `ended_at`: what that was
      when a run last ended.
    - `touched_by`: the newest event of its turn; `failed_by`: that of its newest error, until a run begins or the error was
      repeated; `aborted_by`: that of the abort of its newest run.
    - `unobserved`: a root that ran when the stream was cut, and the server was not asked since, so that an idle does not
      say how the run ended.
    - `by_hand`: its newest message is what a person had the server do, who sits there: a shell command, a compaction.
    - `background`: a subagent that its parent does not wait for; `waiting`: a root whose turn is complete, but not the work
      of its subagents in the background.
    - `calls`: by id what its running tools are called with; `asked`: its open requests.
    """

    phase: Phase = "unknown"
    step_id: str | None = None
    prompt_id: str = ""
    unobserved: bool = False
    waiting: bool = False
    background: bool = False
    by_hand: bool = False
    doing: str = STARTING
    retry: Retry | None = None
    touched: int = 0
    ended_at: int = 0
    touched_by: str = ""
    failed_by: str = ""
    aborted_by: str = ""
    calls: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: dict[str, PendingRequest] = field(default_factory=dict)

    @property
    def quiet(self) -> bool:
        """Nothing is going on that would be lost with this record."""
        return self.phase in ("idle", "unknown") and not self.pending and not self.running

    @property
    def unsure(self) -> bool:
        """The run is over, but nobody knows how."""
        return self.unobserved and self.running and self.phase == "idle" and not self.waiting

    def call(self, tool: Tool) -> None:
        """Remember what a tool is called with while it runs."""
        self.calls.pop(tool.call_id, None)
        if tool.call_id and tool.state.status in ("pending", "running"):
            self.calls[tool.call_id] = tool.state.input
        if len(self.calls) > MAX_CALLS:
            del self.calls[next(iter(self.calls))]

    def asked_words(self, request: str) -> str:
        """What an open request asks, with what is known by now of the tool that asks."""
        asking = self.asked[request]
        return request_words(asking, self.directory, self.calls.get(asking.call_id))

    def state(self, title: str | None, retry: Retry | None, now_ms: float) -> contract.ContentState:
        """What the card shows while the session runs under this title; `retry`: what it, or a child, waits for."""
        return contract.ContentState(
            status="retry" if retry else "working",
            session_title=card_title(title),
            last_message=fit(retry.reason if retry else self.doing) or STARTING,
            retry_info=retry_info(retry.attempt, retry.next_ms, now_ms) if retry else None,
        )


# What OpenCode's requests, errors and tools are called on a phone: one line for each, with nothing secret in it. OpenCode
# sends no titles for them, only types, metadata and inputs (observed on 1.18), and those change between releases: what
# cannot be read leads to a shorter line, never to a lost alert.


def request_words(
    asking: PendingRequest, directory: str | None, arguments: Mapping[str, Any] | None = None
) -> str:
    """What a permission or question asks, as in "bash: npm test" or "Which colour? (Red / Blue)"; "" if it is not known.

    `arguments`: what the tool that asks is called with.
    """
    if asking.questions:
        return question_words(_questions(asking))
    patterns = [one for one in asking.patterns if isinstance(one, str)]
    return permission_words(
        Permission(asking.permission, patterns, asking.metadata, arguments or {}, directory)
    )


def request_brief(asking: PendingRequest) -> str:
    """A question in the few words of a card; "" for what is shortened as it is."""
    return card_question(_questions(asking))


def _questions(asking: PendingRequest) -> list[Question]:
    return [
        Question(one.question, [_label(option) for option in one.options], bool(one.multiple))
        for one in asking.questions
    ]


def _label(option: Any) -> str:
    return _words(option.get("label")) if isinstance(option, Mapping) else ""


def error_words(failing: SessionError) -> str:
    """The error's own words: its first line, without addresses, credentials and the provider's answer; may be empty."""
    return error_line(_words(failing.error.data.get("message")))


def has_stack(failing: SessionError) -> bool:
    """Whether the error's message goes on with the server's own stack."""
    return "\n    at " in _words(failing.error.data.get("message"))


def tool_line(tool: Tool, directory: str | None) -> str:
    """What a tool does, as in "bash: npm test"; "" while that is not known yet."""
    return tool_words(tool.tool, tool.state.input, tool.state.title or "", directory)


DONE = "Done"
"""What a card says at the end of what a person did by hand."""


def is_by_hand(message: Info) -> bool:
    """Whether an assistant's message holds no answer of the agent's, but what a person had the server do.

    Observed on 1.18.33: that of a shell command is completed without a finish, that of a compaction is a summary. One that
    OpenCode makes by itself is followed by the agent's next message.
    """
    failed = bytes(message.error) not in (b"", b"null")
    return message.summary is True or (bool(message.time.completed) and not message.finish and not failed)


def background_child(tool: Tool) -> str:
    """The session of a subagent that the task tool starts without waiting for it (observed on 1.18.33); "" if it does not."""
    metadata = tool.state.metadata
    if tool.tool != "task" or not isinstance(metadata, dict) or metadata.get("background") is not True:
        return ""
    return _words(metadata.get("sessionId"))


def retry_words(status: RetryStatus) -> str:
    """Why OpenCode tries again; may be empty."""
    return error_line(status.message)


def _words(value: Any) -> str:
    return value if isinstance(value, str) else ""
