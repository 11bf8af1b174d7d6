"""A lab with its control API on a real socket, and providers that push to it: aioapns, unmodified but for host and CA."""

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from time import time
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
import pytest_asyncio
from aioapns import APNs, NotificationRequest, PushType
from aioapns.common import NotificationResult
from aioapns.connection import APNsTLSClientProtocol
from playwright.async_api import Browser, Locator, Page

from browser import browser, opened
from component.control.scene import ACTIVITY_TOPIC, AUTHORITY, CLOCKS, TOPIC, Scene
from simulator.apns.sandbox import Sandbox
from simulator.clock import Clock, RealClock, TurnableClock, VirtualClock
from simulator.journal import Journal
from simulator.lab.control.app import ControlServer, create_app
from simulator.lab.device import DeviceSpec
from simulator.lab.feed import Feed
from simulator.lab.lab import Lab

ACTIVITY = {
    "attributes_type": "SessionActivityAttributes",
    "attributes": {"sessionId": "ses_1"},
    "content_state": {"status": "working", "sessionTitle": "Build", "lastMessage": "…"},
}
"""A Live Activity that the app may start."""
Json = dict[str, Any]


class Reply:
    """What came back: the status, and the body as JSON."""

    def __init__(self, status: int, headers: Any, text: str) -> None:
        self.status = status
        self.headers = headers
        self.body: Json = json.loads(text)

    def __getitem__(self, name: str) -> Any:
        assert self.body["ok"] is True, self.body
        return self.body[name]

    @property
    def problem(self) -> tuple[int, str]:
        """Status and code of an error; its envelope is checked on the way."""
        assert set(self.body) == {"ok", "error", "code"}, self.body
        assert self.body["ok"] is False
        assert self.body["error"]
        return self.status, self.body["code"]


class Stage:
    """A lab with one app, one key and one phone ("iPhone"), and what a test opens to it."""

    def __init__(self, clock: Clock, folder: Path, stack: AsyncExitStack, heartbeat: float) -> None:
        self.journal = Journal(clock)
        self.sandbox = Sandbox(clock, self.journal, random=Random(5), folder=folder, authority=AUTHORITY)
        self.lab = Lab(clock, self.journal, self.sandbox, feed=Feed(self.journal, heartbeat=heartbeat))
        self.sandbox.add_app(TOPIC)
        self.key = self.lab.issue_key()
        self.phone = self.lab.add_device(DeviceSpec("iPhone", TOPIC)).phone
        self.changes = 0
        self.control = ControlServer(create_app(self.lab, self._changed))
        self.http: aiohttp.ClientSession
        self._stack = stack

    def _changed(self) -> None:
        self.changes += 1

    async def start(self) -> None:
        await self.sandbox.start()
        self._stack.push_async_callback(self.sandbox.close)
        await self.control.start()
        self._stack.push_async_callback(self.control.close)
        self.lab.start()
        self._stack.push_async_callback(self.lab.close)
        self.http = await self._stack.enter_async_context(aiohttp.ClientSession())

    async def call(self, method: str, path: str, body: Any = None, **options: Any) -> Reply:
        """A request to /control + path."""
        if body is not None:
            options["json"] = body
        async with self.http.request(method, self.control.url + path, **options) as response:
            assert response.content_type == "application/json", response
            return Reply(response.status, response.headers, await response.text())

    async def get(self, path: str, **options: Any) -> Reply:
        return await self.call("GET", path, **options)

    async def post(self, path: str, body: Any = None, **options: Any) -> Reply:
        return await self.call("POST", path, body, **options)

    async def patch(self, path: str, body: Any = None) -> Reply:
        return await self.call("PATCH", path, body)

    async def delete(self, path: str, **options: Any) -> Reply:
        return await self.call("DELETE", path, **options)

    async def token(self, kind: str = "alert", name: str = "iPhone") -> str:
        """As a person finds it: by the control API."""
        token: str = (await self.get(f"/devices/{name}"))["device"]["tokens"][kind]
        return token

    def provider(self, key: Any = None, realm: str = "sandbox") -> APNs:
        """Stock aioapns with one connection, pointed at this sandbox."""
        key = key or self.key
        port = self.sandbox.ports[realm]
        apns = APNs(
            key=key.private_key,
            key_id=key.key_id,
            team_id=key.team_id,
            topic=TOPIC,
            ssl_context=ssl.create_default_context(cafile=str(self.sandbox.ca_file)),
            max_connections=1,
            max_connection_attempts=1,
        )
        apns.pool.protocol_class = type(
            "Here", (APNsTLSClientProtocol,), {"APNS_SERVER": "localhost", "APNS_PORT": port}
        )
        self._stack.callback(apns.pool.close)
        return apns

    async def push(
        self, title: str = "Done", *, token: str | None = None, apns: APNs | None = None, **options: Any
    ) -> NotificationResult:
        """An alert; the result's notification_id is its apns-id."""
        message = {"aps": {"alert": {"title": title, "body": "…"}}}
        request = NotificationRequest(
            token or await self.token(), message, notification_id=str(uuid4()).upper(), **options
        )
        return await (apns or self.provider()).send_notification(request)

    async def push_activity(self, token: str, aps: Json) -> NotificationResult:
        """A Live Activity push."""
        request = NotificationRequest(
            token, {"aps": aps}, push_type=PushType.LIVEACTIVITY, apns_topic=ACTIVITY_TOPIC, priority=10
        )
        return await self.provider().send_notification(request)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """On virtual time that stands at the machine's, for providers sign with that."""
    async with AsyncExitStack() as stack:
        stage = Stage(VirtualClock(time()), tmp_path, stack, heartbeat=0.05)
        await stage.start()
        yield stage


@pytest.fixture
async def real_stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """On the machine's time."""
    async with AsyncExitStack() as stack:
        stage = Stage(RealClock(), tmp_path, stack, heartbeat=10.0)
        await stage.start()
        yield stage


@pytest.fixture(params=CLOCKS)
async def scene(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    """On each of the clocks in turn."""
    async with AsyncExitStack() as stack:
        scene = Scene(CLOCKS[request.param](), tmp_path, stack)
        await scene.start()
        yield scene


# --- the page -------------------------------------------------------------------------------------------------------

OpenPage = Callable[..., Awaitable[Page]]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with browser() as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def page_stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """On virtual time, so that nothing on the page changes by itself; for tests that share their module's loop."""
    async with AsyncExitStack() as stack:
        stage = Stage(TurnableClock(), tmp_path, stack, heartbeat=5.0)
        await stage.start()
        yield stage


@pytest_asyncio.fixture(loop_scope="module")
async def open_page(page_stage: Stage, chromium: Browser) -> AsyncIterator[OpenPage]:
    """Opens the page in a context of its own; fails afterwards if it wrote an error or asked any host but its own."""
    async with AsyncExitStack() as stack:

        async def open_one(path: str = "/", **options: Any) -> Page:
            base = page_stage.control.page_url.removesuffix("/")
            return await stack.enter_async_context(opened(chromium, base, path, **options))

        yield open_one


def card_start(alert: bool = True) -> Json:
    """The aps of a push that starts a card, with or without the alert that it must have."""
    aps: Json = {
        "timestamp": int(time()),
        "event": "start",
        "attributes-type": "SessionActivityAttributes",
        "attributes": {"sessionId": "ses_1"},
        "content-state": {
            "status": "working",
            "sessionTitle": "Fix the login bug",
            "lastMessage": "Running the tests",
        },
        "input-push-token": 1,
    }
    return aps | ({"alert": {"title": "Fix the login bug", "body": "Started"}} if alert else {})


def row(page: Page, text: str) -> Locator:
    """The line of a push in the list."""
    return page.locator(".list .row", has_text=text)
