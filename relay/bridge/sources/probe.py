"""Which generation of OpenCode answers, and the source that understands it; or which one the bridge starts itself."""

from collections.abc import Callable, Mapping, Sequence

import aiohttp

from relay.bridge.address import Address
from relay.bridge.errors import NotOpenCode
from relay.bridge.notify.source import Source
from relay.bridge.options import READ_DEADLINE
from relay.bridge.sources.opencode1.serve import OpenCodeServe, serve_command
from relay.bridge.sources.opencode1.source import OpenCode1

GENERATIONS: tuple[Callable[[aiohttp.ClientSession, Address, float], Source], ...] = (OpenCode1,)
"""Sources, newest generation first. Arguments: HTTP client, address, seconds of silence that end an event stream."""


async def find_source(
    http: aiohttp.ClientSession, where: Address, read_deadline: float = READ_DEADLINE
) -> Source:
    """The source of the first generation that recognises the server at `where`.

    Raises Unreachable or Refused as soon as one of them does, NotOpenCode if no generation recognises the server.
    """
    for generation in GENERATIONS:
        source = generation(http, where, read_deadline)
        try:
            await source.ready()
        except NotOpenCode as error:
            unrecognised = error
        else:
            return source
    raise unrecognised


def own_server(where: Address, arguments: Sequence[str], environment: Mapping[str, str]) -> OpenCodeServe:
    """An `opencode serve` of the bridge's own, with these arguments; not started yet. Raises OptionError."""
    return OpenCodeServe(serve_command(where, arguments, environment))
