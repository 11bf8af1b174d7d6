"""What a server does about a request of a person: the events that follow from it, as data. No I/O.

The shapes and orders are those of OpenCode 1.18.33; where several things follow within milliseconds they come at once.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from simulator.opencode.ids import Ids
from simulator.opencode.state import Json, Pending, State

Reply = Literal["once", "always", "reject"]
REPLIES: tuple[Reply, ...] = ("once", "always", "reject")
VERSION = "1.18.33"

_NO_TOKENS = {"input": 0, "output": 0, "reasoning": 0, "cache": {"read": 0, "write": 0}}


@dataclass(frozen=True, slots=True)
class Answer:
    """Events `(type, properties)` in order; sessions whose turn ended by it, and sessions that begin anew."""

    events: tuple[tuple[str, Json], ...]
    stopped: frozenset[str] = frozenset()
    resumed: frozenset[str] = frozenset()


def permission_reply(state: State, request_id: str, reply: Reply) -> Answer:
    """`once` and `always` answer one request; `reject` answers all of its session and ends the turn, without error."""
    session_id = state.permissions[request_id].session_id
    if reply != "reject":
        return Answer((_replied(session_id, request_id, reply),))
    rejected = [_replied(session_id, other, reply) for other in _of_session(state.permissions, session_id)]
    return Answer((*rejected, *_idle(session_id)), stopped=frozenset({session_id}))


def question_reply(state: State, request_id: str, answers: list[list[str]]) -> Answer:
    """The turn goes on with the answers: one list of chosen labels per question."""
    session_id = state.questions[request_id].session_id
    return Answer(
        (("question.replied", {"sessionID": session_id, "requestID": request_id, "answers": answers}),)
    )


def question_reject(state: State, request_id: str) -> Answer:
    """The turn ends, without error."""
    session_id = state.questions[request_id].session_id
    rejected = ("question.rejected", {"sessionID": session_id, "requestID": request_id})
    return Answer((rejected, *_idle(session_id)), stopped=frozenset({session_id}))


def abort(state: State, session_id: str) -> Answer:
    """Ends the turns of a session and its children; an idle or unknown session just says idle once more.

    Requests that were waiting stay in GET /permission and GET /question for ever, as in the real server.
    """
    family = [*_descendants(state, session_id), session_id]
    running = [one for one in family if one in state.statuses]
    if session_id not in running:
        running.append(session_id)
    events = [event for one in running for event in _aborted(state, one)]
    return Answer(tuple(events), stopped=frozenset(family))


def new_session(ids: Ids, directory: str, project: str, body: Json, now_ms: int) -> tuple[Json, Answer]:
    """The info of a new session (POST /session) and the event that tells of it."""
    session_id = ids.new("ses")
    wanted: Json = {key: body[key] for key in ("parentID", "agent", "model", "permission") if key in body}
    info: Json = {
        "id": session_id,
        "slug": f"simulated-{session_id[-4:].lower()}",
        "version": VERSION,
        "projectID": project,
        "directory": directory,
        "path": "",
        "title": body.get("title") or f"New session - {_iso(now_ms)}",
        **wanted,
        "cost": 0,
        "tokens": _NO_TOKENS,
        "time": {"created": now_ms, "updated": now_ms},
    }
    return info, Answer((("session.created", {"sessionID": session_id, "info": info}),))


def prompt(ids: Ids, session: Json, body: Json, now_ms: int) -> Answer:
    """The user's message appears. No model answers it here: what follows is up to whoever plays a recording."""
    session_id = session["id"]
    message_id = body.get("messageID") or ids.new("msg")
    info: Json = {
        "id": message_id,
        "role": "user",
        "sessionID": session_id,
        "time": {"created": now_ms},
        "agent": body.get("agent", "build"),
        "model": body.get("model", {"providerID": "fake", "modelID": "fake-model"}),
    }
    updated = {**session, "time": {**session["time"], "updated": now_ms}}
    parts = [
        {**part, "messageID": message_id, "sessionID": session_id, "id": part.get("id") or ids.new("prt")}
        for part in body["parts"]
    ]
    events: list[tuple[str, Json]] = [
        ("session.updated", {"sessionID": session_id, "info": updated}),
        ("message.updated", {"sessionID": session_id, "info": info}),
    ]
    events += [
        ("message.part.updated", {"sessionID": session_id, "part": part, "time": now_ms}) for part in parts
    ]
    return Answer(tuple(events), resumed=frozenset({session_id}))


def _replied(session_id: str, request_id: str, reply: Reply) -> tuple[str, Json]:
    return "permission.replied", {"sessionID": session_id, "requestID": request_id, "reply": reply}


def _idle(session_id: str) -> tuple[tuple[str, Json], ...]:
    """A turn's end is always told twice."""
    return (
        ("session.status", {"sessionID": session_id, "status": {"type": "idle"}}),
        ("session.idle", {"sessionID": session_id}),
    )


def _aborted(state: State, session_id: str) -> Iterator[tuple[str, Json]]:
    if state.statuses.get(session_id, {}).get("type") != "busy":
        # Nothing runs, or a retry waits: there is no model call to abort, and no error is told.
        yield from _idle(session_id)
        return
    error = {"name": "MessageAbortedError", "data": {"message": "Aborted"}}
    yield "session.error", {"sessionID": session_id, "error": error}
    yield from _idle(session_id)
    yield from _idle(session_id)


def _descendants(state: State, session_id: str) -> Iterator[str]:
    for child in state.children(session_id):
        yield from _descendants(state, child["id"])
        yield child["id"]


def _of_session(pending: dict[str, Pending], session_id: str) -> Iterable[str]:
    return [key for key, waiting in pending.items() if waiting.session_id == session_id]


def _iso(now_ms: int) -> str:
    """As JavaScript's toISOString."""
    moment = datetime.fromtimestamp(now_ms / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{now_ms % 1000:03d}Z"
