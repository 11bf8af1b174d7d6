"""Where OpenCode is found, and what is said where it is not: the managed service, a known port, a named URL; and the bridge
without any option, whose server restarts, moves and changes its generation."""

import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from component.bridge.fake_opencode import FakeOpenCode
from component.bridge.fake_opencode2 import PASSWORD, FakeOpenCode2
from component.bridge.fake_relay import FakeRelay
from component.bridge.running import SECRET, RunningBridge
from loopback_server import LoopbackServer
from relay.bridge.errors import (
    BadServiceFile,
    NoServer,
    NotOpenCode,
    OtherGeneration,
    Refused,
    Unready,
)
from relay.bridge.lookout import AWAY_SECONDS, POLL_SECONDS, found_words, is_elsewhere
from relay.bridge.options import BridgeOptions
from relay.bridge.sources import discovery as discovery_module
from relay.bridge.sources.discovery import Discovery, Found, Place
from simulator.loopback import free_port
from waiting import eventually

Write = Callable[..., None]
Find = Callable[..., Any]
Running = Callable[..., AbstractAsyncContextManager[RunningBridge]]


@pytest.fixture
async def opencode2() -> AsyncIterator[FakeOpenCode2]:
    server = FakeOpenCode2()
    await server.start()
    server.create("ses_a", "Fix the parser")
    yield server
    server.cut()
    await server.stop()


@pytest.fixture(autouse=True)
def known_port(monkeypatch: pytest.MonkeyPatch) -> str:
    """Where a server of generation 1 is looked for; nobody listens there."""
    return at_known_port(f"http://127.0.0.1:{free_port()}", monkeypatch)


def at_known_port(url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(discovery_module, "DEFAULT_OPENCODE_URL", url)
    return url


@pytest.fixture
def file(state_home: Path) -> Path:
    return state_home / "opencode" / "service.json"


@pytest.fixture
def write(file: Path) -> Write:
    """Write the file as OpenCode does, by renaming."""

    def put(service: dict[str, Any]) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        half = file.with_suffix(".half")
        half.write_text(json.dumps(service))
        half.chmod(0o600)
        half.rename(file)

    return put


@pytest.fixture
def find(http: aiohttp.ClientSession) -> Find:
    """`await find(opencode_url=..., password=...)`: what is found with these options."""

    async def look(opencode_url: str | None = None, **options: Any) -> Found:
        given = BridgeOptions(opencode_url, "http://relay", **options)
        return await Discovery(http, given, os.environ).find()

    return look


@asynccontextmanager
async def listening(answer: Callable[[web.Request], web.StreamResponse]) -> AsyncIterator[LoopbackServer]:
    async def handle(request: web.Request) -> web.StreamResponse:
        return answer(request)

    server = LoopbackServer(web.get("/{path:.*}", handle))
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def page(_: web.Request) -> web.Response:
    return web.Response(text="<html>", content_type="text/html")


async def answered(status: int) -> web.StreamResponse:
    return web.json_response({"data": {}}, status=status)


def readable(file: Path) -> None:
    """By others."""
    file.chmod(0o644)


def remove(file: Path) -> None:
    """As an orderly stop does."""
    file.unlink()


def moved(url: str) -> web.Response:
    return web.Response(status=307, headers={"Location": url})


class TestNobodySaysWhere:
    async def test_the_managed_service_is_found_with_its_password(
        self, opencode2: FakeOpenCode2, write: Write, find: Find
    ) -> None:
        write(opencode2.service())
        found = await find()
        assert (
            str(found.place)
            == f"OpenCode 2.1.2 (server generation 2, the managed service) at {opencode2.url}"
        )
        assert (found.place.address.password, found.place.address.managed) == (PASSWORD, True)
        assert (found.other, found.flaw) == (None, None)
        assert found_words(found) == f"Following {found.place}"
        assert PASSWORD not in repr(found)

    async def test_a_password_that_was_given_comes_first_and_the_files_is_tried_if_it_is_refused(
        self, opencode2: FakeOpenCode2, write: Write, find: Find
    ) -> None:
        write(opencode2.service(password="another"))
        assert not (await find(password=PASSWORD)).place.from_file
        write(opencode2.service())
        found = await find(password="of generation 1", username="me")
        assert (found.place.address.username, found.place.address.password) == ("opencode", PASSWORD)

    async def test_a_server_of_generation_1_is_found_at_its_port(
        self, fake_opencode: FakeOpenCode, find: Find, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        at_known_port(fake_opencode.url, monkeypatch)
        found = await find()
        assert str(found.place) == f"OpenCode 1.18.33 (server generation 1) at {fake_opencode.url}"

    async def test_one_of_generation_2_in_the_foreground_is_found_there_with_its_password(
        self, opencode2: FakeOpenCode2, find: Find, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        at_known_port(opencode2.url, monkeypatch)
        found = await find(password=PASSWORD)
        assert (
            str(found.place) == f"OpenCode 2.1.2 (server generation 2, in the foreground) at {opencode2.url}"
        )
        with pytest.raises(Refused, match="OPENCODE_PASSWORD"):
            await find()

    async def test_of_two_the_managed_service_is_followed_and_the_other_one_is_named(
        self,
        opencode2: FakeOpenCode2,
        fake_opencode: FakeOpenCode,
        write: Write,
        find: Find,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        write(opencode2.service())
        at_known_port(fake_opencode.url, monkeypatch)
        found = await find()
        assert (found.place.generation, found.other.generation) == ("OpenCode 2", "OpenCode 1")
        assert f"--opencode-url {fake_opencode.url} follows that one instead" in found_words(found)
        at_known_port(opencode2.url, monkeypatch)  # the service itself: no second server
        assert (await find()).other is None

    @pytest.mark.parametrize(
        ("changed", "words"),
        [
            ({"pid": 8}, r"is of another server \(version 2.1.2, pid 8\) than .*pid 7"),
            ({"version": "2.0.22"}, r"version 2.0.22, pid 7\) than .*version 2.1.2"),
            ({"password": "old"}, "has a password that .* does not take"),
            ({"url": "http://127.0.0.1:9"}, "names http://127.0.0.1:9, where no OpenCode answers: it was left behind, and nothing answers at .*; opencode service start; otherwise start it"),
            ({"url": "http://192.0.2.1:49374"}, "beyond this machine's own loopback"),
            ({"pid": None}, "is not what OpenCode writes"),
        ],
    )  # fmt: skip
    async def test_a_file_that_cannot_be_right_is_named_and_another_server_followed(
        self,
        opencode2: FakeOpenCode2,
        fake_opencode: FakeOpenCode,
        write: Write,
        find: Find,
        monkeypatch: pytest.MonkeyPatch,
        changed: dict[str, Any],
        words: str,
    ) -> None:
        write(opencode2.service(**changed))
        with pytest.raises(NoServer, match=words) as raised:
            await find()
        assert "start it (opencode, or opencode serve)" in str(raised.value)
        assert PASSWORD not in str(raised.value)
        at_known_port(fake_opencode.url, monkeypatch)
        found = await find()
        assert found.place.generation == "OpenCode 1"
        assert "Not the managed service of OpenCode 2: " in found_words(found)

    async def test_a_server_that_does_not_say_its_process_is_known_by_its_version(
        self, opencode2: FakeOpenCode2, write: Write, find: Find
    ) -> None:
        opencode2.pid = 0
        write(opencode2.service(pid=48213))
        assert (await find()).place.address.managed

    async def test_no_password_is_sent_to_another_users_program(
        self, opencode2: FakeOpenCode2, write: Write, find: Find, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(discovery_module, "is_foreign", lambda url, _, __: url == opencode2.url)
        write(opencode2.service())
        with pytest.raises(NoServer, match="where another user's program listens: it was left behind"):
            await find()
        assert opencode2.asked == []

    async def test_no_password_follows_a_redirect(self, write: Write, find: Find) -> None:
        asked: list[web.Request] = []

        def elsewhere(request: web.Request) -> web.Response:
            asked.append(request)
            return page(request)

        async with (
            listening(elsewhere) as other,
            listening(lambda request: moved(other.url + request.path)) as service,
        ):
            write({"url": service.url, "pid": 7, "version": "2.1.2", "password": PASSWORD})
            with pytest.raises(NoServer, match="no OpenCode answers"):
                await find()
        assert asked == []

    async def test_none_at_all_says_where_was_looked_and_what_to_do(
        self, find: Find, file: Path, known_port: str
    ) -> None:
        with pytest.raises(NoServer) as raised:
            await find()
        assert str(raised.value) == (
            f"there is no managed service of OpenCode 2 (no file {file}), and nothing answers at {known_port}; "
            "start it (opencode, or opencode serve), or say where it listens by --opencode-url"
        )

    async def test_what_else_listens_at_the_known_port_is_waited_for_if_it_is_no_opencode(
        self, find: Find, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with listening(page) as other:
            at_known_port(other.url, monkeypatch)
            with pytest.raises(NoServer, match=r"something answers at .*, but not as OpenCode"):
                await find()

    async def test_an_early_release_is_named_with_what_to_do(self, write: Write, find: Find) -> None:
        def beta(request: web.Request) -> web.Response:
            if request.path != "/api/health":
                return web.Response(status=404)
            return web.json_response({"healthy": True, "version": "0.0.0-next-202608070013"})

        async with listening(beta) as early:
            write({"url": early.url, "pid": 7, "version": "0.0.0-next-202608070013", "password": PASSWORD})
            with pytest.raises(OtherGeneration, match=r"update it to 2.0.6 or later"):
                await find()

    @pytest.mark.parametrize(
        ("status", "answer", "words"),
        [
            (503, {"code": "service_starting"}, "is starting"),
            (503, {"code": "service_stopping"}, "is stopping"),
            (503, {"version": "2.1.2", "pid": 7}, "is starting or stopping"),
        ],
    )
    async def test_one_that_starts_or_stops_is_waited_for_whatever_else_there_is(
        self,
        opencode2: FakeOpenCode2,
        fake_opencode: FakeOpenCode,
        write: Write,
        find: Find,
        monkeypatch: pytest.MonkeyPatch,
        status: int,
        answer: dict[str, Any],
        words: str,
    ) -> None:
        async def unready(_: web.Request) -> web.StreamResponse:
            return web.json_response(answer, status=status, headers={"Retry-After": "1"})

        opencode2.broken["info"] = unready
        write(opencode2.service())
        at_known_port(fake_opencode.url, monkeypatch)
        with pytest.raises(Unready, match=words):
            await find()

    async def test_one_that_failed_says_why_and_another_one_is_followed(
        self,
        opencode2: FakeOpenCode2,
        fake_opencode: FakeOpenCode,
        write: Write,
        find: Find,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        async def info(_: web.Request) -> web.StreamResponse:
            return web.json_response({"version": "2.1.2", "pid": 7}, status=500)

        async def active(_: web.Request) -> web.StreamResponse:
            failed = {"code": "service_failed", "message": "database\nis\x1b locked, token=sk-canary0123456789abcdef", "action": "close the other one"}  # fmt: skip
            return web.json_response(failed, status=503)

        opencode2.broken |= {"info": info, "active": active}
        write(opencode2.service())
        with pytest.raises(NoServer, match=r"has failed .*: database is locked, token=.*; close the other one") as raised:  # fmt: skip
            await find()
        assert "canary" not in str(raised.value)
        for status in (404, 200):  # nor does this route say more
            opencode2.broken["active"] = lambda _, status=status: answered(status)
            with pytest.raises(NoServer, match="has failed"):
                await find()
        at_known_port(fake_opencode.url, monkeypatch)
        assert "has failed" in found_words(await find())


class TestNamed:
    async def test_the_files_password_is_used_for_its_own_url_only(
        self, opencode2: FakeOpenCode2, write: Write, find: Find
    ) -> None:
        with pytest.raises(Refused):
            await find(opencode2.url)
        write(opencode2.service())
        found = await find(opencode2.url.replace("127.0.0.1", "localhost"))
        assert (found.place.from_file, found.place.address.managed) == (True, True)
        write(opencode2.service(url="http://127.0.0.1:9"))
        with pytest.raises(Refused):
            await find(opencode2.url)

    async def test_a_password_that_was_given_is_enough(
        self, opencode2: FakeOpenCode2, write: Write, find: Find
    ) -> None:
        assert not (await find(opencode2.url, password=PASSWORD)).place.address.managed
        write(opencode2.service(pid=8))  # left behind
        assert not (await find(opencode2.url, password=PASSWORD)).place.address.managed
        write(opencode2.service())
        assert (await find(opencode2.url, password=PASSWORD)).place.address.managed

    async def test_a_file_of_another_server_there_is_waited_for(
        self, opencode2: FakeOpenCode2, write: Write, find: Find
    ) -> None:
        write(opencode2.service(pid=8))
        with pytest.raises(BadServiceFile, match="is of another server"):
            await find(opencode2.url)

    async def test_one_without_a_password_is_followed_whatever_an_old_file_says(
        self, fake_opencode: FakeOpenCode, write: Write, find: Find
    ) -> None:
        """Generation 2 was replaced by 1 in its place."""
        write({"url": fake_opencode.url, "pid": 7, "version": "2.1.2", "password": PASSWORD})
        assert (await find(fake_opencode.url)).place.generation == "OpenCode 1"

    async def test_why_the_file_does_not_help_is_said(
        self, opencode2: FakeOpenCode2, write: Write, find: Find, file: Path
    ) -> None:
        write(opencode2.service())
        readable(file)
        with pytest.raises(Refused, match=r"another username or password.*others can read it: chmod 600"):
            await find(opencode2.url)

    async def test_a_web_page_is_no_opencode(self, find: Find) -> None:
        async with listening(page) as other:
            with pytest.raises(NotOpenCode, match="not as OpenCode"):
                await find(other.url)


class TestElsewhere:
    """When the bridge looks for its server anew; `seen`: whether it is connected, look by look."""

    def place(self, server: FakeOpenCode2, **changed: Any) -> Place:
        where = discovery_module.Address(server.url, "opencode", PASSWORD, managed=True)
        return Place(**{"address": where, "generation": "OpenCode 2", "version": "2.1.2", "pid": 7, "from_file": True} | changed)  # fmt: skip

    async def looks(self, found: Discovery, place: Place, seen: list[bool]) -> float | None:
        """After how many seconds it is known to be elsewhere; None: not within `seen`."""
        now = [0.0]
        rest = iter(seen)

        class EndError(Exception):
            pass

        async def sleep(seconds: float) -> None:
            now[0] += seconds

        def connected() -> bool:
            try:
                return next(rest)
            except StopIteration:
                raise EndError from None

        try:
            await is_elsewhere(found, place, connected, sleep=sleep, clock=lambda: now[0])
        except EndError:
            return None
        return now[0]

    @pytest.fixture
    def look(self, http: aiohttp.ClientSession) -> Callable[..., Discovery]:
        return lambda url=None: Discovery(http, BridgeOptions(url, "http://relay"), os.environ)

    @pytest.mark.parametrize("changed", [{"url": "http://127.0.0.1:9"}, {"password": "new"}])
    async def test_another_url_or_password_in_the_file_is_noticed_at_the_next_look(
        self, opencode2: FakeOpenCode2, write: Write, look: Callable[..., Discovery], changed: dict[str, str]
    ) -> None:
        write(opencode2.service(**changed))
        place = self.place(opencode2)
        assert await self.looks(look(), place, [False]) == POLL_SECONDS
        assert await self.looks(look(), place, [True] * 9) is None  # connected all the time
        assert await self.looks(look(), place, [False]) == POLL_SECONDS

    async def test_a_restart_at_the_same_place_is_waited_for(
        self, opencode2: FakeOpenCode2, write: Write, look: Callable[..., Discovery], file: Path
    ) -> None:
        place = self.place(opencode2)
        assert await self.looks(look(), place, [False] * 9 + [True]) is None
        write(opencode2.service(pid=8, version="2.1.3"))
        assert await self.looks(look(), place, [False] * 9 + [True]) is None
        readable(file)
        assert await self.looks(look(), place, [False] * 9 + [True]) is None

    async def test_another_server_is_followed_when_it_has_been_away_for_long(
        self,
        opencode2: FakeOpenCode2,
        fake_opencode: FakeOpenCode,
        look: Callable[..., Discovery],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        place = self.place(opencode2)
        away = [False] * 60
        assert await self.looks(look(), place, away) is None  # there is none
        at_known_port(fake_opencode.url, monkeypatch)
        after = await self.looks(look(), place, away)
        assert after is not None
        assert AWAY_SECONDS < after < AWAY_SECONDS + 2 * POLL_SECONDS
        assert await self.looks(look(opencode2.url), place, away) is None  # a URL that was given is kept to
        assert await self.looks(look(), place, [False] * 29 + [True] + [False] * 29) is None

    async def test_a_named_servers_password_is_read_anew(
        self, opencode2: FakeOpenCode2, write: Write, look: Callable[..., Discovery]
    ) -> None:
        place = self.place(opencode2)
        write(opencode2.service(password="new"))
        assert look(opencode2.url).moved(place)
        assert not look(opencode2.url).moved(self.place(opencode2, from_file=False))
        write(opencode2.service(url="http://127.0.0.1:9", password="new"))
        assert not look(opencode2.url).moved(place)  # the file is another server's


@pytest.fixture
def running(fake_relay: FakeRelay) -> Running:
    """The bridge, which nobody tells where OpenCode is."""

    @asynccontextmanager
    async def run(**changed: Any) -> AsyncIterator[RunningBridge]:
        given: dict[str, Any] = {
            "opencode_url": None,
            "relay_url": fake_relay.url,
            "relay_secret": SECRET,
            "permission_delay": 0.0,
            "card_after": 0.0,
            "bundle": 0.0,
            "keep_answered": True,
        }
        bridge = RunningBridge(BridgeOptions(**given | changed))
        try:
            yield bridge
        finally:
            await bridge.stop()

    return run


async def ends_at_generation_1(opencode: FakeOpenCode, relay: FakeRelay) -> None:
    """The session goes on at the other generation's server, and is done there."""
    await eventually(lambda: "/question" in opencode.asked)  # the bridge has caught up
    opencode.write("ses_a", "It is fixed.")
    opencode.status("ses_a", "idle")
    await eventually(lambda: relay.accepted)
    opencode.cut()


def rang_once(relay: FakeRelay) -> None:
    """One alert, and one card for the whole run."""
    assert [event.body for event in relay.accepted] == ["It is fixed."]
    assert [kind for kind, _, _ in relay.shown("ses_a")].count("start") == 1


class TestBridge:
    async def test_it_waits_says_so_once_and_goes_on_when_there_is_one(
        self,
        opencode2: FakeOpenCode2,
        fake_relay: FakeRelay,
        running: Running,
        write: Write,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        async with running() as bridge:
            await eventually(
                lambda: "Waiting for OpenCode: there is no managed service" in bridge.out.getvalue()
            )
            write({"url": "http://127.0.0.1:9", "pid": 7, "version": "2.1.2", "password": PASSWORD})
            await eventually(lambda: "it was left behind" in bridge.out.getvalue())
            write(opencode2.service())
            await eventually(lambda: opencode2.streams)
            opencode2.begin("ses_a")
            opencode2.end("ses_a", "succeeded", "It is fixed.")
            await eventually(lambda: fake_relay.accepted)
            out = bridge.out.getvalue()
        assert out.count("Waiting for OpenCode") == 2  # a line for each reason
        assert (
            f"Following OpenCode 2.1.2 (server generation 2, the managed service) at {opencode2.url}\n" in out
        )
        assert f"To pair a phone: relay pair --relay-url {fake_relay.url}\n" in out
        assert "mobilevoice:" not in out, "without a terminal the secret is not printed"
        assert PASSWORD not in out + caplog.text
        assert [event.body for event in fake_relay.accepted] == ["It is fixed."]

    async def test_the_service_moves_to_another_port_with_its_open_runs(
        self,
        opencode2: FakeOpenCode2,
        fake_relay: FakeRelay,
        running: Running,
        write: Write,
        file: Path,
        state_home: Path,
    ) -> None:
        """Another release restarts it: another version, process, port and password."""
        write(opencode2.service())
        second = FakeOpenCode2()
        second.version, second.pid = "2.2.0", 8
        second.create("ses_a", "Fix the parser")
        async with running():
            await eventually(lambda: opencode2.streams)
            opencode2.begin("ses_a")
            await eventually(lambda: fake_relay.cards)
            remove(file)
            opencode2.cut()
            await opencode2.stop()
            second.executions.add("ses_a")
            await second.start()
            write(second.service())
            await eventually(lambda: second.streams)
            second.step("ses_a")
            second.end("ses_a", "succeeded", "It is fixed.")
            await eventually(lambda: fake_relay.accepted)
            second.cut()
        await second.stop()
        rang_once(fake_relay)
        states = [*(state_home / "opencode-push-relay").glob("bridge-*.json")]
        assert [json.loads(path.read_text())["url"] for path in states] == [second.url]

    async def test_a_bridge_that_starts_when_the_service_has_moved_knows_its_runs(
        self, opencode2: FakeOpenCode2, fake_relay: FakeRelay, running: Running, write: Write
    ) -> None:
        write(opencode2.service())
        async with running():
            await eventually(lambda: opencode2.streams)
            opencode2.begin("ses_a")
            await eventually(lambda: fake_relay.cards)
        opencode2.end("ses_a", "succeeded", "Meanwhile.")
        await opencode2.stop()
        opencode2.port = free_port()
        await opencode2.start()
        write(opencode2.service(pid=7))
        async with running():
            await eventually(lambda: fake_relay.accepted)
        assert [event.body for event in fake_relay.accepted] == ["Meanwhile."]

    async def test_generation_2_is_replaced_by_1_at_another_port(
        self,
        opencode2: FakeOpenCode2,
        fake_opencode: FakeOpenCode,
        fake_relay: FakeRelay,
        running: Running,
        write: Write,
        file: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("relay.bridge.lookout.AWAY_SECONDS", 0.2)
        write(opencode2.service())
        fake_opencode.create("ses_a", "Fix the parser")
        async with running():
            await eventually(lambda: opencode2.streams)
            opencode2.begin("ses_a")
            await eventually(lambda: fake_relay.cards)
            remove(file)
            opencode2.cut()
            await opencode2.stop()
            fake_opencode.status("ses_a", "busy")
            at_known_port(fake_opencode.url, monkeypatch)
            await ends_at_generation_1(fake_opencode, fake_relay)
        rang_once(fake_relay)

    async def test_generation_2_is_replaced_by_1_at_its_own_port(
        self, opencode2: FakeOpenCode2, fake_opencode: FakeOpenCode, fake_relay: FakeRelay, running: Running
    ) -> None:
        fake_opencode.create("ses_a", "Fix the parser")
        await fake_opencode.stop()
        async with running(opencode_url=opencode2.url, password=PASSWORD):
            await eventually(lambda: opencode2.streams)
            opencode2.begin("ses_a")
            await eventually(lambda: fake_relay.cards)
            opencode2.cut()
            await opencode2.stop()
            fake_opencode.port = opencode2.port
            fake_opencode.status("ses_a", "busy")
            await fake_opencode.start()
            await ends_at_generation_1(fake_opencode, fake_relay)
        rang_once(fake_relay)

    async def test_an_early_release_in_its_place_is_named_and_waited_for_until_it_is_updated(
        self,
        opencode2: FakeOpenCode2,
        fake_opencode: FakeOpenCode,
        fake_relay: FakeRelay,
        running: Running,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        fake_opencode.create("ses_a", "Fix the parser")
        await opencode2.stop()
        opencode2.port, opencode2.version = fake_opencode.port, "0.0.0-next-202609010000"
        async with running(opencode_url=fake_opencode.url, password=PASSWORD):
            await eventually(lambda: fake_opencode.streams)
            fake_opencode.status("ses_a", "busy")
            await eventually(lambda: fake_relay.cards)
            await fake_opencode.crash()
            opencode2.executions.add("ses_a")
            await opencode2.start()
            await eventually(lambda: "update it to 2.0.6 or later" in caplog.text)
            opencode2.version = "2.1.2"
            await eventually(lambda: opencode2.streams and "/api/form" in opencode2.asked)
            opencode2.step("ses_a")
            opencode2.end("ses_a", "succeeded", "It is fixed.")
            await eventually(lambda: fake_relay.accepted)
            opencode2.cut()
        assert [event.body for event in fake_relay.accepted] == ["It is fixed."]

    async def test_the_bridges_own_routes_want_the_password_of_the_server_that_was_found(
        self, opencode2: FakeOpenCode2, running: Running, write: Write, http: aiohttp.ClientSession
    ) -> None:
        write(opencode2.service())
        port = free_port()
        url = f"http://127.0.0.1:{port}/experimental/push"
        async with running(port=port):
            await eventually(lambda: opencode2.streams)
            async with http.get(url) as answer:
                assert answer.status == 401
            headers = {"Authorization": aiohttp.encode_basic_auth("opencode", PASSWORD)}
            async with http.get(url, headers=headers) as answer:
                assert answer.status == 200
            opencode2.cut()
