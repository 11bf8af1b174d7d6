"""A world serves the page that `simulator apns` serves, on a port that may be taken, and ends with a reader still there."""

import asyncio
import socket

import aiohttp

from simulator.loopback import HOST
from simulator.world import World


async def test_a_world_serves_the_page_on_the_port_or_on_another_if_that_is_taken() -> None:
    async with World() as world, aiohttp.ClientSession() as http:
        with socket.create_server((HOST, 0)) as taken:
            port = taken.getsockname()[1]
            url = await world.serve_page(port)
        assert url != f"http://{HOST}:{port}/"
        async with http.get(url) as response:
            assert (response.status, response.content_type) == (200, "text/html")
        async with http.get(f"{url}control") as response:
            assert (await response.json())["ok"] is True


async def test_a_world_ends_at_once_though_a_page_still_reads_its_events() -> None:
    async with aiohttp.ClientSession() as http:
        async with asyncio.timeout(20), World() as world:
            url = await world.serve_page()
            events = await http.get(f"{url}control/events")
            assert (await events.content.readline()).startswith(b":")
        async with asyncio.timeout(5):
            await events.content.read()
