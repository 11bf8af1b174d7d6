"""Pushes to send, and a clock to turn: shared by the tests of the transport."""

import asyncio
import json
import uuid
from collections.abc import Callable
from typing import Any

from outcomes import answered
from relay.apns.gateway import ApnsGateway, Gateway
from relay.apns.http2 import connector
from relay.apns.push import Outcome, Push
from waiting import PATIENCE, eventually

NOW = 1_800_000_000.0
BuildGateway = Callable[..., ApnsGateway]


class Clock:
    """UNIX seconds, turned by the test. `ahead`: by how many somebody set it, while none passed."""

    def __init__(self) -> None:
        self.now = NOW
        self.ahead = 0.0

    def __call__(self) -> float:
        return self.now + self.ahead

    def monotonic(self) -> float:
        return self.now

    def pass_every_pause(self) -> None:
        """The next attempt to connect is due."""
        self.now += connector.LONGEST_PAUSE


def push(**changes: Any) -> Push:
    fields: dict[str, Any] = {
        "apns_id": str(uuid.uuid4()),
        "device_token": "ab" * 32,
        "apns_env": "production",
        "topic": "com.example.app",
        "push_type": "alert",
        "priority": 10,
        "expiration": int(NOW) + 3600,
        "collapse_id": "c1",
        "payload": b'{"aps":{}}',
    }
    return Push(**(fields | changes))


def reason(text: str, **fields: Any) -> bytes:
    """The body of an error."""
    return json.dumps({"reason": text} | fields).encode()


def start(gateway: Gateway, count: int = 1, **changes: Any) -> "list[asyncio.Task[Outcome]]":
    """So many pushes at once, each in a task of its own."""
    return [asyncio.ensure_future(gateway.send(push(**changes))) for _ in range(count)]


async def unanswered(
    gateway: Gateway, apns: Any, count: int
) -> "tuple[list[asyncio.Task[Outcome]], list[Any]]":
    """So many pushes under way, and the requests as the server has them: it answers none, nor any that comes later."""
    requests: list[Any] = []
    apns.on_push = requests.append
    sending = start(gateway, count)
    await eventually(lambda: len(requests) == count)
    return sending, requests


async def send_all(gateway: Gateway, count: int, **changes: Any) -> list[Outcome]:
    """So many at once."""
    return list(await asyncio.gather(*start(gateway, count, **changes)))


def allow(gateway: Any, seconds: float = PATIENCE) -> None:
    """Each push that is sent from now on has so many seconds."""
    gateway._deadline = seconds


async def prime(gateway: Gateway, apns: Any) -> None:
    """One answered push, so that the connection counts as a good one."""
    before, apns.on_push = apns.on_push, lambda request: request.answer()
    assert await gateway.send(push()) == answered(200)
    apns.on_push = before
