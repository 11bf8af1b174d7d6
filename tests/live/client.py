"""What a person does with OpenCode, over its REST routes."""

from typing import Any
from urllib.parse import quote

import aiohttp

from waiting import eventually

Json = dict[str, Any]


class OpenCodeClient:
    """One person, working on one directory of one server."""

    def __init__(self, http: aiohttp.ClientSession, url: str, directory: str) -> None:
        self._http, self._url = http, url
        self._where = f"directory={quote(directory, safe='')}"

    async def begin(self, title: str | None, prompt: str, **options: Json) -> str:
        """A new session, at work on the prompt; its id. Without a title the model makes one up."""
        info = await self._post("/session", {"title": title} if title else {})
        session_id = str(info["id"])
        await self.prompt(session_id, prompt, **options)
        return session_id

    async def create(self, title: str, parent_id: str | None = None) -> str:
        """A session that does nothing yet, a child of another or not; its id."""
        info = await self._post("/session", {"title": title} | ({"parentID": parent_id} if parent_id else {}))
        return str(info["id"])

    async def prompt(self, session_id: str, text: str, **options: Json) -> None:
        """Say something in a session; `options` are further fields of the request, such as `model`."""
        parts = [{"type": "text", "text": text}]
        await self._post(f"/session/{session_id}/prompt_async", {"parts": parts, **options})

    async def abort(self, session_id: str) -> None:
        """Stop what runs in a session."""
        await self._post(f"/session/{session_id}/abort", {})

    async def asked(self, session_id: str, kind: str = "permission") -> Json:
        """What a session waits for, as soon as it does; `kind` is permission or question."""

        async def ready() -> list[Json]:
            return [one for one in await self.listed(kind) if one["sessionID"] == session_id]

        (request,) = await eventually(ready)
        return request

    async def listed(self, kind: str) -> list[Json]:
        """All requests that OpenCode lists, also those that aborted turns have left behind."""
        return list(await self._get(f"/{kind}"))

    async def reply(self, request: Json, reply: str, message: str | None = None) -> None:
        """Answer a permission: once, always or reject, with a message for the model or without."""
        body = {"reply": reply} if message is None else {"reply": reply, "message": message}
        await self._post(f"/permission/{request['id']}/reply", body)

    async def answer(self, request: Json, *labels: str) -> None:
        """Answer a question."""
        await self._post(f"/question/{request['id']}/reply", {"answers": [list(labels)]})

    async def dismiss(self, request: Json) -> None:
        """Leave a question without an answer."""
        await self._post(f"/question/{request['id']}/reject", {})

    async def delete(self, session_id: str) -> None:
        """Delete a session, whatever it does."""
        async with self._http.delete(f"{self._url}/session/{session_id}?{self._where}") as answer:
            answer.raise_for_status()

    async def dispose(self) -> None:
        """Let the server forget the directory, as it does when its configuration changes."""
        await self._post("/instance/dispose", {})

    async def idle(self, session_id: str) -> bool:
        """Whether nothing runs in a session."""
        return session_id not in await self._get("/session/status")

    async def child(self, session_id: str) -> str:
        """The id of a session's subagent, as soon as it has one."""
        (child,) = await eventually(lambda: self._get(f"/session/{session_id}/children"))
        return str(child["id"])

    async def _post(self, path: str, body: Json) -> Any:
        async with self._http.post(f"{self._url}{path}?{self._where}", json=body) as answer:
            answer.raise_for_status()
            return None if answer.status == 204 else await answer.json()

    async def _get(self, path: str) -> Any:
        async with self._http.get(f"{self._url}{path}?{self._where}") as answer:
            answer.raise_for_status()
            return await answer.json()
