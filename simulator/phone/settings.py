"""What a person does to a phone, key by key: `phone.set(key, value)`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulator.phone.app.app import App
from simulator.phone.device import Device
from simulator.phone.live_activities import LiveActivities
from simulator.phone.profile import version
from simulator.phone.screen import Screen


class SettingError(ValueError):
    """The key or its value is not one a phone has; the sentence says which there are."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What a value must be, in words and as a test, and what it does to the phone, at once."""

    wanted: str
    fits: Callable[[Any], bool]
    do: Callable[["Settings", Any], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """The parts of a phone that a person's settings reach."""

    device: Device
    activities: LiveActivities
    app: App
    screen: Screen

    def change(self, key: str, value: Any) -> None:
        """Set one key. Raises SettingError, and nothing is changed then."""
        setting = SETTINGS.get(key)
        if setting is None:
            raise SettingError(f"a phone has no {key!r}, but {', '.join(sorted(SETTINGS))}")
        if not setting.fits(value):
            raise SettingError(f"{key!r} of a phone is {setting.wanted}, not {value!r}")
        setting.do(self, value)


def _plain(attribute: str) -> Callable[[Settings, Any], None]:
    """It has no effect but on what comes later."""
    return lambda phone, value: setattr(phone.device, attribute, value)


def _screen(phone: Settings, value: str) -> None:
    phone.device.screen = "on" if value == "on" else "off"
    phone.activities.power_changed()


def _low_power(phone: Settings, value: bool) -> None:
    phone.device.low_power = value
    phone.activities.power_changed()


def _app(phone: Settings, value: Any) -> None:
    before, phone.device.app = phone.device.app, value
    if value == "foreground":
        phone.activities.opened()
    phone.activities.hand_over()
    phone.app.entered(value, before)


def _installed(phone: Settings, value: bool) -> None:
    if value and not phone.device.app_installed:
        phone.device.reinstall()
    phone.device.app_installed = value
    if not value:
        phone.activities.end_all("the app was removed", remove=True)
        phone.screen.clear()
        phone.device.badge = 0


def _live_activities(phone: Settings, value: bool) -> None:
    """Assumed: switching them off removes those that run.

    Observed (home-assistant/iOS issue 5812): switched off and on, the app has another push-to-start token. Assumed: APNs goes
    on to accept the old one.
    """
    back_on = value and not phone.device.live_activities
    phone.device.live_activities = value
    if not value:
        phone.activities.end_all("Live Activities were turned off", remove=True)
    if back_on:
        phone.device.rotate_push_to_start(expire=False)
        phone.app.start_token_changed()


def _frequent_updates(phone: Settings, value: bool) -> None:
    """Documented: turning the setting on or off ends all ongoing activities."""
    if value != phone.device.frequent_updates:
        phone.device.frequent_updates = value
        phone.activities.end_all("the more-frequent-updates setting was changed")


def _allowed(phone: Settings, value: bool) -> None:
    phone.device.la_allow_tapped = value
    phone.activities.hand_over()


def _swiped(phone: Settings, value: bool | int | str) -> None:
    """The newest, so many of them, the newest first, or all."""
    newest_first = tuple(activity for activity in reversed(phone.activities.all) if activity.visible)
    many = len(newest_first) if value == "all" else int(value)
    if newest_first:
        phone.activities.swipe(*newest_first[:many])


def _is_swiped(value: Any) -> bool:
    return value is True or value == "all" or (type(value) is int and value > 0)


def _is_version(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(version(value))
    except ValueError:
        return False


def _switch(do: Callable[[Settings, Any], None]) -> Setting:
    return Setting("true or false", lambda value: isinstance(value, bool), do)


def _choice(*values: str, do: Callable[[Settings, Any], None]) -> Setting:
    return Setting(" or ".join(values), lambda value: value in values, do)


SETTINGS: dict[str, Setting] = {
    "online": _switch(_plain("online")),
    "screen": _choice("on", "off", do=_screen),
    "locked": _switch(_plain("locked")),
    "first_unlock": _switch(_plain("first_unlock")),
    "low_power": _switch(_low_power),
    "ios": Setting("a version like 18.5", _is_version, _plain("os_version")),
    "app": _choice("foreground", "background", "force_quit", do=_app),
    "app_installed": _switch(_installed),
    "notifications": _switch(_plain("notifications_allowed")),
    "live_activities": _switch(_live_activities),
    "frequent_updates": _switch(_frequent_updates),
    "la_allow_tapped": _switch(_allowed),
    "la_dismissed_by_user": Setting('true, a number from 1 on, or "all"', _is_swiped, _swiped),
    "start_token_works": _switch(_plain("start_token_works")),
    "badge": Setting(
        "a number from 0 on",
        lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= 0,
        _plain("badge"),
    ),
    "time_sensitive_entitlement": _switch(_plain("time_sensitive_entitlement")),
}
"""Every key, what it takes and what it does."""
