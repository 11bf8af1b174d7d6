"""An OpenCode and a relay that mean harm, over real sockets: memory stays bounded, credentials stay here, one line says why."""

import asyncio
import gzip
import json
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from component.bridge.fake_opencode import FakeOpenCode
from loopback_server import LoopbackServer
from relay import contract
from relay.bridge.address import address
from relay.bridge.client import MAX_ANSWER, open_client
from relay.bridge.errors import NotFound, NotOpenCode, Unreachable
from relay.bridge.notify.relay_client import RelayClient
from relay.bridge.sources.opencode1.client import OpenCode
from relay.bridge.sources.opencode1.fold import Sessions
from relay.bridge.sources.opencode1.runs import Runs
from relay.bridge.sources.opencode1.source import event_stream
from relay.bridge.sources.opencode1.wire import Event
from relay.bridge.sources.wire import MAX_EVENT, Malformed, Splitter

PASSWORD = "hunter2-of-opencode"
MEBIBYTE = 1 << 20
EVENT = contract.Event(secret="a-secret-of-16-characters", event_type="complete", session_id="ses_1")


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_client() as client:
        yield client


async def _endless(request: web.Request, content_type: str, chunk: bytes) -> web.StreamResponse:
    """A body without an end, until nobody reads it."""
    response = web.StreamResponse(headers={"Content-Type": content_type})
    await response.prepare(request)
    while True:
        await response.write(chunk)


# OpenCode.


async def test_an_answer_without_an_end_is_given_up(
    fake_opencode: FakeOpenCode, http: aiohttp.ClientSession
) -> None:
    fake_opencode.broken["session"] = lambda request: _endless(request, "application/json", b"[" * MEBIBYTE)
    opencode = OpenCode(http, address(fake_opencode.url), deadline=60)
    with pytest.raises(NotOpenCode, match=f"more than {MAX_ANSWER >> 10} KiB"):
        await opencode.session("ses_1")


async def test_a_compressed_answer_is_not_unpacked(
    fake_opencode: FakeOpenCode, http: aiohttp.ClientSession
) -> None:
    bomb = gzip.compress(b" " * (256 * MEBIBYTE), 1)

    async def answer(request: web.Request) -> web.Response:
        assert request.headers["Accept-Encoding"] == "identity"
        return web.Response(
            body=bomb, headers={"Content-Type": "application/json", "Content-Encoding": "gzip"}
        )

    fake_opencode.broken["session"] = answer
    tracemalloc.start()
    try:
        with pytest.raises(NotOpenCode):
            await OpenCode(http, address(fake_opencode.url)).session("ses_1")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * MEBIBYTE


async def test_an_event_without_an_end_ends_the_connection(
    fake_opencode: FakeOpenCode, http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    fake_opencode.broken["event"] = lambda request: _endless(
        request, "text/event-stream", b"data: " + b"x" * MEBIBYTE
    )
    paused = asyncio.Event()

    async def pause(_: float) -> None:
        paused.set()
        await asyncio.Event().wait()

    stream = event_stream(OpenCode(http, address(fake_opencode.url)), 30, sleep=pause)
    reading = asyncio.create_task(anext(stream.events()))
    await asyncio.wait_for(paused.wait(), 60)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    assert f"an event has more than {MAX_EVENT >> 10} KiB" in caplog.text


@pytest.mark.parametrize("chunks", [[b"data: " + b"x" * 90], [b"data: 12345\n"] * 20, [b"x" * 101]])
def test_no_event_is_collected_beyond_its_bound(chunks: list[bytes]) -> None:
    splitter = Splitter(max_event=95)

    def feed_all() -> None:
        for chunk in chunks:
            splitter.feed(chunk)

    with pytest.raises(Malformed):
        feed_all()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_credentials_follow_no_redirect(http: aiohttp.ClientSession, status: int) -> None:
    got: list[dict[str, str]] = []

    async def elsewhere(request: web.Request) -> web.Response:
        got.append(dict(request.headers))
        return web.json_response({})

    thief = LoopbackServer(web.route("*", "/{path:.*}", elsewhere))
    await thief.start()

    async def redirect(_: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": f"{thief.url}/stolen"})

    liar = LoopbackServer(web.route("*", "/{path:.*}", redirect))
    await liar.start()
    try:
        opencode = OpenCode(http, address(liar.url, password=PASSWORD))
        with pytest.raises(Unreachable, match=str(status)):
            await opencode.health()
        with pytest.raises(Unreachable, match=str(status)):
            async with opencode.global_events(1):
                pass
        posted = await RelayClient(http, liar.url).post(EVENT)
        assert posted.verdict in ("retry", "refused")
    finally:
        await liar.stop()
        await thief.stop()
    assert got == []


@pytest.mark.parametrize(
    "session_id", ["../global/health", "a/b", "ses_1?limit=1", "ses_1#x", "%2e%2e", "ses 1\r\nX: y", "ß🙂"]
)
async def test_an_id_stays_one_segment_of_the_path(
    fake_opencode: FakeOpenCode, http: aiohttp.ClientSession, session_id: str
) -> None:
    fake_opencode.create(session_id)
    assert (await OpenCode(http, address(fake_opencode.url)).session(session_id)).id == session_id


@pytest.mark.parametrize("session_id", ["", ".", ".."])
async def test_an_id_that_would_lead_elsewhere_is_not_asked_for(
    fake_opencode: FakeOpenCode, http: aiohttp.ClientSession, session_id: str
) -> None:
    with pytest.raises(NotFound):
        await OpenCode(http, address(fake_opencode.url)).session(session_id)
    assert fake_opencode.asked == []


def _busy(session_id: str) -> Event:
    properties = {"sessionID": session_id, "status": {"type": "busy"}}
    return Event(type="session.status", id="evt", properties=json.dumps(properties).encode())  # type: ignore[arg-type]


def test_an_id_of_megabytes_is_nothing_to_remember() -> None:
    sessions = Sessions()
    assert sessions.fold(_busy("s" * 10 * MEBIBYTE)) == []
    assert len(sessions) == 0


def test_of_many_sessions_that_all_run_not_all_are_remembered() -> None:
    sessions = Sessions(Runs(max_sessions=100))
    for number in range(5_000):
        sessions.fold(_busy(f"ses_{number}"))
    assert len(sessions) <= 500


# The relay.


class HostileRelay(LoopbackServer):
    """Answers every event as a test wants."""

    def __init__(self) -> None:
        super().__init__(web.post("/v1/event", self._answer))
        self.answer: Any = None

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        found: web.StreamResponse = await self.answer(request)
        return found


@pytest.fixture
async def relay() -> AsyncIterator[HostileRelay]:
    server = HostileRelay()
    await server.start()
    yield server
    await server.stop()


def _body(body: bytes, content_type: str = "application/json", status: int = 200, **headers: str) -> Any:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, status=status, headers={"Content-Type": content_type} | headers)

    return answer


ANSWERS = {
    "no JSON": _body(b"<html>", "text/html"),
    "of another type": _body(b"[1, 2, 3]"),
    "not ok": _body(b'{"ok": "yes"}'),
    "deeply nested": _body(b"[" * 50_000),
    "invalid UTF-8": _body(b'{"ok": true, "error": "\\xff"}'.replace(b"\\xff", b"\xff")),
    "compressed": _body(
        gzip.compress(b'{"ok": true}' + b" " * 64 * MEBIBYTE), **{"Content-Encoding": "gzip"}
    ),
    "endless": lambda request: _endless(request, "application/json", b" " * MEBIBYTE),
    "unending pause": _body(b"", status=429, **{"Retry-After": "9" * 300}),
}


@pytest.mark.parametrize("answer", ANSWERS)
async def test_no_reply_harms_or_counts_as_delivered(
    relay: HostileRelay, http: aiohttp.ClientSession, answer: str
) -> None:
    relay.answer = ANSWERS[answer]
    posted = await RelayClient(http, relay.url).post(EVENT)
    assert posted.verdict == "retry"
    assert posted.wait <= 3600
    assert len(posted.reason) < 1000
    assert EVENT.secret not in posted.reason


async def test_a_relay_that_never_answers_costs_its_deadline(
    relay: HostileRelay, http: aiohttp.ClientSession
) -> None:
    async def never(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    relay.answer = never
    posted = await RelayClient(http, relay.url, deadline=0.2).post(EVENT)
    assert (posted.verdict, posted.reason) == ("retry", "no answer within 0.2 s")


async def test_a_reply_that_repeats_the_secret_is_not_logged_with_it(
    relay: HostileRelay, http: aiohttp.ClientSession
) -> None:
    relay.answer = _body(
        json.dumps({"ok": False, "error": f"bad {EVENT.secret}", "code": "x"}).encode(), status=400
    )
    posted = await RelayClient(http, relay.url).post(EVENT)
    assert (posted.verdict, EVENT.secret in posted.reason) == ("refused", False)
