"""`relay serve`: bind, open, serve, and close in reverse; any failed start is one sentence and a non-zero exit."""

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine, Mapping
from contextlib import ExitStack
from typing import Any, TextIO

from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config, Sockets
from quart import Quart

from relay.clock import Clock
from relay.errors import CommandError
from relay.log import line
from relay.server.app import RelayApp, running_app
from relay.server.banner import banner, rows
from relay.server.listener import Listener, most_connections
from relay.server.settings import Settings
from relay.server.store.database import DatabaseError
from relay.server.store.sql import Unavailable
from relay.server.systemd import reporting

log = logging.getLogger("relay.server.serve")

BACKLOG = 1024
METRICS_CONNECTIONS = 8
"""At once on the port of the metrics: of the descriptors that are kept back."""


class StartError(CommandError):
    """The relay cannot start; the text says why and what to do."""


async def serve(
    settings: Settings,
    stop: asyncio.Event,
    clock: Clock | None = None,
    started: Callable[[RelayApp], None] | None = None,
    out: TextIO | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Serve until `stop` is set; `started` is called with the app that serves. In a terminal, `out` gets a few lines about the relay.

    A service manager that `environment` names learns when it serves, and lives, and when it stops.

    Raises StartError, and DatabaseError also when the database is lost on the way: then it ends by itself.

    The address is bound first: whoever holds it is the only relay of that name, so leases of a killed one are free.
    """
    with ExitStack() as sockets:
        listener = sockets.enter_context(_bind(settings.relay_host, settings.port, "PORT"))
        metrics = _bind_metrics(sockets, settings)
        async with running_app(settings, clock=clock) as app:
            if started:
                started(app)
            await _say(settings, app, out)
            served: list[tuple[Quart, Listener]] = [(app, _listener(listener, settings, app))]
            if metrics is not None:
                served.append((app.metrics_app, Listener(metrics, METRICS_CONNECTIONS)))
                url = f"http://{settings.relay_metrics_host}:{settings.relay_metrics_port}/metrics"
                log.info(line("metrics", url=url))
            async with reporting(environment or {}), asyncio.TaskGroup() as group:
                for one, socket_ in served:
                    group.create_task(_serve_one(one, socket_, settings, stop, app))
            app.raise_if_lost()


def _listener(bound: socket.socket, settings: Settings, app: RelayApp) -> Listener:
    most = most_connections()
    return Listener(
        bound,
        min(most, settings.relay_limit_connections or most),
        app.limits,
        settings.relay_limit_address_connections,
    )


async def _serve_one(
    one: Quart, listener: Listener, settings: Settings, stop: asyncio.Event, app: RelayApp
) -> None:
    """Until `stop` is set or the database is lost."""

    async def ends() -> None:
        await _first(stop.wait(), app.lost())
        await app.requests.close()  # whoever waits for an answer asks another relay, or later

    await hypercorn_serve(one, _hypercorn(listener, settings), shutdown_trigger=ends)


def _bind_metrics(sockets: ExitStack, settings: Settings) -> socket.socket | None:
    if settings.relay_metrics_port is None:
        return None
    bound = _bind(settings.relay_metrics_host, settings.relay_metrics_port, "RELAY_METRICS_PORT")
    return sockets.enter_context(bound)


async def _say(settings: Settings, app: RelayApp, out: TextIO | None) -> None:
    try:
        phones = await app.phones()
    except Unavailable as error:
        raise DatabaseError(f"the database went away: {error}") from error
    if out is not None and out.isatty() and settings.relay_log == "text":
        print(banner(settings, phones), file=out, flush=True)
    url = f"http://{settings.relay_host}:{settings.port}"
    log.info(line("listening", url=url, **dict(rows(settings, phones))))


async def _first(*waits: Coroutine[Any, Any, Any]) -> None:
    """Return when one of them does."""
    tasks = [asyncio.create_task(wait, name="relay-end") for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


def _bind(host: str, port: int, setting: str) -> socket.socket:
    try:
        return socket.create_server((host.strip("[]"), port), backlog=BACKLOG, family=_ip_version(host))
    except OSError as error:
        raise StartError(
            f"cannot listen on {host}:{port}: {error.strerror or error}. Is another relay running? {setting} chooses another"
        ) from error


def _ip_version(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


class _Config(Config):
    """Hypercorn's, with a socket of our own."""

    listener: Listener

    def create_sockets(self) -> Sockets:
        return Sockets([], [self.listener], [])


def _hypercorn(listener: Listener, settings: Settings) -> Config:
    config = _Config()
    config.listener = listener  # Hypercorn closes it
    # Defaults that cut clients off (Hypercorn 0.18): a connection ends after 1000 requests, and a stop cancels
    # handlers after 3 s although /v1/event may answer later.
    config.keep_alive_max_requests = 10**9
    config.keep_alive_timeout = 75
    config.graceful_timeout = settings.relay_event_deadline + 2
    config.backlog = BACKLOG
    config.include_server_header = False
    config.errorlog = logging.getLogger("relay.hypercorn")
    config.errorlog.setLevel(logging.WARNING)
    return config
