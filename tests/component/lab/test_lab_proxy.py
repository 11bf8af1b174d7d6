"""The CONNECT proxy: Apple's host names lead to the sandbox, and no other name leads anywhere."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from simulator.lab import ApnsSandbox
from simulator.lab.connect_proxy import APPLE, Refusal, route


@pytest.fixture
def apns() -> Iterator[ApnsSandbox]:
    with ApnsSandbox(proxy_port=0) as sandbox:
        yield sandbox


@pytest.mark.parametrize(
    ("host", "environment"),
    [
        ("api.sandbox.push.apple.com:443", "sandbox"),
        ("api.sandbox.push.apple.com:2197", "sandbox"),
        ("api.development.push.apple.com", "sandbox"),
        ("api.push.apple.com:443", "production"),
        ("api.push.apple.com:2197", "production"),
    ],
)
def test_a_client_whose_host_is_built_in_reaches_the_sandbox(
    apns: ApnsSandbox, host: str, environment: str
) -> None:
    with httpx.Client(http2=True, verify=apns.ssl_context(), proxy=apns.proxy_url) as client:
        response = client.post(f"https://{host}/3/device/{'ab' * 32}", json={"aps": {"alert": "Hello"}})
    assert response.json() == {"reason": "MissingProviderToken"}
    assert apns.wait_for_push().environment == environment


def test_channels_are_managed_through_it(apns: ApnsSandbox) -> None:
    for host in (
        "api-manage-broadcast.push.apple.com:2196",
        "api-manage-broadcast.sandbox.push.apple.com:2195",
    ):
        with httpx.Client(http2=True, verify=apns.ssl_context(), proxy=apns.proxy_url) as client:
            assert client.get(f"https://{host}/1/apps/{apns.bundle_id}/all-channels").status_code in (
                403,
                404,
            )


@pytest.mark.parametrize(
    ("method", "target", "status", "words"),
    [
        ("CONNECT", "api.example.com:443", 403, "api.example.com is no host of APNs"),
        ("CONNECT", "notapi.push.apple.com:443", 403, "no host of APNs"),
        ("CONNECT", "api.push.apple.com:80", 403, "on port 443 and 2197, not on 80"),
        ("CONNECT", "api-manage-broadcast.push.apple.com:443", 403, "on port 2196, not on 443"),
        ("CONNECT", "api.push.apple.com", 400, "host:port"),
        ("GET", "http://api.push.apple.com/", 405, "CONNECT only"),
    ],
)
def test_anything_else_is_refused_with_a_sentence(method: str, target: str, status: int, words: str) -> None:
    found = route(method, target)
    assert isinstance(found, Refusal)
    assert found.status == status
    assert words in found.sentence


def test_names_are_compared_as_names_are() -> None:
    assert route("CONNECT", "API.Push.Apple.com.:443") == "production"


async def test_who_is_refused_reads_why_and_where_it_may_go(apns: ApnsSandbox) -> None:
    for octets, begins in (
        (b"CONNECT api.example.com:443 HTTP/1.1\r\n\r\n", b"HTTP/1.1 403 Not a host of APNs\r\n"),
        (b"GET http://example.com/ HTTP/1.1\r\n\r\n", b"HTTP/1.1 405 Method Not Allowed\r\n"),
        (b"\x16\x03\x01\r\n\r\n", b"HTTP/1.1 400 Bad Request\r\n"),
        (b"x" * 20_000, b""),
    ):
        answer = await _said(apns, octets)
        assert answer.startswith(begins)
        assert not begins or all(host.encode() in answer for host in APPLE)
    with pytest.raises(httpx.ProxyError, match="403 Not a host of APNs"):
        async with httpx.AsyncClient(proxy=apns.proxy_url) as client:
            await client.get("https://example.com/")


async def _said(apns: ApnsSandbox, octets: bytes) -> bytes:
    assert apns.proxy_url is not None
    reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(apns.proxy_url).port)
    writer.write(octets)
    try:
        return await asyncio.wait_for(reader.read(), 60)
    except ConnectionError:
        return b""
    finally:
        writer.close()


def test_it_ends_with_the_sandbox_though_somebody_is_connected(apns: ApnsSandbox) -> None:
    client = httpx.Client(http2=True, verify=apns.ssl_context(), proxy=apns.proxy_url)
    client.get("https://api.push.apple.com/")
    apns.close()
    with pytest.raises(httpx.TransportError):
        client.get("https://api.push.apple.com/")
    client.close()
