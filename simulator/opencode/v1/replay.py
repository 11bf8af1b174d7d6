"""A recording turned into frames to be sent: renamed for its play, and moved to the time of its play. No I/O."""

from dataclasses import dataclass
from typing import Any

from simulator.opencode.ids import renamed
from simulator.opencode.playing import Cue, Timing, played, start_ms
from simulator.opencode.script import Json
from simulator.opencode.v1.process import overtaken
from simulator.opencode.v1.state import State
from simulator.opencode.v1.wire import Frame, frame, session_of
from simulator.recording import Recording


@dataclass(frozen=True, slots=True)
class Seed:
    """A session with its messages that a recorded server knew from before."""

    session: Json
    messages: tuple[Json, ...]


@dataclass(frozen=True, slots=True)
class Replay:
    """One play of a recording, ready: cues in order, the end of the server (seconds) if it has one, and the played
    ids of the recorded sessions."""

    cues: tuple[Cue[Frame], ...]
    killed_at: float | None
    sessions: dict[str, str]


def replay(recording: Recording, play: int, speed: float, started_ms: float | None = None) -> Replay:
    """The `play`-th play of a recording, `speed` times as fast; times inside stay as recorded if `started_ms` is None."""
    timing = _timing(recording, speed, started_ms)
    cues = tuple(Cue(line.t / speed, frame(played(line.event, play, timing))) for line in recording.events)
    killed_at = None if recording.killed_at is None else recording.killed_at / speed
    names = {session_id: renamed(session_id, play) for session_id in session_ids(recording)}
    return Replay(cues, killed_at, names)


def seeds(recording: Recording, play: int, speed: float, started_ms: float | None = None) -> list[Seed]:
    """What the server of a recording knew from before, as the `play`-th play has it."""
    timing = _timing(recording, speed, started_ms)
    return [
        Seed(played(seed.session, play, timing), tuple(played(one, play, timing) for one in seed.messages))
        for seed in known_before(recording)
    ]


def session_ids(recording: Recording) -> list[str]:
    """The sessions of a recording as recorded: created in it, or known before."""
    return [*_created(recording), *(seed.session["id"] for seed in known_before(recording))]


def known_before(recording: Recording) -> list[Seed]:
    """Sessions that the server could show by REST although no event of the recording created them, as first shown."""
    answers: dict[str, Any] = {}
    for action in recording.actions:
        if action.method == "GET" and action.status == 200:
            answers.setdefault(action.target.partition("?")[0], action.response)
    created = set(_created(recording))
    return [
        Seed(response, tuple(answers.get(f"{path}/message") or ()))
        for path, response in answers.items()
        if path.startswith("/session/ses_") and path.count("/") == 2 and response["id"] not in created
    ]


def unplayable(recording: Recording) -> str:
    """Why a recording cannot be played, as a sentence; "" if it can: everything that a play does is tried once."""
    state, number = State(), 0
    try:
        for seed in seeds(recording, 1, 1.0, 0.0):
            state.seed(seed.session, seed.messages)
        for number, line in enumerate(recording.events, 1):
            one = frame(played(line.event, 1, _timing(recording, 1.0, 0.0) if number == 1 else None))
            overtaken(state, set(), one.payload)
            state.fold(one.directory, one.payload)
            state.root_of(session_of(one.payload) or "")
            _show(state, one.directory)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        what = (
            f"it has no {error.args[0]!r}" if isinstance(error, KeyError) else "a part of it has another type"
        )
        where = (
            f"event {number} ({recording.events[number - 1].event['payload']['type']})"
            if number
            else "its actions"
        )
        return f"recording {recording.name}: {where} is not as OpenCode 1.18 sends it: {what}"
    return ""


def _show(state: State, directory: str) -> None:
    """What a client may ask for."""
    state.session_status(directory)
    state.newest_sessions()


def recorded_start_ms(recording: Recording) -> float:
    """UNIX milliseconds at which the recording's `t` was 0. Raises ValueError if it holds no time."""
    found = start_ms((line.t, line.event) for line in recording.events)
    if found is None:
        raise ValueError(f"recording {recording.name} holds no time")
    return found


def _timing(recording: Recording, speed: float, started_ms: float | None) -> Timing | None:
    if speed <= 0:
        raise ValueError(f"speed must be above 0, not {speed:g}")
    recorded_ms = start_ms((line.t, line.event) for line in recording.events)
    return None if started_ms is None or recorded_ms is None else Timing(recorded_ms, started_ms, speed)


def _created(recording: Recording) -> list[str]:
    created = (
        line.event["payload"]["properties"]
        for line in recording.events
        if line.event["payload"]["type"] == "session.created"
    )
    return [str(properties.get("sessionID") or properties["info"]["id"]) for properties in created]
