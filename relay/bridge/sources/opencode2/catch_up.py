"""What happened while the stream was cut, or while no bridge ran: the sessions compared with a server's answers. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from relay.bridge.notify.source import Change, Retry
from relay.bridge.sources.doing import last_line
from relay.bridge.sources.opencode2.runs import Runs
from relay.bridge.sources.opencode2.session import End
from relay.bridge.sources.opencode2.wire import Failure, Info, Message
from relay.bridge.sources.opencode2.wording import failure_words

OUTCOMES: dict[str, End] = {"succeeded": "succeeded", "failed": "failed", "interrupted": "user"}
UNFINISHED = (None, "tool-calls", "unknown")
"""How an assistant's message ends that waits for a step which never came."""

MAX_ENDS = 100
"""Sessions of which it is known when they ended; as many as are asked for after a gap."""
SAME_END_MS = 1000
"""An end's event and the session's `time.idle` are of one moment; a turn that was missed takes longer (assumed)."""


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A permission or form that a server lists."""

    session_id: str
    request_id: str
    words: str
    brief: str = ""
    is_form: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a server answers: who executes, and the open requests of all loaded folders.

    The lists are right (recorded): a request that is not among them is gone, except in the folders that did not answer.
    """

    active: frozenset[str]
    requests: Sequence[OpenRequest] = ()
    unanswered: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class LastTurn:
    """How the newest turn of a transcript ended, the id of its newest message, why it failed, and when it ended, if that is said."""

    end: End
    message_id: str
    failure: Failure = field(default_factory=Failure)
    at_ms: float | None = None


def last_turn(messages: Sequence[Message], outcome: str | None) -> LastTurn | None:
    """The newest turn in which something was said; None: there is none. `messages`: newest first.

    Each turn that ended well, failed or was interrupted is closed by an `idle` message. A turn without one ended by a
    declined request or with its server. `outcome` is the session's: where even that is not known (before 2.0) the
    assistant's message has to do.
    """
    closed: Message | None = None
    for message in messages:
        if message.type == "idle":
            closed = message
        elif message.type == "shell":
            closed = None  # the user's own command is a turn of its own
        elif message.type in ("user", "assistant"):
            return _turn(message, closed, outcome)
    return None


def _turn(newest: Message, closed: Message | None, outcome: str | None) -> LastTurn:
    failure = (closed.error if closed else None) or newest.error or Failure()
    if closed:
        end = OUTCOMES.get(closed.outcome or "", "other")
        if end == "succeeded" and newest.type != "assistant":
            end = "other"  # nothing was said
        return LastTurn(end, newest.id, failure, closed.time.created)
    if newest.retry:  # a step waited to be made again
        return LastTurn("shutdown", newest.id)
    if outcome is None and newest.type == "assistant" and newest.time.completed:
        if newest.error:
            return LastTurn("shutdown" if newest.error.type == "aborted" else "failed", newest.id, failure)
        return LastTurn("shutdown" if newest.finish in UNFINISHED else "succeeded", newest.id)
    # Of a step that was declined or interrupted the message is completed; not so with a server that was killed (recorded).
    killed = newest.type == "assistant" and not newest.time.completed
    return LastTurn("killed" if killed else "shutdown", newest.id)


def _is_newest(turn: LastTurn, info: Info) -> bool:
    """Whether the session's newest end is that of this turn; where it is not said, it is taken for it."""
    return turn.at_ms is None or info.time.idle is None or abs(info.time.idle - turn.at_ms) <= SAME_END_MS


class CatchUp:
    """Take a `mark`, ask the server, `resync`, ask for the transcripts of what ended, and give them to `ended`.

    The stream goes on meanwhile and knows better: what it touched after the mark is left alone.
    """

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._ends: dict[str, float] = {}  # the one that was told last is last

    def known_ends(self) -> dict[str, float]:
        """When the sessions ended whose end is known, by the server's clock (UNIX milliseconds)."""
        return dict(self._ends)

    def restore_ends(self, ends: Mapping[str, float]) -> None:
        """What an earlier bridge knew of that."""
        self._ends = dict(ends)

    def know_end(self, session_id: str, at_ms: float | None) -> None:
        """A turn of a session ended then, and that was reported if it had to be."""
        session = self._runs.tree.get(session_id)
        if at_ms is None or (session and session.parent_id):
            return
        self._ends.pop(session_id, None)
        self._ends[session_id] = at_ms
        if len(self._ends) > MAX_ENDS:
            del self._ends[next(iter(self._ends))]

    def missed(self, info: Info, since_ms: float) -> bool:
        """Whether the newest end of a session is none that is known. Until `since_ms` all was known."""
        if info.time.idle is None:
            return False
        known = self._ends.get(info.id)
        if known is None:
            return info.time.idle >= since_ms
        later = info.time.idle - known
        return (
            later if known <= since_ms else abs(later)
        ) > SAME_END_MS  # else the server's clock was set back

    def mark(self) -> int:
        """How much has happened: whatever happens later is not in an answer that was asked for before."""
        return self._runs.events

    def restore(self, session_ids: Iterable[str]) -> None:
        """An earlier bridge reported that these root sessions run, and not that they ended."""
        for session_id in session_ids:
            session = self._runs.tree.session(session_id)
            session.learnt = session.running = session.executing = session.worked = session.unobserved = True

    def unplaced(self, snapshot: Snapshot) -> list[str]:
        """The sessions of which the server has to be asked before anything is reported."""
        known = dict(self._runs.tree)
        running = [one for one, session in known.items() if session.running and session.directory is None]
        new = [one for one in snapshot.active if one not in known or not known[one].learnt]
        return [*running, *new]

    def resync(self, snapshot: Snapshot, mark: int) -> tuple[list[Change], list[str]]:
        """What the snapshot changes, and the root sessions that ended meanwhile."""
        changes: list[Change] = []
        for session_id in sorted(snapshot.active):
            changes += self._active(session_id, mark)
        ended: list[str] = []
        for session_id, session in self._runs.tree:
            changes += self._answered(session_id, snapshot, mark)
            if session_id in snapshot.active or (session.touched > mark and not session.unobserved):
                continue
            if session.parent_id is not None:
                session.running = session.unobserved = False
            elif session.running or session.executing or session.unobserved:
                ended.append(session_id)
            session.executing = False
        for one in snapshot.requests:
            changes += self._runs.ask(
                one.session_id, one.request_id, one.words, one.brief, is_form=one.is_form
            )
        return changes, [one for one in ended if not self._runs.child_works(one)]

    def ended(
        self, session_id: str, info: Info, messages: Sequence[Message], mark: int, since_ms: float
    ) -> list[Change]:
        """What the transcript of a session that is idle says about its end, unless that was reported before.

        Of a session that was not known to run, only an end counts that was `missed`, and that is the turn's: a person's own command
        and a compaction by hand end, too.
        """
        session = self._runs.tree.session(session_id)
        if session.executing or (session.touched > mark and not session.unobserved):
            return []
        known, session.unobserved = session.running or session.unobserved, False
        turn = last_turn(messages, info.outcome)
        reported = turn is None or turn.message_id == session.ended_id
        if not session.running:
            news = (known or self.missed(info, since_ms)) and turn is not None and _is_newest(turn, info)
            if reported or not news:
                return []
            # An earlier bridge may have begun a card, and been killed before it wrote that down.
            session.running = turn is not None and turn.end == "user"
        return self._end(session_id, turn, reported=reported)

    def note(self, session_id: str, messages: Sequence[Message], mark: int) -> list[Change]:
        """The transcript of a session that executes: its newest message names its end, its retry is shown."""
        session = self._runs.tree.session(session_id)
        newest = next((one for one in messages if one.type in ("user", "assistant")), None)
        if newest is None:
            return []
        if session.touched <= mark or session.newest_id in ("", *(one.id for one in messages)):
            session.newest_id = newest.id
        if session.touched > mark:
            return []
        session.retry = None
        if again := newest.retry:
            self._runs.wait(session_id, Retry(again.attempt, again.at, failure_words(again.error)))
        said = "\n".join(one.text for one in newest.content if one.type == "text")
        session.doing = last_line(said) or session.doing
        return self._runs.progress(session_id, self._runs.fresh_id())

    def _active(self, session_id: str, mark: int) -> list[Change]:
        session = self._runs.tree.session(session_id)
        if self._runs.tree.deleted(session_id) or session.touched > mark:
            return []
        if not session.executing:
            session.began_at = self._runs.connected_at  # what was asked before it is not of this execution
        session.unobserved, session.suspended, session.declined = False, None, False
        session.speak()
        changes = [] if session.running else self._runs.work(session_id, self._runs.fresh_id())
        session.executing, session.touched = True, mark
        return changes

    def _answered(self, session_id: str, snapshot: Snapshot, mark: int) -> list[Change]:
        session = self._runs.tree.session(session_id)
        if session.directory in snapshot.unanswered:
            return []
        listed = {one.request_id for one in snapshot.requests}
        gone = [one for one, at in session.pending.items() if at <= mark and one not in listed]
        return [change for request in gone for change in self._runs.answer(session_id, request)]

    def _end(self, session_id: str, turn: LastTurn | None, *, reported: bool) -> list[Change]:
        session = self._runs.tree.session(session_id)
        end: End = "other" if turn is None or reported else turn.end
        session.worked = end == "succeeded"
        session.declined = True  # its server is asked already: nothing more will come
        session.end_read = True
        if turn and not reported:
            session.newest_id = turn.message_id
        words = failure_words(turn.failure) if turn and end == "failed" else ""
        return self._runs.end(session_id, end, self._runs.fresh_id(), words)
