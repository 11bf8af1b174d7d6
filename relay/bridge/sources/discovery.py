"""Where OpenCode is, when nobody says it and when somebody does: the managed service of generation 2, or a known port.

The file of the service is read anew each time, for another release of OpenCode restarts the service with another pid, and
perhaps with another port. A password is sent to the URL that it belongs to and nowhere else.
"""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp

from relay.bridge.address import DEFAULT_USERNAME, Address, address, same_url
from relay.bridge.errors import (
    BadServiceFile,
    NoServer,
    NotOpenCode,
    OpenCodeError,
    OtherGeneration,
    Refused,
    Unreachable,
    Unready,
)
from relay.bridge.options import DEFAULT_OPENCODE_URL, BridgeOptions
from relay.bridge.sources.generations import OPENCODE_1, OPENCODE_2, Recognised, other_generation, recognise
from relay.bridge.sources.http import DEADLINE, Server
from relay.bridge.sources.service_file import (
    RENEW,
    Service,
    is_foreign,
    local_url,
    read_service,
    service_path,
    socket_table,
)

FOUND_DEADLINE = 2.0
"""Seconds for an answer of a server that was not named but found; OpenCode's own client waits as long."""
READABLE = (OPENCODE_1, OPENCODE_2)
START = "start it (opencode, or opencode serve), or say where it listens by --opencode-url"


@dataclass(frozen=True, slots=True)
class Place:
    """A server that answers. `from_file`: its password is the service file's; `pid`: its process, if it says so."""

    address: Address
    generation: str
    version: str
    pid: int | None = None
    from_file: bool = False

    def __str__(self) -> str:
        if self.generation == OPENCODE_1:
            kind = "server generation 1"
        else:
            kind = f"server generation 2, {'the managed service' if self.address.managed else 'in the foreground'}"
        return f"OpenCode {self.version} ({kind}) at {self.address.url}"


@dataclass(frozen=True, slots=True)
class Found:
    """The server that the bridge follows, what else answers, and why the managed service is not it if it is there."""

    place: Place
    other: Place | None = None
    flaw: OpenCodeError | None = None


class OtherServer(BadServiceFile):
    """Another server answers where the file says that the managed service does."""


class Discovery:
    """Looks for the server that the options mean. It keeps nothing: each look reads the file and asks again."""

    def __init__(
        self, http: aiohttp.ClientSession, options: BridgeOptions, environment: Mapping[str, str]
    ) -> None:
        self._http, self._options = http, options
        self.path = service_path(environment)
        self.given: Address | None = None
        """The server that was named. Raises OptionError if that is no URL."""
        if options.opencode_url is not None:
            self.given = address(options.opencode_url, options.username, options.password)

    @property
    def where(self) -> str:
        """What is looked at, for people."""
        return self.given.url if self.given else f"{self.path}, {DEFAULT_OPENCODE_URL}"

    async def find(self) -> Found:
        """Raises Unreachable while there is none, and Refused, NotOpenCode or OtherGeneration if waiting would not help."""
        if self.given is not None:
            return Found(await self._named(self.given))
        managed, known = await asyncio.gather(self._managed(), self._known_port())
        if isinstance(managed, Unready) and not managed.failed:
            raise managed  # it is there within seconds
        if isinstance(managed, Place):
            other = known if isinstance(known, Place) else None
            return Found(managed, other if other and not _same(managed, other) else None)
        if isinstance(known, Place):
            return Found(known, flaw=managed)
        raise _nobody(self.path, managed, known)

    def moved(self, place: Place) -> bool:
        """Whether the file says by now that the service of this place has another URL or password."""
        if not (place.address.managed and (place.from_file or self.given is None)):
            return False
        try:
            service = read_service(self.path)
            url = local_url(service, self.path) if service and self.given is None else place.address.url
        except BadServiceFile:
            return False
        if service is None or (self.given is not None and not same_url(service.url, self.given.url)):
            return False
        return url != place.address.url or (place.from_file and service.password != place.address.password)

    async def _named(self, given: Address) -> Place:
        flaw: OpenCodeError | None = None
        try:
            service = read_service(self.path)
            if service is not None and same_url(service.url, given.url):
                return await self._with_file(given, service, DEADLINE)
        except (BadServiceFile, Refused) as error:
            flaw = error
        try:
            return await recognise_at(self._http, given)
        except Refused as error:
            if isinstance(flaw, OtherServer):
                raise flaw from None  # the file may be written anew in a moment
            raise Refused(f"{error}; {flaw}") if flaw and given.password is None else error from None

    async def _managed(self) -> Place | OpenCodeError | None:
        """The managed service; why it cannot be followed; None if there is no file."""
        try:
            service = read_service(self.path)
            if service is None:
                return None
            given = Address(local_url(service, self.path), self._options.username, self._options.password)
            if is_foreign(given.url, socket_table(), os.getuid()):
                said = (
                    f"{self.path} names {given.url}, where another user's program listens: it was left behind"
                )
                return BadServiceFile(said, "opencode service start, on another port if need be")
            return await self._with_file(given, service, FOUND_DEADLINE)
        except (BadServiceFile, Unready, OtherGeneration) as error:
            return error
        except Refused:
            return BadServiceFile(f"{self.path} has a password that {given.url} does not take", RENEW)
        except (Unreachable, NotOpenCode):
            said = f"{self.path} names {given.url}, where no OpenCode answers: it was left behind"
            return BadServiceFile(said, "opencode service start")

    async def _known_port(self) -> Place | OpenCodeError:
        where = Address(DEFAULT_OPENCODE_URL, self._options.username, self._options.password)
        try:
            return await recognise_at(self._http, where, FOUND_DEADLINE)
        except OpenCodeError as error:
            return error

    async def _with_file(self, given: Address, service: Service, deadline: float) -> Place:
        """The server of the file: with the password that was given, else, or if that is refused, with the file's."""
        if given.password is not None:
            try:
                return self._checked(await recognise_at(self._http, given, deadline), service)
            except Refused:
                pass
        own = Address(given.url, DEFAULT_USERNAME, service.password)
        place = await recognise_at(self._http, own, deadline)
        return self._checked(replace(place, from_file=True), service)

    def _checked(self, place: Place, service: Service) -> Place:
        pid = service.pid if place.pid is None else place.pid
        if (pid, place.version) != (service.pid, service.version):
            said = (
                f"{self.path} is of another server (version {service.version}, pid {service.pid}) than the one that "
                f"answers at {place.address.url} (version {place.version}, pid {pid})"
            )
            raise OtherServer(said, RENEW)
        return replace(place, address=replace(place.address, managed=True))


async def recognise_at(http: aiohttp.ClientSession, where: Address, deadline: float = DEADLINE) -> Place:
    """Who answers at `where`. Raises Unreachable, Refused, NotOpenCode, and OtherGeneration if no source reads it."""
    server = Server(http, where, deadline=deadline)
    try:
        found = await recognise(server)
    except Refused:
        if where.username == DEFAULT_USERNAME or where.password is None:
            raise
        # A name that somebody gave for generation 1: the second knows this one only.
        server = Server(http, replace(where, username=DEFAULT_USERNAME), deadline=deadline)
        found = await recognise(server)
    return _place(server, where, found)


def _place(server: Server, where: Address, found: Recognised) -> Place:
    if found.generation.name not in READABLE:
        raise other_generation(server, found.generation, found.version)
    return Place(where, found.generation.name, found.version, found.pid)


def _same(one: Place, other: Place) -> bool:
    return same_url(one.address.url, other.address.url)


def _nobody(path: Path, managed: OpenCodeError | None, known: OpenCodeError) -> OpenCodeError:
    """Why nothing was found. What a person has to change first is said at once; else it is waited for."""
    if isinstance(managed, OtherGeneration):
        return managed
    if managed is None and isinstance(known, Refused | OtherGeneration):
        return known
    service = f"there is no managed service of OpenCode 2 (no file {path})"
    remedy = START
    if isinstance(managed, BadServiceFile):
        service, remedy = managed.said, f"{managed.remedy}; otherwise {START}"
    elif managed:
        service = str(managed)
    port = (
        f"nothing answers at {DEFAULT_OPENCODE_URL}"
        if isinstance(known, Unreachable) and not isinstance(known, Unready)
        else str(known)
    )
    return NoServer(f"{service}, and {port}", remedy)
