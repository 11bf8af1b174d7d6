"""The few REST routes of OpenCode 2 that the bridge asks, in the words of 2.0.6 and later."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import TypeVar
from urllib.parse import quote

import aiohttp

from relay.bridge.sources.http import Server, segment
from relay.bridge.sources.opencode2.wire import (
    ActiveAnswer,
    Form,
    Info,
    ListAnswer,
    Location,
    Message,
    PairAnswer,
    PermissionRequest,
    SessionAnswer,
    info_of,
    message_of,
)
from relay.bridge.sources.wire import details

T = TypeVar("T")

MESSAGES = 20
"""So many of the newest messages are searched for a text or an end."""


class OpenCode(Server):
    """Asks one OpenCode server. Every method raises an OpenCodeError if it gets no proper answer in time."""

    async def session(self, session_id: str) -> Info:
        """GET /api/session/:id."""
        answer = await self.get(f"/api/session/{segment(session_id)}", SessionAnswer)
        return info_of(answer.data)

    async def recent_sessions(self, limit: int) -> list[Info]:
        """GET /api/session: the root sessions of all directories, last updated first."""
        answer = await self.get(f"/api/session?parentID=null&limit={limit}", ListAnswer)
        return [info for one in answer.data if (info := info_of(one)).id]

    async def active(self) -> frozenset[str]:
        """GET /api/session/active: the sessions that execute now, children too, whatever they wait for."""
        return frozenset((await self.get("/api/session/active", ActiveAnswer)).data)

    async def messages(self, session_id: str, limit: int = MESSAGES) -> list[Message]:
        """GET /api/session/:id/message: the newest `limit` messages, newest first."""
        path = f"/api/session/{segment(session_id)}/message?limit={limit}&order=desc"
        return [message_of(one) for one in (await self.get(path, ListAnswer)).data]

    async def loaded_directories(self) -> list[str]:
        """GET /api/debug/location: the folders that are loaded; only these can have open requests."""
        return [
            one.directory for one in await self.get("/api/debug/location", list[Location]) if one.directory
        ]

    async def permissions(self, directory: str) -> list[PermissionRequest]:
        """GET /api/permission/request: the open ones of a folder."""
        return await self._list(f"/api/permission/request{_in(directory)}", PermissionRequest)

    async def forms(self, directory: str) -> list[Form]:
        """GET /api/form: the open ones of a folder."""
        return await self._list(f"/api/form{_in(directory)}", Form)

    async def newest_text(self, session_id: str, last_id: str) -> str:
        """What the assistant said last in the run that ended with the message `last_id`; "" if it said nothing."""
        return newest_text(await self.messages(session_id), last_id)

    async def connect_code(self) -> str:
        """POST /api/pair (2.0.17 and later): a new code for GET /auth/connect/:code, for one use within five minutes."""
        return (await self.post("/api/pair", PairAnswer)).code

    async def decide(self, session_id: str, request_id: str, decision: str, _: str | None) -> None:
        """POST /api/session/:id/permission/:id/reply; 404 where nobody waits for it any more."""
        path = f"/api/session/{segment(session_id)}/permission/{segment(request_id)}/reply"
        await self.send(path, {"decision": decision})

    def events(self, read_deadline: float) -> AbstractAsyncContextManager[aiohttp.StreamReader]:
        """GET /api/event: the bytes of the stream."""
        return self.stream("/api/event", read_deadline)

    async def _list(self, path: str, kind: type[T]) -> list[T]:
        return [details(one, kind) for one in (await self.get(path, ListAnswer)).data]


def newest_text(messages: Sequence[Message], last_id: str = "") -> str:
    """The assistant's newest text since the user said something, else "". `messages`: newest first.

    What came after the message `last_id` belongs to a later run, if there is such a message.
    """
    ids = [message.id for message in messages]
    own = messages[ids.index(last_id) :] if last_id in ids else messages
    for message in own:
        if message.type == "user":
            return ""
        text = "\n".join(one.text for one in message.content if one.type == "text" and one.text.strip())
        if message.type == "assistant" and text:
            return text
    return ""


def _in(directory: str) -> str:
    return f"?location[directory]={quote(directory, safe='')}"
