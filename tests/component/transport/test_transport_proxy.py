"""To APNs through an HTTP proxy (appleboy/gorush#108, node-apn/node-apn#163; RFC 9110 9.3.6)."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from component.transport.sending import BuildGateway, Clock, prime, push
from http_proxy import HttpProxy
from outcomes import answered
from relay.apns.http2 import connector
from relay.proxy import Proxy

PASSWORD = "p@ss:w\u00f6rd"


@pytest.fixture
async def proxy() -> AsyncIterator[HttpProxy]:
    async with HttpProxy().listening() as running:
        yield running


async def test_a_push_goes_through(build: BuildGateway, apns: Any, proxy: HttpProxy) -> None:
    gateway = build(apns.port, proxy=proxy.proxy)
    assert await gateway.send(push()) == answered(200)
    assert await gateway.send(push()) == answered(200)
    assert await gateway.send(push(apns_env="sandbox")) == answered(200, apns_env="sandbox")  # has none
    address = f"127.0.0.1:{apns.port}"
    assert proxy.asked == [f"CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n\r\n"]
    assert [len(apns.requests), len(apns.peers)] == [3, 2]


async def test_over_tls_to_the_proxy_too(
    build: BuildGateway, apns: Any, certificates: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca_file))  # the proxy's, where the system's CAs are
    certificates.server.set_alpn_protocols(["http/1.1", "h2"])
    try:
        async with HttpProxy().listening(certificates.server) as proxy:
            gateway = build(apns.port, proxy=replace(proxy.proxy, tls=True))
            assert await gateway.send(push()) == answered(200)
            assert len(proxy.asked) == 1
            await gateway.close(1)
    finally:
        certificates.server.set_alpn_protocols(["h2"])


async def test_the_host_behind_it_must_show_its_certificate(
    build: BuildGateway, apns: Any, proxy: HttpProxy
) -> None:
    outcome = await build(apns.port, proxy=proxy.proxy, ca_file=None).send(push())
    assert outcome.transmission == "not_sent"
    assert "certificate" in outcome.error
    assert apns.requests == []


async def test_user_and_password(
    build: BuildGateway, apns: Any, proxy: HttpProxy, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    known = replace(proxy.proxy, username="relay", password=PASSWORD)
    proxy.authorization = known.authorization
    assert await build(apns.port, proxy=known).send(push()) == answered(200)
    assert f"connected address=127.0.0.1:{apns.port} proxy=127.0.0.1:{proxy.port}" in caplog.text
    wrong = replace(known, password=PASSWORD[1:])
    outcome = await build(apns.port, proxy=wrong).send(push())
    assert outcome.error.endswith(
        f"the proxy 127.0.0.1:{proxy.port} wants another user name or password (407)"
    )
    said = f"{caplog.text} {outcome} {known!r} {known}"
    for secret in (PASSWORD, PASSWORD[1:], known.authorization, wrong.authorization, known.authorization[6:]):
        assert secret not in said


ANSWERS = {
    b"HTTP/1.1 403 Forbidden\r\n\r\n": "refuses to connect to",
    b"HTTP/1.0 502 Bad Gateway\r\nContent-Length: 3\r\n\r\nno!": "does not answer as an HTTP proxy does",
    b"HTTP/1.1 503 Down\r\n\r\n": "(503)",
    b"SSH-2.0-OpenSSH_9.2\r\n\r\n": "does not answer as an HTTP proxy does",
    b"HTTP/1.1 2000 OK\r\n\r\n": "does not answer as an HTTP proxy does",
    b"HTTP/1.1 200 OK\r\n\r\nhello": "does not answer as an HTTP proxy does",
    b"x" * 20_000: "does not answer as an HTTP proxy does",
    b"HTTP/1.1 200 OK\r\n": "closed the connection",
    b"": "timed out",
}


@pytest.mark.parametrize("answer", ANSWERS, ids=range(len(ANSWERS)))
async def test_a_proxy_that_does_not_let_it_through(
    build: BuildGateway, apns: Any, proxy: HttpProxy, answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not answer:
        monkeypatch.setattr(connector, "CONNECT_SECONDS", 0.1)
    proxy.answer = answer
    outcome = await build(apns.port, proxy=proxy.proxy).send(push())
    assert outcome.transmission == "not_sent"
    assert f"cannot connect to 127.0.0.1:{apns.port}: " in outcome.error
    assert ANSWERS[answer] in outcome.error
    assert apns.peers == []


async def test_a_proxy_that_nobody_runs(build: BuildGateway, apns: Any, unused_port: int) -> None:
    outcome = await build(apns.port, proxy=Proxy("127.0.0.1", unused_port)).send(push())
    assert f": the proxy 127.0.0.1:{unused_port}: " in outcome.error


async def test_a_tunnel_that_ends_is_dug_again(
    build: BuildGateway, apns: Any, proxy: HttpProxy, clock: Clock
) -> None:
    gateway = build(apns.port, proxy=proxy.proxy)
    await prime(gateway, apns)
    apns.on_push = lambda request: request.peer.transport.abort()
    assert (await gateway.send(push())).transmission == "maybe_sent"
    clock.pass_every_pause()
    await prime(gateway, apns)
    assert len(proxy.asked) == 2
