"""The runs in the tree of sessions: when they begin and end, what waits for the user, what they are doing. Pure.

Fed by events one at a time (`fold`), and by a snapshot after a gap in the stream (`catch_up`).
"""

import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import Literal

from relay.bridge.notify.source import Change, Retry
from relay.bridge.sources.opencode2.session import EXPIRED, End, Session, Suspended, end_kind
from relay.bridge.sources.session_tree import SessionTree, remember

MAX_SESSIONS = 4096
"""So many sessions, deleted ids and request ids are remembered; of the sessions, quiet ones are forgotten first."""
SUSPENDED_CHECKS = 2
"""After so many checks a run that nothing wakes is over: what wakes it comes within milliseconds (recorded)."""

WITHDRAWN = "Not needed any more"
"""What an alert says in whose place nobody waits for an answer."""


class Runs:
    """Every method returns what changed, in order. `event_id` is the id of what happened."""

    def __init__(
        self, *, max_sessions: int = MAX_SESSIONS, fresh_id: Callable[[], str] = secrets.token_hex
    ) -> None:
        self.tree = SessionTree(max_sessions, Session)
        self.fresh_id = fresh_id
        self.events = 0  # so much has happened,
        self.connected_at = 0  # and so much of it before the stream was connected
        self._checks = 0
        self._max = max_sessions
        self._retrying: OrderedDict[str, str | None] = OrderedDict()  # sessions that may wait for a model
        self._requests: OrderedDict[str, str | None] = OrderedDict()

    def touch(self, session: Session) -> int:
        """One more thing has happened, and to this session."""
        self.events += 1
        session.touched = self.events
        return self.events

    def work(self, session_id: str, event_id: str) -> list[Change]:
        """Something worth a card goes on in an execution; its beginning is reported once."""
        session = self.tree.session(session_id)
        self.touch(session)
        session.executing = True
        if session.running:
            return self.progress(session_id, event_id)
        session.running = True
        changes = self.tree.report(session_id, "started", event_id)
        return changes + self.progress(session_id, event_id) if session.parent_id else changes

    def end(self, session_id: str, end: End, event_id: str, words: str = "") -> list[Change]:
        """An execution has ended."""
        session = self.tree.session(session_id)
        expired = end == "inactivity" and self._expires(session_id, session)
        changes = self._withdraw(session_id, session)
        self.touch(session)
        session.executing, session.retry, session.unobserved = False, None, False
        if why := self._suspends(session_id, session, end):
            session.suspended = Suspended(why, self._checks)
            return changes + self.progress(session_id, event_id)
        if expired:
            end, words = "failed", EXPIRED
        return changes + self._over(session_id, session, end, event_id, words)

    def _expires(self, session_id: str, session: Session) -> bool:
        """Whether a person was asked in vain. Requests may be rejected before the runs end, and a subagent end before its parent."""
        root = self.tree.get(self.tree.root(session_id)) or session
        root.expired = root.expired or bool(session.pending) or session.declined
        return session.expired or self.tree.pending_below(session_id)

    def _suspends(
        self, session_id: str, session: Session, end: End
    ) -> Literal["children", "shutdown"] | None:
        if end == "succeeded" and session.worked and self.child_works(session_id):
            return "children"
        return "shutdown" if end == "shutdown" and session.running and not session.declined else None

    def _over(self, session_id: str, session: Session, end: End, event_id: str, words: str) -> list[Change]:
        kind = end_kind(session, end)
        session.running = session.worked = session.expired = False
        session.suspended = None
        if kind is None:
            return self.tree.ask_for(session_id)
        return self.tree.report(session_id, kind, session.end_subject(event_id), words)

    def ask(
        self, session_id: str, request_id: str, words: str, brief: str = "", *, is_form: bool = False
    ) -> list[Change]:
        """A permission or form waits for the user. The same one is reported once."""
        if not request_id or not session_id or request_id in self._requests:
            return []
        if self.tree.deleted(self.tree.root(session_id)):
            return []
        remember(self._requests, request_id, self._max)
        session = self.tree.session(session_id)
        session.pending[request_id] = self.touch(session)
        permission_of = "" if is_form else session_id
        return self.tree.report(session_id, "asked", request_id, words, brief, permission_of)

    def answer(self, session_id: str, request_id: str, how: str = "") -> list[Change]:
        """A request was answered, or nobody waits for the answer any more; `how` says which, "" that it was answered."""
        remember(self._requests, request_id, self._max)  # a snapshot of a moment ago may still list it
        session = self.tree.get(session_id)
        if session is None or session.pending.pop(request_id, None) is None:
            return []
        return self.tree.report(session_id, "answered", request_id, how)

    def progress(self, session_id: str, event_id: str) -> list[Change]:
        """What the card of the session's root shows may be different now."""
        root_id = self.tree.root(session_id)
        root = self.tree.get(root_id)
        shows = root is not None and root.learnt and root.running
        return [Change("progress", root_id, event_id, retry=self.retry(root_id))] if shows else []

    def wait(self, session_id: str, retry: Retry) -> None:
        """A step failed and is made again."""
        self.tree.session(session_id).retry = retry
        remember(self._retrying, session_id, self._max)

    def retry(self, root_id: str) -> Retry | None:
        """What a root waits for, else what one of its children waits for longest."""
        waits: list[Retry] = []
        for session_id in list(self._retrying):
            session = self.tree.get(session_id)
            if session is None or session.retry is None:
                del self._retrying[session_id]
            elif session_id == root_id:
                return session.retry
            elif self.tree.root(session_id) == root_id:
                waits.append(session.retry)
        return max(waits, key=lambda retry: retry.next_ms or 0, default=None)

    def retitled(self, session_id: str, event_id: str) -> list[Change]:
        """A session has another title. A card that shows a request is there though its root does not run."""
        root_id = self.tree.root(session_id)
        shown = root_id == session_id and self.tree.session(session_id).learnt
        if shown and self.tree.pending_below(root_id):
            return [Change("progress", root_id, event_id)]
        return self.progress(session_id, event_id)

    def check(self) -> list[Change]:
        """Call it every few seconds: ends the runs that were suspended and that nothing woke since the last call."""
        self._checks += 1
        changes: list[Change] = []
        for session_id, session in self.tree:
            held = session.suspended
            if held is None or session.executing or self.child_works(session_id):
                continue
            if self._checks - held.since >= SUSPENDED_CHECKS:
                end: End = "succeeded" if held.why == "children" else "shutdown"
                changes += self._over(session_id, session, end, self.fresh_id(), "")
        return changes

    @property
    def unsure(self) -> bool:
        """Whether an end may have been missed, so that the server should be asked."""
        return any(session.unobserved and not session.executing for _, session in self.tree)

    def child_works(self, session_id: str) -> bool:
        """Whether a subagent below this session executes."""
        return any(child.executing and self._below(child_id, session_id) for child_id, child in self.tree)

    def _withdraw(self, session_id: str, session: Session) -> list[Change]:
        """Requests that were asked during this execution; one that a client made while it was idle lives on."""
        over = [request for request, asked_at in session.pending.items() if asked_at > session.began_at]
        return [change for request in over for change in self.answer(session_id, request, WITHDRAWN)]

    def _below(self, child_id: str, session_id: str) -> bool:
        while (child := self.tree.get(child_id)) and child.parent_id:
            child_id = child.parent_id
            if child_id == session_id:
                return True
        return False

    def show(self, session_id: str, event_id: str, words: str) -> list[Change]:
        """The card of the root says what this session, itself or a child, is doing."""
        root = self.tree.get(self.tree.root(session_id))
        if root is None or not words or words == root.doing:
            return []
        root.doing = words
        return self.progress(session_id, event_id)
