"""A push and what became of it, as data."""

from dataclasses import dataclass

from relay.contract import ApnsEnv


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """One request to APNs.

    `expiration` is UNIX seconds; `collapse_id` '' sends none; `payload` is the JSON as it goes onto the wire.
    """

    apns_id: str
    device_token: str
    apns_env: ApnsEnv
    topic: str
    push_type: str
    priority: int
    expiration: int
    collapse_id: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """APNs answered. `timestamp`: for a 410, UNIX milliseconds since when the token is known to be invalid."""

    status: int
    reason: str | None = None
    timestamp: int | None = None


@dataclass(frozen=True, slots=True)
class NotSent:
    """It certainly was not processed: no connection, refused stream, or above a GOAWAY's last stream (RFC 9113 6.8).

    `retry_after`: seconds in which another try would be in vain, where that is known.
    """

    why: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class MaybeSent:
    """It went out, and the connection or the deadline ended before the answer came."""

    why: str


Outcome = Answered | NotSent | MaybeSent
