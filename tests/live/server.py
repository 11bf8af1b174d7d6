"""A real `opencode serve` that knows nothing of this machine's user, and asks nobody but the scripted provider."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from live.provider import KEY, MODEL
from simulator.loopback import free_port
from waiting import eventually

STOP_SECONDS = 10.0
READY = b"opencode server listening on "

PASSWORD = "canary-of-the-server-5f1d0c"
"""Whoever speaks to OpenCode must know it; it must never be seen on a phone or in a log."""

PERMISSIONS = {"bash": "ask", "edit": "ask", "webfetch": "ask", "external_directory": "ask"}

OFFLINE = (
    "OPENCODE_DISABLE_AUTOUPDATE",
    "OPENCODE_DISABLE_MODELS_FETCH",
    "OPENCODE_DISABLE_LSP_DOWNLOAD",
    "OPENCODE_DISABLE_SHARE",
    "OPENCODE_DISABLE_DEFAULT_PLUGINS",
    "OPENCODE_DISABLE_CLAUDE_CODE",
    "OPENCODE_DISABLE_EXTERNAL_SKILLS",
)
"""Observed on 1.18.33. Not OPENCODE_DISABLE_EMBEDDED_WEB_UI: with it unknown routes are proxied to OpenCode's own site."""


class OpenCodeServe:
    """The process: it can be stopped, killed and started again on the same port, over the same data."""

    def __init__(self, program: Path, folder: Path, provider_url: str, port: int | None = None) -> None:
        self._program, self._folder = program, folder
        self._process: asyncio.subprocess.Process | None = None
        self._port = port or free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.directory = folder / "code"
        """The project that the agent works on, a git repository."""
        self.log = folder / "opencode.log"
        _write_project(self.directory)
        (folder / "home").mkdir(parents=True)
        (folder / "models.json").write_text("{}")
        (folder / "opencode.json").write_text(json.dumps(self._configuration(provider_url)))

    async def start(self) -> None:
        """Return when it says that it listens. AssertionError if it does not within 30 s."""
        command = [str(self._program), *self._words()]
        with self.log.open("ab") as log:
            size_before = log.tell()
            self._process = await asyncio.create_subprocess_exec(
                *command, env=self._environment(), cwd=self.directory, stdin=asyncio.subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        await self._listening(size_before)

    def _words(self) -> list[str]:
        return ["serve", "--hostname=127.0.0.1", f"--port={self._port}", "--print-logs"]

    async def _listening(self, size_before: int) -> None:
        """Not by asking it: a request that comes as the port is open and the server not ready is never answered (1.18)."""
        await eventually(lambda: READY in self._said(size_before))

    async def stop(self) -> None:
        """Ask it to end (SIGTERM); killed if it takes longer than 10 s."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """End it without a word (SIGKILL), together with the tools it runs."""
        await self._end(signal.SIGKILL)

    async def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        _signal_group(process.pid, number)
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            _signal_group(process.pid, signal.SIGKILL)
            await process.wait()
        _signal_group(process.pid, signal.SIGKILL)  # its tools, if any were left

    def _said(self, since: int) -> bytes:
        """What it printed after so many bytes of its log. RuntimeError with its last words if it has ended."""
        said = self.log.read_bytes()[since:]
        assert self._process is not None
        if self._process.returncode is not None:
            raise RuntimeError(f"opencode serve ended:\n{said[-2000:].decode(errors='replace')}")
        return said

    def _environment(self) -> dict[str, str]:
        folders = {f"XDG_{name}_HOME": str(self._folder / name.lower()) for name in _XDG}
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder / "home"),
            "OPENCODE_CONFIG": str(self._folder / "opencode.json"),
            "OPENCODE_MODELS_PATH": str(self._folder / "models.json"),
            **folders,
            **self._variables(),
        }

    def _variables(self) -> dict[str, str]:
        return {"OPENCODE_SERVER_PASSWORD": PASSWORD} | dict.fromkeys(OFFLINE, "1")

    def _configuration(self, provider_url: str) -> dict[str, Any]:
        provider = {
            "npm": "@ai-sdk/openai-compatible",  # bundled with OpenCode: nothing is fetched for it
            "name": "Scripted",
            "options": {"baseURL": provider_url, "apiKey": KEY},
            "models": {
                MODEL: {"name": "Scripted", "tool_call": True, "limit": {"context": 100_000, "output": 8000}}
            },
        }
        return {
            "provider": {"scripted": provider},
            "enabled_providers": ["scripted"],
            "model": f"scripted/{MODEL}",
            "small_model": f"scripted/{MODEL}",
            "permission": PERMISSIONS,
            "autoupdate": False,
            "share": "disabled",
        }


_XDG = ("CONFIG", "DATA", "CACHE", "STATE")


def _write_project(folder: Path) -> None:
    """OpenCode names a project by its first commit, and takes its snapshots with git."""
    folder.mkdir(parents=True)
    (folder / "README.md").write_text("A project of the tests.\n")
    who = ("-c", "user.name=Test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false")
    for arguments in (("init", "-q"), ("add", "."), (*who, "commit", "-q", "-m", "first")):
        subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)
