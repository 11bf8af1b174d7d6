"""Before the announcer: waiting for OpenCode, and looking sessions up."""

import io
from collections.abc import AsyncIterator

import msgspec

from component.bridge.fake_opencode import FakeOpenCode, hang
from relay.bridge.notify.changes import Change
from relay.bridge.run import wait_for_opencode
from relay.bridge.sources.opencode1.client import OpenCode
from relay.bridge.sources.opencode1.events import Event
from relay.bridge.sources.opencode1.sessions import Sessions
from relay.bridge.watch import Watch


async def test_a_stop_during_a_lookup_takes_the_session_for_a_root(
    fake_opencode: FakeOpenCode, opencode: OpenCode
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
    fake_opencode: FakeOpenCode, opencode: OpenCode
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
