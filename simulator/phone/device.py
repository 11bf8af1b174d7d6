"""The device itself: its name, whether it can be reached, and the tokens that APNs gave it."""

from collections.abc import Callable
from typing import Literal

Realm = Literal["sandbox", "production"]
"""Apple's two push environments; which one an app belongs to is a property of its build."""


class Device:
    """One iPhone. `mint` asks APNs for a new device token (lower-case hex)."""

    def __init__(self, mint: Callable[[], str], *, name: str = "iPhone", os_version: str = "18.5") -> None:
        self._mint = mint
        self._tokens: dict[Realm, str] = {}
        self.name = name
        self.os_version = os_version
        self.online = True
        self.notifications_allowed = True

    @property
    def tokens(self) -> frozenset[str]:
        """The tokens that are valid on this device now."""
        return frozenset(self._tokens.values())

    def token(self, realm: Realm) -> str:
        """The device token of a realm; the first question gets one from APNs."""
        if realm not in self._tokens:
            self._tokens[realm] = self._mint()
        return self._tokens[realm]

    def rotate(self, realm: Realm) -> str:
        """Get another token, as after a restore from a backup; the old one is no longer of this device."""
        self._tokens[realm] = self._mint()
        return self._tokens[realm]
