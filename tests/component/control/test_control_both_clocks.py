"""The rules of delivery on every clock: one that stands still until it is turned, one that runs and is turned, and the machine's.

A rule that holds only where acceptance and delivery are the same moment is none. What takes time takes three seconds at most, and
is waited for as a condition.
"""

import itertools
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any

import jwt
import pytest

from passing_time import RunningClock
from simulator.apns.sandbox import Sandbox
from simulator.clock import Clock, RealClock, VirtualClock
from simulator.conform.client import Answer, Connection
from simulator.journal import Journal
from simulator.lab.device import DeviceSpec
from simulator.lab.lab import Lab
from waiting import eventually

from .conftest import ACTIVITY_TOPIC, AUTHORITY, TOPIC

STATE = {"status": "working", "sessionTitle": "Build", "lastMessage": "x"}
TYPE = "SessionActivityAttributes"
CLOCKS: dict[str, Callable[[], Clock]] = {
    "standing": lambda: VirtualClock(time.time()),
    "running": lambda: RunningClock(time.time()),
    "real": RealClock,
}
Json = dict[str, Any]
SENT, STORED, EXPIRED = ("sent", None), ("stored", None), ("discarded", "expired")


class Scene:
    """A lab on one of the clocks, one phone, and a provider with one connection over TLS and HTTP/2."""

    def __init__(self, clock: Clock, folder: Path, stack: AsyncExitStack) -> None:
        self.clock = clock
        self.journal = Journal(clock)
        self.sandbox = Sandbox(clock, self.journal, random=Random(5), folder=folder, authority=AUTHORITY)
        self.lab = Lab(clock, self.journal, self.sandbox)
        self.sandbox.add_app(TOPIC)
        self.key = self.lab.issue_key()
        self.device = self.lab.add_device(DeviceSpec("iPhone", TOPIC, ios="26.0"))
        self.phone = self.device.phone
        self._stack = stack
        self._stamps = itertools.count(int(clock.now()))
        self._bearer = ""

    async def start(self) -> None:
        await self.sandbox.start()
        self._stack.push_async_callback(self.sandbox.close)
        self.lab.start()
        self._stack.push_async_callback(self.lab.close)
        await self.connect()

    async def connect(self) -> Connection:
        self.connection = Connection()
        self._stack.push_async_callback(self.connection.close)
        tls = ssl.create_default_context(cafile=str(self.sandbox.ca_file))
        tls.set_alpn_protocols(["h2"])
        await self.connection.open(self.sandbox.ports["sandbox"], tls)
        return self.connection

    def sign(self, age: float = 0) -> None:
        claims = {"iss": self.key.team_id, "iat": int(self.clock.now() - age)}
        self._bearer = jwt.encode(claims, self.key.private_key, "ES256", {"kid": self.key.key_id})

    def now(self, seconds: float = 0) -> str:
        """The clock's time in whole seconds, as a header."""
        return str(int(self.clock.now() + seconds))

    async def push(
        self, kind: str = "alert", text: str = "hi", payload: Json | None = None, **headers: str
    ) -> Answer:
        """`kind` is alert, voip, background, start, update or broadcast."""
        path, fields, usual = self._usual(kind, text)
        if not self._bearer:
            self.sign()
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        stream = await self.connection.request(
            [
                (":method", "POST"), (":scheme", "https"), (":authority", "localhost"), (":path", path),
                ("authorization", f"bearer {self._bearer}"), *fields.items(),
            ],
            json.dumps(payload or usual).encode(),
        )  # fmt: skip
        return await self.connection.answer(stream)

    def _usual(self, kind: str, text: str) -> tuple[str, dict[str, str], Json]:
        tokens = self.device.tokens
        live = {"apns-topic": ACTIVITY_TOPIC, "apns-push-type": "liveactivity"}
        alert = {"title": text, "body": "b"}
        if kind == "alert":
            return f"/3/device/{tokens['alert']}", _headers(TOPIC, "alert"), {"aps": {"alert": alert}}
        if kind == "background":
            fields = _headers(TOPIC, "background") | {"apns-priority": "5"}
            return f"/3/device/{tokens['alert']}", fields, {"aps": {"content-available": 1}}
        if kind == "voip":
            return f"/3/device/{tokens['voip']}", _headers(f"{TOPIC}.voip", "voip"), {"aps": {}}
        if kind == "start":
            aps = self.aps("start", text) | {
                "attributes-type": TYPE,
                "attributes": {"sessionId": text},
                "alert": alert,
            }
            return f"/3/device/{tokens['push-to-start']}", live, {"aps": aps | {"input-push-token": 1}}
        if kind == "broadcast":
            fields = {
                "apns-channel-id": self.channel,
                "apns-push-type": "liveactivity",
                "apns-priority": "10",
            }
            return f"/4/broadcasts/apps/{TOPIC}", fields, {"aps": self.aps("update", text)}
        return f"/3/device/{self.activity.token}", live, {"aps": self.aps("update", text)}

    def aps(self, event: str, text: str, **more: Any) -> Json:
        stamp = next(self._stamps)
        return {"event": event, "timestamp": stamp, "content-state": STATE | {"lastMessage": text}} | more

    def set(self, **changes: Any) -> None:
        self.lab.change_device("iPhone", changes)

    def open_channel(self, policy: int) -> None:
        """The app starts an activity that listens to a new channel."""
        self.channel = self.sandbox.channels.create("sandbox", TOPIC, 1 if policy else 0, self.clock.now())
        self.start_by_app(channel=self.channel)

    def start_by_app(self, channel: str | None = None) -> None:
        self.set(app="foreground")
        attributes = {"sessionId": "s"}
        timestamp = next(self._stamps) - 1
        self.phone.activities.start(TYPE, attributes, dict(STATE), timestamp=timestamp, channel=channel)
        self.lab.run_due()

    @property
    def activity(self) -> Any:
        found = self.phone.activities.newest
        assert found is not None
        return found

    @property
    def text(self) -> str:
        """What the newest activity says."""
        return str(self.activity.content_state["lastMessage"])

    @property
    def titles(self) -> list[str]:
        """What is on the screen, the newest first."""
        return [one.title for one in self.phone.notifications]

    def outcome(self, answer: Answer) -> tuple[str | None, str | None]:
        """What became of an accepted push, by the delivery log."""
        entry = self.sandbox.delivery_log.find(answer.headers["apns-unique-id"])
        assert entry is not None
        return entry.outcome, entry.why

    async def until(self, seconds: float, condition: Callable[[], Any]) -> None:
        """So many seconds pass, and then, or as soon as a real clock's owner has seen to it, the condition holds."""
        if isinstance(self.clock, VirtualClock):
            assert isinstance(self.clock, RunningClock) or not condition()
            await self.lab.advance(seconds)
        await eventually(condition)


def _headers(topic: str, push_type: str) -> dict[str, str]:
    return {"apns-topic": topic, "apns-push-type": push_type}


def accepted(answer: Answer) -> Answer:
    assert (answer.status, answer.fields) == (200, {})
    return answer


@pytest.fixture(params=CLOCKS)
async def scene(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        scene = Scene(CLOCKS[request.param](), tmp_path, stack)
        await scene.start()
        yield scene


# --- expiration ---------------------------------------------------------------------------------------------------

ONE_ATTEMPT = {
    "0": lambda _: "0",  # Apple, Sending notification requests to APNs: one attempt, nothing is stored
    "long gone": lambda _: "1",  # a time gone by is assumed to mean the same
    "a second ago": lambda scene: scene.now(-1),
    "this second": lambda scene: scene.now(),
}


@pytest.mark.parametrize("expiration", ONE_ATTEMPT)
@pytest.mark.parametrize("kind", ["alert", "background", "voip", "start", "update"])
async def test_one_attempt_reaches_a_phone_that_is_online(scene: Scene, kind: str, expiration: str) -> None:
    scene.start_by_app()
    scene.set(app="background")
    answer = accepted(await scene.push(kind, "one", apns_expiration=ONE_ATTEMPT[expiration](scene)))
    assert scene.outcome(answer) == SENT
    phone = scene.phone
    effects = {
        "alert": lambda: scene.titles == ["one"],
        "background": lambda: phone.background_wakes == 1,
        "voip": lambda: (
            scene.journal.entries("phone", "dropped")[-1].detail["why"] == "the app takes no calls"
        ),
        "start": lambda: len(phone.activities.all) == 2 and scene.text == "one",
        "update": lambda: scene.text == "one",
    }
    assert effects[kind]()


@pytest.mark.parametrize("expiration", ONE_ATTEMPT)
@pytest.mark.parametrize("kind", ["alert", "background", "voip", "start", "update"])
async def test_and_is_lost_for_one_that_is_not(scene: Scene, kind: str, expiration: str) -> None:
    scene.start_by_app()
    scene.set(app="background", online=False)
    answer = accepted(await scene.push(kind, "one", apns_expiration=ONE_ATTEMPT[expiration](scene)))
    assert scene.outcome(answer) == EXPIRED
    scene.set(online=True)
    assert (scene.titles, scene.phone.background_wakes, len(scene.phone.activities.all)) == ([], 0, 1)
    assert scene.text == "x"


@pytest.mark.parametrize("policy", [0, 1])
async def test_a_broadcast_that_is_not_stored_reaches_a_phone_that_is_online(
    scene: Scene, policy: int
) -> None:
    """Policy 0 stores nothing, so that every broadcast there has the expiration 0 (Apple: channel management)."""
    scene.open_channel(policy)
    assert scene.outcome(accepted(await scene.push("broadcast", "one", apns_expiration="0"))) == SENT
    assert scene.text == "one"
    scene.set(online=False)
    assert scene.outcome(accepted(await scene.push("broadcast", "two", apns_expiration="0"))) == EXPIRED
    scene.set(online=True)
    assert scene.text == "one"


async def test_broadcast_policies(scene: Scene) -> None:
    scene.open_channel(0)
    refused = await scene.push("broadcast", apns_expiration=scene.now(60))
    assert refused.fields["reason"] == "BadExpirationDate"
    scene.open_channel(1)
    scene.set(online=False)
    first = accepted(await scene.push("broadcast", "one", apns_expiration=scene.now(60)))
    second = accepted(await scene.push("broadcast", "two", apns_expiration=scene.now(60)))
    assert (scene.outcome(first), scene.outcome(second)) == (("discarded", "replaced"), STORED)
    scene.set(online=True)
    assert scene.text == "two"
    start = {"aps": scene.aps("start", "three")}
    foreign = accepted(await scene.push("broadcast", payload=start, apns_expiration="0"))
    assert scene.outcome(foreign) == ("discarded", "not_for_broadcast")


async def test_what_is_stored_is_given_up_at_its_time(scene: Scene) -> None:
    scene.set(online=False)
    answer = accepted(await scene.push(apns_expiration=scene.now(3)))
    assert scene.outcome(answer) == STORED
    await scene.until(3, lambda: scene.outcome(answer) == EXPIRED)
    scene.set(online=True)
    assert scene.titles == []


# --- stored -------------------------------------------------------------------------------------------------------


async def test_one_push_waits_for_a_phone_and_in_a_queue_all_do(scene: Scene) -> None:
    for mailbox, shown in (("one", ["3"]), ("queue", ["3", "2", "1", "3"])):
        scene.sandbox.profile.set({"mailbox": mailbox})
        scene.set(online=False)
        for text in "123":
            assert (
                scene.outcome(accepted(await scene.push(text=text, apns_expiration=scene.now(60)))) == STORED
            )
        scene.set(online=True)
        assert scene.titles == shown


async def test_a_collapse_id_replaces_what_is_shown_and_in_a_queue_what_waits(scene: Scene) -> None:
    scene.sandbox.profile.set({"mailbox": "queue"})
    for text in "12":
        accepted(await scene.push(text=text, apns_collapse_id="a"))
    assert scene.titles == ["2"]
    scene.set(online=False)
    for text, collapse_id in (("3", "a"), ("4", "b"), ("5", "a")):
        accepted(await scene.push(text=text, apns_collapse_id=collapse_id))
    scene.set(online=True)
    assert scene.titles == ["5", "4"]


async def test_priority_1_waits_for_the_screen(scene: Scene) -> None:
    scene.set(screen="off")
    waits = accepted(await scene.push(text="1", apns_priority="1"))
    at_once = accepted(await scene.push(text="2", apns_priority="1", apns_expiration="0"))
    assert (scene.outcome(waits), scene.outcome(at_once), scene.titles) == (STORED, SENT, ["2"])
    scene.set(screen="on")
    assert scene.titles == ["1", "2"]


async def test_what_a_person_does_not_want_is_discarded(scene: Scene) -> None:
    scene.set(notifications=False)
    answer = accepted(await scene.push(apns_expiration="0"))
    assert scene.outcome(answer) == ("discarded", "notifications_off")
    assert scene.titles == []


# --- tokens and rates ---------------------------------------------------------------------------------------------


async def test_a_removed_app_is_reported_in_time(scene: Scene) -> None:
    scene.sandbox.profile.set({"unregister_after_s": 3.0})
    scene.set(app_installed=False)
    assert scene.outcome(accepted(await scene.push(apns_expiration="0"))) == ("discarded", "unregistered")
    record = scene.sandbox.registry.token(scene.device.tokens["alert"])
    assert record.uninstalled_at is not None
    await scene.until(3, lambda: scene.clock.now() >= (record.uninstalled_at or 0) + 3)
    gone = await scene.push()
    assert (gone.status, gone.fields["reason"]) == (410, "Unregistered")
    assert 0 <= scene.clock.now() - gone.fields["timestamp"] / 1000 < 60


async def test_an_ended_activity_has_its_grace(scene: Scene) -> None:
    scene.sandbox.profile.set({"token_grace_s": 3.0})
    scene.start_by_app()
    accepted(await scene.push("update", payload={"aps": scene.aps("end", "end")}, apns_expiration="0"))
    ended = scene.clock.now()
    accepted(await scene.push("update", "late"))
    assert (scene.activity.state, scene.text) == ("ended", "end")
    await scene.until(3, lambda: scene.clock.now() >= ended + 3)
    assert (await scene.push("update")).fields["reason"] == "ExpiredToken"


async def test_a_device_token_bears_a_burst_and_then_so_many_a_second(scene: Scene) -> None:
    scene.sandbox.profile.set({"device_rate": {"burst": 2, "per_second": 0.001}})
    answers = [await scene.push(apns_expiration="0") for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    scene.sandbox.profile.set({"device_rate": {"burst": 2, "per_second": 1.0}})
    refused = scene.clock.now()
    await scene.until(1, lambda: scene.clock.now() >= refused + 1)
    assert (await scene.push()).status == 200


async def test_provider_tokens_by_age_and_number(scene: Scene) -> None:
    scene.sandbox.profile.set({"provider_tokens": 2, "provider_token_window": 3.0})
    for age, reason in (
        (3590, None),
        (3700, "ExpiredProviderToken"),
        (-200, None),
        (0, "TooManyProviderTokenUpdates"),
    ):
        scene.sign(age)
        answer = await scene.push(apns_expiration="0")
        assert answer.fields.get("reason") == reason, age
    refused = scene.clock.now()
    await scene.until(3, lambda: scene.clock.now() >= refused + 3)
    assert (await scene.push()).status == 200


async def test_an_idle_connection_is_ended(scene: Scene) -> None:
    scene.sandbox.profile.set({"idle_after_s": 0.5, "goaway_grace_s": 0.1})
    accepted(await scene.push(apns_expiration="0"))
    await scene.until(1, lambda: bool(scene.journal.entries("apns", "connection_closed")))
    assert scene.journal.entries("apns", "connection_idle")


# --- Live Activities ----------------------------------------------------------------------------------------------


async def test_the_eleventh_start_is_over_the_budget(scene: Scene) -> None:
    scene.phone.profile.set("max_activities", 100)
    for number in range(11):
        accepted(await scene.push("start", str(number), apns_expiration="0"))
    assert len(scene.phone.activities.all) == 10
    assert "budget exceeded" in scene.phone.log[-1]


async def test_updates_over_the_budget_wait_until_it_is_back(scene: Scene) -> None:
    profile = scene.phone.profile
    profile.set("update_budget", 2)
    profile.set("update_window", 3.0)
    profile.set("update_over", "window")
    scene.start_by_app()
    for number in range(3):
        accepted(await scene.push("update", str(number), apns_expiration="0"))
    assert scene.text == "1"
    await scene.until(3, lambda: scene.text == "2")


async def test_stale_and_dismissal_dates(scene: Scene) -> None:
    scene.start_by_app()
    stale = {"aps": scene.aps("update", "soon", **{"stale-date": int(scene.now(2))})}
    accepted(await scene.push("update", payload=stale, apns_expiration="0"))
    await scene.until(2, lambda: scene.activity.state == "stale")
    end = {"aps": scene.aps("end", "end", **{"dismissal-date": int(scene.now(2))})}
    accepted(await scene.push("update", payload=end, apns_expiration="0"))
    assert scene.activity.state == "ended"
    await scene.until(2, lambda: scene.activity.state == "dismissed")


async def test_an_end_with_a_dismissal_date_gone_by_leaves_at_once(scene: Scene) -> None:
    scene.start_by_app()
    end = {"aps": scene.aps("end", "end", **{"dismissal-date": int(scene.now(-1))})}
    accepted(await scene.push("update", payload=end, apns_expiration="0"))
    assert scene.activity.state == "dismissed"


async def test_an_older_update_is_ignored(scene: Scene) -> None:
    scene.start_by_app()
    older = {"aps": scene.aps("update", "older")}
    accepted(await scene.push("update", "newer", apns_expiration="0"))
    accepted(await scene.push("update", payload=older, apns_expiration="0"))
    assert scene.text == "newer"
