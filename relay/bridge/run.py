"""The bridge, put together: waits for OpenCode, shows the pairing code, and watches until it is told to stop."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Coroutine
from random import random as system_random
from typing import TextIO
from urllib.parse import urlsplit

import aiohttp

from relay import contract
from relay.bridge.announcer import Announcer
from relay.bridge.backoff import Backoff
from relay.bridge.catch_up import CatchUp
from relay.bridge.errors import Unreachable
from relay.bridge.health import bridge_health
from relay.bridge.hosts import answering_addresses, host_list, is_local, own_addresses, port_of
from relay.bridge.http import Parts, create_app
from relay.bridge.listener import Listener
from relay.bridge.mapping import Sender
from relay.bridge.open_runs import OpenRuns
from relay.bridge.opencode import Address, OpenCode, address, http_url
from relay.bridge.options import BridgeOptions
from relay.bridge.outbox import Outbox
from relay.bridge.pairing import show_pairing
from relay.bridge.relay_client import RelayClient
from relay.bridge.resync import Resync
from relay.bridge.runs import Runs
from relay.bridge.secret_file import checked_secret, default_secret_file, load_secret
from relay.bridge.sessions import Sessions
from relay.bridge.state_file import State, StateWriter, read_state, state_file
from relay.bridge.stream import EventStream
from relay.bridge.watch import Watch
from relay.logfmt import line

log = logging.getLogger("relay.bridge")

START_BACKOFF = Backoff(first=0.25, cap=5.0)
"""While OpenCode is not up yet somebody is waiting for the pairing code, so the pauses stay short."""


async def run_bridge(options: BridgeOptions, *, stop: asyncio.Event, out: TextIO) -> None:
    """Bridge OpenCode and the relay until `stop` is set; then send what is under way and return.

    While OpenCode is not reachable it waits. On `out` appear one line while it waits, then the QR code and the pairing
    link. Raises BridgeError, one sentence, if it cannot work like this.
    """
    where = address(options.opencode_url, options.username, options.password)
    http_url(options.relay_url, "the relay URL")
    secret = relay_secret(options)
    async with aiohttp.ClientSession() as http:
        bridge = _Bridge(options, where, http, secret)
        try:
            await _until(stop, bridge.run(out))
        finally:
            await bridge.close()
    log.info(line("stopped", url=where.url))


def relay_secret(options: BridgeOptions) -> str:
    """The secret that phones and server share; an empty option counts as none. Raises BridgeError."""
    if options.relay_secret:
        return checked_secret(options.relay_secret, "the relay secret")
    return load_secret(options.secret_file or default_secret_file(os.environ))


async def pairing_of(options: BridgeOptions) -> contract.Pairing:
    """The pairing that the QR code carries. Tries which addresses of this machine OpenCode's port answers at.

    OpenCode should run by then; else only its own URL is known. Raises BridgeError.
    """
    http_url(options.relay_url, "the relay URL")
    where = address(options.opencode_url, options.username, options.password)
    port = port_of(where.url)
    local = is_local(http_url(where.url, "the OpenCode URL").hostname or "")
    answering = await answering_addresses(own_addresses(), port) if local else []
    hosts = host_list(where.url, options.advertise_hosts, answering)
    return contract.pairing(options.relay_url, relay_secret(options), hosts)


async def wait_for_opencode(
    opencode: OpenCode,
    out: TextIO,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    random: Callable[[], float] = system_random,
) -> None:
    """Return once OpenCode answers. Raises Refused or NotOpenCode: waiting would not help then."""
    attempt = 0
    while True:
        try:
            await opencode.health()
        except Unreachable as error:
            attempt += 1
            if attempt == 1:
                print(
                    f"Waiting for OpenCode at {opencode.url} (start it with: opencode serve)",
                    file=out,
                    flush=True,
                )
                log.warning(line("waiting", url=opencode.url, reason=error))
            await sleep(START_BACKOFF.delay(attempt, random))
        else:
            return


class _Bridge:
    """Everything that lives as long as the bridge runs; closed in reverse."""

    def __init__(
        self, options: BridgeOptions, where: Address, http: aiohttp.ClientSession, secret: str
    ) -> None:
        self._options = options
        self._opencode = opencode = OpenCode(http, where)
        sender = Sender(secret, contract.server_id(options.relay_url, secret))
        path = state_file(options.secret_file or default_secret_file(os.environ), opencode.url)
        before = read_state(path)
        self._state = StateWriter(path, self._known)
        self._open_runs = OpenRuns(before.runs if before else (), changed=self._state.touch)
        runs = Runs()
        sessions, catch_up = Sessions(runs), CatchUp(runs)
        catch_up.restore(self._open_runs.ids())
        self._relay = RelayClient(http, options.relay_url)
        self._outbox = Outbox(self._relay, settled=self._settled)
        self._stream = EventStream(opencode, read_deadline=options.read_deadline)
        self._listener = Listener(create_app(self._http_parts(sender, where)), options.port)
        self._announcer = Announcer(
            opencode,
            sender,
            self._outbox,
            sessions=sessions,
            permission_delay=options.permission_delay,
            alerts=options.alerts,
            open_runs=self._open_runs,
        )
        self._watch = Watch(opencode, sessions, self._announcer.tell)
        known_until = before.seen_at if before else None
        self._resync = Resync(opencode, sessions, catch_up, self._watch.act, known_until=known_until)

    async def run(self, out: TextIO) -> None:
        self._listener.start()
        await wait_for_opencode(self._opencode, out)
        pair = await pairing_of(self._options)
        show_pairing(pair, out)
        if all(is_local(urlsplit(host).hostname or "") for host in pair.hosts):
            remedy = "opencode serve --hostname 0.0.0.0, or --advertise-host"
            log.warning(line("only this machine can reach OpenCode", url=self._opencode.url, remedy=remedy))
        self._state.start()
        await self._watch.run(self._stream.events(), self._heard)

    async def close(self) -> None:
        deadline = asyncio.get_running_loop().time() + self._options.drain_seconds
        for part in (self._listener, self._resync, self._watch, self._announcer, self._outbox, self._state):
            await part.close(max(0.0, deadline - asyncio.get_running_loop().time()))

    def _http_parts(self, sender: Sender, where: Address) -> Parts:
        return Parts(
            health=lambda: bridge_health(self._stream, len(self._outbox), self._relay.last),
            relay=self._relay,
            sender=sender,
            authorization=where.headers.get("Authorization"),
        )

    def _heard(self, event_type: str) -> None:
        if event_type == "server.connected":
            self._resync.start()
        self._resync.heard()
        if event_type == "server.heartbeat":
            self._state.touch()  # every 10 s

    def _settled(self, event: contract.Event) -> None:
        self._open_runs.settle(event.session_id, event.event_id)

    def _known(self) -> State:
        return State(seen_at=self._resync.known_until, runs=self._open_runs.ids())


async def _until(stop: asyncio.Event, work: Coroutine[None, None, None]) -> None:
    """Do `work` until it ends or `stop` is set. Raises what the work raises."""
    running = asyncio.create_task(work, name="bridge-run")
    stopping = asyncio.create_task(stop.wait(), name="bridge-stop")
    try:
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        running.cancel()
        stopping.cancel()
        await asyncio.gather(running, stopping, return_exceptions=True)
    if not running.cancelled():
        running.result()
