"""The update tokens of the app's activities: the system gives them, and hands them to the app when it may have them."""

from collections.abc import Callable, Iterable

from simulator.phone.activitykit.activity import Activity
from simulator.phone.device import Device
from simulator.phone.profile import Profile

OnToken = Callable[[Activity, str], None]


class UpdateTokens:
    """One valid token for each activity; the tokens it had before are remembered, for pushes that come too late."""

    def __init__(self, device: Device, profile: Profile) -> None:
        self._device = device
        self._profile = profile
        self._by_token: dict[str, Activity] = {}
        self._valid: set[str] = set()
        self._listeners: list[OnToken] = []

    def activity(self, token: str) -> Activity | None:
        """Whose token it is, or was."""
        return self._by_token.get(token)

    def listen(self, callback: OnToken) -> Callable[[], None]:
        """Call `callback(activity, token)` whenever the app is handed one; the returned function stops it."""
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)

    def give(self, activity: Activity) -> str:
        """A new token, of which the app does not know yet; the old one expires."""
        self.expire(activity)
        activity.token = self._device.issuer.issue("activity")
        activity.update_token_known = False
        self._by_token[activity.token] = activity
        self._valid.add(activity.token)
        return activity.token

    def expire(self, activity: Activity) -> None:
        """Tell APNs that the activity's token is of no use any more, once."""
        if activity.token in self._valid:
            self._valid.remove(activity.token)
            self._device.issuer.expire(activity.token)

    def hand_over(self, activities: Iterable[Activity]) -> None:
        """Hand the app every token that is due: it runs, and the person allows it."""
        for activity in activities:
            if activity.wants_token and not activity.update_token_known and self._reaches_app(activity):
                token = activity.token or self.give(activity)
                activity.update_token_known = True
                for listener in tuple(self._listeners):
                    listener(activity, token)

    def _reaches_app(self, activity: Activity) -> bool:
        """Whether the app may have the token now. Observed: not after force-quit, not before Allow was tapped."""
        device, profile = self._device, self._profile
        by_app = activity.started_by == "app"
        allowed = by_app or not profile.la_allow_gate or device.la_allow_tapped
        woken = device.app == "background" and (by_app or profile.start_wakes_app)
        return device.app_installed and allowed and (device.app == "foreground" or woken)
