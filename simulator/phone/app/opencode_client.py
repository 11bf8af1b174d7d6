"""The app's connection to one OpenCode server: its stream of events, and the few questions it asks over REST."""

import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any

Json = dict[str, Any]

ANSWER_DEADLINE = 10.0
"""Seconds of real time for one REST request, and for a stream to open."""

SILENCE = 30.0
"""Seconds of real time without a byte after which a stream is dead: three heartbeats of OpenCode."""

_LINE_LIMIT = 64 << 20
"""Bytes of one event: an edit's diff or a tool's output comes in a single line."""


class OpenCodeAway(Exception):
    """No host of the server answers, or the connection broke; the sentence says which and why."""


class OpenCodeClient:
    """One server under the addresses of its pairing; the first that answers is used."""

    def __init__(self, hosts: Sequence[str]) -> None:
        self._hosts = tuple(host.rstrip("/") for host in hosts)
        self._host: str | None = None

    async def events(self) -> AsyncGenerator[tuple[str | None, Json], None]:
        """`(directory, {"type", "properties"})` of GET /global/event, server.connected first, without `sync` twins.

        Raises OpenCodeAway when the stream ends, however it does.
        """
        import aiohttp  # late, as in relay_client.py

        timeout = aiohttp.ClientTimeout(total=None, sock_connect=ANSWER_DEADLINE, sock_read=SILENCE)
        url = f"{await self._reachable()}/global/event"
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, read_bufsize=_LINE_LIMIT) as http,
                http.get(url) as stream,
            ):
                async for line in stream.content:
                    if line.startswith(b"data: "):
                        envelope: Json = json.loads(line[len(b"data: ") :])
                        if envelope["payload"]["type"] != "sync":
                            yield envelope.get("directory"), envelope["payload"]
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise OpenCodeAway(f"{url} broke off: {type(error).__name__}") from None
        raise OpenCodeAway(f"{url} ended")

    async def sessions(self) -> list[Json]:
        """The infos of its newest sessions, of all directories. OpenCodeAway."""
        found: list[Json] = await self._get("/experimental/session") or []
        return found

    async def session(self, session_id: str) -> Json | None:
        """The session's info; None if the server knows no such session. OpenCodeAway."""
        info: Json | None = await self._get(f"/session/{session_id}")
        return info

    async def children(self, session_id: str) -> list[Json]:
        """The infos of its subagents' sessions. OpenCodeAway."""
        found: list[Json] = await self._get(f"/session/{session_id}/children") or []
        return found

    async def last_message(self, session_id: str) -> Json | None:
        """The newest message `{"info", "parts"}` of a session, if it has any. OpenCodeAway."""
        messages: list[Json] = await self._get(f"/session/{session_id}/message", limit="1") or []
        return messages[-1] if messages else None

    async def statuses(self, directory: str) -> dict[str, Json]:
        """The statuses of the sessions of a directory that are not idle, by session id. OpenCodeAway."""
        found: dict[str, Json] = await self._get("/session/status", directory=directory) or {}
        return found

    async def requests(self, directory: str) -> list[Json]:
        """The permissions and questions of a directory that are open; also ghosts that an abort left. OpenCodeAway."""
        permissions: list[Json] = await self._get("/permission", directory=directory) or []
        questions: list[Json] = await self._get("/question", directory=directory) or []
        return permissions + questions

    async def _get(self, path: str, **query: str) -> Any:
        """The JSON of an answer; None for a 404."""
        return await _json(f"{await self._reachable()}{path}", query)

    async def _reachable(self) -> str:
        """The host that answered last, as long as it does; else the first of all that does."""
        hosts = (self._host, *self._hosts) if self._host else self._hosts
        for host in hosts:
            try:
                await _json(f"{host}/global/health", {})
            except OpenCodeAway:
                continue
            self._host = host
            return host
        raise OpenCodeAway(f"none of {', '.join(self._hosts)} answers")


async def _json(url: str, query: dict[str, str]) -> Any:
    """OpenCode answers unknown routes with its web page, so the content type counts."""
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=ANSWER_DEADLINE)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as http, http.get(url, params=query) as answer:
            if answer.status == 404:
                return None
            answer.raise_for_status()
            return await answer.json()
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise OpenCodeAway(f"{url} does not answer: {type(error).__name__}") from None
