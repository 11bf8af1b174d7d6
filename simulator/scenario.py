"""Scenarios: recordings of a real OpenCode server with what a person's phone should show for them, as data.

Every `simulator/scenarios/<name>.json` is one scenario:

    {
      "recording": "g_child_session",         the files recordings/<recording>.{global,event,actions}.ndjson
      "about": "one sentence for people",
      "permission_delay": 0.0,                seconds the bridge waits before it reports a request; default 0
      "alerts": [                             every alert there must be, and no other; per session in this order
        {
          "eventType": "permission",          complete, permission (also for questions) or error
          "sessionID": "ses_...",             as recorded; for a child's request this is the root session
          "title": "parent",                  words that the alert's title must hold; optional
          "count": 1                          how many of them in a row; default 1
        }
      ],
      "activities": [                         every session that must have a card, and no other
        {
          "sessionID": "ses_...",             as recorded; a root session
          "runs": [                           one for each time the agent got to work: what the card goes through
            [
              {
                "status": "permission",       working, retry, permission, complete or error; the last one ends the run
                "lasts": 1.03,                seconds in the recording until the next; not of the last
                "lastMessage": "Stopped"      what the card says then; optional
              }
            ]
          ]
        }
      ]
    }

A recording is three files of JSON lines with `t` in seconds since its streams were opened: `global` and `event` hold
what GET /global/event and GET /event sent (`{"t", "event"}`, besides "open" and "closed"), `actions` the REST calls
made meanwhile (`{"sent_t", "t", "request", "body"?, "status", "response"}`) or the signal that ended the server
(`{"t", "kill"}`). Only `global` must be there.

A scenario or a recording of one's own is a file by its path: `mine.json` with `mine.global.ndjson`, as its "recording"
says, beside it, or a recording alone, of which nothing is expected.
"""

import difflib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.resources import files
from importlib.resources.abc import Traversable
from math import inf
from pathlib import Path
from typing import Any, TypeVar

from simulator.words import Wording, Words, read_words

Json = dict[str, Any]
Read = TypeVar("Read")

_FOLDER = files("simulator") / "scenarios"
_OWN_EVENTS = frozenset({"server.connected", "server.heartbeat"})


class UnknownScenario(LookupError):
    """No scenario has this name."""


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
class Recording:
    """What a real server sent. `events` are those of /global/event without server.connected and heartbeats.

    `killed_at` is when (seconds) the server was ended by a signal, None if it lived on.
    """

    name: str
    events: tuple[Line, ...]
    actions: tuple[Action, ...]
    killed_at: float | None = None


@dataclass(frozen=True, slots=True)
class ExpectedAlert:
    """`count` alerts in a row of one kind and session; `title` are words that the title must hold."""

    event_type: str
    session_id: str
    title: str | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class Phase:
    """A status of a card, how long the recording keeps it (seconds; None for the last), and what the card says then."""

    status: str
    lasts: float | None = None
    last_message: str | None = None


@dataclass(frozen=True, slots=True)
class ExpectedActivity:
    """A session that must have a card. `runs` are its turns, each with the phases in their order; the last one ends it."""

    session_id: str
    runs: tuple[tuple[Phase, ...], ...]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A recording, the alerts it must lead to (exactly these, per session in this order), and the cards (exactly these).

    Nothing at all is expected of a recording alone, which is not `checked`. `words` are those that `in_words` puts into it.
    """

    name: str
    about: str
    recording: Recording
    alerts: tuple[ExpectedAlert, ...]
    permission_delay: float = 0.0
    activities: tuple[ExpectedActivity, ...] = ()
    checked: bool = True
    words: Words = field(default_factory=Words)


def in_words(scenario: Scenario) -> Scenario:
    """The same with the words of people in it, as it is played for people; its recording stays as it is."""
    recording = scenario.recording
    wording = Wording(scenario.words, [line.event for line in recording.events])
    events = tuple(replace(line, event=wording.put(line.event)) for line in recording.events)
    actions = tuple(
        replace(one, body=wording.put(one.body), response=wording.put(one.response))
        for one in recording.actions
    )
    alerts = tuple(
        replace(alert, title=alert.title and wording.title(alert.title)) for alert in scenario.alerts
    )
    return replace(scenario, recording=replace(recording, events=events, actions=actions), alerts=alerts)


def scenarios() -> list[str]:
    """The names of all scenarios, sorted."""
    return sorted(
        entry.name.removesuffix(".json") for entry in _FOLDER.iterdir() if entry.name.endswith(".json")
    )


def load(name: str) -> Scenario:
    """The scenario of this name, or that of a file. Raises UnknownScenario with the nearest names, RecordingError."""
    if name.endswith(_ENDINGS):
        return load_file(Path(name))
    if name not in scenarios():
        raise UnknownScenario(_unknown(name))
    return _scenario(name, json.loads((_FOLDER / f"{name}.json").read_text("utf-8")), _FOLDER / "recordings")


_ENDINGS = (".json", ".ndjson")


def load_file(path: Path) -> Scenario:
    """The scenario in a `.json` file, or the recording in a `.ndjson` file. Raises RecordingError."""
    if path.suffix == ".json":
        try:
            return _scenario(path.stem, json.loads(_text(path)), path.parent)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, RecordingError):
                raise
            raise RecordingError(f"{path} is no scenario: {_what(error)}") from None
    name = path.name
    for stream in ("global", "actions", "event"):
        name = name.removesuffix(f".{stream}.ndjson")
    recording = read_recording(path.parent, name.removesuffix(".ndjson"), path)
    return Scenario(recording.name, "A recording of one's own.", recording, (), checked=False)


def _scenario(name: str, data: Json, recordings: Traversable) -> Scenario:
    return Scenario(
        name=name,
        about=data["about"],
        recording=read_recording(recordings, data["recording"]),
        alerts=tuple(_alert(alert) for alert in data["alerts"]),
        permission_delay=data.get("permission_delay", 0.0),
        activities=tuple(_activity(activity) for activity in data["activities"]),
        words=_words(recordings / f"{data['recording']}.words.json"),
    )


def _words(path: Traversable) -> Words:
    return read_words(json.loads(path.read_text("utf-8"))) if path.is_file() else Words()


def load_recording(name: str) -> Recording:
    """The recording of this name, from its `global` and `actions` files."""
    return read_recording(_FOLDER / "recordings", name)


def read_recording(folder: Traversable, name: str, given: Path | None = None) -> Recording:
    """A recording in a folder; `given` is the file that was named, if the name ends as no recording's does. RecordingError."""
    stream = folder / f"{name}.global.ndjson"
    if given is not None and not stream.is_file() and given.name == f"{name}.ndjson":
        stream = given
    actions = folder / f"{name}.actions.ndjson"
    lines = _lines(actions) if actions.is_file() else []
    found = [_read(actions, number, line, _action) for number, line in lines if "request" in line]
    kills = [_read(actions, number, line, _time) for number, line in lines if "kill" in line]
    return Recording(name, _events(stream), tuple(found), kills[0] if kills else None)


def recorded_events(name: str, stream: str) -> tuple[Line, ...]:
    """The events of one stream of a recording (`global` or `event`), without those that the stream itself makes.

    None if the stream was not recorded.
    """
    path = _FOLDER / "recordings" / f"{name}.{stream}.ndjson"
    if stream == "global" or not path.is_file():
        return _events(path) if stream == "global" else ()
    return tuple(
        Line(line["t"], line["event"])
        for _, line in _lines(path)
        if "event" in line and line["event"]["type"] not in _OWN_EVENTS
    )


class _NotOfTheFormat(ValueError):
    """A line that is none of a recording."""


def _events(path: Traversable) -> tuple[Line, ...]:
    lines = [_read(path, number, line, _line) for number, line in _lines(path) if "event" in line]
    found = tuple(line for line in lines if line.event["payload"]["type"] not in _OWN_EVENTS)
    if not found:
        raise RecordingError(f"{path} holds no event of OpenCode")
    return found


def _line(line: Json) -> Line:
    event, at = line["event"], _time(line)
    if not isinstance(event, dict) or not isinstance(event.get("payload"), dict):
        raise _NotOfTheFormat("it is no event of GET /global/event, which has a payload")
    if not isinstance(event["payload"].get("type"), str):
        raise _NotOfTheFormat("its payload has no type")
    return Line(at, event)


def _time(line: Json) -> float:
    at = line["t"]
    if isinstance(at, bool) or not isinstance(at, int | float) or not 0 <= at < inf:
        raise _NotOfTheFormat("its t is no number of seconds from 0 on")
    return at


def _read(path: Traversable, number: int, line: Json, reader: Callable[[Json], Read]) -> Read:
    try:
        return reader(line)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordingError(f"{path}, line {number}: {_what(error)}") from None


def _what(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"it has no {error.args[0]!r}"
    return (
        str(error)
        if isinstance(error, _NotOfTheFormat)
        else "a part of it has another type than it must have"
    )


def _unknown(name: str) -> str:
    known = scenarios()
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    near += [other for other in known if name and name in other and other not in near]
    hint = f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(known)}"
    return f"no scenario is called {name!r}; {hint}"


def _text(path: Traversable) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeError:
        raise RecordingError(f"{path} is no text in UTF-8") from None


def _lines(path: Traversable) -> list[tuple[int, Json]]:
    """The JSON objects of a file and the numbers of their lines."""
    found = []
    for number, text in enumerate(_text(path).split("\n"), 1):
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


def _action(line: Json) -> Action:
    method, target = line["request"].split(" ", 1)
    return Action(
        line["sent_t"], line["t"], method, target, line.get("body"), line["status"], line["response"]
    )


def _alert(data: Json) -> ExpectedAlert:
    return ExpectedAlert(data["eventType"], data["sessionID"], data.get("title"), data.get("count", 1))


def _activity(data: Json) -> ExpectedActivity:
    runs = (
        tuple(Phase(phase["status"], phase.get("lasts"), phase.get("lastMessage")) for phase in run)
        for run in data["runs"]
    )
    return ExpectedActivity(data["sessionID"], tuple(runs))
