"""Why a request got no answer, in words: no name of a class, whatever went wrong."""

import errno
import ssl
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from relay.bridge.failures import in_words

KEY: Any = SimpleNamespace(host="relay.example", port=443, ssl=True, is_ssl=True)


def os_error(number: int) -> OSError:
    return OSError(number, f"Connect call failed ('127.0.0.1', {number})")


def connector_error(number: int, kind: Any = aiohttp.ClientConnectorError) -> Exception:
    return kind(KEY, os_error(number))


def proxy_status(status: int) -> Exception:
    info: Any = SimpleNamespace(real_url="http://proxy.example")
    return aiohttp.ClientHttpProxyError(info, (), status=status, message="me:hunter2", headers=None)


WORDS: list[tuple[Exception, str]] = [
    (connector_error(errno.ECONNREFUSED), "nothing listens there"),
    (os_error(errno.ECONNREFUSED), "nothing listens there"),
    (connector_error(errno.EHOSTUNREACH), "the network does not lead there"),
    (connector_error(errno.ENETUNREACH), "the network does not lead there"),
    (connector_error(errno.ETIMEDOUT), "no answer in time"),
    (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), "it closed the connection"),
    (connector_error(-2, aiohttp.ClientConnectorDNSError), "there is no such host, or no name server answers"),
    (aiohttp.ClientConnectorCertificateError(KEY, ssl.SSLCertVerificationError("x")), "its certificate is not trusted"),
    (aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError(1, "WRONG_VERSION_NUMBER")),
     "it does not speak TLS as this machine does: is it http:// and not https://?"),
    (aiohttp.ServerDisconnectedError(), "it closed the connection without an answer"),
    (aiohttp.ClientPayloadError("x"), "its answer broke off"),
    (aiohttp.ClientResponseError(SimpleNamespace(real_url="u"), ()), "it does not speak HTTP"),  # type: ignore[arg-type]
    (aiohttp.ServerTimeoutError(), "no answer in time"),
    (TimeoutError(), "no answer in time"),
    (aiohttp.InvalidURL("x"), "this is no URL"),
    (connector_error(errno.ECONNREFUSED, aiohttp.ClientProxyConnectionError), "the proxy: nothing listens there"),
    (connector_error(99_999, aiohttp.ClientProxyConnectionError), "the proxy: it cannot be reached"),
    (proxy_status(407), "the proxy wants another user name or password (407)"),
    (proxy_status(502), "the proxy refuses it (502)"),
    (OSError(errno.EMFILE, "Too many open files"), "Too many open files"),
    (aiohttp.ClientError(), "the connection failed"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "words"), WORDS)
def test_in_words(error: Exception, words: str) -> None:
    assert in_words(error) == words
