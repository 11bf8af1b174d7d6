"""OpenCode 2 as a source, and the whole bridge beside it: cut streams, servers that restart, what cannot be read."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from component.bridge.fake_opencode import FakeOpenCode
from component.bridge.fake_opencode2 import PASSWORD, FakeOpenCode2
from component.bridge.fake_relay import FakeRelay
from component.bridge.running import SECRET, RunningBridge
from relay.bridge.address import address
from relay.bridge.errors import Refused, Unreachable
from relay.bridge.notify.source import Change
from relay.bridge.options import BridgeOptions
from relay.bridge.sources.opencode2.catch_up import CatchUp
from relay.bridge.sources.opencode2.client import OpenCode
from relay.bridge.sources.opencode2.fold import Sessions
from relay.bridge.sources.opencode2.resync import MAX_UNANSWERED, TRIES, Resync
from relay.bridge.sources.opencode2.runs import Runs
from relay.bridge.sources.opencode2.source import CHECK_SECONDS, OpenCode2
from relay.bridge.sources.opencode2.wire import Event, parse
from relay.bridge.sources.probe import find_source
from waiting import eventually

Running = Callable[..., AbstractAsyncContextManager[RunningBridge]]


@pytest.fixture
async def opencode2() -> AsyncIterator[FakeOpenCode2]:
    server = FakeOpenCode2()
    await server.start()
    server.create("ses_a", "Fix the parser")
    yield server
    server.cut()
    await server.stop()


@pytest.fixture
def running(opencode2: FakeOpenCode2, fake_relay: FakeRelay) -> Running:
    """The bridge, with nothing but URL and password; inside the block it has caught up, after it, it has stopped."""

    @asynccontextmanager
    async def run(
        *, opencode: FakeOpenCode2 | None = opencode2, **changed: Any
    ) -> AsyncIterator[RunningBridge]:
        given: dict[str, Any] = {
            "opencode_url": opencode2.url,
            "relay_url": fake_relay.url,
            "relay_secret": SECRET,
            "password": PASSWORD,
            "permission_delay": 0.0,
            "card_after": 0.0,
            "bundle": 0.0,
            "keep_answered": True,
        }
        bridge = RunningBridge(BridgeOptions(**given | changed))
        try:
            if opencode:
                await caught_up(opencode)
            yield bridge
        finally:
            await bridge.stop()

    return run


async def caught_up(opencode2: FakeOpenCode2) -> None:
    """One resync after now: its questions about a folder come last, unless something ended."""
    before = opencode2.asked.count("/api/form")
    await eventually(lambda: opencode2.streams and opencode2.asked.count("/api/form") > before)


async def cut(opencode2: FakeOpenCode2) -> None:
    opencode2.cut()
    await eventually(lambda: not opencode2.streams)


class TestBridge:
    async def test_a_run_rings_once_with_what_was_said(
        self, opencode2: FakeOpenCode2, fake_relay: FakeRelay, running: Running
    ) -> None:
        async with running():
            opencode2.begin("ses_a")
            await eventually(lambda: fake_relay.cards)
            opencode2.end("ses_a", "succeeded", "It is fixed.")
            await eventually(lambda: fake_relay.accepted)
        assert fake_relay.rang() == [("complete", "ses_a")]
        assert (fake_relay.accepted[0].title, fake_relay.accepted[0].body) == (
            "Fix the parser",
            "It is fixed.",
        )
        assert fake_relay.shown("ses_a")[0] == ("start", "working", "Thinking…")

    @pytest.mark.parametrize(
        ("how", "rings"), [("succeeded", ["complete"]), ("failed", ["error"]), ("interrupted", [])]
    )
    @pytest.mark.parametrize("known", [True, False])
    async def test_an_end_in_the_gap_is_reported_once(
        self,
        opencode2: FakeOpenCode2,
        fake_relay: FakeRelay,
        running: Running,
        how: str,
        rings: list[str],
        known: bool,
    ) -> None:
        async with running():
            if known:
                opencode2.begin("ses_a")
                await eventually(lambda: fake_relay.cards)
            await cut(opencode2)
            if not known:
                opencode2.begin("ses_a")
            opencode2.end("ses_a", how, "Well.")
            await caught_up(opencode2)
            await eventually(lambda: len(fake_relay.accepted) == len(rings))
            await cut(opencode2)
            await caught_up(opencode2)
            opencode2.begin("ses_a")
            opencode2.end("ses_a", "succeeded", "Again.")
            await eventually(lambda: fake_relay.accepted and fake_relay.accepted[-1].body == "Again.")
        assert [kind for kind, _ in fake_relay.rang()] == [*rings, "complete"]

    async def test_a_bridge_that_starts_again_reports_what_ended_meanwhile_and_nothing_twice(
        self, opencode2: FakeOpenCode2, fake_relay: FakeRelay, running: Running
    ) -> None:
        opencode2.create("ses_b", "The other one")
        async with running():
            opencode2.begin("ses_b")
            opencode2.end("ses_b", "succeeded", "Before.")
            opencode2.begin("ses_a")
            await eventually(lambda: fake_relay.accepted and fake_relay.shown("ses_a"))
        opencode2.end("ses_a", "succeeded", "Meanwhile.")
        async with running():
            await eventually(lambda: len(fake_relay.accepted) == 2)
        async with running():
            pass
        assert [event.body for event in fake_relay.accepted] == ["Before.", "Meanwhile."]

    async def test_the_words_of_a_step_that_began_in_the_gap_are_those_that_ring(
        self, opencode2: FakeOpenCode2, fake_relay: FakeRelay, running: Running
    ) -> None:
        """The turn ends before the server has answered what was missed."""
        answers = asyncio.Event()

        async def late(_: web.Request) -> web.StreamResponse:
            await answers.wait()
            return web.Response(status=500)

        async with running():
            opencode2.begin("ses_a")
            await eventually(lambda: fake_relay.cards)
            await cut(opencode2)
            opencode2.step("ses_a")
            opencode2.broken["recent"] = late
            await eventually(lambda: opencode2.streams)
            opencode2.end("ses_a", "succeeded", "It is fixed.")
            await eventually(lambda: fake_relay.accepted)
            del opencode2.broken["recent"]
            answers.set()
        assert [event.body for event in fake_relay.accepted] == ["It is fixed."]

    async def test_requests_and_answers_in_the_gap_are_noticed(
        self, opencode2: FakeOpenCode2, fake_relay: FakeRelay, running: Running
    ) -> None:
        async with running():
            await cut(opencode2)
            opencode2.begin("ses_a")
            opencode2.ask("ses_a", "per_1")
            opencode2.question("ses_a", "frm_1")
            opencode2.question("global", "frm_2")
            await eventually(lambda: len(fake_relay.accepted) == 2)
            await cut(opencode2)
            opencode2.permissions.clear()
            opencode2.forms.clear()
            before = len(fake_relay.cards)
            await eventually(lambda: len(fake_relay.cards) > before)
        assert [event.body for event in fake_relay.accepted] == ["shell: npm test", "Which? (Red)"]

    async def test_a_restarted_server_that_resumes_a_run_goes_on_with_the_same_run(
        self, opencode2: FakeOpenCode2, fake_relay: FakeRelay, running: Running
    ) -> None:
        async with running():
            opencode2.begin("ses_a")
            opencode2.ask("ses_a", "per_1")
            await eventually(lambda: fake_relay.accepted)
            await opencode2.restart(resumed="ses_a")
            await caught_up(opencode2)
            opencode2.step("ses_a")
            opencode2.end("ses_a", "succeeded", "It is fixed.")
            await eventually(lambda: len(fake_relay.accepted) == 2)
        assert fake_relay.rang() == [("permission", "ses_a"), ("complete", "ses_a")]
        assert [kind for kind, _, _ in fake_relay.shown("ses_a")].count("start") == 1

    async def test_a_child_is_asked_for_and_reports_under_its_root(
        self, opencode2: FakeOpenCode2, fake_relay: FakeRelay, running: Running
    ) -> None:
        opencode2.create("ses_b", "A subagent", parent_id="ses_a")
        async with running():
            opencode2.begin("ses_b")
            opencode2.ask("ses_b", "per_1")
            await eventually(lambda: fake_relay.accepted)
            opencode2.end("ses_b", "succeeded", "Done.")
            opencode2.begin("ses_a")
            opencode2.end("ses_a", "succeeded", "All done.")
            await eventually(lambda: len(fake_relay.accepted) == 2)
        assert fake_relay.rang() == [("permission", "ses_a"), ("complete", "ses_a")]

    async def test_what_nobody_knows_is_skipped(
        self, opencode2: FakeOpenCode2, fake_relay: FakeRelay, running: Running
    ) -> None:
        async with running():
            opencode2.say("rpc.dreamt", sessionID="ses_a")
            opencode2.say("permission.asked", id=7, sessionID=[])
            opencode2.send(b"data: {broken\n\n")
            opencode2.send(b'data: {"type":"session.execution.started","data":7}\n\n')
            opencode2.send(
                b'data: {"type":"session.execution.started","data":{"sessionID":"ses_a"},"location":7,"created":"NaN"}\n\n'
            )
            opencode2.say(
                "session.step.started", sessionID="ses_a", assistantMessageID="msg_1", dreamt={"a": 1}
            )
            opencode2.say("session.execution.succeeded", sessionID="ses_a")
            await eventually(lambda: fake_relay.accepted)
        assert fake_relay.rang() == [("complete", "ses_a")]

    async def test_a_folder_and_a_message_that_cannot_be_read_cost_no_other(
        self, opencode2: FakeOpenCode2, fake_relay: FakeRelay, running: Running
    ) -> None:
        async def fails(_: web.Request) -> web.StreamResponse:
            return web.Response(status=500)

        opencode2.broken["form"] = fails
        opencode2.messages["ses_a"] = [{"id": 7}, {"type": []}]
        async with running():
            await cut(opencode2)
            opencode2.begin("ses_a")
            opencode2.end("ses_a", "succeeded", "It is fixed.")
            await eventually(lambda: fake_relay.accepted)
        assert fake_relay.accepted[0].body == "It is fixed."

    async def test_an_answer_of_another_shape_costs_its_text_and_not_its_alert(
        self, opencode2: FakeOpenCode2, fake_relay: FakeRelay, running: Running
    ) -> None:
        """Later releases may say anything where 2.1 has a text or an object."""
        async with running():
            await cut(opencode2)
            opencode2.begin("ses_a")
            opencode2.end("ses_a", "succeeded", "It is fixed.")
            opencode2.messages["ses_a"][-2]["content"] = [{"type": "text", "text": None}]
            opencode2.sessions["ses_a"]["title"] = {"text": "Fix the parser"}
            await eventually(lambda: fake_relay.accepted)
        assert fake_relay.rang() == [("complete", "ses_a")]

    async def test_without_a_list_of_folders_those_of_the_sessions_are_asked(
        self, opencode2: FakeOpenCode2, fake_relay: FakeRelay, running: Running
    ) -> None:
        async def gone(_: web.Request) -> web.StreamResponse:
            return web.json_response({"_tag": "NotFound"}, status=404)

        opencode2.broken["location"] = gone
        opencode2.ask("ses_a", "per_1")
        async with running():
            await eventually(lambda: fake_relay.accepted)
            opencode2.broken["form"] = gone
            await cut(opencode2)
            await caught_up(opencode2)
        assert fake_relay.rang() == [("permission", "ses_a")]

    async def test_sessions_that_are_gone_while_they_are_asked_for(
        self, opencode2: FakeOpenCode2, fake_relay: FakeRelay, running: Running
    ) -> None:
        """One that runs and that nobody knows, and one whose messages are gone."""

        async def gone(_: web.Request) -> web.StreamResponse:
            return web.json_response({"_tag": "NotFound"}, status=404)

        opencode2.executions |= {"ses_a", "ses_x"}
        opencode2.broken["message"] = gone
        async with running():
            await eventually(lambda: ("progress", "complete", "Stopped") in fake_relay.shown("ses_a"))
        assert fake_relay.rang() == []

    async def test_a_session_that_is_gone_after_the_gap_has_stopped(
        self, opencode2: FakeOpenCode2, fake_relay: FakeRelay, running: Running
    ) -> None:
        async with running():
            opencode2.begin("ses_a")
            await eventually(lambda: fake_relay.cards)
            await cut(opencode2)
            opencode2.executions.clear()
            del opencode2.sessions["ses_a"]
            await eventually(lambda: ("progress", "complete", "Stopped") in fake_relay.shown("ses_a"))
        assert fake_relay.rang() == []

    async def test_a_server_that_fails_for_a_moment_is_asked_again(
        self, opencode2: FakeOpenCode2, fake_relay: FakeRelay, running: Running
    ) -> None:
        tries = []

        async def fails_once(_: web.Request) -> web.StreamResponse:
            tries.append(1)
            del opencode2.broken["active"]
            return web.Response(status=500)

        async with running():
            await cut(opencode2)
            opencode2.broken["active"] = fails_once
            opencode2.begin("ses_a")
            opencode2.end("ses_a", "succeeded", "It is fixed.")
            await eventually(lambda: fake_relay.accepted)
        assert tries == [1]

    async def test_a_session_that_does_not_answer_costs_no_other_and_is_asked_again(
        self, opencode2: FakeOpenCode2, fake_relay: FakeRelay, running: Running
    ) -> None:
        """The newest of the two does not, whatever comes first."""
        opencode2.create("ses_b", "The other one")
        asked: list[str] = []

        async def first_fails(request: web.Request) -> web.StreamResponse:
            asked.append(request.match_info["id"])
            if asked.count("ses_b") == 1 == len(asked) - asked.count("ses_a"):
                return web.Response(status=500)
            return web.json_response(opencode2.newest(request))

        async with running():
            await cut(opencode2)
            opencode2.broken["message"] = first_fails
            for session_id in ("ses_b", "ses_a"):
                opencode2.begin(session_id)
                opencode2.end(session_id, "succeeded", "It is fixed.")
            await eventually(lambda: len(fake_relay.accepted) == 2)
        assert fake_relay.rang() == [("complete", "ses_a"), ("complete", "ses_b")]

    async def test_a_folder_that_does_not_answer_is_asked_again(
        self, opencode2: FakeOpenCode2, fake_relay: FakeRelay, running: Running
    ) -> None:
        async def fails_once(_: web.Request) -> web.StreamResponse:
            del opencode2.broken["permission"]
            return web.Response(status=500)

        async with running():
            await cut(opencode2)
            opencode2.broken["permission"] = fails_once
            opencode2.ask("ses_a", "per_1")
            await eventually(lambda: fake_relay.accepted)
        assert fake_relay.rang() == [("permission", "ses_a")]

    async def test_a_folder_that_never_answers_ends_the_questions(
        self, opencode2: FakeOpenCode2, http: aiohttp.ClientSession
    ) -> None:
        asked: list[str] = []

        async def fails(request: web.Request) -> web.StreamResponse:
            asked.append(request.path)
            return web.Response(status=500)

        opencode2.broken["permission"] = fails
        caught = asyncio.Event()
        client = OpenCode(http, address(opencode2.url, "opencode", PASSWORD))
        runs = Runs()
        resync = Resync(client, Sessions(runs), CatchUp(runs), lambda _: None, sleep=_at_once)
        resync.start(0.0, 0.0, caught.set)
        await asyncio.wait_for(caught.wait(), 10)
        await resync.close()
        assert len(asked) == TRIES

    async def test_a_server_of_which_too_much_does_not_answer_is_asked_whole_again(
        self, opencode2: FakeOpenCode2, http: aiohttp.ClientSession
    ) -> None:
        asked: list[str] = []

        async def fails_at_first(request: web.Request) -> web.StreamResponse:
            asked.append(request.match_info["id"])
            if len(asked) <= 10 * (MAX_UNANSWERED + 1):
                return web.Response(status=500)
            return web.json_response({"data": opencode2.sessions[request.match_info["id"]]})

        for number in range(3 * MAX_UNANSWERED):
            opencode2.create(f"ses_{number}")
            opencode2.executions.add(f"ses_{number}")
        opencode2.broken["session"] = fails_at_first
        changes: list[Change] = []
        client = OpenCode(http, address(opencode2.url, "opencode", PASSWORD))
        runs = Runs()
        caught = asyncio.Event()
        resync = Resync(client, Sessions(runs), CatchUp(runs), changes.extend, sleep=_at_once)
        resync.start(0.0, 0.0, caught.set)
        await asyncio.wait_for(caught.wait(), 20)
        await resync.close()
        assert (
            len({change.session_id for change in changes if change.kind == "started"}) == 3 * MAX_UNANSWERED
        )


async def _at_once(_: float) -> None:
    """A pause that takes no time."""


class TestUpdate:
    """The first generation is replaced by the second at the same port."""

    async def test_the_bridge_goes_on_with_its_open_runs(
        self, fake_opencode: FakeOpenCode, fake_relay: FakeRelay, running: Running
    ) -> None:
        fake_opencode.create("ses_a", "Fix the parser")
        second = FakeOpenCode2()
        second.port = fake_opencode.port
        second.create("ses_a", "Fix the parser")
        second.create("ses_old", "Long done")
        second.sessions["ses_old"]["time"]["idle"] = 1000
        async with running(opencode_url=fake_opencode.url, opencode=None):
            await eventually(lambda: fake_opencode.streams)
            fake_opencode.status("ses_a", "busy")
            await eventually(lambda: fake_relay.cards)
            await fake_opencode.crash()
            second.executions.add("ses_a")
            await second.start()
            try:
                await caught_up(second)
                second.step("ses_a")
                second.end("ses_a", "succeeded", "It is fixed.")
                await eventually(lambda: fake_relay.accepted)
            finally:
                second.cut()
        await second.stop()
        assert [event.body for event in fake_relay.accepted] == ["It is fixed."]
        assert [kind for kind, _, _ in fake_relay.shown("ses_a")].count("start") == 1


class TestProbe:
    async def test_the_source_of_a_server_of_generation_2(
        self, opencode2: FakeOpenCode2, http: aiohttp.ClientSession
    ) -> None:
        source = await find_source(http, address(opencode2.url, password=PASSWORD))
        assert isinstance(source, OpenCode2)
        assert source.health().version == "2.1.2"
        assert await source.identity() == f"OpenCode 2 at {opencode2.url}"
        assert (await source.knows("ses_a"), await source.knows("ses_x")) == (True, False)

    async def test_its_user_is_always_opencode(
        self, opencode2: FakeOpenCode2, http: aiohttp.ClientSession
    ) -> None:
        source = await find_source(http, address(opencode2.url, "me", PASSWORD))
        assert source.health().version == "2.1.2"

    @pytest.mark.parametrize("password", [None, "wrong"])
    @pytest.mark.parametrize("username", ["opencode", "me"])
    async def test_a_wrong_password_says_what_to_do(
        self, opencode2: FakeOpenCode2, http: aiohttp.ClientSession, username: str, password: str | None
    ) -> None:
        with pytest.raises(Refused, match=r"OPENCODE_PASSWORD.*its user is opencode"):
            await find_source(http, address(opencode2.url, username, password))

    async def test_one_that_starts_is_waited_for(
        self, opencode2: FakeOpenCode2, http: aiohttp.ClientSession
    ) -> None:
        async def starting(_: web.Request) -> web.StreamResponse:
            return web.json_response({"code": "service_starting"}, status=503, headers={"Retry-After": "1"})

        opencode2.broken["info"] = starting
        with pytest.raises(Unreachable, match="/api/info answered 503"):
            await find_source(http, address(opencode2.url, password=PASSWORD))


async def test_a_suspended_run_ends_after_two_looks_and_an_unknown_session_counts_as_a_root(
    opencode2: FakeOpenCode2, http: aiohttp.ClientSession
) -> None:
    """A look is taken when something comes in, heartbeats included."""
    now = [1000.0]
    changes: list[Change] = []
    alive: list[float] = []
    source = OpenCode2(http, address(opencode2.url, password=PASSWORD), 30.0, clock=lambda: now[0])

    async def heartbeat() -> None:
        now[0] += CHECK_SECONDS
        before = len(alive)
        opencode2.send(b": heartbeat\n\n")
        await eventually(lambda: len(alive) > before)

    task = asyncio.create_task(source.run(changes.append, lambda: alive.append(now[0])))
    try:
        await caught_up(opencode2)
        await eventually(lambda: source.known.until)
        for kind, data in {
            "execution.started": {},
            "step.started": {"assistantMessageID": "msg_1"},
            "execution.interrupted": {"reason": "shutdown"},
        }.items():
            opencode2.say(f"session.{kind}", sessionID="ses_x", **data)
        await eventually(lambda: source.known.used and changes)
        await heartbeat()
        await heartbeat()
        await eventually(lambda: changes[-1].kind == "stopped")
        assert list(source.known.used) == ["ses_x"]
        assert (source.title("ses_x"), source.directory("ses_x"), source.state("ses_x", 0.0)) == (
            None,
            None,
            None,
        )
    finally:
        task.cancel()
        await source.close(0)
    assert [one.kind for one in changes if one.kind != "progress"] == ["started", "stopped"]


async def test_a_stop_before_the_answer_takes_an_unknown_session_for_a_root(
    opencode2: FakeOpenCode2, http: aiohttp.ClientSession
) -> None:
    async def hangs(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(5)
        return web.Response()

    async def events() -> AsyncIterator[Event]:
        for kind in ("step.started", "execution.succeeded"):
            event = parse(b'{"type":"session.%s","id":"evt_1","data":{"sessionID":"ses_a"}}' % kind.encode())
            assert event
            yield event

    opencode2.broken["session"] = hangs
    changes: list[Change] = []
    source = OpenCode2(http, address(opencode2.url, password=PASSWORD), 30.0)
    await source.fold(events(), changes.append, lambda: None)
    assert changes == []
    await source.close(0.02)
    assert [change.kind for change in changes] == ["started", "complete"]
