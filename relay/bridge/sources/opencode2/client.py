"""The few REST routes of OpenCode 2 that the bridge asks, in the words of 2.0.6 and later."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from urllib.parse import quote

import aiohttp

from relay.bridge.errors import NotFound
from relay.bridge.sources.http import Server
from relay.bridge.sources.opencode2.wire import (
    ActiveAnswer,
    Form,
    FormsAnswer,
    Info,
    Location,
    Message,
    MessagesAnswer,
    PermissionRequest,
    PermissionsAnswer,
    ServerInfo,
    SessionAnswer,
    SessionsAnswer,
)

MESSAGES = 20
"""So many of the newest messages are searched for a text or an end."""


class OpenCode(Server):
    """Asks one OpenCode server. Every method raises an OpenCodeError if it gets no proper answer in time."""

    async def info(self) -> ServerInfo:
        """GET /api/info: its version, and the process that answers."""
        return await self.get("/api/info", ServerInfo)

    async def session(self, session_id: str) -> Info:
        """GET /api/session/:id."""
        return (await self.get(f"/api/session/{quote(session_id, safe='')}", SessionAnswer)).data

    async def recent_sessions(self, limit: int) -> list[Info]:
        """GET /api/session: the root sessions of all directories, last updated first."""
        return (await self.get(f"/api/session?parentID=null&limit={limit}", SessionsAnswer)).data

    async def active(self) -> frozenset[str]:
        """GET /api/session/active: the sessions that execute now, children too, whatever they wait for."""
        return frozenset((await self.get("/api/session/active", ActiveAnswer)).data)

    async def messages(self, session_id: str, limit: int = MESSAGES) -> list[Message]:
        """GET /api/session/:id/message: the newest `limit` messages, newest first."""
        path = f"/api/session/{quote(session_id, safe='')}/message?limit={limit}&order=desc"
        return (await self.get(path, MessagesAnswer)).data

    async def loaded_directories(self) -> list[str]:
        """GET /api/debug/location: the folders that are loaded; only these can have open requests."""
        return [
            one.directory for one in await self.get("/api/debug/location", list[Location]) if one.directory
        ]

    async def permissions(self, directory: str) -> list[PermissionRequest]:
        """GET /api/permission/request: the open ones of a folder."""
        return (await self.get(f"/api/permission/request{_in(directory)}", PermissionsAnswer)).data

    async def forms(self, directory: str) -> list[Form]:
        """GET /api/form: the open ones of a folder; the releases before 2.0.4 have them elsewhere."""
        try:
            return (await self.get(f"/api/form{_in(directory)}", FormsAnswer)).data
        except NotFound:
            return (await self.get(f"/api/form/request{_in(directory)}", FormsAnswer)).data

    async def newest_text(self, session_id: str, last_id: str) -> str:
        """What the assistant said last in the run that ended with the message `last_id`; "" if it said nothing."""
        return newest_text(await self.messages(session_id), last_id)

    def events(self, read_deadline: float) -> AbstractAsyncContextManager[aiohttp.StreamReader]:
        """GET /api/event: the bytes of the stream."""
        return self.stream("/api/event", read_deadline)


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
