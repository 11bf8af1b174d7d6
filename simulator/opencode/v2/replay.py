"""A recording of generation 2 turned into events to be sent: renamed for its play, and moved to the time of its play. No I/O."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.opencode.ids import renamed
from simulator.opencode.playing import Cue, Timing, played, start_ms
from simulator.opencode.scheduler import Event
from simulator.opencode.script import Json
from simulator.opencode.v2 import sessions
from simulator.opencode.v2.process import overtaken
from simulator.opencode.v2.state import State
from simulator.opencode.v2.wire import session_of
from simulator.recording import Line, Recording

_BEGINS = "session.execution.started"
_AT_WORK = ("session.execution.", "session.step.", "session.text.", "session.tool.", "session.retry.")
"""How the types begin of what happens in an execution; the first of a session should be its start."""
ABORTED: Json = {"type": "aborted", "message": "Step interrupted"}
_NEW = frozenset({"session.created", "session.forked"})


@dataclass(frozen=True, slots=True)
class Life:
    """What one server process sends: `cues` in seconds since its part of the play began, which was recorded at `opened`.

    `resumed` are the sessions that it worked on before anybody could listen; `directories` the locations that it loaded.
    """

    cues: tuple[Cue[Json], ...]
    opened: float
    resumed: tuple[str, ...]
    directories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seed:
    """A session and its messages, oldest first, that a recorded server knew from before."""

    session: Json
    transcript: tuple[Json, ...]


class Replay:
    """The `play`-th play of a recording, `speed` times as fast. Times inside stay as recorded if they are not `retimed`.

    Raises ValueError for a speed that is not above 0.
    """

    def __init__(self, recording: Recording, play: int, speed: float, *, retimed: bool = True) -> None:
        if speed <= 0:
            raise ValueError(f"speed must be above 0, not {speed:g}")
        self._recording, self._play, self._speed = recording, play, speed
        restarted = recording.restart.events if recording.restart else ()
        lines = (*recording.events, *restarted)
        found = start_ms((line.t, line.event) for line in lines) if retimed else None
        self._recorded_ms = found
        self.sessions = {one: renamed(one, play) for one in session_ids(recording)}

    def first(self, started_ms: float) -> Life:
        """What the server sends whose stream is open at `started_ms` (UNIX milliseconds)."""
        return self._life(self._recording.events, 0.0, started_ms)

    def again(self, started_ms: float) -> Life:
        """What the server sends that was started again; nothing if it was not."""
        restart = self._recording.restart
        return self._life(restart.events, restart.opened, started_ms) if restart else self._life((), 0.0, 0.0)

    def seeds(self, started_ms: float) -> list[Seed]:
        """What the server knew from before."""
        timing = self._timing(0.0, started_ms)
        return [
            Seed(
                played(seed.session, self._play, timing),
                tuple(played(one, self._play, timing) for one in seed.transcript),
            )
            for seed in known_before(self._recording)
        ]

    def _life(self, lines: Iterable[Line], opened: float, started_ms: float) -> Life:
        timing = self._timing(opened, started_ms)
        cues = tuple(
            Cue(max(0.0, line.t - opened) / self._speed, played(line.event, self._play, timing))
            for line in lines
        )
        events = [cue.due for cue in cues]
        return Life(cues, opened, tuple(_at_work_before(events)), tuple(_directories(events)))

    def _timing(self, opened: float, started_ms: float) -> Timing | None:
        if self._recorded_ms is None:
            return None
        return Timing(self._recorded_ms + opened * 1000, started_ms, self._speed)


def shutdown(session_id: str, newest_first: Sequence[Json]) -> list[Event]:
    """What is stored of a turn that the server's orderly stop ends. `newest_first`: the session's messages."""
    said = next((one for one in newest_first if one["type"] == "assistant"), None)
    events: list[Event] = []
    if said is not None and "completed" not in said["time"]:
        ids = {"sessionID": session_id, "assistantMessageID": said["id"]}
        events.append(("session.step.failed", {**ids, "error": ABORTED, "files": []}))
    return [*events, ("session.execution.interrupted", {"sessionID": session_id, "reason": "shutdown"})]


def session_ids(recording: Recording) -> list[str]:
    """The sessions of a recording as recorded: created or forked in it, or known before."""
    new = [str(line.event["data"]["sessionID"]) for line in recording.events if line.event["type"] in _NEW]
    return [*new, *(seed.session["id"] for seed in known_before(recording))]


def known_before(recording: Recording) -> list[Seed]:
    """Sessions that no event of the recording made, although the server had them: as first shown, or as far as events tell."""
    answers: dict[str, Any] = {}
    for action in recording.actions:
        if action.method == "GET" and action.status == 200:
            answers.setdefault(action.target.partition("?")[0], action.response)
    new = {line.event["data"].get("sessionID") for line in recording.events if line.event["type"] in _NEW}
    shown = {
        response["data"]["id"]: Seed(
            response["data"], tuple(reversed((answers.get(f"{path}/message") or {}).get("data", ())))
        )
        for path, response in answers.items()
        if path.startswith("/api/session/ses_") and path.count("/") == 3
        if response["data"]["id"] not in new
    }
    return [*shown.values(), *_met(recording, new | shown.keys())]


def _met(recording: Recording, known: Collection[object]) -> list[Seed]:
    """Sessions of which only something that happened in them is known."""
    found: dict[str, Json] = {}
    for line in recording.events:
        session_id, where = session_of(line.event) or "", line.event.get("location")
        if session_id.startswith("ses_") and session_id not in known and isinstance(where, dict):
            found.setdefault(
                session_id,
                {**line.event, "data": {"sessionID": session_id, "projectID": "global", "location": where}},
            )
    return [Seed(sessions.created(event), ()) for event in found.values()]


def unplayable(recording: Recording) -> str:
    """Why a recording cannot be played, as a sentence; "" if it can: everything that a play does is tried once."""
    state, sent = State(), 0
    events: list[Json] = []
    try:
        replay = Replay(recording, 1, 1.0)
        for seed in replay.seeds(0.0):
            state.seed(seed.session, seed.transcript)
        for life in (replay.first(0.0), replay.again(0.0)):
            events += [cue.due for cue in life.cues]
            for event in events[sent:]:
                sent += 1
                _try(state, event)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        what = (
            f"it has no {error.args[0]!r}" if isinstance(error, KeyError) else "a part of it has another type"
        )
        where = f"event {sent} ({events[sent - 1]['type']})" if sent else "its actions or its first events"
        return f"recording {recording.name}: {where} is not as OpenCode 2 sends it: {what}"
    return ""


def _try(state: State, event: Json) -> None:
    """What the server does with an event, and what a client may ask for then."""
    overtaken(state, set(), event)
    directory = str((event.get("location") or {}).get("directory") or "/")
    state.fold(directory, event)
    session_id = session_of(event) or ""
    state.root_of(session_id)
    state.directory_of(session_id)


def _at_work_before(events: Iterable[Json]) -> list[str]:
    """The sessions whose execution began before the first of these events."""
    first: dict[str, str] = {}
    for event in events:
        session_id = session_of(event)
        if session_id and event["type"].startswith(_AT_WORK):
            first.setdefault(session_id, event["type"])
    return [session_id for session_id, kind in first.items() if kind != _BEGINS]


def _directories(events: Iterable[Json]) -> list[str]:
    found = [(event.get("location") or {}).get("directory") for event in events]
    return list(dict.fromkeys(str(one) for one in found if one))
