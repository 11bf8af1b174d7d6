"""The runs in the tree of sessions: when they begin and end, what waits for the user, what they are doing. Pure.

Fed by events one at a time (`fold`), and by a snapshot after a gap in the stream (`catch_up`).
"""

import secrets
from collections import OrderedDict
from collections.abc import Callable

from relay.bridge.notify.source import Change, Kind, Retry
from relay.bridge.sources.opencode1.session import (
    DONE,
    RUNNING,
    STARTING,
    Outcome,
    Session,
    Signal,
    has_stack,
    request_brief,
    retry_words,
    step,
)
from relay.bridge.sources.opencode1.wire import PendingRequest, RetryStatus, SessionError, Tool
from relay.bridge.sources.session_tree import SessionTree, remember
from relay.bridge.sources.wire import ms_apart

MAX_SESSIONS = 4096
"""So many sessions, deleted ids and request ids are remembered; of the sessions, idle ones are forgotten first."""

SAME_MS = 1000
"""What belongs together comes within this; what a person does next comes later. OpenCode 1.18.33 reports an error that is
no provider's twice, within some milliseconds, the second time with its stack; and before it disposes of an instance it
aborts the runs there, as a person does, and waits for their last words."""

WITHDRAWN = "Not needed any more"
"""What an alert says in whose place nobody waits for an answer."""

STATUS_SIGNALS: dict[str, Signal] = {"busy": "busy", "retry": "retry", "idle": "idle"}


class Runs:
    """Every method returns what changed, in order. `event_id` is the id of what happened, if OpenCode gave it one."""

    def __init__(
        self, *, max_sessions: int = MAX_SESSIONS, fresh_id: Callable[[], str] = secrets.token_hex
    ) -> None:
        self.tree = SessionTree(max_sessions, Session)
        self.fresh_id = fresh_id
        self.events = 0  # so much has happened,
        self.connected_at = 0  # and so much of it before the stream was connected
        self._max = max_sessions
        self._requests: OrderedDict[str, str | None] = OrderedDict()
        self._retrying: OrderedDict[str, str | None] = OrderedDict()  # sessions that may wait for a model

    def signal(
        self, session_id: str | None, signal: Signal | None, event_id: str, words: str = ""
    ) -> list[Change]:
        """One step of the session's turn; `words` are those of an error. None: nothing that matters."""
        if signal is None or not session_id or self.tree.deleted(session_id):
            return []
        session = self.tree.session(session_id)
        self._touch(session)
        session.touched_by = event_id
        changes = self.withdraw(session_id, session) if signal == "idle" else []
        changes += self._step(session_id, session, signal, event_id, words)
        return changes + self.release(self.tree.root(session_id), event_id)

    def _step(
        self, session_id: str, session: Session, signal: Signal, event_id: str, words: str
    ) -> list[Change]:
        before = session.phase
        session.phase, outcome = step(before, signal)
        _note(session, signal, event_id)
        if outcome == "complete" and session.parent_id is None and self.works_below(session_id):
            session.waiting = True
            return self.progress(session_id, event_id)
        if outcome == "complete" and session.by_hand:
            return self._turn(session_id, session, "stopped", event_id, DONE)
        if session.unsure and outcome != "error":
            return []  # an abort, an error and a yes may be in the gap: the newest message knows (catch_up)
        if kind := _turned(session, outcome):
            return self._turn(session_id, session, kind, event_id, words)
        moved = session.phase != before or signal == "retry"
        changes = self.progress(session_id, event_id) if moved else []
        return changes + self.tree.ask_for(session_id)

    def works_below(self, root_id: str) -> bool:
        """Whether a subagent of a root works in the background."""
        return any(
            session.background and session.phase in RUNNING and self.tree.root(session_id) == root_id
            for session_id, session in self.tree
        )

    def release(self, root_id: str, event_id: str) -> list[Change]:
        """A root that waits for subagents in the background is complete with the last of them.

        OpenCode 1.18.33 gives the root their reports as prompts, some milliseconds later, so it may start again at once.
        """
        root = self.tree.get(root_id)
        if root is None or not root.waiting or self.works_below(root_id):
            return []
        return self._turn(root_id, root, "perhaps_complete", event_id, "")

    def delete(self, session_id: str, event_id: str) -> list[Change]:
        """The session is gone, for good."""
        root_id = self.tree.root(session_id)
        return self.tree.delete(session_id, event_id) + self.release(root_id, event_id)

    def repeats(self, session_id: str | None, event_id: str, failing: SessionError) -> bool:
        """Whether an error says again, once and at once, what the session's newest error said."""
        session = self.tree.get(session_id or "")
        if session is None or not session.failed_by or session.phase in RUNNING or not has_stack(failing):
            return False
        failed_by, session.failed_by = session.failed_by, ""
        return _near(failed_by, event_id)

    def status(self, session_id: str, status: RetryStatus, event_id: str) -> list[Change]:
        """The session is busy, idle, or tries again; other words mean nothing."""
        signal = STATUS_SIGNALS.get(status.type)
        if signal != "retry" or self.tree.deleted(session_id):
            return self.signal(session_id, signal, event_id)
        self.tree.session(session_id).retry = Retry(status.attempt, status.next, retry_words(status))
        remember(self._retrying, session_id, self._max)
        return self.signal(session_id, signal, event_id)

    def retry(self, root_id: str) -> Retry | None:
        """What a root waits for, else what one of its children waits for longest."""
        waits: list[Retry] = []
        for session_id in list(self._retrying):
            session = self.tree.get(session_id)
            if session is None or session.phase != "retry" or session.retry is None:
                del self._retrying[session_id]
            elif session_id == root_id:
                return session.retry
            elif self.tree.root(session_id) == root_id:
                waits.append(session.retry)
        return max(waits, key=lambda retry: retry.next_ms or 0, default=None)

    def ask(self, asking: PendingRequest) -> list[Change]:
        """A permission or question waits for the user. The same one is reported once."""
        if not asking.id or asking.id in self._requests:
            return []
        if self.tree.deleted(self.tree.root(asking.session_id)):
            return []  # it is not reported, so there is nothing to withdraw later
        remember(self._requests, asking.id, self._max)
        session = self.tree.session(asking.session_id)
        session.pending[asking.id] = self._touch(session)
        session.asked[asking.id] = asking
        return self._report_asked(asking.session_id, session, asking.id)

    def call(self, session_id: str, session: Session, tool: Tool) -> list[Change]:
        """A tool has another state. A request that it made before it said what it is called with is reported again."""
        asks = [
            one for one, asking in session.asked.items() if tool.call_id and asking.call_id == tool.call_id
        ]
        before = [session.asked_words(one) for one in asks]
        session.call(tool)
        if not tool.state.input:
            return []
        changed = [one for one, words in zip(asks, before, strict=True) if session.asked_words(one) != words]
        return [change for one in changed for change in self._report_asked(session_id, session, one)]

    def _report_asked(self, session_id: str, session: Session, request: str) -> list[Change]:
        asking = session.asked[request]
        words, brief = session.asked_words(request), request_brief(asking)
        permission_of = "" if asking.questions else session_id
        return self.tree.report(session_id, "asked", request, words, brief, permission_of)

    def answer(self, session_id: str, request: str, how: str = "") -> list[Change]:
        """A request was answered, or nobody waits for the answer any more; `how` says which, "" that it was answered."""
        remember(self._requests, request, self._max)  # a snapshot of a moment ago may still list it
        session = self.tree.get(session_id)
        if session is None or session.pending.pop(request, None) is None:
            return []
        session.asked.pop(request, None)
        return self.tree.report(session_id, "answered", request, how)

    def withdraw(self, session_id: str, session: Session) -> list[Change]:
        """All requests of a session whose turn is over."""
        # An abort leaves them open in the server for ever; nobody waits for an answer any more.
        return [
            change
            for request in list(session.pending)
            for change in self.answer(session_id, request, WITHDRAWN)
        ]

    def dispose(self, directory: str, event_id: str) -> list[Change]:
        """The instance of a directory is gone: its runs are interrupted, those among them that it has just aborted itself."""
        here = [(one, session) for one, session in self.tree if directory and session.directory == directory]
        aborts = [session for _, session in here if session.aborted_by]
        last = {session.aborted_by for session in aborts if _near(session.touched_by, event_id)}
        changes: list[Change] = []
        for session_id, session in here:
            if session.running:
                changes += self._interrupt(session_id, session, event_id)
            elif session.aborted_by and any(_near(one, session.aborted_by) for one in last):
                changes += self.tree.report(session_id, "interrupted", session.ended_id or event_id)
            elif not session.quiet:
                changes += self.signal(session_id, "idle", event_id)
            session.aborted_by = ""
        return changes

    def progress(self, session_id: str, event_id: str) -> list[Change]:
        """What the card of the session's root shows may be different now; not of one that may be over since long."""
        root_id = self.tree.root(session_id)
        root = self.tree.get(root_id)
        shows = root is not None and root.learnt and root.running and not root.unobserved
        return [Change("progress", root_id, event_id, retry=self.retry(root_id))] if shows else []

    def retitled(self, session_id: str, event_id: str) -> list[Change]:
        """A session has another title. A card that shows a request is there though its root does not run."""
        root_id = self.tree.root(session_id)
        if (
            root_id == session_id
            and self.tree.session(session_id).learnt
            and self.tree.pending_below(root_id)
        ):
            return [Change("progress", root_id, event_id)]
        return self.progress(session_id, event_id)

    def _turn(self, session_id: str, session: Session, kind: Kind, event_id: str, words: str) -> list[Change]:
        session.running, session.waiting = kind == "started", False
        if session.running:
            session.doing, session.failed_by, session.by_hand = STARTING, "", False
        else:
            event_id = session.end_subject(event_id)
            session.ended_at = self.events
        return self.tree.report(session_id, kind, event_id, words)

    def _interrupt(self, session_id: str, session: Session, event_id: str) -> list[Change]:
        changes = self.withdraw(session_id, session)
        self._touch(session)
        session.phase = "idle"
        return changes + self._turn(session_id, session, "interrupted", event_id, "")

    def _touch(self, session: Session) -> int:
        self.events += 1
        session.touched = self.events
        return self.events


def _note(session: Session, signal: Signal, event_id: str) -> None:
    """Which event it was by which the session failed or was aborted; after that it has to tell what belongs to it."""
    if signal == "error":
        session.failed_by = event_id
    if signal == "aborted" and session.running:
        session.aborted_by = event_id
    if session.phase in RUNNING:
        session.aborted_by, session.waiting = "", False


def _near(earlier_id: str, later_id: str) -> bool:
    """Whether two events are of one moment by the server's clock, as far as their ids say."""
    apart = ms_apart(earlier_id, later_id)
    return apart is None or abs(apart) <= SAME_MS


def _turned(session: Session, outcome: Outcome | None) -> Kind | None:
    """Whether a run began or ended with the phase that the session is in now."""
    if outcome:
        return outcome
    if session.phase in RUNNING and not session.running:
        return "started"
    stopped = session.phase == "idle" and session.running and not session.waiting
    return "stopped" if stopped else None
