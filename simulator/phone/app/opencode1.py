"""OpenCode 1 as the app reads it: its routes, its events, and when a turn of it is over.

Observed on OpenCode 1.18: busy is repeated, idle comes twice after errors and aborts, ContextOverflowError is no end, and
after a rejected request or an abort the turn just stops.
"""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any, ClassVar

from simulator.phone.app.http import Json, Place
from simulator.phone.app.monitored_session import INTERRUPTED, MonitoredSession, retry_info

_DESCRIBE = frozenset({"session.created", "session.updated"})


class Session1(MonitoredSession):
    """Events are `{"type", "properties"}`."""

    def __init__(self, session_id: str, title: str = "", *, begun: bool = False) -> None:
        super().__init__(session_id, title, begun=begun)
        self._answers: set[str] = set()

    def sync(self, status: Json | None, requests: Iterable[Json], message: Json | None, now: float) -> None:
        """Take the server's state after a gap: the session's status (None: idle), all open requests, the last message.

        A turn that has ended in the gap is over; its last message `{"info", "parts"}` tells how.
        """
        if message is not None and message["info"]["role"] == "assistant":
            self._answers.add(message["info"]["id"])
            for part in message["parts"]:
                self._take_text(part)
        if status is not None:
            self._pending = {
                one["id"]: one["sessionID"] for one in requests if one["sessionID"] in self._tree
            }
            self._on_status({"sessionID": self.session_id, "status": status}, now)
        elif self.begun:
            newest = message["info"] if message else {}
            self._conclude(newest if newest.get("role") == "assistant" else {})

    def _conclude(self, info: Json) -> None:
        """An answer that was never completed was interrupted; one that waits for a model call that never came, stopped."""
        self.over = True
        if info.get("error"):
            self._fail(info["error"])
        elif not info.get("time", {}).get("completed"):
            self._failure = INTERRUPTED
        else:
            self._stopped |= info.get("finish") in {None, "tool-calls"}

    # Handlers, one for each kind of event.

    def _on_info(self, known: Json, _now: float) -> None:
        self.knows(known["info"])

    def _on_deleted(self, known: Json, _now: float) -> None:
        if known["info"]["id"] == self.session_id:
            self.stop()

    def _on_status(self, known: Json, now: float) -> None:
        status = known["status"]
        if status["type"] == "idle":
            self._on_idle(known, now)
        elif self._is_own(known):
            self.begun = True
            again = status["type"] == "retry"
            self._retry = retry_info(status["attempt"], status["next"], now) if again else None

    def _on_idle(self, known: Json, _now: float) -> None:
        """Out of a retry only an abort leads here."""
        self._forget_requests(known.get("sessionID"))
        if self._is_own(known) and self.begun:
            self._stopped |= self._retry is not None
            self.over = True

    def _on_error(self, known: Json, _now: float) -> None:
        if self._is_own(known):
            self._fail(known.get("error") or {})
            self.over = self._failure is not None

    def _on_message(self, known: Json, _now: float) -> None:
        info = known["info"]
        if self._is_own(known) and info["role"] == "assistant" and info["id"] not in self._answers:
            self._answers.add(info["id"])
            self._stopped = False  # after a no with feedback the model is called again

    def _on_part(self, known: Json, _now: float) -> None:
        if self._is_own(known) and known["part"].get("messageID") in self._answers:
            self._take_text(known["part"])

    def _on_asked(self, known: Json, _now: float) -> None:
        self._ask(known["id"], known.get("sessionID"))

    def _on_replied(self, known: Json, _now: float) -> None:
        asker = self._pending.pop(known.get("requestID", ""), None)
        self._stopped |= asker == self.session_id and known.get("reply") == "reject"

    def _on_rejected(self, known: Json, now: float) -> None:
        self._on_replied({**known, "reply": "reject"}, now)

    def _take_text(self, part: Json) -> None:
        if part.get("type") == "text" and not part.get("synthetic"):
            self._say(part.get("text"))

    def _fail(self, error: Mapping[str, Any]) -> None:
        name = error.get("name")
        self._stopped |= name == "MessageAbortedError"
        if name not in {"MessageAbortedError", "ContextOverflowError"}:
            self._fail_with((error.get("data") or {}).get("message"))

    HANDLERS: ClassVar[Mapping[str, Callable[[Any, Json, float], None]]] = {
        "session.created": _on_info,
        "session.updated": _on_info,
        "session.deleted": _on_deleted,
        "session.status": _on_status,
        "session.idle": _on_idle,
        "session.error": _on_error,
        "message.updated": _on_message,
        "message.part.updated": _on_part,
        "permission.asked": _on_asked,
        "permission.replied": _on_replied,
        "question.asked": _on_asked,
        "question.replied": _on_replied,
        "question.rejected": _on_rejected,
    }


class OpenCode1:
    """A Server."""

    deaf_for = 0.25
    """Observed: /global/event says server.connected some milliseconds before its listener is attached."""

    def __init__(self, place: Place) -> None:
        self._place = place

    async def events(self) -> AsyncGenerator[Json, None]:
        """GET /global/event, without `sync` twins, and without what belongs to the server and to no directory."""
        async with aclosing(self._place.events("/global/event")) as envelopes:
            async for envelope in envelopes:
                event: Json = envelope["payload"]
                if event["type"] != "sync" and (
                    "directory" in envelope or event["type"] == "server.connected"
                ):
                    yield event

    def monitor(self, session_id: str, *, begun: bool) -> Session1:
        """A session that is fed these events."""
        return Session1(session_id, begun=begun)

    def described(self, event: Json) -> Json | None:
        """The info of the session that this event describes, if it does."""
        info: Json | None = event["properties"]["info"] if event["type"] in _DESCRIBE else None
        return info

    def at_work(self, event: Json) -> tuple[str, str] | None:
        """The session that this event says is at work, if it does; no event says in which message."""
        known = event["properties"]
        working = (known.get("status") or {}).get("type") in {"busy", "retry"}
        return (known["sessionID"], "") if event["type"] == "session.status" and working else None

    async def sessions(self) -> list[Json]:
        """GET /experimental/session."""
        found: list[Json] = await self._place.get("/experimental/session") or []
        return found

    async def session(self, session_id: str) -> Json | None:
        """GET /session/:id."""
        info: Json | None = await self._place.get(f"/session/{session_id}")
        return info

    async def children(self, session_id: str) -> list[Json]:
        """GET /session/:id/children."""
        found: list[Json] = await self._place.get(f"/session/{session_id}/children") or []
        return found

    async def last_message(self, session_id: str) -> Json | None:
        """The newest message `{"info", "parts"}` of a session, if it has any. OpenCodeAway."""
        messages: list[Json] = await self._place.get(f"/session/{session_id}/message", limit="1") or []
        return messages[-1] if messages else None

    async def statuses(self, directory: str) -> dict[str, Json]:
        """The statuses of the sessions of a directory that are not idle, by session id. OpenCodeAway."""
        found: dict[str, Json] = await self._place.get("/session/status", directory=directory) or {}
        return found

    async def requests(self, directory: str) -> list[Json]:
        """The permissions and questions of a directory that are open; also ghosts that an abort left. OpenCodeAway."""
        permissions: list[Json] = await self._place.get("/permission", directory=directory) or []
        questions: list[Json] = await self._place.get("/question", directory=directory) or []
        return permissions + questions

    async def sync(self, session: MonitoredSession, info: Json, now: float) -> None:
        """Its status, what is open in its directory, and its last message."""
        if isinstance(session, Session1):
            session.sync(
                (await self.statuses(info["directory"])).get(info["id"]),
                await self.requests(info["directory"]),
                await self.last_message(info["id"]),
                now,
            )
