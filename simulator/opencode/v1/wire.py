"""Events as the server writes them: `data: <one-line JSON>` and an empty line, nothing else. No I/O.

On /global/event an event is wrapped in `{"directory", "project", "payload"}`, and a durable event is followed by a twin
of type "sync" with the same id; /event carries the bare event of one directory and no twins (OpenCode 1.18.33).
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

from simulator.opencode.scheduler import Delta
from simulator.opencode.script import Json
from simulator.opencode.v1.state import GLOBAL_DIRECTORY

DURABLE = frozenset(
    {
        "session.created",
        "session.updated",
        "session.deleted",
        "message.updated",
        "message.removed",
        "message.part.updated",
        "message.part.removed",
    }
)
"""Event types that the server stores and therefore repeats as `sync` twins."""


_encode = msgspec.json.Encoder().encode
_DELTA: Json = {"type": "message.part.delta"}


@dataclass(frozen=True, slots=True)
class Frame:
    """One event, ready to be sent: `event_line` is None if /event does not carry it.

    `payload` is what the state folds; of a word that streams it has the type alone.
    """

    directory: str
    payload: Json
    global_line: bytes
    event_line: bytes | None


def compact(value: Any) -> str:
    """JSON as JavaScript's JSON.stringify writes it: no spaces, UTF-8 unescaped."""
    return _encode(value).decode()


def data_line(value: Json) -> bytes:
    """One server-sent event."""
    return b"data: %b\n\n" % _encode(value)


def frame(envelope: Json) -> Frame:
    """The frame of an event in its /global/event envelope."""
    directory, payload = envelope.get("directory", GLOBAL_DIRECTORY), envelope["payload"]
    carried = payload["type"] != "sync" and directory != GLOBAL_DIRECTORY
    return Frame(directory, payload, data_line(envelope), data_line(payload) if carried else None)


def delta_frame(directory: str, project: str, event_id: str, delta: Delta) -> Frame:
    """The frame of one word, written from what is encoded already."""
    event = b'{"id":"%b",%b%b}}' % (event_id.encode(), delta.head, _encode(delta.text))
    around = _around(directory, project)
    return Frame(directory, _DELTA, b"%b%b}\n\n" % (around, event), b"data: %b\n\n" % event)


@lru_cache(maxsize=256)
def _around(directory: str, project: str) -> bytes:
    return b'data: %b,"payload":' % _encode({"directory": directory, "project": project})[:-1]


def envelope(directory: str, project: str, payload: Json) -> Json:
    """An event as /global/event wraps it."""
    return {"directory": directory, "project": project, "payload": payload}


def twin(event: Json, sequence: int) -> Json:
    """The `sync` payload that follows a durable event; `sequence` counts from 0 without gaps per session."""
    properties = event["properties"]
    sync = {
        "id": event["id"],
        "type": f"{event['type']}.1",
        "seq": sequence,
        "aggregateID": properties["sessionID"],
        "data": properties,
    }
    return {"type": "sync", "syncEvent": sync, "id": event["id"]}


def session_of(payload: Json) -> str | None:
    """The session an event or a twin belongs to; None for those of no session."""
    if payload["type"] == "sync":
        return str(payload["syncEvent"]["aggregateID"])
    session_id = (payload.get("properties") or {}).get("sessionID")
    return None if session_id is None else str(session_id)
