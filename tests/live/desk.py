"""Who sits at the desk: what a person does with OpenCode, over its REST routes."""

from typing import Any
from urllib.parse import quote

import aiohttp

from waiting import eventually

Json = dict[str, Any]

ASKED_WITHIN = 20.0


class Desk:
    """One person, working on one directory of one server."""

    def __init__(self, http: aiohttp.ClientSession, url: str, directory: str) -> None:
        self._http, self._url = http, url
        self._where = f"directory={quote(directory, safe='')}"

    async def begin(self, title: str | None, prompt: str) -> str:
        """A new session, at work on the prompt; its id. Without a title the model makes one up."""
        info = await self._post("/session", {"title": title} if title else {})
        session_id = str(info["id"])
        await self.prompt(session_id, prompt)
        return session_id

    async def prompt(self, session_id: str, text: str) -> None:
        """Say something in a session."""
        parts = [{"type": "text", "text": text}]
        await self._post(f"/session/{session_id}/prompt_async", {"parts": parts})

    async def abort(self, session_id: str) -> None:
        """Stop what runs in a session."""
        await self._post(f"/session/{session_id}/abort", {})

    async def asked(self, kind: str) -> Json:
        """The one request that waits for an answer, as soon as there is one; `kind` is permission or question."""
        (request,) = await eventually(lambda: self._waiting(kind), within=ASKED_WITHIN)
        return request

    async def listed(self, kind: str) -> list[Json]:
        """All requests that OpenCode lists, also those that aborted turns have left behind."""
        return list(await self._get(f"/{kind}"))

    async def reply(self, request: Json, reply: str) -> None:
        """Answer a permission: once, always or reject."""
        await self._post(f"/permission/{request['id']}/reply", {"reply": reply})

    async def answer(self, request: Json, *labels: str) -> None:
        """Answer a question."""
        await self._post(f"/question/{request['id']}/reply", {"answers": [list(labels)]})

    async def busy(self) -> list[str]:
        """The ids of the sessions that are not idle."""
        return list(await self._get("/session/status"))

    async def children(self, session_id: str) -> list[str]:
        """The ids of a session's subagents."""
        return [str(child["id"]) for child in await self._get(f"/session/{session_id}/children")]

    async def _waiting(self, kind: str) -> list[Json]:
        busy = await self.busy()
        return [request for request in await self.listed(kind) if request["sessionID"] in busy]

    async def _post(self, path: str, body: Json) -> Any:
        async with self._http.post(f"{self._url}{path}?{self._where}", json=body) as answer:
            answer.raise_for_status()
            return None if answer.status == 204 else await answer.json()

    async def _get(self, path: str) -> Any:
        async with self._http.get(f"{self._url}{path}?{self._where}") as answer:
            answer.raise_for_status()
            return await answer.json()
