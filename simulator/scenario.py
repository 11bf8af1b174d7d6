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
(`{"t", "kill"}`).
"""

import difflib
import json
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

Json = dict[str, Any]

_FOLDER = files("simulator") / "scenarios"
_OWN_EVENTS = frozenset({"server.connected", "server.heartbeat"})


class UnknownScenario(LookupError):
    """No scenario has this name."""


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
    """A recording, the alerts it must lead to (exactly these, per session in this order), and the cards (exactly these)."""

    name: str
    about: str
    recording: Recording
    alerts: tuple[ExpectedAlert, ...]
    permission_delay: float = 0.0
    activities: tuple[ExpectedActivity, ...] = ()


def scenarios() -> list[str]:
    """The names of all scenarios, sorted."""
    return sorted(
        entry.name.removesuffix(".json") for entry in _FOLDER.iterdir() if entry.name.endswith(".json")
    )


def load(name: str) -> Scenario:
    """The scenario of this name. Raises UnknownScenario with the nearest names."""
    if name not in scenarios():
        raise UnknownScenario(_unknown(name))
    data = json.loads((_FOLDER / f"{name}.json").read_text("utf-8"))
    return Scenario(
        name=name,
        about=data["about"],
        recording=load_recording(data["recording"]),
        alerts=tuple(_alert(alert) for alert in data["alerts"]),
        permission_delay=data.get("permission_delay", 0.0),
        activities=tuple(_activity(activity) for activity in data["activities"]),
    )


def load_recording(name: str) -> Recording:
    """The recording of this name, from its `global` and `actions` files."""
    folder = _FOLDER / "recordings"
    actions = _lines(folder / f"{name}.actions.ndjson")
    return Recording(
        name=name,
        events=recorded_events(name, "global"),
        actions=tuple(_action(line) for line in actions if "request" in line),
        killed_at=next((line["t"] for line in actions if "kill" in line), None),
    )


def recorded_events(name: str, stream: str) -> tuple[Line, ...]:
    """The events of one stream of a recording (`global` or `event`), without those that the stream itself makes."""
    lines = _lines(_FOLDER / "recordings" / f"{name}.{stream}.ndjson")
    recorded = (Line(line["t"], line["event"]) for line in lines if "event" in line)
    return tuple(
        line for line in recorded if line.event.get("payload", line.event)["type"] not in _OWN_EVENTS
    )


def _unknown(name: str) -> str:
    known = scenarios()
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    near += [other for other in known if name and name in other and other not in near]
    hint = f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(known)}"
    return f"no scenario is called {name!r}; {hint}"


def _lines(path: Traversable) -> list[Json]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


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
