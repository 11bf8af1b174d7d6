"""The loop that fetches answers: against a relay that is scripted, answer by answer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from loopback_server import LoopbackServer
from relay.bridge.answers import GRACE_SECONDS, LINGER_SECONDS, AnswerLoop
from relay.bridge.errors import NotFound, Unreachable
from relay.bridge.notify.open_requests import OpenRequests
from relay.bridge.notify.source import Change
from relay.contract import Request
from waiting import eventually

SECRET = "s" * 24
NOW = 1_790_000_000.0


class ScriptedRelay(LoopbackServer):
    """Gives the same answers until they are acknowledged, after the faults of `script`: statuses, or bodies that are none."""

    def __init__(self) -> None:
        super().__init__(web.post("/v1/answers", self._fetch), web.post("/v1/answers/ack", self._ack))
        self.answers: list[dict[str, Any]] = []
        self.script: list[int | bytes] = []
        self.ack_script: list[int] = []
        self.acks: list[tuple[str, str]] = []
        self.fetches = 0

    async def _fetch(self, _: web.Request) -> web.Response:
        self.fetches += 1
        if self.script:
            fault = self.script.pop(0)
            return web.Response(body=fault) if isinstance(fault, bytes) else web.Response(status=fault)
        if not self.answers:
            await asyncio.sleep(0.01)  # instead of 25 s
        return web.json_response({"ok": True, "answers": self.answers})

    async def _ack(self, request: web.Request) -> web.Response:
        body = await request.json()
        if self.ack_script:
            return web.Response(status=self.ack_script.pop(0))
        self.acks.append((body["requestID"], body["outcome"]))
        self.answers = [one for one in self.answers if one["requestID"] != body["requestID"]]
        return web.json_response({"ok": True})


class StubSource:
    """Only what the loop asks of a Source."""

    def __init__(self) -> None:
        self.decided: list[tuple[str, str, str]] = []
        self.errors: list[Exception] = []

    async def decide(self, session_id: str, request_id: str, decision: str) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.decided.append((session_id, request_id, decision))


class Scene:
    """The loop, and what is around it."""

    def __init__(self, http: aiohttp.ClientSession, relay: ScriptedRelay) -> None:
        self.relay, self.source = relay, StubSource()
        self.said: list[tuple[str, str]] = []
        self.following: StubSource | None = self.source
        self.requests = OpenRequests(SECRET, None, asked=lambda: self.loop.asked())
        self.ran = 0.0
        self.loop = AnswerLoop(
            http, relay.url, SECRET, self.requests, lambda: self.following,  # type: ignore[arg-type, return-value]
            lambda request_id, decision: self.said.append((request_id, decision)),
            environment={}, clock=lambda: NOW, monotonic=lambda: self.ran, sleep=lambda _: asyncio.sleep(0.001),
        )  # fmt: skip

    def ask(self, request_id: str = "per_1") -> Request:
        request = self.requests.ask(
            Change("asked", "ses_1", request_id, "git push", permission_of="ses_1"), NOW
        )
        assert request is not None
        return request

    def answer(self, request: Request, decision: str = "once") -> None:
        given = {"requestID": request.id, "nonce": request.nonce, "expiresAt": request.expires_at}
        self.relay.answers.append(given | {"decision": decision})

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["asyncio.Task[None]"]:
        task = asyncio.create_task(self.loop.run())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    relay = ScriptedRelay()
    await relay.start()
    async with aiohttp.ClientSession() as http:
        yield Scene(http, relay)
    await relay.stop()


async def test_nothing_is_fetched_while_nothing_waits_nor_was_waited_for_a_minute_ago(scene: Scene) -> None:
    async with scene.running():
        await eventually(lambda: scene.relay.fetches)
        scene.ran += LINGER_SECONDS + 1
        await eventually(lambda: not scene.loop.waits)
        before = scene.relay.fetches
        scene.ask()
        await eventually(lambda: scene.relay.fetches > before + 1)
        scene.requests.close("per_1")
        before = scene.relay.fetches
        await eventually(lambda: scene.relay.fetches > before + 1)
        scene.ran += LINGER_SECONDS + 1
        await eventually(lambda: not scene.loop.waits)
        before = scene.relay.fetches
        await asyncio.sleep(0.05)
        assert scene.relay.fetches == before


async def test_an_answer_is_given_once_and_acknowledged_until_the_relay_knows(scene: Scene) -> None:
    scene.answer(scene.ask())
    scene.relay.ack_script = [503, 500]
    async with scene.running():
        await eventually(lambda: scene.relay.acks == [("per_1", "applied")])
    assert scene.source.decided == [("ses_1", "per_1", "once")]
    assert scene.said == [("per_1", "once")]


async def test_an_answer_to_what_was_over_before_it_was_fetched_is_gone(scene: Scene) -> None:
    """The relay took it before it knew that nobody waits any more; it may even be of the bridge before this one."""
    request = scene.ask()
    scene.requests.close(request.id)
    async with scene.running():
        await eventually(lambda: scene.relay.fetches)
        scene.answer(request)
        scene.ran += GRACE_SECONDS + 1
        await eventually(lambda: scene.relay.acks == [("per_1", "gone")])


async def test_what_opencode_does_not_know_any_more_is_gone(scene: Scene) -> None:
    scene.answer(scene.ask())
    scene.source.errors = [Unreachable("it is away"), NotFound("nobody waits")]
    async with scene.running():
        await eventually(lambda: scene.relay.acks == [("per_1", "gone")])
    assert scene.source.decided == []


async def test_a_choice_that_was_not_given_is_refused(scene: Scene) -> None:
    scene.answer(scene.ask(), "always")
    async with scene.running():
        await eventually(lambda: scene.relay.acks == [("per_1", "refused")])
    assert (scene.source.decided, scene.said) == ([], [])


async def test_an_answer_waits_until_opencode_is_followed(scene: Scene) -> None:
    scene.answer(scene.ask())
    scene.following = None
    async with scene.running():
        await eventually(lambda: scene.relay.fetches > 2)
        assert scene.relay.acks == []
        scene.following = scene.source
        await eventually(lambda: scene.relay.acks == [("per_1", "applied")])


async def test_after_a_start_an_unknown_request_may_still_become_known(scene: Scene) -> None:
    early = scene.ask("per_early")
    scene.answer(early)
    scene.requests.close("per_early")
    scene.ask("per_other")
    async with scene.running():
        await eventually(lambda: scene.relay.fetches > 2)
        assert scene.relay.acks == []
        scene.ran = GRACE_SECONDS + 1
        await eventually(lambda: scene.relay.acks == [("per_early", "gone")])


@pytest.mark.parametrize("status", [404, 405])
async def test_an_older_relay_has_no_answers(scene: Scene, status: int) -> None:
    scene.ask()
    scene.relay.script = [status]
    async with scene.running() as task:
        await eventually(task.done)


async def test_faults_of_the_relay_are_waited_out(scene: Scene) -> None:
    scene.relay.script = [503, b"<html>", b'{"ok":true}', 429]
    scene.answer(scene.ask())
    async with scene.running():
        await eventually(lambda: scene.relay.acks == [("per_1", "applied")])
