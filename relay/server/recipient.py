"""A phone that wants the events of a secret."""

from dataclasses import dataclass

from relay.contract import ActivityFormat, ApnsEnv


@dataclass(frozen=True, slots=True)
class Recipient:
    """A registered phone. `registered_at` is UTC milliseconds."""

    device_id: str
    device_token: str
    bundle_id: str
    apns_env: ApnsEnv
    registered_at: int
    push_to_start_token: str | None = None
    activity_format: ActivityFormat = "flat"
