"""HTTP as the app speaks it to an OpenCode server: JSON over GET, and a stream of server-sent events."""

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

ANSWER_DEADLINE = 10.0
"""Seconds of real time for one REST request, and for a stream to open."""

SILENCE = 30.0
"""Seconds of real time without a byte after which a stream is dead: two or three heartbeats of OpenCode."""

_LINE_LIMIT = 64 << 20
"""Bytes of one event: an edit's diff or a tool's output comes in a single line."""


class OpenCodeAway(Exception):
    """No host of the server answers, or the connection broke; the sentence says which and why."""


@dataclass(frozen=True, slots=True)
class Place:
    """A host, and the password that it is asked with."""

    host: str
    password: str | None = field(default=None, repr=False)

    async def get(self, path: str, **query: str) -> Any:
        """The JSON of an answer; None for a 404. OpenCodeAway."""
        return await self._get(path, query)

    async def get_json(self, path: str) -> Any:
        """The JSON of an answer, None if it is no JSON: OpenCode answers unknown routes with its web page. OpenCodeAway."""
        return await self._get(path, {}, pages=True)

    async def _get(self, path: str, query: dict[str, str], *, pages: bool = False) -> Any:
        import aiohttp  # late, as in relay_client.py

        url, timeout = f"{self.host}{path}", aiohttp.ClientTimeout(total=ANSWER_DEADLINE)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, headers=self._headers) as http,
                http.get(url, params=query, allow_redirects=False) as answer,
            ):
                if answer.status == 404 or (pages and answer.content_type != "application/json"):
                    return None
                answer.raise_for_status()
                return await answer.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise OpenCodeAway(f"{url} does not answer: {type(error).__name__}") from None

    async def events(self, path: str) -> AsyncGenerator[Json, None]:
        """What a stream sends. Raises OpenCodeAway when it ends, however it does."""
        import aiohttp

        url = f"{self.host}{path}"
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=ANSWER_DEADLINE, sock_read=SILENCE)
        try:
            async with (
                aiohttp.ClientSession(
                    timeout=timeout, read_bufsize=_LINE_LIMIT, headers=self._headers
                ) as http,
                http.get(url, allow_redirects=False) as stream,
            ):
                stream.raise_for_status()
                async for line in stream.content:
                    if line.startswith(b"data: "):
                        yield json.loads(line[len(b"data: ") :])
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise OpenCodeAway(f"{url} broke off: {type(error).__name__}") from None
        raise OpenCodeAway(f"{url} ended")

    @property
    def _headers(self) -> dict[str, str]:
        import aiohttp

        if self.password is None:
            return {}
        return {"Authorization": aiohttp.encode_basic_auth("opencode", self.password, "utf-8")}
