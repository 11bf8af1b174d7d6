"""At the socket: peers that do not read, do not speak HTTP/2, or cut the connection at any point of a request."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import pytest
import trustme

from component.transport.sending import BuildGateway, prime, push, start
from outcomes import answered
from relay.apns.gateway import ApnsGateway
from relay.apns.http2 import connection
from waiting import eventually

OK = answered(200)


async def test_a_peer_that_does_not_read_gets_no_more_streams(
    gateway: ApnsGateway, apns: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await prime(gateway, apns)
    (only,) = gateway._pools["production"]._usable
    only.pause_writing()
    sending = start(gateway, 3)
    await eventually(lambda: len(gateway._pools["production"]._waiting) == 3)
    only.resume_writing()
    assert await asyncio.gather(*sending) == [OK] * 3
    monkeypatch.setattr(connection, "MAX_UNREAD", -1)
    only.pause_writing()
    only.ping()
    await eventually(lambda: apns.peers[0].closed)


async def test_a_server_without_alpn_is_refused(
    build: BuildGateway, apns: Any, raw_server: Any, certificates: Any
) -> None:
    authority = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    ca_file = certificates.ca_file.with_name("other.pem")
    authority.cert_pem.write_to_path(str(ca_file))
    gateway = build(await raw_server(asyncio.Protocol, tls), ca_file=ca_file)
    outcome = await gateway.send(push())
    assert outcome.transmission == "not_sent"
    assert "ALPN" in outcome.error


async def test_a_host_name_that_cannot_be(build: BuildGateway, apns: Any) -> None:
    gateway = build(apns.port)
    gateway._pools["production"]._connector._host = "x" * 70 + ".example"
    assert (await gateway.send(push())).transmission == "not_sent"


class Cutter(asyncio.Protocol):
    """A server that cuts the connection after so many octets of a client, counted from the preface."""

    def __init__(self, after: int) -> None:
        self._left = after
        self.received = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.write(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")  # SETTINGS

    def data_received(self, data: bytes) -> None:
        self.received += data[: self._left]
        self._left -= len(data)
        if self._left <= 0:
            self._transport.abort()


GREETING = 24 + 9 + 12 + 9  # preface, SETTINGS and its acknowledgement
REQUEST = 475  # of a first request, nearly all


@pytest.mark.parametrize("after", range(1, GREETING + REQUEST, 23))
async def test_a_connection_cut_at_every_point_of_a_request(
    build: BuildGateway, raw_server: Any, after: int
) -> None:
    """Whatever the server had read, the push has an outcome, and was sent twice only if it certainly was not taken."""
    cutters: list[Cutter] = []

    def cutter() -> Cutter:
        cutters.append(Cutter(after))
        return cutters[-1]

    outcome = await build(await raw_server(cutter)).send(push())
    begun = [each for each in cutters if len(each.received) > GREETING]
    if begun:
        assert outcome.transmission == "maybe_sent"
        assert len(begun) == 1
    else:
        assert outcome.transmission != "answered"
        assert len(cutters) <= 2


async def test_a_push_written_to_a_dying_connection_before_its_octets_left_is_sent_again(
    gateway: ApnsGateway, apns: Any
) -> None:
    """It was handed to HTTP/2 in the very turn in which the socket broke: it cannot have been processed."""
    await prime(gateway, apns)
    (only,) = gateway._pools["production"]._usable
    first, second = push(), push()
    sending = [asyncio.ensure_future(gateway.send(each)) for each in (first, second)]
    await asyncio.sleep(0)  # their tasks run; the first leaves at once, the second is due in the next turn
    only.abort()
    only.connection_lost(None)
    only._owner = Nobody()
    outcomes = await asyncio.gather(*sending)
    assert [each.transmission for each in outcomes] == ["maybe_sent", "answered"]
    assert apns.apns_ids.count(second.apns_id) == 1


class Nobody:
    """Receives that the connection was lost a second time."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None
