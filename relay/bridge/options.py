"""What the bridge is told: one frozen value, made from the command line and the environment."""

from dataclasses import dataclass, field
from pathlib import Path

from relay import contract
from relay.bridge.sources.opencode1.client import DEFAULT_USERNAME
from relay.bridge.sources.opencode1.stream import READ_DEADLINE

DRAIN_SECONDS = 5.0
"""For what is under way when the bridge stops."""


@dataclass(frozen=True)
class BridgeOptions:
    """What the bridge needs to know; secrets do not show in its repr.

    `relay_secret` wins over `secret_file`; without both the secret is kept in the user's state directory.
    `advertise_hosts` are names, addresses or URLs under which phones reach OpenCode, best first. `permission_delay`
    is in seconds: a request that is answered sooner does not ring. Only `alerts` ring. `port`: where the
    bridge's own routes are served; 0: nowhere. `opencode_arguments`: start `opencode serve` with
    these; None: it runs already. `read_deadline`: seconds of silence after which the event stream is
    opened anew. `drain_seconds`: for what is under way when the bridge stops.
    """

    opencode_url: str
    relay_url: str
    relay_secret: str | None = field(default=None, repr=False)
    secret_file: Path | None = None
    advertise_hosts: tuple[str, ...] = ()
    username: str = DEFAULT_USERNAME
    password: str | None = field(default=None, repr=False)
    permission_delay: float = 2.0
    alerts: frozenset[contract.EventType] = contract.ALERT_TYPES
    port: int = 0
    opencode_arguments: tuple[str, ...] | None = None
    read_deadline: float = READ_DEADLINE
    drain_seconds: float = DRAIN_SECONDS
