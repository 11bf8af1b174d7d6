"""The Live Activities of a play, read from the journal's entries of the phones. Pure."""

from collections.abc import Iterable
from typing import Any

from simulator.journal import Entry
from simulator.phone.app.session_activities import LATE, TAKEN

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
