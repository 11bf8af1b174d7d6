"""One session that the app monitors, folded from OpenCode's events: what its Live Activity should say now. No I/O.

The mapping is the plan's: busy is working with the latest text, a retry says when, a request (also a subagent's) needs a
decision, idle completes, an error fails. Observed on OpenCode 1.18: busy is repeated, idle comes twice after errors and
aborts, ContextOverflowError is no end, and after a rejected request or an abort the turn just stops.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from simulator.phone.app.content_state import ContentState, Status, one_line

Json = dict[str, Any]

STARTING = "Starting..."
DECISION = "Needs your decision"
DONE = "Session complete."
FAILED = "OpenCode reported an error."
STOPPED = "Stopped"
INTERRUPTED = "Interrupted: OpenCode stopped before the session was done."


class MonitoredSession:
    """Feed it all events of the server, in order; `content_state` is what they come to. `over` once the turn has ended.

    `begun`: whether the turn is known to run: an idle before that belongs to the turn before.
    """

    def __init__(self, session_id: str, title: str = "", *, begun: bool = False) -> None:
        self.session_id = session_id
        self.title = title
        self.begun = begun
        self.over = False
        self._tree = {session_id}
        self._answers: set[str] = set()
        self._pending: dict[str, str] = {}
        self._text = ""
        self._retry: str | None = None
        self._failure: str | None = None
        self._stopped = False

    @property
    def content_state(self) -> ContentState:
        """What the card says."""
        if self._failure is not None:
            return ContentState("error", self.title, self._failure)
        if self.over:
            return ContentState("complete", self.title, STOPPED if self._stopped else self._text or DONE)
        if self._pending:
            return ContentState("permission", self.title, DECISION)
        status: Status = "retry" if self._retry else "working"
        return ContentState(status, self.title, self._text or STARTING, self._retry)

    def fold(self, event: Json, now: float) -> None:
        """Take one event `{"type", "properties"}`; `now` is UNIX seconds. What is not known changes nothing."""
        handle = HANDLERS.get(event["type"])
        if handle is not None and not self.over:
            handle(self, event["properties"], now)

    def knows(self, *infos: Json) -> None:
        """Take titles and subagents from infos of sessions; those of others change nothing."""
        for info in infos:
            self._on_info({"info": info}, 0.0)

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

    def stop(self) -> None:
        """The person does not want to follow it any more."""
        self._stopped = self.over = True

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
        info = known["info"]
        if info["id"] == self.session_id:
            self.title = info.get("title") or self.title
        if info.get("parentID") in self._tree:
            self._tree.add(info["id"])

    def _on_deleted(self, known: Json, _now: float) -> None:
        if known["info"]["id"] == self.session_id:
            self._stopped = self.over = True

    def _on_status(self, known: Json, now: float) -> None:
        status = known["status"]
        if status["type"] == "idle":
            self._on_idle(known, now)
        elif self._is_own(known):
            self.begun = True
            self._retry = _retry_info(status, now) if status["type"] == "retry" else None

    def _on_idle(self, known: Json, _now: float) -> None:
        """Requests of a session that went idle wait for nobody; out of a retry only an abort leads here."""
        self._pending = {
            key: asker for key, asker in self._pending.items() if asker != known.get("sessionID")
        }
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
        if known.get("sessionID") in self._tree:
            self._pending[known["id"]] = known["sessionID"]

    def _on_replied(self, known: Json, _now: float) -> None:
        asker = self._pending.pop(known.get("requestID", ""), None)
        self._stopped |= asker == self.session_id and known.get("reply") == "reject"

    def _on_rejected(self, known: Json, now: float) -> None:
        self._on_replied({**known, "reply": "reject"}, now)

    def _is_own(self, known: Json) -> bool:
        return known.get("sessionID") == self.session_id

    def _take_text(self, part: Json) -> None:
        if part.get("type") == "text" and not part.get("synthetic"):
            self._text = one_line(part.get("text") or "") or self._text

    def _fail(self, error: Mapping[str, Any]) -> None:
        name = error.get("name")
        self._stopped |= name == "MessageAbortedError"
        if name not in {"MessageAbortedError", "ContextOverflowError"}:
            message = (error.get("data") or {}).get("message")
            self._failure = one_line(message) if isinstance(message, str) else FAILED


def _retry_info(status: Json, now: float) -> str:
    """`next` is UNIX milliseconds."""
    seconds = max(0, math.ceil(status["next"] / 1000 - now))
    return f"Retry {status['attempt']} in {seconds}s"


HANDLERS: dict[str, Callable[[MonitoredSession, Json, float], None]] = {
    "session.created": MonitoredSession._on_info,
    "session.updated": MonitoredSession._on_info,
    "session.deleted": MonitoredSession._on_deleted,
    "session.status": MonitoredSession._on_status,
    "session.idle": MonitoredSession._on_idle,
    "session.error": MonitoredSession._on_error,
    "message.updated": MonitoredSession._on_message,
    "message.part.updated": MonitoredSession._on_part,
    "permission.asked": MonitoredSession._on_asked,
    "permission.replied": MonitoredSession._on_replied,
    "question.asked": MonitoredSession._on_asked,
    "question.replied": MonitoredSession._on_replied,
    "question.rejected": MonitoredSession._on_rejected,
}
"""OpenCode's event types that the app reads; all others are ignored."""
