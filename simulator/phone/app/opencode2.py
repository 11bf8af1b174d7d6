"""OpenCode 2 as the app reads it: its routes, its events, and when a turn of it is over.

A turn is an execution, from `session.execution.started` to one of succeeded, failed and interrupted. An execution of which
nothing was delivered and no step began is the user's own command or the like, and has no card. After a declined request it ends
as interrupted by "shutdown", the word that also stands for a server that stops; that one goes on after its start.
"""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from typing import Any, ClassVar

from simulator.phone.app.http import Json, Place
from simulator.phone.app.monitored_session import INTERRUPTED, MonitoredSession, retry_info

_NEWEST = 10
"""Messages that tell how a turn ended, or what it says so far."""
_WORKS = frozenset({"session.step.started", "session.retry.scheduled"})
_PROMPTS = frozenset({"user", "synthetic"})
"""Types of inbox items that a model answers."""


class Session2(MonitoredSession):
    """Events are `{"type", "data"}`."""

    FIELDS: ClassVar[str] = "data"

    def __init__(self, session_id: str, title: str = "", *, begun: bool = False) -> None:
        super().__init__(session_id, title, begun=begun)
        self._subagents: set[str] = set()
        self._declined = False

    def sync(
        self, active: Iterable[str], requests: Iterable[Json], messages: Iterable[Json], now: float
    ) -> None:
        """Take the server's state after a gap: the sessions at work, the open requests of the tree, the newest messages first.

        A turn that has ended in the gap is over; its messages tell how.
        """
        at_work, newest = frozenset(active), list(messages)
        self.newest_id = max([self.newest_id, *(one["id"] for one in newest)])
        self._subagents = set(self._tree & at_work) - {self.session_id}
        self._pending = {one["id"]: one["sessionID"] for one in requests if one["sessionID"] in self._tree}
        answer = next((one for one in newest if one["type"] == "assistant"), {})
        for part in answer.get("content", ()):
            if part["type"] == "text":
                self._say(part["text"])
        if self.session_id in at_work:
            self.begun = True
            waits = answer.get("retry")
            self._retry = retry_info(waits["attempt"] - 1, waits["at"], now) if waits else None
        elif self.begun and not self._subagents:
            self._conclude(newest)

    def _conclude(self, messages: list[Json]) -> None:
        """Each turn that ended by itself or was stopped by the user is closed by an idle message; one that was declined is not."""
        self.over = True
        closed: Json = {}
        for message in messages:
            if message["type"] == "idle":
                closed = message
            elif message["type"] in {"user", "assistant"}:
                self._conclude_turn(message, closed)
                return
        self._stopped = True

    def _conclude_turn(self, newest: Json, closed: Json) -> None:
        error = closed.get("error") or newest.get("error")
        if closed.get("outcome") == "failed" or (error and not closed and error.get("type") != "aborted"):
            self._fail(error or {})
        elif newest["type"] == "assistant" and not newest["time"].get("completed") and not closed:
            self._failure = INTERRUPTED
        elif closed.get("outcome") != "succeeded":
            self._stopped = bool(closed) or newest.get("finish") in {None, "tool-calls"}

    # Handlers, one for each kind of event.

    def _on_created(self, known: Json, _now: float) -> None:
        self.knows({**known, "id": known["sessionID"]})

    def _on_deleted(self, known: Json, _now: float) -> None:
        if self._is_own(known):
            self.stop()

    def _on_started(self, known: Json, _now: float) -> None:
        if self._is_own(known):
            self.begun, self._declined = True, False
        elif known["sessionID"] in self._tree:
            self._subagents.add(known["sessionID"])

    def _on_step(self, known: Json, now: float) -> None:
        self._on_started(known, now)
        if self._is_own(known):
            self._retry = None

    def _on_text(self, known: Json, _now: float) -> None:
        if self._is_own(known):
            self._say(known["text"])

    def _on_retry(self, known: Json, now: float) -> None:
        """The attempt that is made again first is called 2."""
        if self._is_own(known):
            self.begun = True
            self._retry = retry_info(known["attempt"] - 1, known["at"], now)

    def _on_asked(self, known: Json, _now: float) -> None:
        self._ask(known["id"], known.get("sessionID"))

    def _on_form(self, known: Json, now: float) -> None:
        self._on_asked(known["form"], now)

    def _on_replied(self, known: Json, _now: float) -> None:
        """Of a permission the answer names it, of a form it is its id."""
        self._pending.pop(known.get("requestID") or known.get("id", ""), None)
        self._declined |= self._is_own(known) and known.get("reply") == "reject"

    def _on_cancelled(self, known: Json, now: float) -> None:
        self._on_replied({**known, "reply": "reject"}, now)

    def _on_succeeded(self, known: Json, _now: float) -> None:
        """With a subagent in the background at work it is not the end: that one's end wakes the session again."""
        self._leave(known)
        if self._is_own(known) and self.begun and not self._subagents:
            self.over = True

    def _on_failed(self, known: Json, _now: float) -> None:
        self._leave(known)
        if self._is_own(known):
            self._fail(known.get("error") or {})

    def _on_interrupted(self, known: Json, _now: float) -> None:
        self._leave(known)
        if self._is_own(known) and self.begun and (known.get("reason") != "shutdown" or self._declined):
            self.stop()

    def _leave(self, known: Json) -> None:
        self._forget_requests(known["sessionID"])
        self._subagents.discard(known["sessionID"])

    def _fail(self, error: Json) -> None:
        """A provider's answer follows the words as JSON."""
        message = error.get("message")
        self._fail_with(message.partition(": {")[0] if isinstance(message, str) else None)
        self.over = True

    HANDLERS: ClassVar[Mapping[str, Callable[[Any, Json, float], None]]] = {
        "session.created": _on_created,
        "session.renamed": _on_created,
        "session.deleted": _on_deleted,
        "session.execution.started": _on_started,
        "session.execution.succeeded": _on_succeeded,
        "session.execution.failed": _on_failed,
        "session.execution.interrupted": _on_interrupted,
        "session.step.started": _on_step,
        "session.text.ended": _on_text,
        "session.retry.scheduled": _on_retry,
        "permission.asked": _on_asked,
        "permission.replied": _on_replied,
        "form.created": _on_form,
        "form.replied": _on_replied,
        "form.cancelled": _on_cancelled,
    }


class OpenCode2:
    """A Server."""

    deaf_for = 0.0
    """Recorded: the subscription is there before server.connected is sent."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._items: dict[str, str] = {}

    def events(self) -> AsyncGenerator[Json, None]:
        """GET /api/event."""
        return self._place.events("/api/event")

    def monitor(self, session_id: str, *, begun: bool) -> Session2:
        """A session that is fed these events."""
        return Session2(session_id, begun=begun)

    def described(self, event: Json) -> Json | None:
        """What this event says of a session. A fork names the session that was copied, which is no parent."""
        if event["type"] not in {"session.created", "session.forked", "session.renamed"}:
            return None
        kept = ("title",) if event["type"] == "session.forked" else ("title", "parentID")
        data = event["data"]
        return {"id": data["sessionID"], **{key: data[key] for key in kept if data.get(key)}}

    def at_work(self, event: Json) -> tuple[str, str] | None:
        """The session that this event says is at work, if it does: a prompt is delivered, or the model called."""
        data = event["data"]
        if event["type"] == "session.inbox.enqueued":
            self._items[data["inboxID"]] = data["item"]["type"]
        if event["type"] == "session.inbox.delivered":
            answered = self._items.pop(data["inboxID"], "user") in _PROMPTS
            return (data["sessionID"], data["inboxID"]) if answered else None
        return (data["sessionID"], data["assistantMessageID"]) if event["type"] in _WORKS else None

    async def sessions(self) -> list[Json]:
        """GET /api/session, all folders."""
        return await self._list("/api/session", limit="50")

    async def session(self, session_id: str) -> Json | None:
        """GET /api/session/:id."""
        answer = await self._place.get(f"/api/session/{session_id}")
        info: Json | None = answer["data"] if answer else None
        return info

    async def children(self, session_id: str) -> list[Json]:
        """GET /api/session of one parent."""
        return await self._list("/api/session", parentID=session_id)

    async def sync(self, session: MonitoredSession, info: Json, now: float) -> None:
        """Who is at work, what is open in the session and its subagents, and its newest messages."""
        active = (await self._place.get("/api/session/active") or {}).get("data") or {}
        requests: list[Json] = []
        for one in sorted(session.tree):
            requests += await self._list(f"/api/session/{one}/permission")
            requests += await self._list(f"/api/session/{one}/form")
        messages = await self._list(f"/api/session/{info['id']}/message", limit=str(_NEWEST))
        if isinstance(session, Session2):
            session.sync(active, requests, messages, now)

    async def _list(self, path: str, **query: str) -> list[Json]:
        answer = await self._place.get(path, **query)
        found: list[Json] = answer["data"] if answer else []
        return found
