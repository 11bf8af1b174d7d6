"""What must ring for what an OpenCode 2 did, read from the events that happened in it, whoever was there to receive them. Pure.

A second reading of the rules that the bridge follows: it shares no line with it, and knows what the bridge cannot know.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from world.rings import Ring

Json = Mapping[str, Any]


@dataclass(slots=True)
class Known:
    """A session. `steps` of the execution that goes on (None: none does); `vain`: a request was given up since its last step."""

    parent_id: str | None = None
    steps: int | None = None
    vain: bool = False
    awaits: bool = False
    requests: dict[str, Ring] = field(default_factory=dict)


class Ledger:
    """Feed it every event with its time. `rings` is all that could ring until now, each with its life.

    `read_by_all` is set while whoever listens receives what happens: what is only said on the stream must ring then.
    """

    def __init__(self) -> None:
        self.read_by_all = True
        self.rings: list[Ring] = []
        self.executions: Counter[str] = Counter()
        self._sessions: dict[str, Known] = defaultdict(Known)

    def read(self, t: float, event: Json) -> None:
        """Take in an event, as an envelope in the released words."""
        data = event.get("data") or {}
        if note := _NOTES.get(str(event["type"])):
            note(self, t, str(data.get("sessionID") or data.get("form", {}).get("sessionID") or ""), data)

    def server_ended(self, t: float, *, resumes: bool) -> None:
        """The process is gone, and with it all that waited. Whoever is not resumed was broken off: that may ring."""
        for session_id, known in self._sessions.items():
            for ring in known.requests.values():
                _end(ring, t)
            known.requests.clear()
            if known.awaits:  # what worked for it in the background is gone
                known.awaits = False
                self.rings.append(Ring("complete", session_id, t, t))
            if known.steps is not None and not resumes and known.parent_id is None:
                self._may_ring("error", session_id, t)
            known.steps = None

    def replaced(self, t: float) -> None:
        """Another server answers for a while, which knows none of the sessions: who worked may be called interrupted."""
        for session_id, known in self._sessions.items():
            if known.parent_id is None and self.executions[session_id] and self._holds_nothing(session_id):
                self._may_ring("error", session_id, t)

    def root(self, session_id: str) -> str:
        """The session under which it is reported."""
        while parent_id := self._sessions[session_id].parent_id:
            session_id = parent_id
        return session_id

    def waiting(self) -> set[str]:
        """The roots that wait for a person, themselves or by a subagent."""
        return {ring.session_id for ring in self.rings if ring.holds and ring.request_id}

    def at_work(self) -> Iterator[str]:
        """The sessions whose executions go on and wait for nobody."""
        waiting = self.waiting()
        for session_id, known in self._sessions.items():
            if known.steps is not None and self.root(session_id) not in waiting:
                yield session_id

    def _holds_nothing(self, session_id: str) -> bool:
        return not any(
            ring.session_id == session_id and ring.holds and not ring.request_id for ring in self.rings
        )

    def _may_ring(self, event_type: str, session_id: str, t: float) -> None:
        self.rings.append(Ring(event_type, session_id, t, t, t))

    def _created(self, _: float, session_id: str, data: Json) -> None:
        self._sessions[session_id].parent_id = data.get("parentID")

    def _started(self, t: float, session_id: str, _: Json) -> None:
        known = self._sessions[session_id]
        known.steps, known.vain, known.awaits = 0, False, False
        self.executions[session_id] += 1
        for ring in self.rings:
            if ring.session_id == session_id and not ring.request_id:
                _end(ring, t)

    def _step(self, _: float, session_id: str, __: Json) -> None:
        known = self._sessions[session_id]
        known.steps, known.vain = (known.steps or 0) + 1, False

    def _asked(self, t: float, session_id: str, data: Json) -> None:
        request_id = str(data.get("id") or data["form"]["id"])
        ring = Ring("permission", self.root(session_id), t, t, request_id=request_id)
        self._sessions[session_id].requests[request_id] = ring
        self.rings.append(ring)

    def _answered(self, t: float, session_id: str, data: Json) -> None:
        known = self._sessions[session_id]
        ring = known.requests.pop(str(data.get("requestID") or data["id"]), None)
        if ring is not None:
            _end(ring, t)
        known.vain = known.vain or data.get("reply") == "reject"

    def _cancelled(self, t: float, session_id: str, data: Json) -> None:
        self._answered(t, session_id, data)
        self._sessions[session_id].vain = True

    def _ended(self, t: float, session_id: str) -> tuple[Known, bool]:
        """Its requests are withdrawn; whether a person was asked in vain below its root."""
        known = self._sessions[session_id]
        below = [one for one_id, one in self._sessions.items() if self.root(one_id) == self.root(session_id)]
        vain = known.vain or any(one.requests for one in below)
        for ring in known.requests.values():
            _end(ring, t)
        known.requests.clear()
        return known, vain

    def _succeeded(self, t: float, session_id: str, _: Json) -> None:
        known, _vain = self._ended(t, session_id)
        steps, known.steps = known.steps, None
        if known.parent_id is not None or not steps:
            return
        known.awaits = any(
            one.steps is not None and self.root(one_id) == session_id
            for one_id, one in self._sessions.items()
        )
        if not known.awaits:
            self.rings.append(Ring("complete", session_id, t, t))

    def _failed(self, t: float, session_id: str, _: Json) -> None:
        known, _vain = self._ended(t, session_id)
        known.steps = None
        if known.parent_id is None:
            self.rings.append(Ring("error", session_id, t, t))

    def _interrupted(self, t: float, session_id: str, data: Json) -> None:
        known, vain = self._ended(t, session_id)
        known.steps = None
        if known.parent_id is not None or data["reason"] != "inactivity" or not vain:
            return
        if self.read_by_all:
            self.rings.append(Ring("error", session_id, t, t))
        else:  # the server's answers call it interrupted, as they do what a person has stopped (2.1.2)
            self._may_ring("error", session_id, t)

    def _deleted(self, t: float, session_id: str, _: Json) -> None:
        root = self.root(session_id)
        for ring in self.rings:
            if ring.session_id == root and session_id == root:
                _end(ring, t)
        known = self._sessions[session_id]
        known.steps, known.awaits = None, False
        known.requests.clear()


def _end(ring: Ring, t: float) -> None:
    if ring.holds:
        ring.ends = t


_NOTES: dict[str, Callable[[Ledger, float, str, Json], None]] = {
    "session.created": Ledger._created,
    "session.deleted": Ledger._deleted,
    "session.execution.started": Ledger._started,
    "session.step.started": Ledger._step,
    "session.execution.succeeded": Ledger._succeeded,
    "session.execution.failed": Ledger._failed,
    "session.execution.interrupted": Ledger._interrupted,
    "permission.asked": Ledger._asked,
    "form.created": Ledger._asked,
    "permission.replied": Ledger._answered,
    "form.replied": Ledger._answered,
    "form.cancelled": Ledger._cancelled,
}
