"""Gateways of both transports, and a server whose every answer, and misbehaviour, is written in the test."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from component.conftest import Certificates
from component.transport.sending import BuildGateway, Clock
from misbehaving_apns import MisbehavingApns
from relay.apns.gateway import Gateway, ProviderToken, Transport, build_gateway
from relay.apns.http2 import pool
from relay.proxy import Proxy
from waiting import PATIENCE, eventually


@pytest.fixture(autouse=True)
def one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine: a pool grows only in the tests that ask for it."""
    monkeypatch.setattr(pool, "GROW_SECONDS", 1000.0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def build(
    request: pytest.FixtureRequest, certificates: Certificates, private_key: str, clock: Clock
) -> AsyncIterator[BuildGateway]:
    """Builds gateways, closes them, and sees that they leave no task behind.

    `deadline`: of every push. Without it a slow machine has all patience, but stock aioapns, where it is known to hang,
    is given up after `hang` seconds.
    """
    built: list[Gateway] = []
    hangs = request.node.get_closest_marker("xfail") is not None

    def make(
        port: int,
        *,
        transport: Transport = "lean",
        deadline: float | None = None,
        hang: float = 1.0,
        ca_file: Path | None = certificates.ca_file,
        proxy: Proxy | None = None,
        **ports: int,
    ) -> Gateway:
        gateway = build_gateway(
            transport,
            hosts={
                "production": ("127.0.0.1", ports.get("production", port)),
                "sandbox": ("127.0.0.1", ports.get("sandbox", port)),
            },
            ca_file=ca_file,
            provider_token=ProviderToken(private_key=private_key, key_id="KEY1234567", team_id="TEAM123456"),
            deadline=deadline or (hang if hangs else PATIENCE),
            now=clock,
            monotonic=clock.monotonic,
            proxies={"production": proxy} if proxy else {},
        )
        built.append(gateway)
        return gateway

    yield make
    for gateway in built:
        await gateway.close(0.1)
    await eventually(lambda: asyncio.all_tasks() == {asyncio.current_task()})


@pytest.fixture
def gateway(build: BuildGateway, apns: MisbehavingApns) -> Any:
    """The lean one."""
    return build(apns.port)


@pytest.fixture
async def raw_server(certificates: Certificates) -> AsyncIterator[Callable[..., Any]]:
    """`port = await raw_server(protocol_factory)`: TLS, and what that protocol makes of it."""
    servers: list[asyncio.Server] = []

    async def serve(factory: Callable[[], asyncio.Protocol], tls: Any = certificates.server) -> int:
        server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0, ssl=tls)
        servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    yield serve
    for server in servers:
        server.close()


@pytest.fixture
def unused_port() -> int:
    """Where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
