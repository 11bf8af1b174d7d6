"""The fake OpenCode 2 server over a real socket: who may ask, what it says of itself, and how it ends."""

import aiohttp
import pytest

from simulator.opencode.v2.server import OpenCode2Server


@pytest.fixture
async def server(clock, journal):
    server = OpenCode2Server(clock, journal, password="pässwort")
    await server.start()
    yield server
    await server.close()


async def test_it_names_its_version_to_whoever_has_the_password(server, http) -> None:
    given = {"Authorization": aiohttp.encode_basic_auth("opencode", "pässwort", "utf-8")}
    async with http.get(f"{server.url}/api/info", headers=given) as response:
        assert (await response.json())["version"] == "2.1.2"
    async with http.get(f"{server.url}/api/info") as response:
        assert (response.status, await response.json()) == (
            401,
            {"_tag": "UnauthorizedError", "message": "Authentication required"},
        )
