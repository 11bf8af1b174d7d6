"""Which generation of OpenCode answers, and the source that understands it; or which one the bridge starts itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import aiohttp

from relay.bridge.address import DEFAULT_USERNAME, Address
from relay.bridge.errors import Refused
from relay.bridge.notify.source import Source
from relay.bridge.options import READ_DEADLINE
from relay.bridge.sources.generations import OPENCODE_1, OPENCODE_2, other_generation, recognise
from relay.bridge.sources.http import Server
from relay.bridge.sources.opencode1.serve import OpenCodeServe, serve_command
from relay.bridge.sources.opencode1.source import OpenCode1
from relay.bridge.sources.opencode2.source import OpenCode2

SOURCES: dict[str, Callable[[aiohttp.ClientSession, Address, float], Source]] = {
    OPENCODE_1: OpenCode1,
    OPENCODE_2: OpenCode2,
}
"""By generation. Arguments: HTTP client, address, seconds of silence that end an event stream."""


async def find_source(
    http: aiohttp.ClientSession, where: Address, read_deadline: float = READ_DEADLINE
) -> Source:
    """The source for the generation of the server at `where`.

    Raises Unreachable, Refused, OtherGeneration if there is no source for it, and NotOpenCode if it is none at all.
    """
    server = Server(http, where)
    try:
        generation, version = await recognise(server)
    except Refused:
        if where.username == DEFAULT_USERNAME or where.password is None:
            raise
        # A name that somebody gave for generation 1: the second knows this one only.
        server = Server(http, replace(where, username=DEFAULT_USERNAME))
        generation, version = await recognise(server)
    if generation.name not in SOURCES:
        raise other_generation(server, generation, version)
    source = SOURCES[generation.name](http, where, read_deadline)
    await source.ready()
    return source


def own_server(where: Address, arguments: Sequence[str], environment: Mapping[str, str]) -> OpenCodeServe:
    """An `opencode serve` of the bridge's own, with these arguments; not started yet. Raises OptionError."""
    return OpenCodeServe(serve_command(where, arguments, environment))
