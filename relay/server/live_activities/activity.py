"""Pure: one Live Activity of one session on one phone, as a value; what an event says to it; and its pace. No I/O.

Sources of the pace: Apple, "Starting and updating Live Activities with ActivityKit push notifications" (priority 10 counts
against an hourly budget, 5 does not; over it the system may throttle: documented); the budget's size is not documented,
about 15 an hour were observed; APNs limits pushes to one token (429 TooManyRequests), about one a second is advised.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from relay.contract import (
    EVENT_KINDS,
    FINAL_STATUSES,
    PROGRESS_SECONDS,
    ActivityFormat,
    ApnsEnv,
    ContentState,
    Event,
    EventType,
    Status,
)

Stage = Literal["starting", "started", "active", "lost", "ended", "dismissed"]
"""Where an activity stands.

- starting: it is to be started by push; no other relay and no other event may start one for this session and phone
- started: APNs was given the start, and the phone has not registered an update token yet
- active: the phone registered an update token
- lost: its token died; the phone may register another, or the card is gone and only a new run brings one
- ended: its session ended; only work that begins anew may start another
- dismissed: the phone ended it; only a new run of the session may start another
"""

Kind = Literal["start", "update", "end"]
"""`aps.event`."""

_NAMESPACE = uuid.UUID("0c5e2f7a-7f0b-5d57-9a5e-3c1f4b1d6e21")


class Alert(NamedTuple):
    """The text with which a start or a question lights up the screen."""

    title: str
    body: str


RELEVANCE: dict[Status, int] = {"permission": 4, "error": 3, "retry": 2, "working": 1, "complete": 0}
"""Of several cards the one with the highest relevance-score has the Dynamic Island (Apple, documented; any number): what a person
must see first, and of the same status what came to it last, as the fraction."""

SESSION = "*"
"""In place of a phone: the row that keeps the newest state of a session while no phone's row does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """The record. Times are UTC milliseconds, except `timestamp`: `aps.timestamp` of the last push, in seconds.

    `due_at` is when the newest state may be pushed; None: APNs has it, or nobody can be sent it yet. `ends`: the newest
    state is the last one. `priority_10_at`: when updates went out at priority 10, as far as the last hour goes.
    `device_token` is '' where the app did not say which phone it is. `status_at`: since when the newest state has its status.
    `former_tokens`: update tokens that others took the place of, each with its `registered_at`, the latest last;
    `dead_tokens`: what is remembered of those that are over (`tokens.py`). `unadopted`: starts that APNs took since the
    phone last registered a token. `starts_at`: when starts went out, as far as the last hour goes. `clock_ahead`: seconds
    that the phone's clock was ahead of ours when it registered.
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
    status_at: int = 0
    former_tokens: tuple[tuple[str, int], ...] = ()
    dead_tokens: tuple[str, ...] = ()
    unadopted: int = 0
    starts_at: tuple[int, ...] = ()
    clock_ahead: int = 0
    lease_owner: str | None = None
    lease_until: int = 0
    revision: int = 0


class Changes(NamedTuple):
    """What one decision makes of a session's activities: those that are new, that go on differently, and that go."""

    new: Sequence[Activity] = ()
    changed: Sequence[Activity] = ()
    gone: Sequence[Activity] = ()


def activity_id(secret_hash: str, session_id: str, device_token: str) -> str:
    """The key: one for each secret, session and phone. A hash, because MySQL's own comparison ignores case."""
    return str(uuid.uuid5(_NAMESPACE, f"{secret_hash}|{session_id}|{device_token}"))


# What an event says to it.

DEFAULT_TITLE = "OpenCode session"

_START = EVENT_KINDS["start"]


@dataclass(frozen=True, slots=True)
class News:
    """What one event says to the activities of its session. `alert` is there where a person must decide."""

    event_id: str
    event_type: EventType
    state: ContentState
    alert: Alert | None = None

    @property
    def ends(self) -> bool:
        """Whether the session's run is over with it. An error that is tried again shows in its state, and goes on."""
        failed = self.event_type in FINAL_STATUSES and self.state.status != "retry"
        return failed or self.state.status in FINAL_STATUSES


def news_of(event: Event, event_id: str, known: ContentState | None) -> News:
    """The news in an event; `known` is the newest state of the session so far, from which an old server's gaps are filled."""
    state = event.content_state or _derived(event, known)
    return News(event_id, event.event_type, state, _question(event, state))


def _derived(event: Event, known: ContentState | None) -> ContentState:
    return ContentState(
        status=EVENT_KINDS[event.event_type].status,
        session_title=event.title or (known.session_title if known else DEFAULT_TITLE),
        last_message=event.body or EVENT_KINDS[event.event_type].message,
    )


def _question(event: Event, state: ContentState) -> Alert | None:
    if event.event_type != "permission":
        return None
    return Alert(event.title or state.session_title, event.body or EVENT_KINDS["permission"].message)


def start_alert(news: News) -> Alert:
    """The text of a start, which iOS drops without one (observed on iOS 26); the words are the plan's."""
    return news.alert or Alert(_START.title, _START.body + news.state.session_title)


# Its pace: when the newest state may go out, and how urgently.

PHASE_MS = 1_000
"""A phase change waits at most for the end of the second in which the last push began: APNs' limit for one token."""
EQUAL_PHASE_MS = PROGRESS_SECONDS * 1_000
HOUR_MS = 3_600_000
PRIORITY_10_AN_HOUR = 10
"""Above it priority 5, which costs the phone's budget nothing."""

LONGEST_PAUSE_MS = 900_000
"""No state waits longer for its next try."""


def due_at(activity: Activity, now_ms: int) -> int | None:
    """When its newest state may go to the phone; None: there is no token yet, it is kept."""
    if activity.stage != "active" or activity.state is None:
        return None
    pause = EQUAL_PHASE_MS if phase(activity) == activity.pushed_status else PHASE_MS
    return max(
        window_ends(activity.pushed_at, pause, now_ms), min(activity.retry_at, now_ms + LONGEST_PAUSE_MS)
    )


def phase(activity: Activity) -> str:
    """What counts as a change: the status, and that it is the end."""
    status = activity.state.status if activity.state else ""
    return f"{status} end" if activity.ends else status


def window_ends(last_at: int, pause: int, now_ms: int) -> int:
    """When the pause since the last push is over, at the earliest now. Nothing was pushed later than now: if it says so,
    the clock was set back, and only the pause remains.
    """
    return max(now_ms, min(last_at, now_ms) + pause)


def kind(activity: Activity) -> Kind:
    """What its next push is."""
    if activity.stage == "starting":
        return "start"
    return "end" if activity.ends else "update"


def priority(activity: Activity, now_ms: int) -> int:
    """The apns-priority of its next push: 10 for a start, an end and a question, within the hour's budget."""
    urgent = activity.alert is not None or activity.ends
    spent = len(within_hour(activity.priority_10_at, now_ms)) >= PRIORITY_10_AN_HOUR
    return 10 if kind(activity) == "start" or (urgent and not spent) else 5


def within_hour(times: tuple[int, ...], now_ms: int) -> tuple[int, ...]:
    """Those that lie less than an hour back; one that is to come is of a clock that was set back."""
    return tuple(at for at in times if now_ms - HOUR_MS < at <= now_ms)
