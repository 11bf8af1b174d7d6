"""Asking an OpenCode server over HTTP: deadlines, credentials that follow no redirect, and errors in words.

An unknown GET route of OpenCode may answer 200 with the web UI's HTML, so the content type is checked every time.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar
from urllib.parse import quote

import aiohttp

from relay.bridge.address import Address
from relay.bridge.client import MAX_ANSWER, MAX_REPLY, TooLarge, read_at_most
from relay.bridge.errors import NotFound, NotOpenCode, OpenCodeError, Refused, Unreachable, Unready
from relay.bridge.failures import in_words
from relay.bridge.notify.redact import redact
from relay.bridge.sources.wire import Malformed, Wire, decode, details
from relay.text import cut

T = TypeVar("T")

DEADLINE = 10.0
"""Seconds for one REST answer; OpenCode is near, but it may be busy."""


class Server:
    """One server at `url`. Every method raises an OpenCodeError if it gets no proper answer in time."""

    def __init__(self, http: aiohttp.ClientSession, address: Address, *, deadline: float = DEADLINE) -> None:
        self._http = http
        self._headers = address.headers
        self.url = address.url
        self._deadline = deadline

    @asynccontextmanager
    async def stream(self, path: str, read_deadline: float) -> AsyncIterator[aiohttp.StreamReader]:
        """The bytes of a stream of events. Silence longer than `read_deadline` seconds ends it.

        Raises Unreachable when the stream breaks, too.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._deadline, sock_read=read_deadline)
        async with self._answer(path, "text/event-stream", timeout) as response:
            yield response.content

    async def get(self, path: str, kind: type[T]) -> T:
        """The JSON answer of a route."""
        return await self._json("GET", path, kind)

    async def post(self, path: str, kind: type[T]) -> T:
        """The JSON answer of a route that does something and needs no body."""
        return await self._json("POST", path, kind)

    async def send(self, path: str, body: dict[str, str]) -> None:
        """POST with a JSON body; of the answer only the status counts. Raises NotFound, OpenCodeError."""
        timeout = aiohttp.ClientTimeout(total=self._deadline)
        async with self._answer(path, "", timeout, "POST", body):
            pass

    async def _json(self, method: str, path: str, kind: type[T]) -> T:
        timeout = aiohttp.ClientTimeout(total=self._deadline)
        async with self._answer(path, "application/json", timeout, method) as response:
            text = await read_at_most(response, MAX_ANSWER)
        try:
            return decode(text, kind)
        except Malformed as error:
            raise NotOpenCode(f"{self.url}{_route(path)} answered something unexpected: {error}") from None

    @asynccontextmanager
    async def _answer(
        self,
        path: str,
        content_type: str,
        timeout: aiohttp.ClientTimeout,
        method: str = "GET",
        body: dict[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with self._http.request(
                method,
                self.url + path,
                headers=self._headers,
                timeout=timeout,
                allow_redirects=False,
                json=body,
            ) as response:
                if response.status in UNREADY_STATUSES:
                    raise unready(
                        self.url, _route(path), response.status, await read_at_most(response, MAX_REPLY)
                    )
                self._check(response, path, content_type)
                yield response
        except TimeoutError:
            raise Unreachable(f"{self.url}{_route(path)} is silent") from None
        except TooLarge as error:
            raise NotOpenCode(f"{self.url}{_route(path)}: {error}") from None
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"{self.url} does not answer ({in_words(error)})") from None

    def _check(self, response: aiohttp.ClientResponse, path: str, content_type: str) -> None:
        where = f"{self.url}{_route(path)}"
        if kind := STATUS_ERRORS.get(response.status):
            raise kind(STATUS_TEXTS[kind].format(where=where, status=response.status))
        if response.status not in (200, 204):
            raise Unreachable(f"{where} answered {response.status}")
        if content_type and response.content_type != content_type:
            raise NotOpenCode(
                f"{where} answered {response.content_type} instead of {content_type}: is this an OpenCode server?"
            )


UNREADY_STATUSES = (500, 503)
STATES = {
    "service_starting": "is starting",
    "service_stopping": "is stopping",
    "service_failed": "has failed",
}
"""The codes with which OpenCode 2 answers 503 to everything while it is not ready (source: anomalyco/opencode)."""
MAX_WORDS = 200


class _Trouble(Wire, frozen=True, kw_only=True):
    """What comes with 500 or 503; `version`: of GET /api/info, which answers while the server is not ready, too."""

    code: str = ""
    message: str = ""
    action: str = ""
    version: str = ""


def unready(url: str, route: str, status: int, body: bytes) -> Unreachable:
    """What an answer of 500 or 503 says: Unready if those are OpenCode 2's words for its state. Pure."""
    trouble = details(body, _Trouble)
    state = STATES.get(trouble.code)
    if state is None and trouble.version.startswith("2."):
        state = "is starting or stopping" if status == 503 else "has failed"
    if state is None:
        return Unreachable(f"{url}{route} answered {status}")
    why = "; ".join(_for_people(words) for words in (trouble.message, trouble.action) if words)
    said = f"OpenCode at {url} {state} ({route} answered {status})"
    return Unready(f"{said}: {why}" if why else said, failed=state == "has failed")


def _for_people(words: str) -> str:
    """A server's words in one line, without credentials."""
    return cut(redact("".join(one for one in " ".join(words.split()) if one.isprintable())), MAX_WORDS)


STATUS_ERRORS: dict[int, type[OpenCodeError]] = {401: Refused, 403: Refused, 404: NotFound, 405: NotFound}

STATUS_TEXTS: dict[type[OpenCodeError], str] = {
    Refused: "{where} answered {status}: OpenCode wants another username or password (OPENCODE_PASSWORD, OPENCODE_SERVER_PASSWORD)",
    NotFound: "{where} answered {status}: not found",
}


def segment(session_id: str) -> str:
    """The id as one segment of a path, whatever is in it. Raises NotFound for one that would lead elsewhere."""
    if session_id in ("", ".", ".."):
        raise NotFound(f"{session_id!r} names no session")
    return quote(session_id, safe="")


def _route(path: str) -> str:
    return path.partition("?")[0]
