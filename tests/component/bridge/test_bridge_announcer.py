"""Announcing and watching at their limits: too much at once, and a stop in the middle."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest
from aiohttp import web

from component.bridge.fake_opencode import FakeOpenCode, hang
from relay import contract
from relay.bridge.notify import notifier as announcing
from relay.bridge.notify.changes import Change
from relay.bridge.notify.mapping import Sender
from relay.bridge.notify.notifier import Announcer
from relay.bridge.sources.opencode1.client import OpenCode
from relay.bridge.sources.opencode1.events import Event, Info
from relay.bridge.sources.opencode1.sessions import Sessions
from waiting import eventually


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


def said(kind: str, **properties: Any) -> Event:
    return Event(type=kind, id="evt_0", properties=msgspec.Raw(json.dumps(properties).encode()))


async def test_the_delay_is_the_given_one(
    make_announcer: Callable[..., Announcer], told: list[contract.Event]
) -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    announcer = make_announcer(permission_delay=7.5, sleep=pause)
    announcer.tell(Change("asked", "ses_a", "per_1"))
    await eventually(lambda: told)
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


async def test_the_card_of_a_root_that_does_not_run_ends_with_the_last_answer(
    make_announcer: Callable[..., Announcer], told: list[contract.Event]
) -> None:
    announcer = make_announcer(permission_delay=0.0)
    announcer.tell(Change("asked", "ses_a", "per_1", "bash: ls"))
    announcer.tell(Change("asked", "ses_a", "per_2", "bash: pwd"))
    announcer.tell(Change("answered", "ses_a", "per_2"))
    announcer.tell(Change("answered", "ses_a", "per_1"))
    announcer.tell(Change("answered", "ses_a", "per_1"))
    await announcer.close(1)
    states = [(event.event_type, event.content_state.status) for event in told if event.content_state]
    assert states[:2] == [("permission", "permission")] * 2
    assert states[-1] == ("progress", "complete")
    assert [status for _, status in states].count("complete") == 1
    assert told[-1].content_state is not None
    assert told[-1].content_state.last_message == "Answered"


async def test_an_end_has_its_own_text_though_the_next_run_has_begun(
    fake_opencode: FakeOpenCode, make_announcer: Callable[..., Announcer], told: list[contract.Event]
) -> None:
    last_id = fake_opencode.write("ses_a", "It is fixed.")
    fake_opencode.write("ses_a", "And now the docs", role="user")
    fake_opencode.write("ses_a", "The docs, then")
    announcer = make_announcer()
    announcer.tell(Change("complete", "ses_a", last_id))
    await announcer.close(1)
    assert [event.body for event in told] == ["It is fixed."]


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
    fake_opencode: FakeOpenCode,
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


class TestCards:
    """What moves the card, with pauses that end when the test says so."""

    @pytest.fixture
    def sessions(self) -> Sessions:
        known = Sessions()
        known.learn("ses_a", Info(id="ses_a", title="Fix it", directory="/code/demo"))
        known.fold(said("session.status", sessionID="ses_a", status={"type": "busy"}))
        return known

    @pytest.fixture
    def pauses(self) -> dict[float, asyncio.Event]:
        return {}

    @pytest.fixture
    def now(self) -> list[float]:
        return [100.0]

    @pytest.fixture
    async def announcer(
        self,
        make_announcer: Callable[..., Announcer],
        pauses: dict[float, asyncio.Event],
        now: list[float],
    ) -> AsyncIterator[Announcer]:
        async def pause(seconds: float) -> None:
            pauses[seconds] = asyncio.Event()
            await pauses[seconds].wait()

        made = make_announcer(
            permission_delay=2.0, sleep=pause, monotonic=lambda: now[0], clock=lambda: now[0]
        )
        yield made
        await made.close(1)

    def doing(self, sessions: Sessions, announcer: Announcer, command: str) -> None:
        part = {"type": "tool", "tool": "bash", "state": {"input": {"command": command}}}
        for change in sessions.fold(said("message.part.updated", sessionID="ses_a", part=part)):
            announcer.tell(change)

    async def test_a_start_names_the_session_and_its_directory(
        self, announcer: Announcer, told: list[contract.Event]
    ) -> None:
        announcer.tell(Change("started", "ses_a", "evt_1"))
        (event,) = told
        assert (event.event_type, event.title) == ("start", "Session Started")
        assert event.body == "OpenCode is working on: Fix it (/code/demo)"
        assert event.content_state == contract.ContentState(
            status="working", session_title="Fix it", last_message="Starting..."
        )

    async def test_a_run_that_is_over_already_has_no_start(
        self, announcer: Announcer, told: list[contract.Event]
    ) -> None:
        announcer.tell(Change("started", "ses_b", "evt_1"))
        announcer.tell(Change("progress", "ses_b", "evt_2"))
        assert told == []

    async def test_progress_waits_and_the_newest_wins(
        self,
        sessions: Sessions,
        announcer: Announcer,
        told: list[contract.Event],
        pauses: dict[float, asyncio.Event],
        now: list[float],
    ) -> None:
        announcer.tell(Change("started", "ses_a", "evt_1"))
        now[0] += 4.0
        for command in ("one", "two", "three"):
            self.doing(sessions, announcer, command)
        await eventually(lambda: 8.0 in pauses)
        assert [event.event_type for event in told] == ["start"]
        now[0] += 8.0
        pauses[8.0].set()
        await eventually(lambda: len(told) == 2)
        assert told[1].event_type == "progress"
        assert told[1].content_state is not None
        assert told[1].content_state.last_message == "bash: three"

    async def test_the_last_progress_goes_when_the_bridge_stops(
        self, sessions: Sessions, announcer: Announcer, told: list[contract.Event]
    ) -> None:
        announcer.tell(Change("started", "ses_a", "evt_1"))
        self.doing(sessions, announcer, "one")
        await announcer.close(1)
        assert [event.event_type for event in told] == ["start", "progress"]

    async def test_an_end_takes_back_what_waits_and_comes_last(
        self, sessions: Sessions, announcer: Announcer, told: list[contract.Event]
    ) -> None:
        announcer.tell(Change("started", "ses_a", "evt_1"))
        self.doing(sessions, announcer, "one")
        announcer.tell(Change("stopped", "ses_a", "msg_1"))
        await announcer.close(1)
        assert [event.event_type for event in told] == ["start", "progress"]
        assert told[1].content_state == contract.ContentState(
            status="complete", session_title="Fix it", last_message="Stopped"
        )

    async def test_a_request_shows_until_it_is_answered_and_then_the_work_again(
        self,
        sessions: Sessions,
        announcer: Announcer,
        told: list[contract.Event],
        pauses: dict[float, asyncio.Event],
    ) -> None:
        announcer.tell(Change("started", "ses_a", "evt_1"))
        announcer.tell(Change("asked", "ses_a", "per_1", "bash: rm -r build"))
        await eventually(lambda: 2.0 in pauses)
        pauses[2.0].set()
        await eventually(lambda: len(told) == 2)
        self.doing(sessions, announcer, "something else")
        assert len(told) == 2
        announcer.tell(Change("answered", "ses_a", "per_1"))
        states = [event.content_state for event in told if event.content_state]
        assert [(state.status, state.last_message) for state in states] == [
            ("working", "Starting..."),
            ("permission", "bash: rm -r build"),
            ("working", "bash: something else"),
        ]
        assert (told[1].event_type, told[1].body) == ("permission", "bash: rm -r build")

    async def test_a_request_answered_in_time_never_shows(
        self, announcer: Announcer, told: list[contract.Event]
    ) -> None:
        announcer.tell(Change("started", "ses_a", "evt_1"))
        announcer.tell(Change("asked", "ses_a", "per_1", "bash: ls"))
        announcer.tell(Change("answered", "ses_a", "per_1"))
        await announcer.close(1)
        assert [event.event_type for event in told] == ["start"]

    async def test_the_next_start_comes_after_the_end_that_waits_for_its_text(
        self, fake_opencode: FakeOpenCode, announcer: Announcer, told: list[contract.Event]
    ) -> None:
        release = asyncio.Event()

        async def slow(request: web.Request) -> web.StreamResponse:
            await release.wait()
            return web.json_response([])

        fake_opencode.broken["message"] = slow
        announcer.tell(Change("complete", "ses_a", "msg_1"))
        announcer.tell(Change("started", "ses_a", "evt_2"))
        announcer.tell(Change("error", "ses_a", "msg_2", "Bad key"))
        await eventually(lambda: "/session/ses_a/message" in fake_opencode.asked)
        assert told == []
        release.set()
        await eventually(lambda: len(told) == 3)
        assert [event.event_type for event in told] == ["complete", "start", "error"]
        assert told[2].body == "Bad key"

    async def test_only_the_chosen_alerts_ring(
        self, make_announcer: Callable[..., Announcer], told: list[contract.Event]
    ) -> None:
        announcer = make_announcer(permission_delay=0.0, alerts=frozenset({"permission"}))
        announcer.tell(Change("asked", "ses_a", "per_1", "bash: ls"))
        announcer.tell(Change("error", "ses_a", "msg_1", "Bad key"))
        await announcer.close(1)
        assert [event.event_type for event in told] == ["permission", "progress"]
        assert told[1].content_state is not None
        assert told[1].content_state.status == "error"


@pytest.mark.parametrize(
    ("bound", "lines"),
    [
        (1, ["dropped kind=complete", "dropped kind=error"]),
        (9, ["untold kind=complete", "untold kind=error", "untold kind=error"]),
    ],
)
async def test_what_waits_behind_a_text_that_does_not_come_is_named(
    fake_opencode: FakeOpenCode,
    make_announcer: Callable[..., Announcer],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    bound: int,
    lines: list[str],
) -> None:
    monkeypatch.setattr(announcing, "BOUND", bound)
    fake_opencode.broken["message"] = hang
    announcer = make_announcer()
    announcer.tell(Change("complete", "ses_a", "msg_1"))
    for number in range(2):
        announcer.tell(Change("error", "ses_a", f"msg_{number}", "no"))
    await announcer.close(0.02)
    assert [record.getMessage().partition(" sessionID")[0] for record in caplog.records] == lines
