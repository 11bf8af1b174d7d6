"""What Apple does not publish, or has changed over time: the adjustable numbers of the sandbox."""

from dataclasses import dataclass
from typing import NamedTuple


class Rate(NamedTuple):
    """A token bucket: `burst` pushes at once, then `per_second`."""

    burst: int
    per_second: float


@dataclass(slots=True)
class Profile:
    """May be changed while the sandbox runs; the next request or connection sees it. Times in seconds.

    Unless a source is named, the number is assumed.
    """

    first_stream_limit: int = 1  # Apple: one stream until a request with a valid provider token
    stream_limit: int = 1000  # GitHub jchambers/pushy issue 878
    provider_token_age: float = 3600  # Apple: Establishing a token-based connection to APNs
    clock_skew: float = 300
    provider_tokens: int = 3  # distinct ones on a connection within the window; the next one is too many
    provider_token_window: float = 1200  # Apple: no more than once every 20 minutes
    environment_reason: str = (
        "BadEnvironmentKeyInToken"  # or Apple's own spelling, BadEnvironmentKeyIdInToken
    )
    wedge_after_expired: bool = False  # GitHub jchambers/pushy PR 783: a connection may never recover
    device_rate: Rate | None = None  # per device token; None = no limit
