"""Scenarios: recordings of a real OpenCode server with what a person's phone should show for them, as data.

Every `simulator/scenarios/<name>.json` is one scenario, of generation 1, and every `simulator/scenarios/opencode2/<name>.json`
one of generation 2, which is called `opencode2/<name>`:

    {
      "recording": "g_child_session",         its name in the folder `recordings` beside it; see simulator/recording.py
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

A scenario or a recording of one's own is a file by its path: `mine.json` with `mine.global.ndjson` (or, of generation 2,
`mine.api.ndjson`), as its "recording" says, beside it, or a recording alone, of which nothing is expected.
"""

import difflib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from simulator.recording import (
    Generation,
    Line,
    Recording,
    RecordingError,
    events_of,
    read_recording,
    recording_name,
    text_of,
    what,
)
from simulator.words import Wording, Words, read_words

Json = dict[str, Any]

_FOLDER = files("simulator") / "scenarios"
SECOND = "opencode2/"
"""What the names of the scenarios of generation 2 begin with."""


class UnknownScenario(LookupError):
    """No scenario has this name."""


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
    recording, restart = scenario.recording, scenario.recording.restart
    later = restart.events if restart else ()
    wording = Wording(scenario.words, [line.event for line in (*recording.events, *later)])

    def put(lines: Iterable[Line]) -> tuple[Line, ...]:
        return tuple(replace(line, event=wording.put(line.event)) for line in lines)

    actions = tuple(
        replace(one, body=wording.put(one.body), response=wording.put(one.response))
        for one in recording.actions
    )
    alerts = tuple(
        replace(alert, title=alert.title and wording.title(alert.title)) for alert in scenario.alerts
    )
    recording = replace(
        recording,
        events=put(recording.events),
        actions=actions,
        restart=restart and replace(restart, events=put(later)),
    )
    return replace(scenario, recording=recording, alerts=alerts)


def scenarios(generation: Generation = 1) -> list[str]:
    """The names of all scenarios of a generation, sorted."""
    prefix = "" if generation == 1 else SECOND
    found = (_FOLDER / prefix).iterdir() if prefix else _FOLDER.iterdir()
    return sorted(
        prefix + entry.name.removesuffix(".json") for entry in found if entry.name.endswith(".json")
    )


def load(name: str) -> Scenario:
    """The scenario of this name, or that of a file. Raises UnknownScenario with the nearest names, RecordingError.

    Of a name that only generation 2 has, `opencode2/` may be left out.
    """
    if name.endswith(_ENDINGS):
        return load_file(Path(name))
    first, second = scenarios(1), scenarios(2)
    full = name if name in first or SECOND + name not in second else SECOND + name
    if full not in first + second:
        raise UnknownScenario(_unknown(name))
    folder = _FOLDER / SECOND if full.startswith(SECOND) else _FOLDER
    text = (folder / f"{full.removeprefix(SECOND)}.json").read_text("utf-8")
    return _scenario(full, json.loads(text), folder / "recordings")


_ENDINGS = (".json", ".ndjson")


def load_file(path: Path) -> Scenario:
    """The scenario in a `.json` file, or the recording in a `.ndjson` file. Raises RecordingError."""
    if path.suffix == ".json":
        try:
            return _scenario(path.stem, json.loads(text_of(path)), path.parent)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, RecordingError):
                raise
            raise RecordingError(f"{path} is no scenario: {what(error)}") from None
    recording = read_recording(path.parent, recording_name(path.name), path)
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
    """The recording of this name, of generation 1."""
    return read_recording(_FOLDER / "recordings", name)


def recorded_events(name: str, stream: str) -> tuple[Line, ...]:
    """The events of one stream (`global` or `event`) of a recording of generation 1; none if it was not recorded."""
    return events_of(_FOLDER / "recordings", name, stream)


def _unknown(name: str) -> str:
    known = scenarios(1) + scenarios(2)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    near += [other for other in known if name and name in other and other not in near]
    hint = f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(known)}"
    return f"no scenario is called {name!r}; {hint}"


def _alert(data: Json) -> ExpectedAlert:
    return ExpectedAlert(data["eventType"], data["sessionID"], data.get("title"), data.get("count", 1))


def _activity(data: Json) -> ExpectedActivity:
    runs = (
        tuple(Phase(phase["status"], phase.get("lasts"), phase.get("lastMessage")) for phase in run)
        for run in data["runs"]
    )
    return ExpectedActivity(data["sessionID"], tuple(runs))
