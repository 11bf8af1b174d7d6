"""Why an HTTP request got no answer: what aiohttp and the operating system say of it, in words; and a secret that the relay does not take."""

import errno
import ssl
from typing import Final

import aiohttp


def in_words(error: Exception) -> str:
    """Why an HTTP request got no answer: a clause for a person, without the name of a class, a proxy's password or a secret."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return PROXY_STATUSES.get(error.status, f"the proxy refuses it ({error.status})")
    cause = getattr(error, "os_error", None) or error
    words = next((words for kind, words in _WORDS if isinstance(error, kind)), "")
    words = words or _ERRNO_WORDS.get(getattr(cause, "errno", None) or 0, "")
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return f"the proxy: {words or 'it cannot be reached'}"
    return words or getattr(cause, "strerror", None) or "the connection failed"


SECRET_REMEDIES: Final = {
    "secret_unknown": (
        "ask its operator for a secret (relay secret add NAME) and give it by --relay-secret or RELAY_SECRET, "
        "or have this one added by its hash, which relay doctor prints"
    ),
    "secret_replaced": (
        "start the bridge again if you have replaced it; else relay pair --rotate-secret makes a new one, and every phone pairs again"
    ),
}
"""By the code of the relay's refusal."""
SECRET_WORDS: Final = {
    "secret_unknown": "it takes only secrets that its operator knows, and this machine's is none",
    "secret_replaced": "it was replaced or revoked",
}
PROXY_STATUSES: Final = {407: "the proxy wants another user name or password (407)"}
_WORDS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (TimeoutError, "no answer in time"),
    (aiohttp.ClientConnectorDNSError, "there is no such host, or no name server answers"),
    (aiohttp.ClientConnectorCertificateError, "its certificate is not trusted"),
    (ssl.SSLCertVerificationError, "its certificate is not trusted"),
    (aiohttp.ClientSSLError, "it does not speak TLS as this machine does: is it http:// and not https://?"),
    (aiohttp.ServerDisconnectedError, "it closed the connection without an answer"),
    (aiohttp.ClientPayloadError, "its answer broke off"),
    (aiohttp.ClientResponseError, "it does not speak HTTP"),
    (aiohttp.InvalidURL, "this is no URL"),
)
_ERRNO_WORDS: Final = {
    errno.ECONNREFUSED: "nothing listens there",
    errno.ECONNRESET: "it closed the connection",
    errno.EPIPE: "it closed the connection",
    errno.EHOSTUNREACH: "the network does not lead there",
    errno.ENETUNREACH: "the network does not lead there",
    errno.ETIMEDOUT: "no answer in time",
}
