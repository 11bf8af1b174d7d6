"""Announcing and watching at their limits: too much at once, and a stop in the middle."""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from relay import contract
from relay.bridge import announcer as announcing
from relay.bridge.announcer import Announcer
from relay.bridge.changes import Change
from relay.bridge.events import Event, Info
from relay.bridge.mapping import Sender
from relay.bridge.opencode import OpenCode, address
from relay.bridge.run import wait_for_opencode
from relay.bridge.sessions import Sessions
from relay.bridge.watch import Watch

Until = Callable[[Callable[[], Any]], Awaitable[None]]


@pytest.fixture
def opencode(fake_opencode: Any, http: aiohttp.ClientSession) -> OpenCode:
    return OpenCode(http, address(fake_opencode.url), deadline=2.0)


@pytest.fixture
def told() -> list[contract.Event]:
    return []


@pytest.fixture
def sessions() -> Sessions:
    known = Sessions()
    known.learn("ses_a", Info(id="ses_a", title="Title of ses_a", directory="/code/demo"))
    return known


class Sent:
    """An outbox that keeps what it gets."""

    def __init__(self, told: list[contract.Event]) -> None:
        self._told = told
        self.withdrawn: list[str] = []

    def put(self, event: contract.Event) -> None:
        self._told.append(event)

    def withdraw(self, session_id: str, event_id: str) -> None:
        self.withdrawn.append(event_id)


@pytest.fixture
def make_announcer(
    opencode: OpenCode, told: list[contract.Event], sessions: Sessions
) -> Callable[..., Announcer]:
    def make(**options: Any) -> Announcer:
        sender = Sender("s3cret-s3cret-s3cret", "0123456789abcdef")
        fixed = {"sessions": sessions, "permission_delay": 2.0}
        return Announcer(opencode, sender, Sent(told), **fixed | options)

    return make


async def hang(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(5)
    return web.Response()


async def test_the_delay_is_the_given_one(
    make_announcer: Callable[..., Announcer], told: list[contract.Event], until: Until
) -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    announcer = make_announcer(permission_delay=7.5, sleep=pause)
    announcer.tell(Change("asked", "ses_a", "per_1"))
    await until(lambda: told)
    assert pauses == [7.5]
    assert told[0].title == "Action Needed: Title of ses_a"
    await announcer.close(1)


async def test_only_the_answered_request_is_taken_back(
    make_announcer: Callable[..., Announcer], told: list[contract.Event]
) -> None:
    announcer = make_announcer(permission_delay=60.0)
    for request in ("per_1", "per_2", "per_3"):
        announcer.tell(Change("asked", "ses_a", request))
    announcer.tell(Change("answered", "ses_a", "per_2"))
    announcer.tell(Change("answered", "ses_a", "per_unknown"))
    await announcer.close(1)
    assert len({event.event_id for event in told}) == len(told) == 2


async def test_too_many_changes_at_once_cost_the_oldest_and_the_log_says_so(
    make_announcer: Callable[..., Announcer],
    told: list[contract.Event],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(announcing, "BOUND", 2)
    announcer = make_announcer()
    for number in range(3):
        announcer.tell(Change("complete", f"ses_{number}", f"evt_{number}"))
    await announcer.close(1)
    assert [event.session_id for event in told] == ["ses_1", "ses_2"]
    assert 'dropped kind=complete sessionID=ses_0 reason="too many changes wait"' in caplog.text


async def test_what_cannot_be_told_before_the_stop_is_logged(
    fake_opencode: Any,
    make_announcer: Callable[..., Announcer],
    told: list[contract.Event],
    caplog: pytest.LogCaptureFixture,
) -> None:
    fake_opencode.broken["message"] = hang
    announcer = make_announcer()
    announcer.tell(Change("complete", "ses_a", "evt_1"))
    await announcer.close(0.02)
    assert told == []
    assert 'untold kind=complete sessionID=ses_a reason="the bridge stops"' in caplog.text


async def test_a_stop_during_a_lookup_takes_the_session_for_a_root(
    fake_opencode: Any, opencode: OpenCode
) -> None:
    fake_opencode.broken["session"] = hang
    told: list[Change] = []
    watch = Watch(opencode, Sessions(), told.append)

    async def events() -> AsyncIterator[Event]:
        for status in ("busy", "idle"):
            text = b'{"sessionID":"ses_a","status":{"type":"%s"}}' % status.encode()
            yield Event(type="session.status", id="evt_1", properties=msgspec.Raw(text))

    await watch.run(events())
    assert told == []
    await watch.close(0.02)
    assert told == [Change("started", "ses_a", "evt_1"), Change("complete", "ses_a", "evt_1")]


async def test_waiting_for_opencode_slows_down_and_speaks_once(
    fake_opencode: Any, opencode: OpenCode
) -> None:
    await fake_opencode.stop()
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 7:
            await fake_opencode.start()

    out = io.StringIO()
    await wait_for_opencode(opencode, out, sleep=pause, random=lambda: 1.0)
    assert pauses == [0.25, 0.5, 1, 2, 4, 5, 5]
    assert out.getvalue() == f"Waiting for OpenCode at {fake_opencode.url} (start it with: opencode serve)\n"
