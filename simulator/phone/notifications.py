"""What iOS makes of a push to an app's own token: a notification, a number on the icon, time to run, or nothing and why. No I/O.

Apple, "Generating a remote notification": `aps.alert` is a string or a dictionary; `thread-id`, `category`,
`interruption-level` and `sound` are optional. A level the app has no entitlement for shows as active (assumed).
Apple, "Pushing background updates to your app": `content-available: 1`, type background, priority 5, and nothing reaches an
app that was force-quit.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from simulator.phone.push import Push, expired

ENTITLED_LEVELS = frozenset({"passive", "active", "time-sensitive"})
"""The levels of an app with the Time Sensitive capability; `critical` needs Apple's approval."""

AGES = ((86_400, "d"), (3_600, "h"), (60, "m"))
"""Seconds and letter of each unit in which an age is given, the longest first."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """What decides on the phone's side: the tokens the app has here, its bundle id, and the person's settings."""

    tokens: frozenset[str]
    bundle_id: str
    online: bool = True
    notifications_allowed: bool = True
    entitled_levels: frozenset[str] = ENTITLED_LEVELS
    app_installed: bool = True
    force_quit: bool = False


@dataclass(frozen=True, slots=True)
class Notification:
    """One notification as the lock screen shows it. `at` is UNIX seconds; `payload` the whole push."""

    title: str
    body: str
    at: float
    apns_id: str
    subtitle: str = ""
    sound: str | None = None
    thread_id: str | None = None
    category: str | None = None
    interruption_level: str = "active"
    collapse_id: str | None = None
    badge: int | None = None
    mutable: bool = False
    payload: dict[str, Any] = field(default_factory=dict)

    def age(self, now: float) -> str:
        """How long ago it came, as the lock screen shows it: "now", "5m ago"."""
        seconds = now - self.at
        longest = next(((unit, letter) for unit, letter in AGES if seconds >= unit), None)
        return "now" if longest is None else f"{int(seconds // longest[0])}{longest[1]} ago"


@dataclass(frozen=True, slots=True)
class Badge:
    """A push that shows nothing but a number on the app's icon."""

    number: int


@dataclass(frozen=True, slots=True)
class Dropped:
    """A push that shows nothing."""

    why: str


def interpret(push: Push, receiver: Receiver, now: float) -> Notification | Badge | Dropped:
    """What the phone does with an alert push at `now` (UNIX seconds): the first reason against it wins."""
    for why, holds in _AGAINST_SHOWING:
        if holds(push, receiver, now):
            return Dropped(why)
    notification = _notification(push, receiver, now)
    silent = notification.badge is not None and not any(_texts(push.payload))
    return Badge(notification.badge or 0) if silent else notification


def _badge(payload: Any) -> int | None:
    """The number for the icon; 0 takes it away (documented), below that it is none (assumed)."""
    badge = payload["aps"].get("badge")
    return badge if isinstance(badge, int) and not isinstance(badge, bool) and badge >= 0 else None


def _texts(payload: Any) -> tuple[str, str, str]:
    """Title, subtitle and body of an alert; a localisation key stands for the text that the app would hold."""
    alert = payload["aps"].get("alert")
    if isinstance(alert, str):
        return "", "", alert
    if not isinstance(alert, dict):
        return "", "", ""
    return (
        _text(alert, "title", "title-loc-key"),
        _text(alert, "subtitle", "subtitle-loc-key"),
        _text(alert, "body", "loc-key"),
    )


def _text(dictionary: dict[str, Any], *names: str) -> str:
    texts = (dictionary.get(name) for name in names)
    return next((text for text in texts if isinstance(text, str) and text), "")


Reasons = tuple[tuple[str, Callable[[Push, Receiver, float], bool]], ...]

NOT_FOR_THE_APP: Reasons = (
    ("the phone is offline", lambda _push, phone, _now: not phone.online),
    ("the token is not of this phone", lambda push, phone, _now: push.device_token not in phone.tokens),
    ("the app is not installed", lambda _push, phone, _now: not phone.app_installed),
    ("no app has this topic", lambda push, phone, _now: push.topic != phone.bundle_id),
)
"""What speaks against any push to an alert token."""

UNREADABLE: Reasons = (
    ("it has expired", lambda push, _phone, now: expired(push, now)),
    ("it has no aps dictionary", lambda push, _phone, _now: not isinstance(push.payload.get("aps"), dict)),
)

_AGAINST_SHOWING: Reasons = (
    *NOT_FOR_THE_APP,
    ("it is not an alert push", lambda push, _phone, _now: push.push_type != "alert"),
    *UNREADABLE,
    ("its alert has no text", lambda push, _phone, _now: not _says_anything(push.payload)),
    ("notifications are off", lambda _push, phone, _now: not phone.notifications_allowed),
)


WIDGETS_SUFFIX = ".push-type.widgets"

# Documented (Apple, "Updating widgets with WidgetKit push notifications"): type, topic, `content-changed: true`; all timelines
# of the app's widgets are reloaded, by one token an app, from iOS 26 on. The budget of reloads is not modelled.
_AGAINST_RELOAD: Reasons = (
    ("the phone is offline", lambda _push, phone, _now: not phone.online),
    ("the app is not installed", lambda _push, phone, _now: not phone.app_installed),
    ("no app has this topic", lambda push, phone, _now: push.topic != phone.bundle_id + WIDGETS_SUFFIX),
    ("it is not a widget push", lambda push, _phone, _now: push.push_type != "widgets"),
    *UNREADABLE,
    (
        "it has no content-changed",
        lambda push, _phone, _now: push.payload["aps"].get("content-changed") is not True,
    ),
)


def against_reload(push: Push, receiver: Receiver, now: float) -> str | None:
    """Why the app's widgets are not reloaded by a push to their token, None if they are; `now` is UNIX seconds."""
    return next((why for why, holds in _AGAINST_RELOAD if holds(push, receiver, now)), None)


def _says_anything(payload: Any) -> bool:
    return any(_texts(payload)) or _badge(payload) is not None


def _notification(push: Push, receiver: Receiver, now: float) -> Notification:
    aps = push.payload["aps"]
    title, subtitle, body = _texts(push.payload)
    level = _text(aps, "interruption-level")
    return Notification(
        title=title,
        subtitle=subtitle,
        body=body,
        at=now,
        apns_id=push.apns_id,
        sound=_sound(aps.get("sound")),
        thread_id=_text(aps, "thread-id") or None,
        category=_text(aps, "category") or None,
        interruption_level=level if level in receiver.entitled_levels else "active",
        collapse_id=push.collapse_id,
        badge=_badge(push.payload),
        mutable=aps.get("mutable-content") == 1,
        payload=push.payload,
    )


def _sound(sound: Any) -> str | None:
    """The file's name, of either form: a string, or a dictionary for critical alerts."""
    named = sound.get("name") if isinstance(sound, dict) else sound
    return named if isinstance(named, str) and named else None


def against_waking(push: Push, receiver: Receiver, now: float) -> str | None:
    """Why the app does not run, None if it does; `now` is UNIX seconds."""
    return next((why for why, holds in _AGAINST_WAKING if holds(push, receiver, now)), None)


_AGAINST_WAKING: Reasons = (
    *NOT_FOR_THE_APP,
    *UNREADABLE,
    (
        "it has no content-available",
        lambda push, _phone, _now: push.payload["aps"].get("content-available") != 1,
    ),
    ("its priority is not 5", lambda push, _phone, _now: push.priority != 5),
    ("the app was force-quit", lambda _push, phone, _now: phone.force_quit),
)
