"""The bridge, put together: waits for OpenCode, shows the pairing code, and watches until it is told to stop."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from random import random as system_random
from typing import TextIO, TypeVar
from urllib.parse import urlsplit

import aiohttp

from relay import contract
from relay.bridge.backoff import Backoff
from relay.bridge.errors import Unreachable
from relay.bridge.http.app import Parts, create_app
from relay.bridge.http.health import bridge_health
from relay.bridge.http.listener import Listener
from relay.bridge.notify.mapping import Sender
from relay.bridge.notify.notifier import Announcer
from relay.bridge.notify.open_runs import OpenRuns
from relay.bridge.notify.outbox import Outbox
from relay.bridge.notify.relay_client import RelayClient
from relay.bridge.options import BridgeOptions
from relay.bridge.pairing.hosts import is_local
from relay.bridge.pairing.pairing import pairing_of, relay_secret
from relay.bridge.pairing.pairing_code import show_pairing
from relay.bridge.pairing.secret_file import default_secret_file
from relay.bridge.sources.opencode1.catch_up import CatchUp
from relay.bridge.sources.opencode1.client import Address, OpenCode, address, http_url
from relay.bridge.sources.opencode1.opencode_serve import OpenCodeServe
from relay.bridge.sources.opencode1.resync import Resync
from relay.bridge.sources.opencode1.runs import Runs
from relay.bridge.sources.opencode1.serve_command import serve_command
from relay.bridge.sources.opencode1.sessions import Sessions
from relay.bridge.sources.opencode1.stream import EventStream
from relay.bridge.state_file import State, StateWriter, read_state, state_file
from relay.bridge.watch import Watch
from relay.log import line

log = logging.getLogger("relay.bridge")

T = TypeVar("T")

START_BACKOFF = Backoff(first=0.25, cap=5.0)
"""While OpenCode is not up yet somebody is waiting for the pairing code, so the pauses stay short."""


async def run_bridge(options: BridgeOptions, *, stop: asyncio.Event, out: TextIO) -> None:
    """Bridge OpenCode and the relay until `stop` is set; then send what is under way and return.

    While OpenCode is not reachable it waits; with `opencode_arguments` it starts OpenCode itself, and ends with it. On
    `out` appear one line while it waits, then the QR code and the pairing link. Raises BridgeError, one sentence, if it
    cannot work like this.
    """
    if options.opencode_arguments is None:
        await _watch(options, stop, out)
    else:
        await _serve_and_watch(options, options.opencode_arguments, stop, out)


async def _serve_and_watch(
    options: BridgeOptions, arguments: Sequence[str], stop: asyncio.Event, out: TextIO
) -> None:
    where = address(options.opencode_url, options.username, options.password)
    serve = OpenCodeServe(serve_command(where, arguments, os.environ))
    try:
        url = await _until(stop, serve.start())
        if url is not None:
            here = replace(options, opencode_url=url, username=where.username, password=where.password)
            await _watch(here, stop, out, serve.ended())
    finally:
        await serve.stop()


async def _watch(
    options: BridgeOptions, stop: asyncio.Event, out: TextIO, *ends: Coroutine[None, None, None]
) -> None:
    """Until `stop` is set, or one of `ends` has come to its end."""
    where = address(options.opencode_url, options.username, options.password)
    http_url(options.relay_url, "the relay URL")
    secret = relay_secret(options)
    async with aiohttp.ClientSession() as http:
        bridge = _Bridge(options, where, http, secret)
        try:
            await _until(stop, bridge.run(out), *ends)
        finally:
            await bridge.close()
    log.info(line("stopped", url=where.url))


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
        if is_local(urlsplit(pair.relay_url).hostname or ""):
            remedy = "--relay-url with a name or address that phones reach"
            log.warning(line("only this machine can reach the relay", url=pair.relay_url, remedy=remedy))
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


async def _until(stop: asyncio.Event, *works: Coroutine[None, None, T]) -> T | None:
    """Do the works until one of them ends, or `stop` is set (then None). Returns and raises what the first one does."""
    running = [asyncio.create_task(work, name="bridge-run") for work in works]
    stopping = asyncio.create_task(stop.wait(), name="bridge-stop")
    try:
        await asyncio.wait({*running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        ended = [task for task in running if task.done()]
    finally:
        for task in (*running, stopping):
            task.cancel()
        await asyncio.gather(*running, stopping, return_exceptions=True)
    return ended[0].result() if ended else None
