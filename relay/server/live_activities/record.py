"""One Live Activity of one session on one phone, as a value: what the table `activity_registration` holds."""

import uuid
from dataclasses import dataclass
from typing import Literal, NamedTuple

from relay.contract import ActivityFormat, ApnsEnv, ContentState, EventType

Stage = Literal["starting", "started", "active", "lost", "ended", "dismissed"]
"""Where an activity stands.

- starting: it is to be started by push; no other relay and no other event may start one for this session and phone
- started: APNs was given the start, and the phone has not registered an update token yet
- active: the phone registered an update token
- lost: its token died; the phone may register another, or the card is gone and only a new run brings one
- ended: its session ended; only work that begins anew may start another
- dismissed: the phone ended it; only a new run of the session may start another
"""

_NAMESPACE = uuid.UUID("0c5e2f7a-7f0b-5d57-9a5e-3c1f4b1d6e21")


class Alert(NamedTuple):
    """The text with which a start or a question lights up the screen."""

    title: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """The record. Times are UTC milliseconds, except `timestamp`: `aps.timestamp` of the last push, in seconds.

    `due_at` is when the newest state may be pushed; None: APNs has it, or nobody can be sent it yet. `ends`: the newest
    state is the last one. `priority_10_at`: when updates went out at priority 10, as far as the last hour goes.
    `device_token` is '' where the app did not say which phone it is.
    """

    id: str
    secret_hash: str
    session_id: str
    device_token: str
    bundle_id: str
    apns_env: ApnsEnv
    activity_format: ActivityFormat
    stage: Stage
    event_type: EventType
    began_at: int
    updated_at: int
    activity_token: str | None = None
    state: ContentState | None = None
    alert: Alert | None = None
    ends: bool = False
    event_id: str | None = None
    due_at: int | None = None
    retry_at: int = 0
    attempts: int = 0
    pushed_status: str | None = None
    pushed_at: int = 0
    timestamp: int = 0
    priority_10_at: tuple[int, ...] = ()
    registered_at: int = 0
    ended_at: int = 0
    lease_owner: str | None = None
    lease_until: int = 0
    revision: int = 0


def activity_id(secret_hash: str, session_id: str, device_token: str) -> str:
    """The key: one for each secret, session and phone. A hash, because MySQL's own comparison ignores case."""
    return str(uuid.uuid5(_NAMESPACE, f"{secret_hash}|{session_id}|{device_token}"))
