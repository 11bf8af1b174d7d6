"""The device itself: its name, how it is set, whether it can be reached, and the tokens that APNs gave it."""

from collections.abc import Callable
from typing import Literal

from simulator.phone.activitykit.conditions import Conditions, version
from simulator.phone.tokens import MintedTokens, TokenIssuer

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
        self.name = name
        self.os_version = os_version
        self.dynamic_island = dynamic_island
        self.online = True
        self.screen: Literal["on", "off"] = "on"
        self.low_power = False
        self.app: AppState = "background"
        self.app_installed = True
        self.notifications_allowed = True
        self.time_sensitive_entitlement = True
        self.live_activities = True
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

    def rotate_push_to_start(self) -> str | None:
        """Get another push-to-start token; the old one starts nothing any more."""
        if self._push_to_start_token is not None:
            self._issuer.expire(self._push_to_start_token)
            self._push_to_start_token = None
        return self.push_to_start_token

    def starts_by(self, token: str) -> bool:
        """Whether this is the push-to-start token, without asking for one."""
        return token == self._push_to_start_token

    def calls_by(self, token: str) -> bool:
        """Whether this is the VoIP token, without asking for one."""
        return token == self._voip_token

    def reinstall(self) -> None:
        """The app is new on the device: it has no tokens yet and was never opened."""
        self._tokens.clear()
        self._voip_token = self._push_to_start_token = None
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
