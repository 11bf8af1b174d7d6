"""Which generation of OpenCode answers, and the source that understands it; or which one the bridge starts itself."""

from collections.abc import Callable, Mapping, Sequence

import aiohttp

from relay.bridge.address import Address
from relay.bridge.notify.source import Source
from relay.bridge.options import READ_DEADLINE
from relay.bridge.sources.generations import OPENCODE_1, other_generation, recognise
from relay.bridge.sources.http import Server
from relay.bridge.sources.opencode1.serve import OpenCodeServe, serve_command
from relay.bridge.sources.opencode1.source import OpenCode1

SOURCES: dict[str, Callable[[aiohttp.ClientSession, Address, float], Source]] = {OPENCODE_1: OpenCode1}
"""By generation. Arguments: HTTP client, address, seconds of silence that end an event stream."""


async def find_source(
    http: aiohttp.ClientSession, where: Address, read_deadline: float = READ_DEADLINE
) -> Source:
    """The source for the generation of the server at `where`.

    Raises Unreachable, Refused, OtherGeneration if there is no source for it, and NotOpenCode if it is none at all.
    """
    server = Server(http, where)
    generation, version = await recognise(server)
    if generation.name not in SOURCES:
        raise other_generation(server, generation, version)
    source = SOURCES[generation.name](http, where, read_deadline)
    await source.ready()
    return source


def own_server(where: Address, arguments: Sequence[str], environment: Mapping[str, str]) -> OpenCodeServe:
    """An `opencode serve` of the bridge's own, with these arguments; not started yet. Raises OptionError."""
    return OpenCodeServe(serve_command(where, arguments, environment))
