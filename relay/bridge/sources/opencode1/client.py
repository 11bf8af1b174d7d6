"""The few REST routes of OpenCode that the bridge asks."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from urllib.parse import quote

import aiohttp

from relay.bridge.sources.http import Server, segment
from relay.bridge.sources.opencode1.wire import (
    Health,
    Info,
    Paths,
    PendingRequest,
    RetryStatus,
    SessionMessage,
)

MESSAGES = 20
"""So many of the newest messages are searched for a text."""


class OpenCode(Server):
    """Asks one OpenCode server, at `url`. Every method raises an OpenCodeError if it gets no proper answer in time."""

    async def health(self) -> Health:
        """GET /global/health."""
        return await self.get("/global/health", Health)

    async def paths(self) -> Paths:
        """GET /path."""
        return await self.get("/path", Paths)

    async def session(self, session_id: str) -> Info:
        """GET /session/:id, which finds the session whatever directory it belongs to."""
        return await self.get(f"/session/{segment(session_id)}", Info)

    async def messages(self, session_id: str, limit: int) -> list[SessionMessage]:
        """GET /session/:id/message: the newest `limit` messages, oldest first."""
        return await self.get(f"/session/{segment(session_id)}/message?limit={limit}", list[SessionMessage])

    async def newest_text(self, session_id: str, last_id: str) -> str:
        """What was said last in the run that ended with the message `last_id`; "" if nothing was."""
        return newest_text(await self.messages(session_id, MESSAGES), last_id)

    async def recent_sessions(self, limit: int) -> list[Info]:
        """GET /experimental/session: the root sessions of all directories, last updated first."""
        return await self.get(f"/experimental/session?roots=true&limit={limit}", list[Info])

    async def statuses(self, directory: str | None) -> dict[str, RetryStatus]:
        """GET /session/status: the sessions of one directory that are not idle (None: the server's own directory)."""
        return await self.get("/session/status" + _in(directory), dict[str, RetryStatus])

    async def requests(self, directory: str | None) -> list[PendingRequest]:
        """GET /permission and GET /question: what waits for the user in one directory, ghosts of aborts among it."""
        permissions = await self.get("/permission" + _in(directory), list[PendingRequest])
        return permissions + await self.get("/question" + _in(directory), list[PendingRequest])

    async def decide(self, _: str, request_id: str, decision: str, directory: str | None) -> None:
        """POST /permission/:id/reply, which looks in one directory only; 404 also where it was answered before."""
        await self.send(f"/permission/{segment(request_id)}/reply{_in(directory)}", {"reply": decision})

    def global_events(self, read_deadline: float) -> AbstractAsyncContextManager[aiohttp.StreamReader]:
        """GET /global/event: the bytes of the stream."""
        return self.stream("/global/event", read_deadline)


def _in(directory: str | None) -> str:
    return "" if directory is None else f"?directory={quote(directory, safe='')}"


def newest_text(messages: Sequence[SessionMessage], last_id: str = "") -> str:
    """The assistant's newest text since the user said something, else ""; never what the user said. `messages`: oldest first.

    What came after the message `last_id` belongs to a later run, if there is such a message. An answer to something
    earlier is not searched: it would be taken for the end of this run.
    """
    for message in reversed(_run(messages, last_id)):
        if message.info.role == "user":
            return ""
        text = _text(message) if message.info.role == "assistant" else ""
        if text.strip():
            return text
    return ""


def _run(messages: Sequence[SessionMessage], last_id: str) -> Sequence[SessionMessage]:
    """Without later messages, and without what the user said last if the model never saw it (OpenCode 1.18 drops a prompt
    that waits when the turn fails)."""
    ids = [message.info.id for message in messages]
    own = messages[: ids.index(last_id) + 1] if last_id in ids else messages
    answers = [position for position, message in enumerate(own) if message.info.role == "assistant"]
    return own[: answers[-1] + 1] if answers else own


def _text(message: SessionMessage) -> str:
    texts = [
        part.text
        for part in message.parts
        if part.type == "text" and part.text and not part.ignored and not part.synthetic
    ]
    return "\n".join(texts)
