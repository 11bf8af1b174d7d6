"""All sessions of one OpenCode server, folded from its events: what is worth telling the phones. Pure.

A child session (the task tool's subagent) never completes or fails for the user: its parent reports. What it asks, and
what it is doing, does reach the user, under the root session, because that is the one the app can open.
"""

from collections.abc import Callable

from msgspec.structs import replace

from relay import contract
from relay.bridge.notify.source import Change
from relay.bridge.sources.doing import last_line
from relay.bridge.sources.opencode1.runs import Runs
from relay.bridge.sources.opencode1.session import (
    STARTING,
    THINKING,
    Phase,
    Session,
    Signal,
    background_child,
    error_words,
    is_by_hand,
    tool_line,
)
from relay.bridge.sources.opencode1.wire import (
    Disposed,
    Event,
    FailureData,
    Info,
    PartUpdated,
    PendingRequest,
    Properties,
    SessionError,
    StatusChanged,
    properties,
)
from relay.bridge.sources.wire import details

ERROR_SIGNALS: dict[str, Signal] = {"MessageAbortedError": "aborted", "ContextOverflowError": "overflow"}
"""Errors that do not end a turn as failed; every other name does."""
AFTER_ERRORS: frozenset[Phase] = frozenset({"failed", "aborted", "recovered"})
"""The phases in which a prompt matters: what comes after it is another turn's."""
MAX_PROMPT = 1000
"""Characters of a prompt that are kept; it may be a whole file."""
ANSWER_SIGNALS: dict[str, Signal] = {"once": "approved", "always": "approved", "reject": "rejected"}


class Sessions:
    """The fold. Feed it the events of one server in order; changes come back in order for each session."""

    def __init__(self, runs: Runs | None = None) -> None:
        self._runs = runs or Runs()
        self._tree = self._runs.tree

    def __len__(self) -> int:
        """Sessions remembered."""
        return len(self._tree)

    def title(self, session_id: str) -> str | None:
        """The newest title of the session, if one is known."""
        return self._tree.title(session_id)

    def directory(self, session_id: str) -> str | None:
        """The directory that the session works in, if it is known."""
        session = self._tree.get(session_id)
        return session.directory if session else None

    def state(self, session_id: str, now_ms: float) -> contract.ContentState | None:
        """What the card of a root session shows; None if it does not run."""
        session = self._tree.get(session_id)
        return self._state(session_id, session, now_ms) if session and session.running else None

    def _state(self, session_id: str, session: Session, now_ms: float) -> contract.ContentState:
        return session.state(self.title(session_id), self._runs.retry(session_id), now_ms)

    def fold(self, event: Event) -> list[Change]:
        """What `event` changes. Types and shapes that are not known change nothing."""
        if handle := WHOLE_HANDLERS.get(event.type):
            return handle(self, event.id or self._runs.fresh_id(), event)
        handle_known = HANDLERS.get(event.type)
        known = properties(event) if handle_known else None
        if handle_known is None or known is None:
            return []
        return handle_known(self, event.id or self._runs.fresh_id(), known, event)

    def learn(self, session_id: str, info: Info | None, event_id: str | None = None) -> list[Change]:
        """Fold in the answer to an `unknown` change; None: it cannot be learnt, so the session counts as a root.

        `event_id` is the id of the event that said it, if it was one.
        """
        before = self.title(session_id)
        changes = self._tree.learn(session_id, info)
        if self.title(session_id) != before:
            changes += self._runs.retitled(session_id, event_id or self._runs.fresh_id())
        return changes

    def forget(self, session_id: str) -> list[Change]:
        """The server says that it does not know the session: it was deleted."""
        return self._runs.delete(session_id, self._runs.fresh_id())

    # Handlers, one for each kind of event.

    def _on_info(self, event_id: str, known: Properties, _: Event) -> list[Change]:
        return self.learn(known.info.id, known.info, event_id) if known.info else []

    def _on_deleted(self, event_id: str, known: Properties, _: Event) -> list[Change]:
        session_id = known.info.id if known.info else known.session_id
        return self._runs.delete(session_id, event_id) if session_id else []

    def _on_status(self, event_id: str, known: Properties, event: Event) -> list[Change]:
        if known.status is None or not known.session_id:
            return []
        status = replace(details(event.properties, StatusChanged).status, type=known.status.type)
        return self._runs.status(known.session_id, status, event_id)

    def _on_idle(self, event_id: str, known: Properties, _: Event) -> list[Change]:
        # The twin of a status idle, and then without effect; old servers send only this one.
        return self._runs.signal(known.session_id, "idle", event_id)

    def _on_error(self, event_id: str, known: Properties, event: Event) -> list[Change]:
        signal = ERROR_SIGNALS.get(known.error.name if known.error else "", "error")
        failing = details(event.properties, SessionError)
        if self._runs.repeats(known.session_id, event_id, failing):
            return []
        return self._runs.signal(known.session_id, signal, event_id, error_words(failing))

    def _on_message(self, event_id: str, known: Properties, _: Event) -> list[Change]:
        message = known.info
        if message is None or not known.session_id or self._tree.deleted(known.session_id):
            return []
        session = self._tree.session(known.session_id)
        changes: list[Change] = []
        # OpenCode's ids of messages ascend.
        if message.role == "user" and session.phase in AFTER_ERRORS and message.id > session.newest_id:
            changes = self._runs.signal(known.session_id, "prompt", event_id)
        session.newest_id = max(session.newest_id, message.id)
        if message.role == "user":
            session.prompt_id = session.prompt_id or message.id
        if message.role == "assistant" and message.id == session.newest_id:
            session.by_hand = is_by_hand(message)
        if message.role == "assistant" and _is_aborted(message):
            return self._runs.signal(known.session_id, "aborted", event_id)
        if message.role != "assistant" or message.finish or message.time.completed:
            return changes
        if session.step_id == message.id:
            return []
        session.step_id = message.id
        if session.phase == "unknown":
            return []  # nothing to go on with; its next status says whether it runs
        if session.doing == STARTING:
            session.doing = THINKING
            changes = self._runs.progress(known.session_id, event_id)
        return changes + self._runs.signal(known.session_id, "step", event_id)

    def _on_asked(self, _: str, known: Properties, event: Event) -> list[Change]:
        if not known.id or not known.session_id:
            return []
        asking = details(event.properties, PendingRequest)
        return self._runs.ask(replace(asking, id=known.id, session_id=known.session_id))

    def _on_replied(self, event_id: str, known: Properties, _: Event) -> list[Change]:
        return self._answer(event_id, known, ANSWER_SIGNALS.get(known.reply or "once"))

    def _on_rejected(self, event_id: str, known: Properties, _: Event) -> list[Change]:
        return self._answer(event_id, known, "rejected")

    def _answer(self, event_id: str, known: Properties, signal: Signal | None) -> list[Change]:
        session_id, request = known.session_id or "", known.request_id or ""
        answered = self._runs.answer(session_id, request) if request else []
        return answered + self._runs.signal(session_id, signal, event_id)

    def _on_part(self, event_id: str, event: Event) -> list[Change]:
        doing = details(event.properties, PartUpdated)
        if child_id := background_child(doing.part):
            self._tree.session(child_id).background = True
        session = self._tree.get(doing.session_id)
        if session is None:
            return []
        if doing.part.type == "text" and doing.part.message_id == session.prompt_id:
            return self._prompted(doing, session, event_id)
        changes = self._runs.call(doing.session_id, session, doing.part) if doing.part.type == "tool" else []
        root_id = self._tree.root(doing.session_id)
        root = self._tree.get(root_id)
        words = _doing_words(doing, session)
        if root is None or not words or words == root.doing:
            return changes
        root.doing = words
        return changes + self._runs.progress(root_id, event_id)

    def _prompted(self, doing: PartUpdated, session: Session, event_id: str) -> list[Change]:
        """The person's first words, which name the session until it has a title."""
        before = session.name
        if not session.prompt and not doing.part.synthetic:
            session.prompt = doing.part.text.strip()[:MAX_PROMPT]
        return self._runs.progress(doing.session_id, event_id) if session.name != before else []

    def _on_connected(self, _: str, __: Event) -> list[Change]:
        self._runs.connected_at = self._runs.events
        for _, session in self._tree:
            session.unobserved = session.running and session.parent_id is None
        return []

    def _on_disposed(self, event_id: str, event: Event) -> list[Change]:
        return self._runs.dispose(details(event.properties, Disposed).directory, event_id)


def _doing_words(doing: PartUpdated, session: Session) -> str:
    if doing.part.type == "tool":
        return tool_line(doing.part, session.directory)
    # A user's text is a part, too; only that of an assistant's message is progress.
    if doing.part.synthetic or doing.part.message_id != session.step_id:
        return ""
    if doing.part.type == "reasoning":
        return THINKING
    return last_line(doing.part.text) if doing.part.type == "text" else ""


HANDLERS: dict[str, Callable[[Sessions, str, Properties, Event], list[Change]]] = {
    "session.created": Sessions._on_info,
    "session.updated": Sessions._on_info,
    "session.deleted": Sessions._on_deleted,
    "session.status": Sessions._on_status,
    "session.idle": Sessions._on_idle,
    "session.error": Sessions._on_error,
    "message.updated": Sessions._on_message,
    "permission.asked": Sessions._on_asked,
    "permission.replied": Sessions._on_replied,
    "question.asked": Sessions._on_asked,
    "question.replied": Sessions._on_replied,
    "question.rejected": Sessions._on_rejected,
}
"""OpenCode's event types that matter here; all others are ignored."""

WHOLE_HANDLERS: dict[str, Callable[[Sessions, str, Event], list[Change]]] = {
    "message.part.updated": Sessions._on_part,
    "server.connected": Sessions._on_connected,
    "server.instance.disposed": Sessions._on_disposed,
}
"""The events whose properties are read by their handlers alone."""


def _is_aborted(message: Info) -> bool:
    """An abort before the model was called shows in the message alone (observed, 1.18.33)."""
    return ERROR_SIGNALS.get(details(message.error, FailureData).name) == "aborted"
