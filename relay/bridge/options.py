"""What the bridge is to do, as one frozen value made of the command line and of the environment behind it. Pure.

A flag wins over a variable. The variables of the first implementation, OPENCODE_EXPERIMENTAL_PUSH_RELAY_URL,
..._RELAY_SECRET and ..._ADVERTISE_HOSTS, mean here what they meant there.
"""

import ipaddress
import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path

from relay import contract
from relay.bridge.address import DEFAULT_USERNAME, http_url
from relay.bridge.errors import OptionError
from relay.bridge.notify.mapping import alert_types
from relay.bridge.notify.notifier import RETRY_ALERT
from relay.bridge.notify.sealing import POLICIES, Policy
from relay.usage import number

DRAIN_SECONDS = 5.0
"""For what is under way when the bridge stops."""
READ_DEADLINE = 30.0
"""Seconds of silence after which an event stream counts as dead: three heartbeats of OpenCode 1, two of OpenCode 2."""


@dataclass(frozen=True)
class BridgeOptions:
    """What the bridge needs to know; secrets do not show in its repr.

    `opencode_url` None: OpenCode is looked for. `password` None: the managed service's is in its file.
    `relay_secret` wins over `secret_file`; without both the secret is kept in the user's state directory.
    `advertise_hosts` are names, addresses or URLs under which phones reach OpenCode, best first. `permission_delay`
    is in seconds: a request that is answered sooner does not ring. `retry_alert`: a wait for a model that is longer (seconds)
    rings once. Only `alerts` ring. A run that is complete in less than `min_duration` seconds does not; one gets a card after
    `card_after`; what completes in one session within `bundle` seconds of an alert rings as one. `keep_answered`: the alert of a request that was
    answered stays as it is. `lost_after`: seconds without
    OpenCode after which the cards say so. `port`: where the
    bridge's own routes are served; 0: nowhere. `opencode_arguments`: start `opencode serve` with
    these; None: it runs already. `encrypt`: when texts leave sealed (`notify.sealing`). `phone_may_always`: a phone may allow for good. `print_link`: print the pairing link also where nobody looks on.
    `read_deadline`: seconds of silence after which the event stream is
    opened anew. `drain_seconds`: for what is under way when the bridge stops.
    """

    opencode_url: str | None
    relay_url: str
    relay_secret: str | None = field(default=None, repr=False)
    secret_file: Path | None = None
    advertise_hosts: tuple[str, ...] = ()
    username: str = DEFAULT_USERNAME
    password: str | None = field(default=None, repr=False)
    permission_delay: float = 2.0
    retry_alert: float = RETRY_ALERT
    alerts: frozenset[contract.EventType] = contract.ALERT_TYPES
    min_duration: float = 0.0
    card_after: float = 3.0
    bundle: float = 5.0
    keep_answered: bool = False
    lost_after: float = 120.0
    port: int = 0
    opencode_arguments: tuple[str, ...] | None = None
    print_link: bool = False
    encrypt: Policy = "auto"
    phone_may_always: bool = False
    read_deadline: float = READ_DEADLINE
    drain_seconds: float = DRAIN_SECONDS


DEFAULT_OPENCODE_URL = "http://127.0.0.1:4096"
DEFAULT_RELAY_URL = "http://127.0.0.1:8787"
DEFAULT_PORT = 4097
"""Beside OpenCode's own 4096."""
ALL_ALERTS = "complete,permission,error"

Environment = Callable[[str], str | None]

_FIRST = "OPENCODE_EXPERIMENTAL_PUSH_"
_NOTHING = frozenset({"", "undefined", "null"})
"""The first implementation took these words, left behind by shells and CI systems, as "not set"."""


def add_pairing_arguments(command: ArgumentParser, environment: Environment) -> None:
    """What a pairing needs to know: OpenCode, the relay, and the secret between them."""
    add = command.add_argument
    add("--opencode-url", metavar="URL",
        help=f"where OpenCode listens (found: the managed service of OpenCode 2, else {DEFAULT_OPENCODE_URL})")  # fmt: skip
    add("--relay-url", default=_variable(environment, "RELAY_URL", f"{_FIRST}RELAY_URL") or DEFAULT_RELAY_URL, metavar="URL",
        help="the relay, as bridge and phone reach it; or RELAY_URL (%(default)s)")  # fmt: skip
    add("--relay-secret", default=_variable(environment, "RELAY_SECRET", f"{_FIRST}RELAY_SECRET"), metavar="SECRET",
        help="at least 16 characters; or RELAY_SECRET; else from --secret-file")  # fmt: skip
    add("--secret-file", type=Path, metavar="FILE",
        help="where the secret is kept, and made if missing (mode 0600)")  # fmt: skip
    add("--advertise-host", action="append", default=[], type=advertised_host, metavar="HOST",
        help="a host under which phones reach OpenCode; repeatable")  # fmt: skip
    add("--username", default=_variable(environment, "OPENCODE_SERVER_USERNAME") or DEFAULT_USERNAME,
        help="OpenCode's (%(default)s)")  # fmt: skip
    add("--password", default=_variable(environment, "OPENCODE_PASSWORD", "OPENCODE_SERVER_PASSWORD"),
        help="OpenCode's; or OPENCODE_PASSWORD, or OPENCODE_SERVER_PASSWORD; else that of the managed service")  # fmt: skip
    add("--encrypt", choices=POLICIES, default="auto",
        help="seal the texts so that neither relay nor Apple can read them: as soon as every phone has the key of the pairing code; always; never (%(default)s)")  # fmt: skip
    advertised = _variable(environment, f"{_FIRST}ADVERTISE_HOSTS") or ""
    command.set_defaults(advertised=advertised.split(","))


def add_pair_arguments(command: ArgumentParser, environment: Environment) -> None:
    """The same, and what `relay pair` is to do with it."""
    add_pairing_arguments(command, environment)
    add = command.add_argument
    add("--output", type=Path, metavar="FILE", help="write the QR code into this .png or .svg file instead")
    add("--connect", action="store_true",
        help="put a fresh connect link of OpenCode 2 (2.0.17 and later) into the code: it lets one device in, once, within five minutes")  # fmt: skip
    add("--rotate-secret", action="store_true", help="make a new secret first: the relay forgets the old one, and every phone has to pair again")  # fmt: skip
    add(
        "--rotate-key",
        action="store_true",
        help="make a new key for sealed texts first: phones read them again once they have paired again",
    )


def add_bridge_arguments(command: ArgumentParser, environment: Environment) -> None:
    """The same, and how the bridge is to work."""
    add_pairing_arguments(command, environment)
    add = command.add_argument
    add("--permission-delay", type=_seconds, default=2.0, metavar="SECONDS",
        help="a request answered sooner does not ring (%(default)s)")  # fmt: skip
    add("--retry-alert", type=_seconds, default=RETRY_ALERT, metavar="SECONDS",
        help="a model that keeps a session waiting for longer rings once; 0: never (%(default)s)")  # fmt: skip
    add("--alerts", default=ALL_ALERTS, metavar="TYPES",
        help="which events ring; the others only move the card (%(default)s)")  # fmt: skip
    add("--min-duration", type=_seconds, default=0.0, metavar="SECONDS",
        help="a run that is done sooner does not ring (%(default)s)")  # fmt: skip
    add("--card-after", type=_seconds, default=3.0, metavar="SECONDS",
        help="a run that is over sooner gets no Live Activity (%(default)s)")  # fmt: skip
    add("--bundle", type=_seconds, default=5.0, metavar="SECONDS",
        help="runs of one session that are done within so long of an alert ring as one (%(default)s)")  # fmt: skip
    add(
        "--keep-answered", action="store_true", help="do not replace the alert of a request that was answered"
    )
    add("--lost-after", type=_seconds, default=120.0, metavar="SECONDS",
        help="without OpenCode for so long, the cards say that the connection is lost (%(default)s)")  # fmt: skip
    add("--port", type=port_number, default=DEFAULT_PORT,
        help="where on 127.0.0.1 the bridge serves its health and takes test pushes; 0: nowhere (%(default)s)")  # fmt: skip
    add("--print-link", action="store_true",
        help="print the pairing link also where standard output is no terminal; whoever reads it there can push to the phones")  # fmt: skip
    add("--phone-may-always", action="store_true", help="a phone may also allow for good, not only once")
    add("-v", "--verbose", action="store_true", help="every event, as key=value; so it is without a terminal")
    add("--start-opencode", action="store_true", help="start `opencode serve`, and stop it with the bridge")
    add(
        "opencode_arguments",
        nargs="*",
        metavar="-- ARGS",
        help="for that `opencode serve`, after two hyphens",
    )


def pairing_options(arguments: Namespace) -> BridgeOptions:
    """The options of a command that only pairs."""
    hosts = (host.strip() for host in (*arguments.advertise_host, *arguments.advertised))
    return BridgeOptions(
        opencode_url=arguments.opencode_url,
        relay_url=arguments.relay_url,
        relay_secret=arguments.relay_secret,
        secret_file=arguments.secret_file,
        advertise_hosts=tuple(filter(None, hosts)),
        username=arguments.username,
        password=arguments.password,
        encrypt=arguments.encrypt,
    )


def bridge_options(arguments: Namespace) -> BridgeOptions:
    """The options of `relay bridge`. Raises OptionError."""
    words = tuple(arguments.opencode_arguments)
    if words and not arguments.start_opencode:
        raise OptionError(
            f"nothing is to be done with {' '.join(words)} unless there is --start-opencode, too"
        )
    return replace(
        pairing_options(arguments),
        permission_delay=arguments.permission_delay,
        retry_alert=arguments.retry_alert,
        alerts=alert_types(arguments.alerts),
        min_duration=arguments.min_duration,
        card_after=arguments.card_after,
        bundle=arguments.bundle,
        keep_answered=arguments.keep_answered,
        lost_after=arguments.lost_after,
        port=arguments.port,
        opencode_arguments=words if arguments.start_opencode else None,
        print_link=arguments.print_link,
        phone_may_always=arguments.phone_may_always,
    )


_seconds = number(float, lambda seconds: 0 <= seconds < inf, "a number of seconds, 0 or more")
port_number = number(int, lambda port: 0 <= port < 65536, "a port from 0 to 65535")
_HOST_NAME = re.compile(r"(?=.{1,253}(:|$))[\w-]+(\.[\w-]+)*\.?(:\d{1,5})?")


def advertised_host(text: str) -> str:
    """A host name, an address, either with a port, or an http URL."""
    try:
        if "://" in text:
            http_url(text, "it")
        elif not _HOST_NAME.fullmatch(text):
            ipaddress.ip_address(text.removeprefix("[").partition("]")[0])
    except (ValueError, OptionError):
        raise ArgumentTypeError(f"{text!r} is no host name, address or http:// URL") from None
    return text


def _variable(environment: Environment, *names: str) -> str | None:
    """The first variable that is set."""
    texts = ((environment(name) or "").strip() for name in names)
    return next((text for text in texts if text not in _NOTHING), None)
