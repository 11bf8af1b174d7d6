"""The few REST routes of OpenCode that the bridge asks.

An unknown GET route of OpenCode answers 200 with the web UI's HTML, so the content type is checked every time.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar
from urllib.parse import quote

import aiohttp

from relay.bridge.address import Address
from relay.bridge.errors import NotFound, NotOpenCode, OpenCodeError, Refused, Unreachable
from relay.bridge.sources.opencode1.wire import (
    Health,
    Info,
    Malformed,
    PendingRequest,
    RetryStatus,
    SessionMessage,
    decode,
)

T = TypeVar("T")

DEADLINE = 10.0
"""Seconds for one REST answer; OpenCode is near, but it may be busy."""

MESSAGES = 20
"""So many of the newest messages are searched for a text."""


class OpenCode:
    """Asks one OpenCode server, at `url`. Every method raises an OpenCodeError if it gets no proper answer in time."""

    def __init__(self, http: aiohttp.ClientSession, address: Address, *, deadline: float = DEADLINE) -> None:
        self._http = http
        self._headers = address.headers
        self.url = address.url
        self._deadline = deadline

    async def health(self) -> Health:
        """GET /global/health."""
        return await self._get("/global/health", Health)

    async def session(self, session_id: str) -> Info:
        """GET /session/:id, which finds the session whatever directory it belongs to."""
        return await self._get(f"/session/{quote(session_id, safe='')}", Info)

    async def messages(self, session_id: str, limit: int) -> list[SessionMessage]:
        """GET /session/:id/message: the newest `limit` messages, oldest first."""
        return await self._get(
            f"/session/{quote(session_id, safe='')}/message?limit={limit}", list[SessionMessage]
        )

    async def newest_text(self, session_id: str, last_id: str) -> str:
        """What was said last in the run that ended with the message `last_id`; "" if nothing was."""
        return newest_text(await self.messages(session_id, MESSAGES), last_id)

    async def recent_sessions(self, limit: int) -> list[Info]:
        """GET /experimental/session: the root sessions of all directories, last updated first."""
        return await self._get(f"/experimental/session?roots=true&limit={limit}", list[Info])

    async def statuses(self, directory: str | None) -> dict[str, RetryStatus]:
        """GET /session/status: the sessions of one directory that are not idle (None: the server's own directory)."""
        return await self._get("/session/status" + _in(directory), dict[str, RetryStatus])

    async def requests(self, directory: str | None) -> list[PendingRequest]:
        """GET /permission and GET /question: what waits for the user in one directory, ghosts of aborts among it."""
        permissions = await self._get("/permission" + _in(directory), list[PendingRequest])
        return permissions + await self._get("/question" + _in(directory), list[PendingRequest])

    @asynccontextmanager
    async def global_events(self, read_deadline: float) -> AsyncIterator[aiohttp.StreamReader]:
        """GET /global/event: the bytes of the stream. Silence longer than `read_deadline` seconds ends it.

        Raises Unreachable when the stream breaks, too.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._deadline, sock_read=read_deadline)
        async with self._answer("/global/event", "text/event-stream", timeout) as response:
            yield response.content

    async def _get(self, path: str, kind: type[T]) -> T:
        timeout = aiohttp.ClientTimeout(total=self._deadline)
        async with self._answer(path, "application/json", timeout) as response:
            text = await response.read()
        try:
            return decode(text, kind)
        except Malformed as error:
            raise NotOpenCode(f"{self.url}{_route(path)} answered something unexpected: {error}") from None

    @asynccontextmanager
    async def _answer(
        self, path: str, content_type: str, timeout: aiohttp.ClientTimeout
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with self._http.get(
                self.url + path, headers=self._headers, timeout=timeout, allow_redirects=False
            ) as response:
                self._check(response, path, content_type)
                yield response
        except TimeoutError:
            raise Unreachable(f"{self.url}{_route(path)} is silent") from None
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"{self.url} does not answer ({_reason(error)})") from None

    def _check(self, response: aiohttp.ClientResponse, path: str, content_type: str) -> None:
        where = f"{self.url}{_route(path)}"
        if kind := STATUS_ERRORS.get(response.status):
            raise kind(STATUS_TEXTS[kind].format(where=where, status=response.status))
        if response.status != 200:
            raise Unreachable(f"{where} answered {response.status}")
        if response.content_type != content_type:
            raise NotOpenCode(
                f"{where} answered {response.content_type} instead of {content_type}: is this an OpenCode server?"
            )


STATUS_ERRORS: dict[int, type[OpenCodeError]] = {401: Refused, 403: Refused, 404: NotFound}

STATUS_TEXTS: dict[type[OpenCodeError], str] = {
    Refused: "{where} answered {status}: OpenCode wants another username or password (OPENCODE_SERVER_PASSWORD)",
    NotFound: "{where} answered {status}: not found",
}


def _in(directory: str | None) -> str:
    return "" if directory is None else f"?directory={quote(directory, safe='')}"


def _route(path: str) -> str:
    return path.partition("?")[0]


def _reason(error: Exception) -> str:
    # The texts of aiohttp's errors name hosts and ports at most; those of the operating system are the clearest part.
    cause = getattr(error, "os_error", None) or error
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__


def newest_text(messages: Sequence[SessionMessage], last_id: str = "") -> str:
    """The assistant's newest text since the user said something, else what the user said, else "". `messages`: oldest first.

    What came after the message `last_id` belongs to a later run, if there is such a message. An answer to something
    earlier is not searched: it would be taken for the end of this run.
    """
    for message in reversed(_run(messages, last_id)):
        text = _text(message) if message.info.role in ("assistant", "user") else ""
        if text.strip() or message.info.role == "user":
            return text.strip() and text
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
