"""What must ring in a recording, and for how long each of it holds. Pure; read as the fake OpenCode reads it."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import Any

from simulator.opencode.v1.state import State
from simulator.opencode.v1.wire import session_of
from simulator.recording import Recording
from simulator.scenario import Scenario

Key = tuple[str, str]
"""An event type and the session under which it is reported."""

ASKED = frozenset({"permission.asked", "question.asked"})
ANSWERED = frozenset({"permission.replied", "question.replied", "question.rejected"})


@dataclass(slots=True)
class Ring:
    """Something that rings. Seconds of the recording: from `known` on the server's database says so, from `begins` on its
    stream has sent it, and when it `ends` it is of no interest any more (inf: it holds)."""

    event_type: str
    session_id: str
    known: float
    begins: float
    ends: float = inf
    request_id: str = ""

    @property
    def holds(self) -> bool:
        """Whether a person who looks at the end must have been alerted."""
        return self.ends == inf


def rings(scenario: Scenario) -> list[Ring]:
    """All that the scenario lets ring, with its life; sessions have their recorded ids."""
    wanted = {(alert.event_type, alert.session_id) for alert in scenario.alerts}
    return [ring for ring in _read(scenario.recording).rings if (ring.event_type, ring.session_id) in wanted]


def interruptions(recording: Recording) -> list[Ring]:
    """What rings for the runs that the death of the server broke off, as far as anybody knew of them by then."""
    died_at = recording.killed_at
    if died_at is None:
        return []
    reader = _read(recording)
    failed = {ring.session_id for ring in reader.rings if ring.event_type == "error" and ring.holds}
    roots = {reader.state.root_of(session_id) for session_id in reader.state.statuses}
    return [Ring("error", session_id, died_at, died_at) for session_id in sorted(roots - failed)]


def running(recording: Recording) -> set[str]:
    """The root sessions that are at work, or wait for an answer, when the recording is over."""
    state = _read(recording).state
    return {state.root_of(session_id) for session_id in state.statuses}


def survivors(known: Iterable[Ring], died_at: float) -> Iterator[Ring]:
    """What of the rings is left of a server that was killed at `died_at`: requests die with it, what comes later never comes."""
    for ring in known:
        if ring.known > died_at:
            continue
        if ring.ends <= died_at:
            yield ring
        else:
            lost = ring.event_type == "permission" or ring.begins > died_at
            yield replace(ring, ends=died_at if lost else inf)


def wrong_rings(
    expected: Iterable[Ring], sessions: Mapping[str, str], showings: Iterable[Mapping[str, Any]]
) -> list[str]:
    """What rang too often, too seldom, or should not have rung, in the sessions of a play (their ids by those recorded).

    What holds rings once; what does not last as long may ring, but once.
    """
    rings = [(ring.event_type, sessions[ring.session_id], ring.holds) for ring in expected]
    least = Counter((event_type, session_id) for event_type, session_id, holds in rings if holds)
    most = Counter((event_type, session_id) for event_type, session_id, _ in rings)
    own = set(sessions.values())
    shown = Counter((one["eventType"], one["sessionID"]) for one in showings if one["sessionID"] in own)
    return [
        f"{kind} of {session_id} rang {shown[kind, session_id]} times, "
        f"not {least[kind, session_id]} to {most[kind, session_id]}"
        for kind, session_id in sorted(most.keys() | shown.keys())
        if not least[kind, session_id] <= shown[kind, session_id] <= most[kind, session_id]
    ]


class _Reader:
    def __init__(self) -> None:
        self.state = State()
        self.rings: list[Ring] = []
        self._completed: dict[str, float] = {}

    def read(self, t: float, directory: str, payload: dict[str, Any]) -> None:
        if note := _NOTES.get(payload["type"]):
            note(self, t, session_of(payload) or "", payload["properties"])
        self.state.fold(directory, payload)

    def _asked(self, t: float, session_id: str, properties: dict[str, Any]) -> None:
        root_id = self.state.root_of(session_id)
        self.rings.append(Ring("permission", root_id, t, t, request_id=properties["id"]))

    def _answered(self, t: float, _: str, properties: dict[str, Any]) -> None:
        self._end(t, lambda ring: ring.request_id == properties["requestID"])

    def _completed_message(self, t: float, session_id: str, properties: dict[str, Any]) -> None:
        if properties["info"]["time"].get("completed"):
            self._completed[session_id] = t

    def _failed(self, t: float, session_id: str, _: dict[str, Any]) -> None:
        """The first error of a turn; a second one, and one after the turn, is an echo."""
        before = [ring for ring in self.rings if (ring.event_type, ring.session_id) == ("error", session_id)]
        if session_id in self.state.statuses and not any(ring.holds for ring in before):
            self.rings.append(Ring("error", session_id, t, t))

    def _status(self, t: float, session_id: str, properties: dict[str, Any]) -> None:
        runs, goes_on = session_id in self.state.statuses, properties["status"]["type"] != "idle"
        if runs and not goes_on:
            self._end(t, lambda ring: self._waits_in(ring, session_id))
            self.rings.append(Ring("complete", session_id, self._completed.get(session_id, t), t))
        elif goes_on and not runs:
            self._end(t, lambda ring: ring.session_id == session_id and ring.event_type != "permission")

    def _waits_in(self, ring: Ring, session_id: str) -> bool:
        waiting = (self.state.permissions | self.state.questions).get(ring.request_id)
        return waiting is not None and waiting.session_id == session_id

    def _end(self, t: float, which: Callable[[Ring], bool]) -> None:
        for ring in self.rings:
            if ring.holds and which(ring):
                ring.ends = t


_NOTES: dict[str, Callable[[_Reader, float, str, dict[str, Any]], None]] = {
    **dict.fromkeys(ASKED, _Reader._asked),
    **dict.fromkeys(ANSWERED, _Reader._answered),
    "message.updated": _Reader._completed_message,
    "session.error": _Reader._failed,
    "session.status": _Reader._status,
}


def _read(recording: Recording) -> _Reader:
    reader = _Reader()
    for line in recording.events:
        reader.read(line.t, line.event.get("directory", ""), line.event["payload"])
    return reader
