"""What a person does with OpenCode 2, over its REST routes."""

from typing import Any

import aiohttp

from waiting import eventually

Json = dict[str, Any]


class OpenCode2Client:
    """One person, working on one directory of one server."""

    def __init__(self, http: aiohttp.ClientSession, url: str, directory: str) -> None:
        self._http, self._url, self._directory = http, f"{url}/api/session", directory

    async def begin(self, title: str | None, prompt: str) -> str:
        """A new session, at work on the prompt; its id. Without a title the model makes one up."""
        named = {"title": title} if title else {}
        info = await self._ask("POST", "", named | {"location": {"directory": self._directory}})
        await self.prompt(info["id"], prompt)
        return str(info["id"])

    async def prompt(self, session_id: str, text: str) -> None:
        """Say something in a session."""
        await self._ask("POST", f"/{session_id}/prompt", {"text": text})

    async def interrupt(self, session_id: str) -> None:
        """Stop what runs in a session."""
        await self._ask("POST", f"/{session_id}/interrupt", {})

    async def listed(self, session_id: str, kind: str = "permission") -> list[Json]:
        """What a session waits for; `kind` is permission or form."""
        return list(await self._ask("GET", f"/{session_id}/{kind}"))

    async def asked(self, session_id: str, kind: str = "permission") -> Json:
        """The same, as soon as there is something."""
        return (await eventually(lambda: self.listed(session_id, kind)))[0]

    async def reply(self, request: Json, decision: str) -> None:
        """Answer a permission: once, always or reject."""
        path = f"/{request['sessionID']}/permission/{request['id']}/reply"
        await self._ask("POST", path, {"decision": decision})

    async def answer(self, form: Json, label: str) -> None:
        """Answer the first question of a form."""
        path = f"/{form['sessionID']}/form/{form['id']}/reply"
        await self._ask("POST", path, {"answer": {form["fields"][0]["key"]: label}})

    async def dismiss(self, form: Json) -> None:
        """Leave a form without an answer."""
        await self._ask("DELETE", f"/{form['sessionID']}/form/{form['id']}")

    async def messages(self, session_id: str) -> list[Json]:
        """The newest ones of a session, newest first."""
        return list(await self._ask("GET", f"/{session_id}/message?limit=20"))

    async def child(self, session_id: str) -> str:
        """The id of a session's subagent, as soon as it has one."""
        (child,) = await eventually(lambda: self._ask("GET", f"?parentID={session_id}"))
        return str(child["id"])

    async def idle(self, session_id: str) -> bool:
        """Whether nothing runs in a session."""
        return session_id not in await self._ask("GET", "/active")

    async def _ask(self, method: str, path: str, body: Json | None = None) -> Any:
        async with self._http.request(method, self._url + path, json=body) as answer:
            answer.raise_for_status()
            return None if answer.status == 204 else (await answer.json()).get("data")
