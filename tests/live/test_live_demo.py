"""`simulator demo --opencode` beside a real OpenCode: one command, a prompt, and the phone rings."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from browser import browser, has_rung, opened
from live.client import OpenCodeClient
from live.provider import Provider, Say
from live.server import PASSWORD, OpenCodeServe
from waiting import PATIENCE

USUAL_PORT = 4096
ANSWER = "All 214 tests pass."


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with Provider() as one:
        one.learn("Fix the login", Say(ANSWER))
        yield one


async def _line(process: asyncio.subprocess.Process, words: str) -> str:
    """The next line with these words."""
    assert process.stdout is not None
    seen: list[str] = []
    async with asyncio.timeout(PATIENCE):
        async for octets in process.stdout:
            seen.append(octets.decode().rstrip())
            if words in seen[-1]:
                return seen[-1]
    raise AssertionError(f"no line with {words!r}, but {seen}")


def _is_taken(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("found", [False, True], ids=["at its URL", "found by itself"])
async def test_a_real_opencode_rings_on_the_phone_of_the_page(
    found: bool, opencode_program: Path, provider: Provider, tmp_path: Path
) -> None:
    """Nothing is done between the start of the demo and the prompt, nor between the prompt and the alert."""
    if found and _is_taken(USUAL_PORT):
        pytest.skip(
            f"NOTICE: port {USUAL_PORT} is in use: whether the demo finds OpenCode there was not tested"
        )
    opencode = OpenCodeServe(
        opencode_program, tmp_path / "opencode", provider.url, USUAL_PORT if found else None
    )
    await opencode.start()
    demo = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulator", "demo", "--opencode", *([] if found else [opencode.url]), "--control-port", "0",
        stdout=asyncio.subprocess.PIPE, cwd=tmp_path,
        env=os.environ | {"OPENCODE_SERVER_PASSWORD": PASSWORD, "XDG_STATE_HOME": str(tmp_path)},
    )  # fmt: skip
    try:
        url = (await _line(demo, "The page: ")).split()[2]
        assert "1.18.33" in await _line(demo, "follows OpenCode")
        await _line(demo, "The iPhone is paired.")
        headers = {"Authorization": aiohttp.encode_basic_auth("opencode", PASSWORD)}
        async with aiohttp.ClientSession(headers=headers) as http:
            client = OpenCodeClient(http, opencode.url, str(opencode.directory))
            await client.begin("Fix the login", "Fix the login")
            assert (await _line(demo, "rang: ")).endswith(f"rang: Fix the login: {ANSWER}")
        async with aiohttp.ClientSession() as http, http.get(f"{url}control/devices/iPhone") as response:
            device = (await response.json())["device"]
        assert [(one["title"], one["body"]) for one in device["notifications"]] == [("Fix the login", ANSWER)]
        async with browser() as chromium, opened(chromium, url.rstrip("/")) as page:
            await has_rung(page, "Fix the login")
        demo.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(demo.wait(), PATIENCE) == 0
    finally:
        if demo.returncode is None:
            demo.kill()
            await demo.wait()
        await opencode.kill()
