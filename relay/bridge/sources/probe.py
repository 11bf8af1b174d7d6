"""The source that understands a server, by its generation; or the server that the bridge starts itself."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import aiohttp

from relay.bridge.address import DEFAULT_USERNAME, Address
from relay.bridge.notify.source import Source
from relay.bridge.options import READ_DEADLINE
from relay.bridge.sources.discovery import Place, recognise_at
from relay.bridge.sources.generations import OPENCODE_1, OPENCODE_2
from relay.bridge.sources.opencode1.source import OpenCode1
from relay.bridge.sources.opencode2.source import OpenCode2
from relay.bridge.sources.serve import OpenCodeServe, ask_version, generation_of, program_in, serve_command

SOURCES: dict[str, Callable[[aiohttp.ClientSession, Address, float], Source]] = {
    OPENCODE_1: OpenCode1,
    OPENCODE_2: OpenCode2,
}
"""By generation. Arguments: HTTP client, address, seconds of silence that end an event stream."""


async def source_of(
    http: aiohttp.ClientSession, place: Place, read_deadline: float = READ_DEADLINE
) -> Source:
    """The source for a server that was found, ready to run. Raises OpenCodeError if it is gone already."""
    source = SOURCES[place.generation](http, place.address, read_deadline)
    await source.ready()
    return source


async def find_source(
    http: aiohttp.ClientSession, where: Address, read_deadline: float = READ_DEADLINE
) -> Source:
    """The source for the generation of the server at `where`.

    Raises Unreachable, Refused, OtherGeneration if there is no source for it, and NotOpenCode if it is none at all.
    """
    return await source_of(http, await recognise_at(http, where), read_deadline)


async def own_server(
    where: Address, arguments: Sequence[str], environment: Mapping[str, str]
) -> tuple[OpenCodeServe, Address]:
    """An `opencode serve` of the bridge's own, not started yet, and how to ask it. Raises OptionError.

    Which generation the program is, it says itself. The second always wants a password: a new one if none is given.
    """
    generation = generation_of(await ask_version(program_in(environment), environment))
    if generation > 1:
        where = replace(where, username=DEFAULT_USERNAME, password=where.password or secrets.token_urlsafe())
    return OpenCodeServe(serve_command(where, arguments, environment, generation)), where
