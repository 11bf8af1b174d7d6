"""`relay pair --connect`: a fresh link of OpenCode 2 in the pairing code, which nobody keeps; and what is said without one."""

import io
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import encode_basic_auth, web

from component.bridge.fake_opencode import FakeOpenCode
from component.bridge.fake_opencode2 import FakeOpenCode2
from component.bridge.running import SECRET
from relay import contract
from relay.bridge.errors import NoServer, OptionError, Unreachable
from relay.bridge.options import BridgeOptions
from relay.bridge.pair import makes_links, pair
from relay.bridge.sources.opencode2.wire import PairAnswer
from simulator.clock import RealClock
from simulator.journal import Journal
from simulator.loopback import free_port
from simulator.opencode.v2.server import OpenCode2Server
from simulator.phone.app.pairing import parse_link

PASSWORD = "geheimes Kennwort"
RELAY = "https://relay.example.org"

Shown = Callable[..., Awaitable[tuple[contract.Pairing, str]]]


@pytest.fixture(autouse=True)
def nobody_at_the_known_port(monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setattr("relay.bridge.sources.discovery.DEFAULT_OPENCODE_URL", url)


@pytest.fixture
async def server(state_home: Path) -> AsyncIterator[OpenCode2Server]:
    """The managed service, as the simulator has it."""
    clock = RealClock()
    file = state_home / "opencode" / "service.json"
    server = OpenCode2Server(clock, Journal(clock), password=PASSWORD, service_file=file)
    await server.start()
    yield server
    await server.close()


@pytest.fixture
def shown() -> Shown:
    """`await shown(opencode_url=...)`: the pairing in the link, and what else is said."""

    async def run(**options: Any) -> tuple[contract.Pairing, str]:
        out, notes = io.StringIO(), io.StringIO()
        given = {"opencode_url": None, "relay_url": RELAY, "relay_secret": SECRET} | options
        await pair(BridgeOptions(**given), out=out, notes=notes, connect=True)
        (link,) = [text for text in out.getvalue().splitlines() if text.startswith("mobilevoice:")]
        assert parse_link(link).relay_secret == SECRET  # an app that knows no such field takes it, too
        return contract.parse_pairing_link(link), notes.getvalue()

    return run


async def test_the_link_lets_one_device_in_once(
    server: OpenCode2Server, shown: Shown, http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    pairing, notes = await shown(advertise_hosts=("laptop.local",))
    assert pairing.hosts[0] == f"http://laptop.local:{server.port}"
    assert pairing.connect
    assert "lets one device into OpenCode 2.1.2 (server generation 2, the managed service)" in notes
    assert "Only this machine" not in notes
    async with http.get(server.url + pairing.connect) as answer:
        token = (await answer.json())["token"]
    headers = {"Authorization": encode_basic_auth("opencode", token)}
    async with http.get(f"{server.url}/api/info", headers=headers) as answer:
        assert answer.status == 200
    async with http.get(server.url + pairing.connect) as answer:
        assert answer.status == 401
    code = pairing.connect.rpartition("/")[2]
    assert code not in notes + caplog.text
    assert (await shown())[0].connect != pairing.connect  # each time a fresh one


async def test_nothing_of_it_is_kept(server: OpenCode2Server, shown: Shown, state_home: Path) -> None:
    pairing, notes = await shown()
    assert pairing.connect
    code = pairing.connect.rpartition("/")[2]
    assert [path for path in files(state_home) if code in path.read_text()] == []
    assert "Only this machine reaches OpenCode" in notes
    with pytest.raises(OptionError, match="never stored: leave out --output"):
        await pair(
            BridgeOptions(None, RELAY, relay_secret=SECRET),
            out=io.StringIO(), notes=io.StringIO(), connect=True, output=state_home / "pair.png",
        )  # fmt: skip


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


class TestWithout:
    async def test_generation_1_has_none(self, fake_opencode: FakeOpenCode, shown: Shown) -> None:
        with pytest.raises(
            OptionError, match=r"OpenCode 1.18.33 .* has no connect links, OpenCode 2 has: leave out"
        ):
            await shown(opencode_url=fake_opencode.url)

    @pytest.mark.parametrize("version", ["2.0.6", "2.0.16"])
    async def test_an_older_release_is_named(self, shown: Shown, version: str) -> None:
        """Those of 2.0.13 to 2.0.16 had the password in the link, so they are not asked."""
        old = FakeOpenCode2()
        old.version = version
        await old.start()
        try:
            with pytest.raises(
                OptionError, match=f"OpenCode {version} .*2.0.17 and later do: opencode upgrade"
            ):
                await shown(opencode_url=old.url, password=old.password)
        finally:
            await old.stop()

    @pytest.mark.parametrize("status", [404, 405, 200])
    async def test_one_without_the_route_is_named(self, shown: Shown, status: int) -> None:
        async def answer(_: web.Request) -> web.Response:
            return web.json_response({"code": "not/a code"}, status=status)

        odd = FakeOpenCode2(web.post("/api/pair", answer))
        await odd.start()
        try:
            with pytest.raises(OptionError, match="makes no connect links"):
                await shown(opencode_url=odd.url, password=odd.password)
        finally:
            await odd.stop()

    async def test_no_server_is_said_to_be_none(self, shown: Shown) -> None:
        with pytest.raises(NoServer, match="there is no managed service of OpenCode 2"):
            await shown()
        with pytest.raises(Unreachable, match="nothing listens there"):
            await shown(opencode_url=f"http://127.0.0.1:{free_port()}")


async def test_without_a_link_the_service_that_is_found_is_named_as_host(
    server: OpenCode2Server,
) -> None:
    out = io.StringIO()
    await pair(BridgeOptions(None, RELAY, relay_secret=SECRET), out=out, notes=io.StringIO())
    link = out.getvalue().split()[-1]
    pairing = contract.parse_pairing_link(link)
    assert (pairing.hosts, pairing.connect) == ([server.url], None)
    assert "connect" not in link


@pytest.mark.parametrize(
    ("version", "makes"),
    [("2.0.16", False), ("2.0.17", True), ("2.1.0", True), ("2.0.17-next", True), ("3.0.0", True), ("next", True)],
)  # fmt: skip
def test_since_which_release_there_are_links(version: str, makes: bool) -> None:
    assert makes_links(version) == makes


def test_a_code_does_not_show() -> None:
    assert "zQcs2L5v" not in repr(PairAnswer(code="zQcs2L5vn2KsTAnC"))
