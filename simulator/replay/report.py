"""What a replay showed, as one JSON object, read from the journal. Pure."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from simulator.journal import Entry, Journal
from simulator.opencode.playing import Played
from simulator.phone.app.session_activities import LATE, TAKEN
from simulator.replay.expectations import Audience, evaluate, evaluate_activities, held
from simulator.scenario import Scenario

Json = dict[str, Any]

HOW = {"push": "push-to-start", "app": "app"}


def activities(entries: Iterable[Entry]) -> list[Json]:
    """`{sessionID, phone, how, states, started, ended, dismissed, replaced}` of each, in the order of their starts.

    `how` is push-to-start or app. A state is the content-state with `at` and `by` ("push" or "app"), each noted once
    however often it was said in a row. Times are UNIX seconds or None; `replaced` is whether the app took the card away,
    since another of the same session was there or the turn was over.
    """
    found: dict[tuple[str, str], Json] = {}
    for entry in entries:
        detail = entry.detail
        key = (detail.get("phone", ""), detail.get("activity", ""))
        if entry.what == "started":
            found[key] = _started(entry)
        elif key in found and entry.what in _CHANGES:
            _CHANGES[entry.what](found[key], entry)
    return list(found.values())


def _started(entry: Entry) -> Json:
    detail = entry.detail
    activity: Json = {
        "sessionID": detail.get("sessionID"),
        "phone": detail["phone"],
        "how": HOW[detail["by"]],
        "states": [],
        "started": entry.at,
        "ended": None,
        "dismissed": None,
        "replaced": False,
    }
    _say(activity, entry)
    return activity


def _say(activity: Json, entry: Entry) -> None:
    said = entry.detail.get("contentState")
    before = {name: value for name, value in _newest(activity).items() if name not in {"at", "by"}}
    if said is not None and said != before:
        activity["states"].append({**said, "at": entry.at, "by": entry.detail["by"]})


def _newest(activity: Json) -> Json:
    states: list[Json] = activity["states"]
    return states[-1] if states else {}


def _end(activity: Json, entry: Entry) -> None:
    _say(activity, entry)
    activity["ended"] = entry.at
    activity["replaced"] = entry.detail.get("why") in {TAKEN, LATE}


def _dismiss(activity: Json, entry: Entry) -> None:
    activity["dismissed"] = entry.at


_CHANGES = {"updated": _say, "ended": _end, "dismissed": _dismiss}


ORIGINS = {
    "session.idle": "complete",
    "session.error": "error",
    "permission.asked": "permission",
    "question.asked": "permission",
    "session.execution.succeeded": "complete",
    "session.execution.failed": "error",
    "form.created": "permission",
}
"""OpenCode's event in which an alert begins: from here its latency counts."""


def report(
    scenario: Scenario,
    played: Played,
    journal: Journal,
    notifications: Sequence[Json],
    since: float = 0.0,
    audience: Audience | None = None,
    *,
    alone: bool = True,
) -> Json:
    """`{scenario, ok, expectations, relay_events, pushes, notifications, activities, latency_ms}`; times are UNIX seconds.

    What happened before `since` belongs to an earlier play; what happened in sessions of others belongs to theirs if this one
    was not `alone`. The cards are checked if there is an `audience` for them.
    """
    own = frozenset(played.sessions.values())

    def mine(found: Iterable[Json]) -> list[Json]:
        return [one for one in found if alone or one["sessionID"] in own]

    events = mine(relay_events(journal.entries("relay", "event", since)))
    notifications = mine(one for one in notifications if one["at"] >= since)
    shown = [
        {name: one[name] for name in ("title", "body", "eventType", "sessionID", "at")}
        for one in notifications
    ]
    cards = mine(activities(journal.entries("phone", since=since)))
    expectations = evaluate(scenario, events, shown, played.sessions) if scenario.checked else []
    if audience is not None and scenario.checked:
        expectations += evaluate_activities(scenario, cards, audience, played.sessions)
    return {
        "scenario": scenario.name,
        "ok": held(expectations),
        "expectations": [asdict(expectation) for expectation in expectations],
        "relay_events": events,
        "pushes": pushes(journal.entries("apns", "push", since)),
        "notifications": shown,
        "activities": cards,
        "latency_ms": {
            "event_to_phone": percentiles(latencies(journal.entries("opencode", "event", since), shown))
        },
    }


def relay_events(entries: Iterable[Entry]) -> list[Json]:
    """What the relay received, each event once however often it was posted: `{eventType, sessionID, at}`."""
    first: dict[str, Json] = {}
    for entry in entries:
        fields = entry.detail
        event = {"eventType": fields["eventType"], "sessionID": fields["sessionID"], "at": entry.at}
        first.setdefault(fields["eventID"], event)
    return list(first.values())


def pushes(entries: Iterable[Entry]) -> list[Json]:
    """What reached APNs and how it answered: `{apnsId, pushType, status, reason}`."""
    return [
        {
            "apnsId": entry.detail["apns_id"],
            "pushType": entry.detail["push_type"],
            "status": entry.detail["status"],
            "reason": entry.detail["reason"],
        }
        for entry in entries
    ]


def latencies(origins: Sequence[Entry], notifications: Iterable[Json]) -> list[float]:
    """Milliseconds from OpenCode's event to the screen, for each notification whose origin is known.

    The origin is the first event of its kind since the notification of that kind before it: an error is reported twice
    by OpenCode, and the second time is not where it began.
    """
    found: list[float] = []
    since: dict[tuple[str, str], float] = {}
    for one in sorted(notifications, key=lambda one: float(one["at"])):
        key = (one["eventType"], one["sessionID"])
        began = [
            entry.at
            for entry in origins
            if ORIGINS.get(entry.detail["type"]) == one["eventType"]
            and entry.detail["root"] == one["sessionID"]
            and since.get(key, 0.0) < entry.at <= one["at"]
        ]
        if began:
            found.append((one["at"] - began[0]) * 1000)
        since[key] = one["at"]
    return found


def percentiles(values: Sequence[float]) -> dict[str, float | None]:
    """`{p50, p99}` by nearest rank, None where there is nothing to measure."""
    ordered = sorted(values)
    return {f"p{rank}": round(_nearest(ordered, rank), 1) if ordered else None for rank in (50, 99)}


def _nearest(ordered: Sequence[float], rank: int) -> float:
    return ordered[max(0, math.ceil(rank / 100 * len(ordered)) - 1)]
