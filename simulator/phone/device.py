"""The device itself: how it is set, whether it can be reached, and the tokens that APNs gave its app and its activities."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from simulator.phone.activitykit.activity import Activity
from simulator.phone.profile import Conditions, Profile, version

TokenKind = Literal["alert", "voip", "push-to-start", "activity", "widgets"]


class TokenIssuer(Protocol):
    """APNs as one app on one phone sees it. Pushes for what it issued reach that phone's `receive`."""

    def issue(self, kind: TokenKind) -> str:
        """A new token, in lower-case hex."""
        ...

    def expire(self, token: str) -> None:
        """This token's activity is over, or has another token now."""
        ...


@dataclass(frozen=True, slots=True)
class MintedTokens:
    """An issuer made of one function that makes tokens: enough for a phone whose APNs need not know of expiry."""

    mint: Callable[[], str]

    def issue(self, _kind: TokenKind) -> str:
        """A new token; the function does not ask which kind."""
        return self.mint()

    def expire(self, token: str) -> None:
        """Nothing to do."""


Realm = Literal["sandbox", "production"]
"""Apple's two push environments; which one an app belongs to is a property of its build."""

AppState = Literal["foreground", "background", "force_quit"]


class Device:
    """One iPhone with one app of ours: the state of both, and the tokens of the app.

    `issuer` is APNs, or a function that asks it for a new token (lower-case hex).
    """

    def __init__(
        self,
        issuer: TokenIssuer | Callable[[], str],
        *,
        name: str = "iPhone",
        os_version: str = "18.5",
        dynamic_island: bool = True,
    ) -> None:
        self._issuer = MintedTokens(issuer) if callable(issuer) else issuer
        self._tokens: dict[Realm, str] = {}
        self._voip_token: str | None = None
        self._push_to_start_token: str | None = None
        self._widget_token: str | None = None
        self._old_start_tokens: set[str] = set()
        self.name = name
        self.os_version = os_version
        self.dynamic_island = dynamic_island
        self.online = True
        self.first_unlock = True
        self.locked = False
        self.screen: Literal["on", "off"] = "on"
        self.low_power = False
        self.app: AppState = "background"
        self.app_installed = True
        self.notifications_allowed = True
        self.time_sensitive_entitlement = True
        self.live_activities = True
        self.start_token_works = True
        self.frequent_updates = True
        self.la_allow_tapped = False
        self.badge = 0
        self.background_wakes = 0
        self.nse_invocations = 0

    @property
    def issuer(self) -> TokenIssuer:
        """Where its tokens come from."""
        return self._issuer

    @property
    def tokens(self) -> frozenset[str]:
        """The alert tokens that are valid on this device now."""
        return frozenset(self._tokens.values())

    def token(self, realm: Realm) -> str:
        """The device token of a realm; the first question gets one from APNs."""
        if realm not in self._tokens:
            self._tokens[realm] = self._issuer.issue("alert")
        return self._tokens[realm]

    def rotate(self, realm: Realm) -> str:
        """Get another token, as after a restore from a backup; the old one is no longer of this device."""
        self._tokens[realm] = self._issuer.issue("alert")
        return self._tokens[realm]

    @property
    def voip_token(self) -> str:
        """The token for VoIP pushes; the first question gets one from APNs."""
        if self._voip_token is None:
            self._voip_token = self._issuer.issue("voip")
        return self._voip_token

    @property
    def push_to_start_token(self) -> str | None:
        """One for all activity types of the app (observed); None before iOS 17.2, unless it was issued before."""
        if self._push_to_start_token is None and version(self.os_version) >= (17, 2):
            self._push_to_start_token = self._issuer.issue("push-to-start")
        return self._push_to_start_token

    def rotate_push_to_start(self, *, expire: bool = True) -> str | None:
        """Get another push-to-start token, which works; the old one starts nothing any more.

        APNs answers 410 for the old one, or, unless it is to `expire`, goes on with 200: observed, for weeks
        (kylebshr/luka-ios PR 146).
        """
        old, self._push_to_start_token = self._push_to_start_token, None
        self.start_token_works = True
        if old is not None:
            self._old_start_tokens.add(old)
        if old is not None and expire:
            self._issuer.expire(old)
        return self.push_to_start_token

    def starts_by(self, token: str) -> bool:
        """Whether this is the push-to-start token, without asking for one."""
        return token == self._push_to_start_token

    def started_by(self, token: str) -> bool:
        """Whether this was the push-to-start token once."""
        return token in self._old_start_tokens

    def rotate_voip(self) -> str:
        """Get another VoIP token."""
        self._voip_token = None
        return self.voip_token

    @property
    def widget_token(self) -> str | None:
        """One for all widgets of the app (documented: WidgetKit's WidgetPushInfo); None before iOS 26, unless issued before."""
        if self._widget_token is None and version(self.os_version) >= (26,):
            self._widget_token = self._issuer.issue("widgets")
        return self._widget_token

    def rotate_widgets(self) -> str | None:
        """Get another widget token."""
        self._widget_token = None
        return self.widget_token

    def reloads_by(self, token: str) -> bool:
        """Whether this is the widget token, without asking for one."""
        return token == self._widget_token

    def calls_by(self, token: str) -> bool:
        """Whether this is the VoIP token, without asking for one."""
        return token == self._voip_token

    def reinstall(self) -> None:
        """The app is new on the device: it has no tokens yet and was never opened."""
        self._tokens.clear()
        self._voip_token = self._push_to_start_token = self._widget_token = None
        self.start_token_works = True
        self.app, self.badge, self.la_allow_tapped = "background", 0, False

    @property
    def conditions(self) -> Conditions:
        """What of this matters to Live Activities, at this moment."""
        return Conditions(
            ios=version(self.os_version),
            foreground=self.app == "foreground",
            live_activities=self.live_activities,
            frequent_updates=self.frequent_updates,
            bright=self.screen == "on" and not self.low_power,
            dynamic_island=self.dynamic_island,
        )


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

    def give(self, activity: Activity, *, expire: bool = True) -> str:
        """A new token, of which the app does not know yet; the old one expires, or APNs goes on to accept it."""
        if expire:
            self.expire(activity)
        activity.token = self._device.issuer.issue("activity")
        activity.update_token_known = False
        self._by_token[activity.token] = activity
        self._valid.add(activity.token)
        return activity.token

    def expire(self, activity: Activity) -> None:
        """Report to APNs that the activity's token is of no use any more, once."""
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
