"""A real OpenCode of generation 2 that knows nothing of this machine's user, and asks nobody but the scripted provider."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import aiohttp

from live.provider import KEY, MODEL
from live.server import PASSWORD, OpenCodeServe
from waiting import eventually

OFFLINE = (
    "OPENCODE_DISABLE_AUTOUPDATE",
    "OPENCODE_DISABLE_MODELS_FETCH",
    "OPENCODE_DISABLE_CLAUDE_CODE",
    "OPENCODE_DISABLE_FFF",
    "OPENCODE_FILEWATCHER_DISABLE",
)
ASKED = ("shell", "edit", "webfetch", "external_directory")


class OpenCode2Serve(OpenCodeServe):
    """`opencode serve` in the foreground, or the managed service, which registers itself for whoever looks for it."""

    def __init__(self, program: Path, folder: Path, provider_url: str, *, managed: bool) -> None:
        self.managed = managed
        super().__init__(program, folder, provider_url)
        config = folder / "config" / "opencode"
        config.mkdir(parents=True)
        (config / "service.json").write_text(json.dumps({"port": self._port, "password": PASSWORD}))
        (config / "service.json").chmod(0o600)

    def _words(self) -> list[str]:
        return (
            ["serve", "--service"]
            if self.managed
            else ["serve", "--hostname=127.0.0.1", f"--port={self._port}"]
        )

    async def _listening(self, size_before: int) -> None:
        """Not by what it prints, which may change: by GET /api/info."""
        headers = {"Authorization": aiohttp.encode_basic_auth("opencode", PASSWORD)}

        async def ready() -> bool:
            self._said(size_before)  # raises if it has ended
            try:
                async with http.get(f"{self.url}/api/info") as answer:
                    return answer.status == 200 and answer.content_type == "application/json"
            except aiohttp.ClientError:
                return False

        async with aiohttp.ClientSession(headers=headers) as http:
            await eventually(ready)

    def _variables(self) -> dict[str, str]:
        password = {} if self.managed else {"OPENCODE_PASSWORD": PASSWORD}
        return password | dict.fromkeys(OFFLINE, "1")

    def _configuration(self, provider_url: str) -> dict[str, Any]:
        model = {"name": "Scripted", "limit": {"context": 100_000, "output": 8000}}
        provider = {
            "name": "Scripted",
            "package": "aisdk:@ai-sdk/openai-compatible",  # bundled with OpenCode: nothing is fetched for it
            "settings": {"baseURL": provider_url, "apiKey": KEY},
            "models": {MODEL: model},
        }
        return {
            "providers": {"scripted": provider},
            "model": f"scripted/{MODEL}",
            "agents": {"title": {"model": f"scripted/{MODEL}"}},
            "permissions": [{"action": action, "resource": "*", "effect": "ask"} for action in ASKED],
            "autoupdate": False,
            "share": "disabled",
        }


def stand_in(folder: Path) -> Path:
    """A program that is started as OpenCode 2 would be."""
    program = folder / "opencode"
    tests = str(Path(__file__).parents[1])
    program.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {tests!r})\n"
        "from live.second_stand_in import run\nrun()\n"
    )
    program.chmod(0o755)
    return program


def environment_of(folder: Path) -> dict[str, str]:
    """What a bridge of the same user has: it finds the service, and need not be given anything."""
    return {"XDG_STATE_HOME": str(folder / "state"), "PATH": os.environ["PATH"]}
