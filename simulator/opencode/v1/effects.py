"""What a server does about a request of a person: the events that follow from it, as data. No I/O.

The shapes and orders are those of OpenCode 1.18.33; where several things follow within milliseconds they come at once.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from simulator.opencode.ids import Ids
from simulator.opencode.script import Json, PermissionReply
from simulator.opencode.v1 import shapes
from simulator.opencode.v1.shapes import Stamp
from simulator.opencode.v1.state import Pending, State


@dataclass(frozen=True, slots=True)
class Effect:
    """Events `(type, properties)` in order; sessions whose turn ended by it, and sessions that begin anew."""

    events: tuple[tuple[str, Json], ...]
    stopped: frozenset[str] = frozenset()
    resumed: frozenset[str] = frozenset()


def permission_reply(state: State, request_id: str, reply: PermissionReply) -> Effect:
    """`once` and `always` answer one request; `reject` answers all of its session and ends the turn, without error.

    If the session does not work any more, the request is a leftover of an abort: the answer is sent, and no more.
    """
    session_id = state.permissions[request_id].session_id
    if reply != "reject" or session_id not in state.statuses:
        return Effect((_replied(session_id, request_id, reply),))
    rejected = [_replied(session_id, other, reply) for other in _of_session(state.permissions, session_id)]
    return Effect((*rejected, *shapes.idle_events(session_id)), stopped=frozenset({session_id}))


def question_reply(state: State, request_id: str, answers: list[list[str]]) -> Effect:
    """The turn goes on with the answers: one list of chosen labels per question."""
    session_id = state.questions[request_id].session_id
    return Effect(
        (("question.replied", {"sessionID": session_id, "requestID": request_id, "answers": answers}),)
    )


def question_reject(state: State, request_id: str) -> Effect:
    """The turn ends, without error, if it still goes on."""
    session_id = state.questions[request_id].session_id
    rejected = ("question.rejected", {"sessionID": session_id, "requestID": request_id})
    if session_id not in state.statuses:
        return Effect((rejected,))
    return Effect((rejected, *shapes.idle_events(session_id)), stopped=frozenset({session_id}))


def abort(state: State, session_id: str) -> Effect:
    """Ends the turns of a session and its children; an idle or unknown session just says idle once more.

    Requests that were waiting stay in GET /permission and GET /question for ever, as in the real server.
    """
    tree = [*_descendants(state, session_id), session_id]
    running = [one for one in tree if one in state.statuses]
    if session_id not in running:
        running.append(session_id)
    events = [event for one in running for event in _aborted(state, one)]
    return Effect(tuple(events), stopped=frozenset(tree))


def new_session(ids: Ids, directory: str, project: str, body: Json, now_ms: int) -> tuple[Json, Effect]:
    """The info of a new session (POST /session) and the event that announces it."""
    wanted: Json = {key: body[key] for key in ("parentID", "agent", "model", "permission") if key in body}
    title = body.get("title") or f"{shapes.UNTITLED}{_iso(now_ms)}"
    info = shapes.new_session(Stamp(ids.new, lambda: now_ms), directory, project, title, **wanted)
    return info, Effect((shapes.session_event("created", info),))


def prompt(ids: Ids, session: Json, body: Json, now_ms: int) -> Effect:
    """The user's message appears. No model answers it here: what follows is up to whoever plays a recording."""
    stamp = Stamp(ids.new, lambda: now_ms)
    user = shapes.user_message(stamp, session, body)
    events = [
        shapes.session_event("updated", shapes.touched(session, now_ms)),
        shapes.message_event(user),
        *(shapes.part_event(part, now_ms) for part in shapes.user_parts(stamp, user, body)),
    ]
    return Effect(tuple(events), resumed=frozenset({session["id"]}))


def changed(session: Json, body: Json, now_ms: int) -> Effect:
    """PATCH /session/:id: another title, or archived (UNIX ms)."""
    archived = body.get("time", {}).get("archived")
    time = {**session["time"], "updated": now_ms} | ({} if archived is None else {"archived": archived})
    info = {**session, "title": body.get("title", session["title"]), "time": time}
    return Effect((shapes.session_event("updated", info),))


def delete(state: State, session_id: str) -> Effect:
    """The session goes, and its children before it (their order is assumed). Whatever works in them is not stopped."""
    tree = [*_descendants(state, session_id), session_id]
    return Effect(tuple(shapes.session_event("deleted", state.sessions[one]) for one in tree))


def _replied(session_id: str, request_id: str, reply: PermissionReply) -> tuple[str, Json]:
    return "permission.replied", {"sessionID": session_id, "requestID": request_id, "reply": reply}


def _aborted(state: State, session_id: str) -> Iterator[tuple[str, Json]]:
    if state.statuses.get(session_id, {}).get("type") != "busy":
        # Nothing runs, or a retry waits: there is no model call to abort, and no error is sent.
        yield from shapes.idle_events(session_id)
        return
    yield shapes.error_event(session_id, shapes.ABORTED)
    yield from shapes.idle_events(session_id)
    yield from shapes.idle_events(session_id)


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
