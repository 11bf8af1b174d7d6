"""The bridge beside OpenCode, and the pairing as a phone sees it: is the one running, and does the other lead anywhere?"""

import asyncio
import ipaddress
import socket
from urllib.parse import urlsplit

import aiohttp
import msgspec

from relay.bridge.failures import in_words
from relay.bridge.http.replies import BridgeHealth
from relay.bridge.pairing.hosts import WILDCARDS
from relay.contract import normal_relay_url
from relay.doctor.finding import Case, Finding

DEADLINE = aiohttp.ClientTimeout(total=5.0)
RESOLVE_SECONDS = 5.0
PHONES_REACH = "--relay-url with a name or address that phones reach; the relay listens for others with RELAY_HOST=0.0.0.0"


async def check_bridge(http: aiohttp.ClientSession, case: Case) -> Finding:
    """A bridge runs, has OpenCode's events, and the relay takes what it sends."""
    if case.bridge_port == 0:
        return Finding("bridge", "skipped", "it serves no health", "start it without --port 0")
    url = f"http://127.0.0.1:{case.bridge_port}"
    start = f"start it: relay bridge --relay-url {normal_relay_url(case.options.relay_url)}"
    try:
        async with http.get(f"{url}/health", timeout=DEADLINE, allow_redirects=False) as response:
            body = await response.content.read(1 << 16)
    except (aiohttp.ClientError, OSError) as error:
        said = f"no bridge answers at {url} ({in_words(error)}), so nothing that OpenCode does is reported"
        return Finding("bridge", "fails", said, f"{start}; if it serves another port, say so by --port")
    try:
        health = msgspec.json.decode(body, type=BridgeHealth)
    except ValueError:
        said = f"what answers at {url} is no bridge"
        return Finding(
            "bridge", "fails", said, "start the bridge with another --port, and name it here by --port"
        )
    return bridge_finding(url, health)


def bridge_finding(url: str, health: BridgeHealth) -> Finding:
    """What a bridge's own health says. Pure."""
    if not health.ok:
        said = f"it runs at {url}, but has no events of OpenCode"
        return Finding("bridge", "fails", said, "its own terminal or log says what it waits for")
    if health.relay and health.relay.verdict in ("retry", "refused"):
        said = f"it runs, but the relay did not take its last event: {health.relay.reason}"
        return Finding("bridge", "fails", said, "see the steps relay and secret")
    waits = f"; {health.outbox} event(s) wait for the relay" if health.outbox else ""
    return Finding("bridge", "ok", f"it follows OpenCode {health.version or ''}".rstrip() + waits)


async def check_phone(case: Case) -> Finding:
    """The relay's URL from the phone's point of view: it has to lead there for the app to register."""
    url = normal_relay_url(case.options.relay_url)
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        host = ""
    if not host:
        return Finding("phone", "skipped", "there is no relay URL to look at")
    return phone_finding(url, host, await _addresses(host))


def phone_finding(url: str, host: str, addresses: list[str]) -> Finding:
    """What a phone would make of the relay's URL, whose host has these addresses. Pure."""
    found = [ipaddress.ip_address(one) for one in addresses]
    if host in WILDCARDS or any(one.is_loopback or one.is_unspecified for one in found):
        said = f"the pairing code names the relay as {url}, which on a phone is the phone itself"
        return Finding("phone", "fails", said, PHONES_REACH)
    if not found:
        said = f"{host} has no address here: a phone may know it, or no phone does"
        return Finding("phone", "fails", said, "give --relay-url a name that is in the DNS, or an address")
    private = all(not one.is_global for one in found)
    if url.startswith("http://") and not private:
        said = f"phones send the secret to {url} in clear: whoever reads it on the way can push to them"
        return Finding(
            "phone", "fails", said, "put TLS in front of the relay, and give --relay-url its https:// URL"
        )
    if private:
        said = f"phones reach {url} in the same network only (Wi-Fi, VPN): pair there; alerts come everywhere, for Apple brings them"
        return Finding("phone", "ok", said)
    return Finding(
        "phone", "ok", f"phones can pair with {url} from everywhere, as far as can be seen from here"
    )


async def _addresses(host: str) -> list[str]:
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError):
        return []
    return [str(address[4][0]).partition("%")[0] for address in found]
