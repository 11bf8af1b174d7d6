"""The teams, apps and keys of every case, and APNs as the app on one phone sees it."""

from typing import Any

from simulator.apns.registry import SUFFIXES, Kind, Realm
from simulator.apns.sandbox import Sandbox
from simulator.conform.provider_tokens import Key
from simulator.phone.phone import Phone

APP, OTHER_APP, FOREIGN_APP = "com.example.app", "com.example.other", "com.other.app"
TEAM_B = "TEAMB00000"


def topics_of(bundle_id: str) -> frozenset[str]:
    """The bundle id and its suffixed topics: all that a key scoped to this app may push to."""
    return frozenset(bundle_id + suffix for suffix in SUFFIXES)


KEYS: dict[str, dict[str, Any]] = {
    "A1": {},
    "A2": {"realm": "production"},
    "A3": {"topics": topics_of(APP)},
    "A4": {"topics": topics_of(APP)},
    "A5": {"topics": topics_of(OTHER_APP)},
    "A6": {},
    "B1": {"team_id": TEAM_B},
}
"""What `issue_key` is told for each key of the case format."""
REVOKED = ("A6",)


def register_teams(sandbox: Sandbox) -> dict[str, Key]:
    """Make the apps of both teams and every key; the keys by the names of the case format."""
    for bundle_id, team_id in ((APP, None), (OTHER_APP, None), (FOREIGN_APP, TEAM_B)):
        sandbox.add_app(bundle_id, team_id)
    issued = {name: sandbox.issue_key(**options) for name, options in KEYS.items()}
    for name in REVOKED:
        sandbox.registry.keys[issued[name].key_id].revoked = True
    return {name: Key(key.key_id, key.team_id, key.private_key) for name, key in issued.items()}


class Issuer:
    """Tokens of one app in one realm, leading to one phone."""

    def __init__(self, sandbox: Sandbox, realm: Realm, bundle_id: str) -> None:
        self.sandbox, self.realm, self.bundle_id = sandbox, realm, bundle_id
        self.phone: Phone | None = None
        self._of_app: list[str] = []

    def issue(self, kind: Kind) -> str:
        """A new token in lower-case hex."""
        token = self.sandbox.registry.mint_token(self.bundle_id, self.realm, kind)
        self.sandbox.registry.attach(token, self.phone)
        if kind != "activity":
            self._of_app.append(token)
        return token

    def uninstall(self) -> None:
        """The app was removed now: all its tokens but those of its activities, which expire by themselves."""
        for token in self._of_app:
            self.sandbox.uninstall(token)

    def unregister(self, since: float) -> None:
        """APNs has confirmed the same at `since`, UNIX seconds."""
        for token in self._of_app:
            self.sandbox.registry.unregister(token, since)

    def expire(self, token: str) -> None:
        """The activity is over, or has another token."""
        self.sandbox.expire(token)
