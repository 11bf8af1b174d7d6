"""When a device token stops to work. Pure; times in UNIX seconds.

Apple reports a removed app late and on purpose at no certain time; how late is the profile's `unregister_after_s`.
"""

from simulator.apns.profile import Profile
from simulator.apns.registry import DeviceToken


def unregistered_at(token: DeviceToken, profile: Profile, now: float) -> float | None:
    """When APNs had confirmed that the app is gone; None if it has not by now."""
    if token.unregistered_since is not None:
        return token.unregistered_since
    if token.uninstalled_at is None:
        return None
    return _past(token.uninstalled_at + profile.unregister_after_s, now)


def expired_at(token: DeviceToken, profile: Profile, now: float) -> float | None:
    """When the token of an activity that ended or took a new one had its grace behind it; None if not yet."""
    if token.expired_since is None:
        return None
    return _past(token.expired_since + profile.token_grace_s, now)


def _past(at: float, now: float) -> float | None:
    return at if at <= now else None
