"""The way to a connection, and the provider token on it, over real TLS and HTTP/2, against a server that misbehaves in every way we know of."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import jwt
import pytest
import trustme

from component.transport.sending import BuildGateway, Clock, prime, push, reason, send_all
from outcomes import answered
from relay.apns.gateway import MIN_AGE, ApnsGateway
from relay.apns.http2 import connector

# Connecting.


async def test_nobody_listens(
    build: BuildGateway, clock: Clock, unused_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    port = unused_port
    gateway = build(port)
    outcome = await gateway.send(push())
    assert outcome.transmission == "not_sent"
    assert f"cannot connect to 127.0.0.1:{port}" in outcome.error
    pauses = []
    for _ in range(12):
        before = clock.now
        while "waiting" in ((outcome := await gateway.send(push())).error or ""):
            clock.now += 0.05
        pauses.append(clock.now - before)
    assert pauses[0] <= connector.FIRST_PAUSE + 0.1
    assert connector.LONGEST_PAUSE / 2 - 0.1 <= pauses[-1] <= connector.LONGEST_PAUSE + 0.1
    assert caplog.text.count("connect failed") == 13


@pytest.mark.parametrize("ahead", [-86_400.0, -1.0, 1.0, 86_400.0])
async def test_a_clock_that_is_set_changes_no_pause(
    build: BuildGateway, clock: Clock, unused_port: int, ahead: float
) -> None:
    """Neither longer, by as much as it was set back, nor none at all, which Apple calls a denial of service."""
    gateway = build(unused_port)
    for _ in range(8):
        await gateway.send(push())
        clock.pass_every_pause()
    await gateway.send(push())
    clock.ahead = ahead
    assert "waiting" in ((await gateway.send(push())).error or "")
    clock.pass_every_pause()
    assert "cannot connect" in ((await gateway.send(push())).error or "")


async def test_a_black_hole_is_given_up(
    build: BuildGateway, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr(connector, "CONNECT_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gateway = build(listener.getsockname()[1])
        outcomes = await send_all(gateway, 50)
    assert all(outcome.transmission == "not_sent" for outcome in outcomes)
    assert caplog.text.count("timed out") == 1


@pytest.fixture
async def black_hole() -> AsyncIterator[tuple[str, int]]:
    """An address that swallows packets: its backlog is full."""
    async with AsyncExitStack() as sockets:
        listener = sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.2", 0))
        listener.listen(0)
        for _ in range(4):
            filler = sockets.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()


async def test_an_address_that_leads_nowhere_does_not_cost_the_connection(
    gateway: ApnsGateway, apns: Any, black_hole: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """IPv6 without a way out, or one dead address among Apple's many: the next one is tried beside it."""

    async def two_addresses(_: str, port: int, **__: Any) -> list[Any]:
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, black_hole), (*kind, ("127.0.0.1", port))]

    gateway._pools["production"]._connector._host = "localhost"
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", two_addresses)
    assert await gateway.send(push()) == answered(200)


def test_an_ipv6_address_is_in_brackets() -> None:
    """RFC 3986 3.2.2: of the authority, and for people."""
    way = connector.Connector(host="::1", port=2197, tls=ssl.create_default_context(), sign=str, serial=int)
    assert way.address == "[::1]:2197"


async def test_a_caller_cancelled_while_connecting_harms_nobody(gateway: ApnsGateway, apns: Any) -> None:
    tasks = [asyncio.create_task(gateway.send(push())) for _ in range(5)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert outcomes[1:] == [answered(200)] * 4
    assert len(apns.requests) == 4
    assert len(apns.peers) == 1


async def test_another_ca_is_refused(build: BuildGateway, apns: Any, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    outcome = await build(apns.port, ca_file=tmp_path / "other.pem").send(push())
    assert outcome.transmission == "not_sent"
    assert "CERTIFICATE_VERIFY_FAILED" in outcome.error
    assert apns.requests == []


async def test_without_a_ca_file_the_systems_are_trusted(build: BuildGateway, apns: Any) -> None:
    assert (await build(apns.port, ca_file=None).send(push())).transmission == "not_sent"


# The provider token.


def only_tokens_from(iat: float) -> Callable[[Any], None]:
    """APNs that knows a token as expired if it is older, and goes on refusing on that connection."""
    wedged: set[Any] = set()

    def answer(request: Any) -> None:
        token = request.headers["authorization"].removeprefix("bearer ")
        if request.peer in wedged or jwt.decode(token, options={"verify_signature": False})["iat"] < iat:
            wedged.add(request.peer)
            request.answer(403, reason("ExpiredProviderToken"))
        else:
            request.answer()

    return answer


async def test_the_other_environments_connection_is_replaced_too(
    gateway: ApnsGateway, apns: Any, clock: Clock
) -> None:
    await prime(gateway, apns)
    assert await gateway.send(push(apns_env="sandbox")) == answered(200, apns_env="sandbox")
    clock.now += MIN_AGE
    apns.on_push = only_tokens_from(clock.now)
    both = [gateway.send(push()), gateway.send(push(apns_env="sandbox"))]
    assert await asyncio.gather(*both) == [answered(200), answered(200, apns_env="sandbox")]
    assert len({request.headers["authorization"] for request in apns.requests}) == 2


async def test_a_young_token_is_not_renewed(gateway: ApnsGateway, apns: Any, clock: Clock) -> None:
    """Apple allows one in twenty minutes: if a young one counts as expired, a clock is wrong."""
    apns.on_push = only_tokens_from(clock.now + 1)
    assert await gateway.send(push()) == answered(403, "ExpiredProviderToken")
    assert len(apns.requests) == 1


async def test_still_expired_after_renewal_is_the_outcome(
    gateway: ApnsGateway, apns: Any, clock: Clock
) -> None:
    await prime(gateway, apns)
    clock.now += MIN_AGE
    apns.on_push = only_tokens_from(clock.now + 1)
    assert await gateway.send(push()) == answered(403, "ExpiredProviderToken")
    assert len(apns.requests) == 3
