"""A lab on one of three clocks, one phone, and a provider: what the tests of delivery on every clock push with."""

import itertools
import json
import ssl
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any

import jwt
import trustme

from passing_time import RunningClock
from simulator.apns.sandbox import Sandbox
from simulator.clock import Clock, RealClock, VirtualClock
from simulator.conform.client import Answer, Connection
from simulator.journal import Journal
from simulator.lab.device import DeviceSpec
from simulator.lab.lab import Lab
from waiting import eventually

TOPIC = "com.example.app"
ACTIVITY_TOPIC = f"{TOPIC}.push-type.liveactivity"
AUTHORITY = trustme.CA()
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
