"""What the bridge needs: OpenCode and the relay answer and let it in, and there is a secret. The doctor makes none."""

import ssl
from email.utils import parsedate_to_datetime

import aiohttp
import msgspec

from relay import contract
from relay.bridge.address import http_url
from relay.bridge.errors import (
    BadServiceFile,
    BridgeError,
    NoServer,
    NotOpenCode,
    OpenCodeError,
    OptionError,
    OtherGeneration,
    Refused,
    Unreachable,
    Unready,
)
from relay.bridge.failures import PROXY_STATUSES, in_words
from relay.bridge.notify.relay_client import relay_proxy, through
from relay.bridge.pairing.secret_file import checked_secret, default_secret_file, load_secret
from relay.bridge.sources.discovery import Discovery, Found
from relay.doctor.finding import Case, Finding
from relay.proxy import Proxy

DEADLINE = aiohttp.ClientTimeout(total=10.0)

OPENCODE_REMEDIES: dict[type[BridgeError], str] = {
    OptionError: "give the right --opencode-url",
    Refused: "give OpenCode's password by --password, OPENCODE_PASSWORD or OPENCODE_SERVER_PASSWORD",
    Unreachable: "start it (opencode serve), or say where it listens by --opencode-url",
    Unready: "wait for it; if it stays so: opencode service restart",
    NotOpenCode: "something else listens there: give the right --opencode-url",
}
OTHER_REMEDY = "look at what OpenCode itself says in its terminal or log"
CLOCKS_MAY_DIFFER = 30.0
"""Seconds: more than a slow answer takes, less than what APNs and phones forgive."""
CLOCK_REMEDY = (
    "set the clock that is wrong (timedatectl set-ntp true): APNs refuses the tokens of a relay whose clock is wrong, "
    "and phones drop what seems older than what they show"
)
RELAY_REMEDY = "start it (relay serve), or say where it is by --relay-url"
CERTIFICATE_REMEDY = "give the relay a certificate that this machine trusts, or name its CA by SSL_CERT_FILE"
PROXY_REMEDY = "correct the proxy (HTTPS_PROXY, HTTP_PROXY), or name the relay's host in NO_PROXY"


async def check_opencode(http: aiohttp.ClientSession, case: Case) -> Finding:
    """OpenCode answers, and takes the password; which one the bridge would follow, and what else there is."""
    try:
        found = await Discovery(http, case.options, case.environment).find()
    except (OtherGeneration, BadServiceFile, NoServer) as error:
        return Finding("opencode", "fails", error.said, error.remedy)
    except (OptionError, OpenCodeError) as error:
        return Finding("opencode", "fails", str(error), OPENCODE_REMEDIES.get(type(error), OTHER_REMEDY))
    return opencode_finding(found)


def opencode_finding(found: Found) -> Finding:
    """What is said of servers that were found. Pure."""
    said = [f"the bridge follows {found.place}"]
    remedy = ""
    if found.other:
        said.append(f"there is also {found.other}")
        remedy = f"--opencode-url {found.other.address.url} follows that one instead"
    if found.flaw:
        said.append(f"the managed service is not followed: {getattr(found.flaw, 'said', found.flaw)}")
        remedy = getattr(found.flaw, "remedy", "")
    return Finding("opencode", "ok", "; ".join(said), remedy)


async def check_relay(http: aiohttp.ClientSession, case: Case) -> tuple[bool, Finding]:
    """Whether the relay answers, and what was found: its clock may be wrong, or this machine's."""
    given, proxy = case.options.relay_url, None
    try:
        http_url(given, "the relay URL")
        proxy = relay_proxy(given, case.environment)
        url = f"{contract.normal_relay_url(given)}/health"
        date = await _relay_date(http, url, proxy)
    except (BridgeError, aiohttp.ClientError, OSError) as error:
        return False, Finding("relay", "fails", _words(error, given, proxy), _relay_remedy(error, proxy))
    except ValueError as error:
        return False, Finding("relay", "fails", f"{given} is no relay: {error}", RELAY_REMEDY)
    if difference := clock_difference(date, case.clock()):
        return True, Finding(
            "relay", "fails", f"{given} answers, but its clock is {difference}", CLOCK_REMEDY
        )
    return True, Finding("relay", "ok", f"{given} answers, and so does its database")


def clock_difference(date: str, now: float) -> str:
    """How far the clock of who answered with this `date` (RFC 9110 6.6.1) is from ours; empty if it is near, or unknown."""
    try:
        ahead = parsedate_to_datetime(date).timestamp() - now
    except (TypeError, ValueError):
        return ""
    if abs(ahead) < CLOCKS_MAY_DIFFER:
        return ""
    return f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"


async def _relay_date(http: aiohttp.ClientSession, url: str, proxy: Proxy | None) -> str:
    """Its date, when it is well. Raises ValueError if what answers is not a relay."""
    async with http.get(url, timeout=DEADLINE, allow_redirects=False, **through(proxy, url)) as response:
        body = await response.read()
    if response.status != 200:
        raise ValueError(PROXY_STATUSES.get(response.status) or f"/health answered {response.status}")
    try:
        health = msgspec.json.decode(body, type=contract.Health)
    except ValueError:
        raise ValueError("its /health is not a relay's") from None
    if not health.ok:
        raise ValueError("its /health is not ok")
    return response.headers.get("Date", "")


def _relay_remedy(error: Exception, proxy: Proxy | None) -> str:
    """One for each cause."""
    if isinstance(error, OptionError):
        return "give the right --relay-url" if "relay URL" in str(error) else PROXY_REMEDY
    if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
        return CERTIFICATE_REMEDY
    if proxy is not None:
        return PROXY_REMEDY
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "is its name right? Say where it is by --relay-url"
    if isinstance(error, aiohttp.ClientSSLError):
        return "give --relay-url with http:// if there is no TLS in front of it"
    return RELAY_REMEDY


def _words(error: Exception, url: str, proxy: Proxy | None) -> str:
    if isinstance(error, BridgeError):
        return str(error)
    reason = "is silent" if isinstance(error, TimeoutError) else f"does not answer ({in_words(error)})"
    return f"{url} {reason}" + (f", asked through the proxy {proxy}" if proxy else "")


def check_secret(case: Case) -> tuple[str | None, Finding]:
    """The secret, None if there is none that a relay would take, and what was found."""
    given, file = case.options.relay_secret, case.options.secret_file
    file = file or default_secret_file(case.environment)
    if not given and not file.exists():
        remedy = "relay pair makes one, and shows it to the phone"
        return None, Finding("secret", "fails", f"there is none in {file}", remedy)
    try:
        secret = checked_secret(given, "the relay secret") if given else load_secret(file)
    except BridgeError as error:
        remedy = "give a longer one" if given else "relay pair --rotate-secret makes a new one"
        return None, Finding("secret", "fails", str(error), remedy)
    return secret, Finding("secret", "ok", "it is given" if given else f"it is in {file}")
