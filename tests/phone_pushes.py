"""Live Activity pushes as APNs hands them over, for the tests of the phone."""

import json
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from simulator.phone.activitykit.activities import Activities
from simulator.phone.activitykit.activity import Activity, Happened
from simulator.phone.activitykit.attributes import APP_TYPES
from simulator.phone.profile import Conditions, Profile
from simulator.phone.push import read

BUNDLE_ID = "com.anomalyco.mobilevoice"
TOPIC = f"{BUNDLE_ID}.push-type.liveactivity"
T0 = 1_795_226_400.0
FLAT = {"status": "working", "sessionTitle": "Fix it", "lastMessage": "Reading", "retryInfo": None}
EXPO = {
    "name": "SessionActivity",
    "props": '{"status":"working","sessionTitle":"Fix it","lastMessage":"Reading"}',
}


@dataclass(frozen=True)
class Delivered:
    """A push as APNs hands it over."""

    payload: Any = field(default_factory=dict)
    device_token: str = "ab" * 80
    apns_id: str = "11111111-1111-1111-1111-111111111111"
    apns_unique_id: str | None = None
    topic: str = TOPIC
    push_type: str = "liveactivity"
    priority: int = 10
    expiration: int | None = None
    collapse_id: str | None = None
    accepted_at: float = T0
    channel_id: str | None = None


def expo(phase: Any) -> dict[str, Any]:
    """A content-state of expo-widgets that says nothing but a phase."""
    return {"name": "Run", "props": f'{{"phase":"{phase}"}}'}


def aps(event: str, at: float, without: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    """The `aps` of a good push of this kind, changed by `more` (with _ for -), `without` some keys."""
    keys: dict[str, Any] = {"timestamp": int(at), "event": event, "content-state": expo(event)}
    if event == "start":
        keys |= {
            "attributes-type": "LiveActivityAttributes",
            "attributes": {},
            "input-push-token": 1,
            "alert": {"title": "T", "body": "B"},
        }
    keys |= {name.replace("_", "-"): value for name, value in more.items()}
    return {name: value for name, value in keys.items() if name not in without}


def push(
    event: str, at: float = T0, priority: int = 10, without: tuple[str, ...] = (), **more: Any
) -> Delivered:
    """A good push of this kind; see `aps`."""
    return Delivered({"aps": aps(event, at, without, **more)}, priority=priority)


class Kit:
    """The pure rules on a phone and at a time of the test's choice; keeps all that happened."""

    def __init__(self, profile: Profile | None = None, random: Random | None = None, **phone: Any) -> None:
        self.profile = profile or Profile()
        self.activities = Activities(BUNDLE_ID, APP_TYPES, self.profile, random)
        self.phone = Conditions(**{"ios": (26, 0), **phone})
        self.now = T0
        self.happened: list[Happened] = []

    def start(self, sent: Delivered | None = None) -> list[Happened]:
        """A start arrives."""
        message = read(sent or push("start", self.now))
        return self._keep(self.activities.start(message, self.phone, self.now))

    def change(self, sent: Delivered, activity: Activity | None = None) -> list[Happened]:
        """A push for an activity (the newest) arrives."""
        return self._keep(self.activities.change(activity or self.newest, read(sent), self.phone, self.now))

    def update(self, phase: Any = "next", at: float | None = None, **more: Any) -> list[Happened]:
        """A good update arrives."""
        stamp = self.now if at is None else at
        return self.change(push("update", stamp, **{"content_state": expo(phase), **more}))

    def pass_time(self, seconds: float) -> list[Happened]:
        """Time passes, and what is due is done."""
        self.now += seconds
        return self._keep(self.activities.run_due(self.now))

    def changes(self, **phone: Any) -> None:
        """The phone is another from now on."""
        self.phone = replace(self.phone, **phone)

    @property
    def newest(self) -> Activity:
        """The activity started last."""
        return self.activities.all[-1]

    @property
    def phase(self) -> Any:
        """The phase that the newest activity holds."""
        return json.loads(self.newest.content_state["props"])["phase"]

    def _keep(self, happened: list[Happened]) -> list[Happened]:
        self.happened += happened
        return happened


def whats(happened: list[Happened]) -> list[str]:
    """What happened, in single words."""
    return [one.what for one in happened]
