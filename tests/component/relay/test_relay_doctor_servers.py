"""`relay doctor` on the servers along the chain: OpenCode, bridge and relay, several of them, proxies, a phone's point of view."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme
from aiohttp import encode_basic_auth, web

from component.relay.doctoring import NOW, NOWHERE, SECRET, examined
from http_proxy import HttpProxy
from relay.bridge.address import Address
from relay.bridge.errors import BadServiceFile, Unready
from relay.bridge.http.replies import BridgeHealth, RelayReply
from relay.bridge.options import BridgeOptions
from relay.bridge.sources.discovery import Found, Place
from relay.doctor.connections import clock_difference, opencode_finding
from relay.doctor.finding import Case, Finding
from relay.doctor.reach import bridge_finding, phone_finding


class TestNeighbours:
    """What else may listen there."""

    @asynccontextmanager
    async def server(self, answer: Callable[[web.Request], web.Response]) -> AsyncIterator[str]:
        async def handle(request: web.Request) -> web.Response:
            return answer(request)

        app = web.Application()
        app.add_routes([web.get("/{path:.*}", handle)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    async def found(self, step: str, **options: Any) -> Finding:
        given = {"opencode_url": NOWHERE, "relay_url": NOWHERE, "relay_secret": SECRET}
        return (await examined(Case(BridgeOptions(**given | options), {}, push=False)))[step]

    async def test_opencode_wants_its_password(self) -> None:
        def guarded(request: web.Request) -> web.Response:
            if request.headers.get("Authorization") != encode_basic_auth("opencode", "geheim"):
                return web.Response(status=401)
            return web.json_response({"healthy": True, "version": "1.18.33"})

        async with self.server(guarded) as url:
            refused = await self.found("opencode", opencode_url=url)
            assert refused.result == "fails"
            assert "OPENCODE_SERVER_PASSWORD" in refused.remedy
            wrong = await self.found("opencode", opencode_url=url, password="falsch")
            assert wrong.result == "fails"
            assert "falsch" not in repr(wrong)
            assert (await self.found("opencode", opencode_url=url, password="geheim")).result == "ok"

    async def test_the_second_generation_is_named_with_what_to_do(self) -> None:
        async with self.server(lambda _: web.json_response({"version": "2.1.2", "pid": 1})) as url:
            found = await self.found("opencode", opencode_url=url)
            assert (found.result, found.said) == (
                "ok",
                f"the bridge follows OpenCode 2.1.2 (server generation 2, in the foreground) at {url}",
            )
        async with self.server(lambda _: web.json_response({"version": "0.0.0-next-202608070013"})) as url:
            found = await self.found("opencode", opencode_url=url)
        assert (
            found.said
            == f"{url} is an early OpenCode 2 (0.0.0-next-202608070013), and this bridge reads OpenCode 1 and 2.0.6 or later"
        )
        assert "update it to 2.0.6 or later" in found.remedy

    async def test_something_else_is_no_opencode_and_no_relay(self) -> None:
        async with self.server(lambda _: web.Response(text="<html>", content_type="text/html")) as url:
            assert "something else" in (await self.found("opencode", opencode_url=url)).remedy
            assert "not a relay's" in (await self.found("relay", relay_url=url)).said
        async with self.server(lambda _: web.Response(status=502)) as url:
            assert "answered 502" in (await self.found("relay", relay_url=url)).said
        async with self.server(
            lambda _: web.json_response({"ok": False, "devices": 1, "deliveries": 1})
        ) as url:
            assert "not ok" in (await self.found("relay", relay_url=url)).said

    @pytest.mark.parametrize(
        ("ahead", "said"),
        [
            (0, ""),
            (20, ""),
            (-20, ""),
            (7200, "7200 s behind"),
            (-120, "120 s ahead of"),
            (60, "60 s behind"),
        ],
    )
    async def test_two_clocks_that_differ(self, ahead: float, said: str) -> None:
        """node-apn/node-apn#590, customerio/customerio-android#723."""
        answer = {"ok": True, "devices": 1, "deliveries": 1}
        date = formatdate(NOW, usegmt=True)
        async with self.server(lambda _: web.json_response(answer, headers={"Date": date})) as url:
            options = BridgeOptions(NOWHERE, url, relay_secret=SECRET)
            found = await examined(Case(options, {}, clock=lambda: NOW + ahead))
        assert found["relay"].result == ("fails" if said else "ok")
        assert said in found["relay"].said
        assert "clock" in found["relay"].remedy if said else not found["relay"].remedy
        assert found["devices"].result == "fails"  # it was asked all the same

    @pytest.mark.parametrize("date", ["", "yesterday", "Mon, 99 Foo 2026 00:00:00 GMT"])
    def test_a_date_that_is_none_says_nothing(self, date: str) -> None:
        assert clock_difference(date, NOW) == ""

    @pytest.mark.parametrize("step", ["opencode", "relay"])
    async def test_nobody_there_and_what_is_no_url(self, step: str) -> None:
        assert "must be an http" in (await self.found(step, **{f"{step}_url": "nowhere"})).said
        said = (await self.found(step)).said
        assert "does not answer (nothing listens there)" in said  # in words: no name of a class


class TestSeveralServers:
    """Which one the bridge would follow, and what is said of the others."""

    def place(self, generation: int, **changed: Any) -> Place:
        where = Address(f"http://127.0.0.1:409{generation}", "opencode", None, **changed)
        return Place(where, f"OpenCode {generation}", f"{generation}.1.2")

    def test_the_other_one_can_be_chosen(self) -> None:
        found = opencode_finding(Found(self.place(2, managed=True), self.place(1)))
        assert (found.result, found.remedy) == (
            "ok",
            "--opencode-url http://127.0.0.1:4091 follows that one instead",
        )
        assert found.said == (
            "the bridge follows OpenCode 2.1.2 (server generation 2, the managed service) at http://127.0.0.1:4092; "
            "there is also OpenCode 1.1.2 (server generation 1) at http://127.0.0.1:4091"
        )

    def test_why_the_managed_service_is_not_followed(self) -> None:
        found = opencode_finding(Found(self.place(1), flaw=BadServiceFile("it was left behind", "start it")))
        assert "; the managed service is not followed: it was left behind" in found.said
        assert (found.result, found.remedy) == ("ok", "start it")
        found = opencode_finding(Found(self.place(1), flaw=Unready("it has failed", failed=True)))
        assert "it has failed" in found.said

    async def test_none_says_what_to_do(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("relay.bridge.sources.discovery.DEFAULT_OPENCODE_URL", NOWHERE)
        options = BridgeOptions(None, NOWHERE, relay_secret=SECRET)
        case = Case(options, {"XDG_STATE_HOME": str(tmp_path)}, push=False)
        found = (await examined(case))["opencode"]
        assert (found.result, found.said.count(str(tmp_path))) == ("fails", 1)
        assert "opencode serve" in found.remedy
        (tmp_path / "opencode").mkdir()
        (tmp_path / "opencode" / "service.json").write_text("{}")
        (tmp_path / "opencode" / "service.json").chmod(0o600)
        found = (await examined(case))["opencode"]
        assert "is not what OpenCode writes" in found.said


class TestProxy:
    """The relay behind HTTP_PROXY and its kin (appleboy/gorush#108)."""

    async def relay_found(self, environment: dict[str, str], relay_url: str) -> Finding:
        options = BridgeOptions(NOWHERE, relay_url, relay_secret=SECRET)
        found = (await examined(Case(options, environment, push=False)))["relay"]
        assert "hunter2" not in repr(found)
        return found

    async def test_the_relay_is_asked_through_it(self) -> None:
        async with (
            TestNeighbours().server(lambda _: web.json_response({"ok": True})) as url,
            HttpProxy({"relay.example": int(url.rpartition(":")[2])}).listening() as proxy,
        ):
            environment = {"HTTP_PROXY": f"http://me:hunter2@127.0.0.1:{proxy.port}"}
            found = await self.relay_found(environment, "http://relay.example")
            assert (found.result, found.said) == (
                "ok",
                "http://relay.example answers, and so does its database",
            )
            assert proxy.targets == ["http://relay.example/health"]
            assert (await self.relay_found(environment, url)).result == "ok"
            assert len(proxy.asked) == 1  # this machine is asked directly

    async def test_it_says_that_the_proxy_is_in_the_way(self) -> None:
        async with HttpProxy(authorization="Basic x").listening() as proxy:
            environment = {"ALL_PROXY": f"http://me:hunter2@127.0.0.1:{proxy.port}"}
            said = [
                (await self.relay_found(environment, f"{scheme}://relay.example")).said
                for scheme in ("http", "https")
            ]
        why = "the proxy wants another user name or password (407)"
        assert said == [
            f"http://relay.example is no relay: {why}",
            f"https://relay.example does not answer ({why}), asked through the proxy 127.0.0.1:{proxy.port}",
        ]
        found = await self.relay_found({"HTTPS_PROXY": "ftp://hunter2"}, "https://relay.example")
        assert found.said.startswith("HTTPS_PROXY must be http://HOST:PORT")


class TestBridge:
    """A bridge's own health, and what else may listen there."""

    def health(self, **changed: Any) -> BridgeHealth:
        given = {
            "ok": True,
            "stream": "connected",
            "version": "2.1.2",
            "last_event_at": 1,
            "outbox": 0,
            "relay": None,
        }
        return BridgeHealth(**given | changed)

    @pytest.mark.parametrize(
        ("changed", "result", "said"),
        [
            ({}, "ok", "it follows OpenCode 2.1.2"),
            ({"outbox": 2}, "ok", "2 event(s) wait for the relay"),
            ({"ok": False, "stream": "waiting"}, "fails", "has no events of OpenCode"),
            ({"relay": RelayReply(verdict="retry", at=1, reason="nothing listens there")}, "fails", "nothing listens there"),
            ({"relay": RelayReply(verdict="delivered", at=1)}, "ok", "it follows"),
        ],
    )  # fmt: skip
    def test_what_it_says(self, changed: dict[str, Any], result: str, said: str) -> None:
        found = bridge_finding("http://127.0.0.1:4097", self.health(**changed))
        assert found.result == result
        assert said in found.said
        assert bool(found.remedy) is (result == "fails")

    async def test_something_else_is_no_bridge(self) -> None:
        async with TestNeighbours().server(lambda _: web.json_response({"healthy": True})) as url:
            port = int(url.rpartition(":")[2])
            case = Case(
                BridgeOptions(NOWHERE, NOWHERE, relay_secret=SECRET), {}, push=False, bridge_port=port
            )
            found = (await examined(case))["bridge"]
        assert (found.result, found.said) == ("fails", f"what answers at {url} is no bridge")


@pytest.mark.parametrize(
    ("url", "addresses", "result", "said"),
    [
        ("http://127.0.0.1:8787", ["127.0.0.1"], "fails", "on a phone is the phone itself"),
        ("http://localhost:8787", ["::1", "127.0.0.1"], "fails", "on a phone is the phone itself"),
        ("http://0.0.0.0:8787", ["0.0.0.0"], "fails", "on a phone is the phone itself"),
        ("http://192.168.1.5:8787", ["192.168.1.5"], "ok", "in the same network only"),
        ("http://box.ts.net:8787", ["100.100.1.2"], "ok", "in the same network only"),
        ("http://relay.example.com", ["93.184.216.34"], "fails", "in clear"),
        ("https://relay.example.com", ["93.184.216.34"], "ok", "from everywhere"),
        ("https://relay.example.com", [], "fails", "has no address here"),
    ],
)
def test_the_relay_as_a_phone_sees_it(url: str, addresses: list[str], result: str, said: str) -> None:
    found = phone_finding(url, urlsplit(url).hostname or "", addresses)
    assert found.result == result
    assert said in found.said
    assert bool(found.remedy) is (result == "fails")


async def test_a_certificate_that_is_not_trusted_is_no_firewall() -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=context)
    async with server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        options = BridgeOptions(NOWHERE, url, relay_secret=SECRET)
        found = (await examined(Case(options, {}, push=False, bridge_port=0)))["relay"]
    assert "its certificate is not trusted" in found.said
    assert "SSL_CERT_FILE" in found.remedy
