"""Recordings of a real OpenCode server, of either generation: files of JSON lines, read and checked.

A recording of generation 1 is three files with `t` in seconds since its streams were opened: `NAME.global.ndjson` and
`NAME.event.ndjson` hold what GET /global/event and GET /event sent (`{"t", "event"}`, besides "open" and "closed"),
`NAME.actions.ndjson` the REST calls made meanwhile (`{"sent_t", "t", "request", "body"?, "status", "response"}`) or the
signal that ended the server (`{"t", "kill"}`). Only `global` must be there.

One of generation 2 is `NAME.api.ndjson`, what GET /api/event sent (`{"t", "event"}`; comments are `{"t", "raw"}`), and
perhaps `NAME.actions.ndjson`. If the server was stopped the first file ends with `{"t", "closed"}`, and
`NAME.api2.ndjson` is the stream of the server that was started again, `t` counted on; a note of the actions that names
SIGKILL says that it was not stopped orderly.

Which generation it is the first event says: those of generation 1 have a `payload`, those of generation 2 `type` and `data`.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from math import inf
from pathlib import Path
from typing import Any, Literal, TypeVar

Json = dict[str, Any]
Read = TypeVar("Read")
Generation = Literal[1, 2]

STREAMS = ("global", "event", "api", "api2", "actions")
"""What a file of a recording may hold; its name ends with it, before `.ndjson`."""
_NO_CALLS = frozenset({"error", "log"})
_OWN_EVENTS = frozenset({"server.connected", "server.heartbeat"})


class RecordingError(ValueError):
    """A file is no scenario or recording that can be played; the sentence says which line, and what was expected."""


@dataclass(frozen=True, slots=True)
class Line:
    """One recorded event: seconds since the stream was opened, and the event as the stream sent it."""

    t: float
    event: Json


@dataclass(frozen=True, slots=True)
class Action:
    """One recorded REST call: when it was sent and answered (seconds), and both bodies (None if empty)."""

    sent_t: float
    t: float
    method: str
    target: str
    body: Any
    status: int
    response: Any


@dataclass(frozen=True, slots=True)
class Restart:
    """A server that was started again after it was stopped: `opened` is when (seconds) its stream was open, `events` follow."""

    opened: float
    events: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Recording:
    """What a real server sent. `events` are those of its stream without server.connected and heartbeats.

    `killed_at` is when (seconds) the server was ended, None if it lived on, `killed_hard` whether by SIGKILL; what it did
    after that is its `restart`. Both only recordings of generation 2 have. `lasts` is how long (seconds) was recorded.
    """

    name: str
    events: tuple[Line, ...]
    actions: tuple[Action, ...]
    killed_at: float | None = None
    generation: Generation = 1
    restart: Restart | None = None
    killed_hard: bool = False
    lasts: float = 0.0


def recording_name(file_name: str) -> str:
    """The name of the recording that a file belongs to."""
    name = file_name.removesuffix(".ndjson")
    for stream in STREAMS:
        name = name.removesuffix(f".{stream}")
    return name


def read_recording(folder: Traversable, name: str, given: Path | None = None) -> Recording:
    """A recording in a folder; `given` is the file that was named, if the name ends as no recording's does. RecordingError."""
    stream = _stream(folder, name, given)
    lines = _lines(stream)
    if _generation(lines) == 1:
        return _first(folder, name, stream, lines)
    return _second(folder, name, stream, lines)


def _stream(folder: Traversable, name: str, given: Path | None) -> Traversable:
    found = [folder / f"{name}.{stream}.ndjson" for stream in ("global", "api")]
    for path in found:
        if path.is_file():
            return path
    return given if given is not None and given.name == f"{name}.ndjson" else found[0]


def _generation(lines: list[tuple[int, Json]]) -> Generation:
    events = (line["event"] for _, line in lines if isinstance(line.get("event"), dict))
    first: Json = next(events, {})
    return 2 if isinstance(first.get("data"), dict) and "payload" not in first else 1


def _first(folder: Traversable, name: str, stream: Traversable, lines: list[tuple[int, Json]]) -> Recording:
    events = _events(stream, lines, _wrapped)
    if not events:
        raise RecordingError(f"{stream} holds no event of OpenCode")
    actions, called = _actions(folder, name)
    kills = [_read(actions, number, line, _time) for number, line in called if "kill" in line]
    return Recording(
        name,
        events,
        _calls(actions, called),
        kills[0] if kills else None,
        lasts=events[-1].t,
    )


def _second(folder: Traversable, name: str, stream: Traversable, lines: list[tuple[int, Json]]) -> Recording:
    """Nothing need have happened: that a server only lives is worth a recording of its heartbeats."""
    events = _events(stream, lines, _bare)
    closed = [_read(stream, number, line, _time) for number, line in lines if "closed" in line]
    restart, again = _restart(folder, name), lines
    if restart is not None:
        again = _lines(folder / f"{name}.api2.ndjson")
        closed = closed or [max([one.t for one in events], default=0.0)]
    actions, called = _actions(folder, name)
    return Recording(
        name,
        events,
        _calls(actions, called),
        closed[0] if closed else None,
        generation=2,
        restart=restart,
        killed_hard=any("SIGKILL" in str(line.get("note")) for _, line in called),
        lasts=max(_read(stream, number, line, _time) for number, line in again),
    )


def _restart(folder: Traversable, name: str) -> Restart | None:
    path = folder / f"{name}.api2.ndjson"
    if not path.is_file():
        return None
    lines = _lines(path)
    times = [_read(path, number, line, _time) for number, line in lines]
    if not times:
        raise RecordingError(f"{path} holds no event of OpenCode")
    return Restart(min(times), _events(path, lines, _bare))


def _actions(folder: Traversable, name: str) -> tuple[Traversable, list[tuple[int, Json]]]:
    path = folder / f"{name}.actions.ndjson"
    return path, _lines(path) if path.is_file() else []


def _calls(path: Traversable, lines: list[tuple[int, Json]]) -> tuple[Action, ...]:
    """The calls that were answered; not those to a server that is down, and to the stream of one session."""
    asked = [(number, line) for number, line in lines if "request" in line and not line.keys() & _NO_CALLS]
    return tuple(_read(path, number, line, _action) for number, line in asked)


def events_of(folder: Traversable, name: str, stream: str) -> tuple[Line, ...]:
    """The events of one stream of generation 1 (`global` or `event`), without those that the stream itself makes.

    None if the stream was not recorded.
    """
    path = folder / f"{name}.{stream}.ndjson"
    if stream == "global":
        return _events(path, _lines(path), _wrapped)
    if not path.is_file():
        return ()
    return tuple(
        Line(line["t"], line["event"])
        for _, line in _lines(path)
        if "event" in line and line["event"]["type"] not in _OWN_EVENTS
    )


class _NotOfTheFormat(ValueError):
    """A line that is none of a recording."""


def _events(
    path: Traversable, lines: list[tuple[int, Json]], reader: Callable[[Json], Line]
) -> tuple[Line, ...]:
    found = [_read(path, number, line, reader) for number, line in lines if "event" in line]
    return tuple(line for line in found if line.event.get("payload", line.event)["type"] not in _OWN_EVENTS)


def _wrapped(line: Json) -> Line:
    event, at = line["event"], _time(line)
    if not isinstance(event, dict) or not isinstance(event.get("payload"), dict):
        raise _NotOfTheFormat("it is no event of GET /global/event, which has a payload")
    if not isinstance(event["payload"].get("type"), str):
        raise _NotOfTheFormat("its payload has no type")
    return Line(at, event)


def _bare(line: Json) -> Line:
    event, at = line["event"], _time(line)
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise _NotOfTheFormat("it is no event of GET /api/event, which has a type")
    if not isinstance(event.get("data"), dict):
        raise _NotOfTheFormat("it is no event of GET /api/event, which has data")
    return Line(at, event)


def _time(line: Json) -> float:
    at = line["t"]
    if isinstance(at, bool) or not isinstance(at, int | float) or not 0 <= at < inf:
        raise _NotOfTheFormat("its t is no number of seconds from 0 on")
    return at


def _action(line: Json) -> Action:
    method, target = line["request"].split(" ", 1)
    return Action(
        line["sent_t"], line["t"], method, target, line.get("body"), line["status"], line.get("response")
    )


def _read(path: Traversable, number: int, line: Json, reader: Callable[[Json], Read]) -> Read:
    try:
        return reader(line)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordingError(f"{path}, line {number}: {what(error)}") from None


def what(error: Exception) -> str:
    """What is wrong with a line or a document, in words."""
    if isinstance(error, KeyError):
        return f"it has no {error.args[0]!r}"
    own = isinstance(error, _NotOfTheFormat)
    return str(error) if own else "a part of it has another type than it must have"


def text_of(path: Traversable) -> str:
    """What a file says. Raises RecordingError."""
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeError:
        raise RecordingError(f"{path} is no text in UTF-8") from None


def _lines(path: Traversable) -> list[tuple[int, Json]]:
    """The JSON objects of a file and the numbers of their lines."""
    found = []
    for number, text in enumerate(text_of(path).split("\n"), 1):
        if not text.strip():
            continue
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            line = None
        if not isinstance(line, dict):
            raise RecordingError(f"{path}, line {number}: it is no JSON object")
        found.append((number, line))
    return found
