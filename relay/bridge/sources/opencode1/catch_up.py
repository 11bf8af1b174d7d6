"""What happened while the stream was cut, or while no bridge ran: the runs compared with a server's answers. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from relay.bridge.notify.source import Change
from relay.bridge.sources.opencode1.runs import Runs
from relay.bridge.sources.opencode1.session import RUNNING, Session, error_words, is_by_hand
from relay.bridge.sources.opencode1.wire import (
    FailureData,
    Info,
    PendingRequest,
    RetryStatus,
    SessionError,
    SessionMessage,
)
from relay.bridge.sources.wire import details

Ending = Literal["complete", "error", "stopped", "interrupted"]
"""How a run ended that nobody saw ending."""

SILENT_ERRORS: dict[str, Ending] = {
    "MessageAbortedError": "stopped",
    "ContextOverflowError": "interrupted",  # the server goes on after it, unless it is killed
}

STOPPED_FINISHES = (None, "tool-calls")
"""A completed message that ends like this waits for a model call that never came: an abort during a retry gives no
finish at all, and a rejected request leaves the tool calls as the last word (both observed on OpenCode 1.18)."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The answers of GET /session/status, /permission and /question for each of `directories` (None: the server's own).

    Only sessions that are not idle have a status. OpenCode keeps requests of aborted sessions for ever, so a request
    counts only if its session has a status.
    """

    directories: frozenset[str | None]
    statuses: Mapping[str, RetryStatus]
    requests: Sequence[PendingRequest]


def ending(newest: SessionMessage | None) -> Ending:
    """How the run ended whose newest message this is; None: it has none."""
    if newest is None or newest.info.role != "assistant":
        return "interrupted"
    if failure := failure_of(newest):
        return SILENT_ERRORS.get(failure.name, "error")
    if not newest.info.time.completed:
        return "interrupted"
    if is_by_hand(newest.info):
        return "stopped"
    return "stopped" if newest.info.finish in STOPPED_FINISHES else "complete"


def failure_of(message: SessionMessage) -> FailureData | None:
    """The error in a message, if there is one."""
    raw = bytes(message.info.error)
    return details(raw, FailureData) if raw not in (b"", b"null") else None


MAX_USED = 100
"""Sessions of which it is known when they were used; as many as are asked for after a gap."""


class CatchUp:
    """Take a `mark`, ask the server, `resync`, ask for the newest messages of what ended, and give them to `ended`.

    The stream goes on meanwhile and knows better: what it touched after the mark is left alone.
    """

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._used: dict[str, float] = {}  # the one that was used last is last

    def known_sessions(self) -> dict[str, float]:
        """When the sessions that were used last were used, by the server's clock (UNIX milliseconds)."""
        return dict(self._used)

    def restore_used(self, used: Mapping[str, float]) -> None:
        """What an earlier bridge knew of that."""
        self._used = dict(used)

    def used(self, infos: Iterable[Info]) -> None:
        """All is known of these sessions, as they are described."""
        for info in infos:
            self._used.pop(info.id, None)
            self._used[info.id] = info.time.updated or 0.0
        for session_id in list(self._used)[:-MAX_USED]:
            del self._used[session_id]

    def news(self, recent: Sequence[Info], since_ms: float, now_ms: float) -> dict[str, float]:
        """The sessions in which something may have happened since all was known, and the time after which an end is new.

        All times are the server's (UNIX milliseconds): until `since_ms` all was known, now it is `now_ms`. Its clock may
        have been set back meanwhile, so what counts is that a session was used at another time than was known.
        """
        others = 0.0 if now_ms < since_ms or 0 < len(self._used) < MAX_USED else since_ms
        news: dict[str, float] = {}
        for info in recent:
            updated, before = info.time.updated or 0.0, self._used.get(info.id)
            if before is None and updated >= others:
                news[info.id] = others
            elif before is not None and updated != before:
                news[info.id] = min(before, updated)
        return news

    def mark(self) -> int:
        """How much has happened: whatever happens later is not in an answer that was asked for before."""
        return self._runs.events

    def restore(self, session_ids: Iterable[str]) -> None:
        """An earlier bridge reported that these root sessions run, and not that they ended."""
        for session_id in session_ids:
            session = self._runs.tree.session(session_id)
            session.learnt = session.running = session.unobserved = True
            session.phase = "busy"

    def strangers(self, snapshot: Snapshot) -> list[str]:
        """The sessions of a snapshot of which nothing is known: whose subagents they are has to be asked first."""
        known = {session_id for session_id, session in self._runs.tree if session.learnt}
        return [one for one in snapshot.statuses if one not in known and not self._runs.tree.deleted(one)]

    def unplaced(self) -> list[str]:
        """The running sessions whose directory is not known."""
        return [
            session_id
            for session_id, session in self._runs.tree
            if session.running and session.directory is None
        ]

    def running(self) -> list[str]:
        """The root sessions in which the model or a tool is at work."""
        return [
            session_id
            for session_id, session in self._runs.tree
            if session.running and session.phase in RUNNING and session.parent_id is None
        ]

    def directories(self) -> set[str | None]:
        """The directories of all sessions in which something goes on."""
        return {session.directory for _, session in self._runs.tree if not session.quiet}

    def resync(self, snapshot: Snapshot, mark: int) -> tuple[list[Change], list[str]]:
        """What the snapshot changes, and the root sessions that ended meanwhile."""
        changes = self._busy(snapshot, mark)
        self._note_background(snapshot)
        ended: list[str] = []
        unobserved = [one for one, session in self._runs.tree if session.unobserved]
        for session_id, session in sorted(self._runs.tree, key=lambda one: one[1].parent_id is None):
            if session.unsure:
                changes += self._idle(session_id, session, ended)
            elif session.quiet or session.touched > mark:
                session.unobserved = False
            elif session_id in snapshot.statuses:
                session.unobserved = False
                changes += self._answered(session_id, session, snapshot, mark)
            elif session.directory in snapshot.directories:
                changes += self._idle(session_id, session, ended)
        for session_id in unobserved:
            changes += self._runs.progress(session_id, self._runs.fresh_id())
        for session_id, _ in self._runs.tree:
            changes += self._runs.release(session_id, self._runs.fresh_id())
        for asking in snapshot.requests:
            if asking.session_id in snapshot.statuses:
                changes += self._runs.ask(asking)
        return changes, ended

    def ended(
        self, session_id: str, newest: SessionMessage | None, mark: int, since_ms: float
    ) -> list[Change]:
        """What the newest message of a session that is idle says about its end, unless that was reported before.

        Of a session that was not known to run, only an end after `since_ms` (UNIX milliseconds) counts.
        """
        session = self._runs.tree.session(session_id)
        if session.touched > mark and session.running and not session.unsure:
            session.unobserved = False
            return []
        how = ending(newest)
        if session.waiting and self._runs.works_below(session_id):
            return []  # it is complete with the last of its subagents
        if session.running:
            nothing_came = newest is not None and newest.info.id == session.ended_id
            return self._end(session_id, session, newest, "interrupted" if nothing_came else how)
        if newest is None or how not in ("complete", "error") or newest.info.id == session.ended_id:
            return []
        if session.ended_at > self._runs.connected_at:
            return []  # the stream reported it meanwhile, perhaps without having seen its message
        missed = (newest.info.time.completed or 0) >= since_ms
        if missed and how == "complete" and self._runs.works_below(session_id):
            session.running = session.waiting = True  # its turn is over, but not the work of its subagents
            return []
        return self._end(session_id, session, newest, how) if missed else []

    def note(self, session_id: str, newest: SessionMessage | None) -> list[Change]:
        """The newest message of a session that runs: its end is named by it if no newer one comes.

        Its tools that run say what they are called with, which their requests do not.
        """
        session = self._runs.tree.session(session_id)
        session.newest_id = max(session.newest_id, newest.info.id if newest else "")
        tools = [tool for part in (newest.parts if newest else []) if (tool := part.as_tool())]
        return [change for tool in tools for change in self._runs.call(session_id, session, tool)]

    def give_up(self) -> list[Change]:
        """The server cannot be asked: what the stream says must do."""
        changes: list[Change] = []
        for session_id, session in self._runs.tree:
            unsure, session.unobserved = session.unsure, False
            if unsure:
                changes += self._end(session_id, session, None, "complete")
        return changes

    def _busy(self, snapshot: Snapshot, mark: int) -> list[Change]:
        changes: list[Change] = []
        for session_id, status in snapshot.statuses.items():
            session = self._runs.tree.get(session_id)
            if self._runs.tree.deleted(session_id) or (session and session.touched > mark):
                continue
            if session and session.phase == "rejected":
                continue  # busy until its idle comes, or until the model is called again
            if session and session.phase not in RUNNING:
                session.phase = "idle"  # an end that nobody saw, and a new run after it
            changes += self._runs.status(session_id, status, self._runs.fresh_id())
            self._runs.tree.session(session_id).touched = mark
        return changes

    def _note_background(self, snapshot: Snapshot) -> None:
        """A subagent that works while its root does not, works in the background."""
        for session_id in snapshot.statuses:
            session, root_id = self._runs.tree.get(session_id), self._runs.tree.root(session_id)
            if session and root_id != session_id and root_id not in snapshot.statuses:
                session.background = True

    def _answered(self, session_id: str, session: Session, snapshot: Snapshot, mark: int) -> list[Change]:
        listed = {asking.id for asking in snapshot.requests}
        gone = [one for one, asked_at in session.pending.items() if asked_at <= mark and one not in listed]
        return [change for request in gone for change in self._runs.answer(session_id, request)]

    def _idle(self, session_id: str, session: Session, ended: list[str]) -> list[Change]:
        if session.running and session.parent_id is None:
            if self._runs.works_below(session_id):
                session.phase, session.waiting, session.unobserved = "idle", True, False
            elif not session.waiting:
                ended.append(session_id)
            return []
        session.phase, session.running, session.unobserved = "idle", False, False
        return self._runs.withdraw(session_id, session)

    def _end(
        self, session_id: str, session: Session, newest: SessionMessage | None, how: Ending
    ) -> list[Change]:
        failure = failure_of(newest) if newest and how == "error" else None
        session.newest_id = max(session.newest_id, newest.info.id if newest else "")
        session.phase, session.running, session.unobserved = "idle", False, False
        session.waiting = False
        words = error_words(SessionError(error=failure)) if failure else ""
        event_id = session.end_subject(self._runs.fresh_id())
        session.ended_at = self._runs.events + 1
        return self._runs.withdraw(session_id, session) + self._runs.tree.report(
            session_id, how, event_id, words
        )
