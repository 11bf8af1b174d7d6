"""The bridge, put together: waits for OpenCode, shows the pairing code, and watches until it is stopped."""

import asyncio
import logging
import os
import time
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from random import random as system_random
from typing import TextIO, TypeVar
from urllib.parse import urlsplit

import aiohttp

from relay import contract
from relay.backoff import Backoff
from relay.bridge.address import Address, address, http_url, port_of
from relay.bridge.answers import AnswerLoop
from relay.bridge.client import open_client
from relay.bridge.errors import OpenCodeError, OtherGeneration
from relay.bridge.http.app import Listener, Parts, create_app
from relay.bridge.http.replies import BridgeHealth, bridge_health
from relay.bridge.lookout import found_words, is_elsewhere, wait_for
from relay.bridge.notify.mapping import Sender
from relay.bridge.notify.notifier import Notifier
from relay.bridge.notify.open_requests import OpenRequests
from relay.bridge.notify.outbox import Outbox
from relay.bridge.notify.relay_client import RelayClient, relay_proxy
from relay.bridge.notify.sealing import Sealing
from relay.bridge.notify.source import Absence, Known, Source, SourceHealth
from relay.bridge.options import DEFAULT_OPENCODE_URL, BridgeOptions
from relay.bridge.pairing.code import terminal_of
from relay.bridge.pairing.hosts import answering_addresses
from relay.bridge.pairing.pairing import (
    pairing_key,
    pairing_of,
    relay_secret,
    show_pairing,
    warn_of_local_addresses,
)
from relay.bridge.pairing.secret_file import default_secret_file
from relay.bridge.relay_watch import RelayWatch
from relay.bridge.sources.discovery import Discovery, Found, Place
from relay.bridge.sources.probe import own_server, source_of
from relay.bridge.state_file import OpenRuns, State, StateFolder, StateWriter, joined, state_file
from relay.log import line

log = logging.getLogger("relay.bridge")

T = TypeVar("T")

WATCH_SECONDS = 0.5
"""Between two looks at the connection to OpenCode."""
RETRY_BACKOFF = Backoff()
"""While a server that was updated in its place cannot be read."""


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
    where = address(options.opencode_url or DEFAULT_OPENCODE_URL, options.username, options.password)
    own = await _until(stop, own_server(where, arguments, os.environ))
    if own is None:
        return
    serve, where = own
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
    http_url(options.relay_url, "the relay URL")
    async with open_client() as http:
        discovery = Discovery(http, options, os.environ)
        bridge = _Bridge(options, discovery, http, relay_secret(options))
        try:
            await _until(stop, bridge.run(out), *ends)
        finally:
            await bridge.close()
    log.info(line("stopped", url=bridge.url))


class _Bridge:
    """Everything that lives as long as the bridge runs."""

    def __init__(
        self, options: BridgeOptions, discovery: Discovery, http: aiohttp.ClientSession, secret: str
    ) -> None:
        self._options = options
        self._discovery = discovery
        self._place: Place | None = None
        self._http = http
        self._sender = Sender(secret, contract.server_id(options.relay_url, secret))
        self._secret_file = options.secret_file or default_secret_file(os.environ)
        self._server = ""
        self._state = StateWriter(None, self._known)
        self._open_runs = OpenRuns(changed=self._state.touch)
        self._sealing_key = pairing_key(options)
        self._sealing = Sealing(options.encrypt, self._sealing_key)
        proxy = relay_proxy(options.relay_url, os.environ)
        self._relay = RelayClient(http, options.relay_url, proxy=proxy, seal=self._sealing)
        self._outbox = Outbox(self._relay, done=self._open_runs.done)
        self._requests = OpenRequests(
            secret,
            self._sealing_key,
            may_always=options.phone_may_always,
            asked=lambda: self._answers.asked(),
        )
        self._answers = AnswerLoop(
            http,
            options.relay_url,
            secret,
            self._requests,
            lambda: self._source,
            self._decided,
            environment=os.environ,
        )
        self._listener = Listener(create_app(self._http_parts()), options.port)
        self._source: Source | None = None
        self._notifier: Notifier | None = None

    @property
    def url(self) -> str:
        """The server that is followed, or where it is looked for."""
        return self._place.address.url if self._place else self._discovery.where

    async def run(self, out: TextIO) -> None:
        self._listener.start()
        found, source = await wait_for(self._find, self._discovery.where, out)
        self._source = source
        if self._discovery.given is None:
            print(found_words(found), file=out, flush=True)
        await self._restore(source)
        self._notifier = Notifier(
            source,
            self._sender,
            self._outbox,
            permission_delay=self._options.permission_delay,
            retry_alert=self._options.retry_alert,
            alerts=self._options.alerts,
            min_duration=self._options.min_duration,
            card_after=self._options.card_after,
            bundle=self._options.bundle,
            keep_answered=self._options.keep_answered,
            open_runs=self._open_runs,
            requests=self._requests,
        )
        pair = await pairing_of(replace(self._options, opencode_url=self.url))
        if self._options.print_link or terminal_of(out) is not None:
            show_pairing(pair, out)
        else:
            print(f"To pair a phone: relay pair --relay-url {pair.relay_url}", file=out, flush=True)
        warn_of_local_addresses(pair, self.url, managed=found.place.address.managed)
        self._state.start()
        watches = [
            asyncio.create_task(self._watch_connection(self._notifier), name="bridge-connection"),
            asyncio.create_task(self._relay_watch(terminal_of(out) is not None).run(), name="bridge-relay"),
            asyncio.create_task(self._answers.run(), name="bridge-answers"),
        ]
        try:
            await self._follow(source, self._notifier)
        finally:
            for watch in watches:
                watch.cancel()
            await asyncio.gather(*watches, return_exceptions=True)

    def _decided(self, request_id: str, decision: str) -> None:
        if self._notifier is not None:
            self._notifier.decided(request_id, decision)

    def _relay_watch(self, watch_phones: bool) -> RelayWatch:
        return RelayWatch(
            self._http,
            self._options.relay_url,
            self._sender.secret,
            self._secret_file,
            sealing=self._sealing,
            watch_phones=watch_phones,
        )

    async def _follow(self, source: Source, notifier: Notifier) -> None:
        """Whatever generation answers, and wherever: a server may be updated or moved, and its open runs go on."""
        while True:
            await self._until_elsewhere(source, notifier)
            until = source.known.until
            await source.close(0.0)
            source = await self._find_again()
            self._server = await source.identity()
            source.restore(self._open_runs.ids(), Known(until))
            self._source = source
            self._state.move(state_file(self._secret_file, self.url))
            notifier.follow(source)

    async def _until_elsewhere(self, source: Source, notifier: Notifier) -> None:
        """Follow the source until its server is of another generation, or is found elsewhere."""
        running = asyncio.create_task(source.run(notifier.notify, self._state.touch), name="bridge-source")
        assert self._place
        elsewhere = is_elsewhere(self._discovery, self._place, lambda: source.health().connected)
        looking = asyncio.create_task(elsewhere, name="bridge-discovery")
        try:
            await asyncio.wait({running, looking}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
        except OtherGeneration as error:
            log.warning(line("another generation", url=self.url, reason=error.said))
        finally:
            running.cancel()
            looking.cancel()
            await asyncio.gather(running, looking, return_exceptions=True)

    async def _find_again(self) -> Source:
        attempt = 0
        while True:
            try:
                _, source = await self._find()
            except OpenCodeError as error:
                attempt += 1
                delay = RETRY_BACKOFF.delay(attempt, system_random)
                log.warning(line("waiting", url=self._discovery.where, reason=error, retry_in=delay))
                await asyncio.sleep(delay)
            else:
                log.info(line("following", place=self._place))
                return source

    async def _restore(self, source: Source) -> None:
        self._server = await source.identity()
        states = StateFolder(self._secret_file, self.url)
        self._state.move(states.path)
        state = states.own(self._server)
        for path, other in states.elsewhere(self._server):
            if await self._moved(source, other):
                log.info(line("moved", before=other.url, url=self.url, runs=len(other.runs)))
                state = joined(state, other)
                path.unlink(missing_ok=True)
        self._open_runs.restore(state.runs)
        source.restore(state.runs, Known(state.seen_at, state.used))

    async def _moved(self, source: Source, state: State) -> bool:
        """Whether the server of a state was this one: nobody is there any more, and this one has its sessions."""
        before = urlsplit(state.url)
        if before.hostname and await answering_addresses([before.hostname], port_of(state.url)):
            return False  # two servers with the same data, each with a bridge of its own
        try:
            return all([await source.knows(session_id) for session_id in state.runs])
        except OpenCodeError:
            return False

    async def _watch_connection(self, notifier: Notifier) -> None:
        absence = Absence(self._options.lost_after)
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            connected = self._source is not None and self._source.health().connected
            is_lost = absence.observe(connected, time.monotonic())
            if is_lost is not None:
                log.warning(line("lost" if is_lost else "back", url=self.url))
                notifier.lost() if is_lost else notifier.found()

    async def close(self) -> None:
        """In the order in which a change passes, so that nothing arrives at what is closed."""
        deadline = asyncio.get_running_loop().time() + self._options.drain_seconds
        for part in (self._listener, self._source, self._notifier, self._outbox, self._state):
            if part is not None:
                await part.close(max(0.0, deadline - asyncio.get_running_loop().time()))

    async def _find(self) -> tuple[Found, Source]:
        found = await self._discovery.find()
        source = await source_of(self._http, found.place, self._options.read_deadline)
        self._place = found.place
        return found, source

    def _http_parts(self) -> Parts:
        return Parts(
            health=self._health,
            relay=self._relay,
            sender=self._sender,
            authorization=self._authorization,
        )

    def _authorization(self) -> str | None:
        """OpenCode's own; before it is found, what was given for it."""
        given = Address(self.url, self._options.username, self._options.password)
        where = self._place.address if self._place else self._discovery.given or given
        return where.headers.get("Authorization")

    def _health(self) -> BridgeHealth:
        source = self._source.health() if self._source else SourceHealth()
        return bridge_health(source, len(self._outbox), self._relay.last)

    def _known(self) -> State:
        assert self._source, "the state is written from when there is a source"
        known = self._source.known
        return State(
            seen_at=known.until,
            runs=self._open_runs.ids(),
            used=dict(known.used),
            server=self._server,
            url=self.url,
        )


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
