"""`relay doctor` on OpenCode and the relay: who listens there, which of several is followed, and what is in between."""

from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from aiohttp import encode_basic_auth, web

from component.relay.doctoring import NOW, NOWHERE, SECRET, examined, server
from http_proxy import HttpProxy
from relay.bridge.address import Address
from relay.bridge.errors import BadServiceFile, Unready
from relay.bridge.options import BridgeOptions
from relay.bridge.sources.discovery import Found, Place
from relay.doctor.connections import clock_difference, opencode_finding
from relay.doctor.finding import Case, Finding


class TestNeighbours:
    """What else may listen there."""

    async def found(self, step: str, **options: Any) -> Finding:
        given = {"opencode_url": NOWHERE, "relay_url": NOWHERE, "relay_secret": SECRET}
        return (await examined(Case(BridgeOptions(**given | options), {}, push=False)))[step]

    async def test_opencode_wants_its_password(self) -> None:
        def guarded(request: web.Request) -> web.Response:
            if request.headers.get("Authorization") != encode_basic_auth("opencode", "geheim"):
                return web.Response(status=401)
            return web.json_response({"healthy": True, "version": "1.18.33"})

        async with server(guarded) as url:
            refused = await self.found("opencode", opencode_url=url)
            assert refused.result == "fails"
            assert "OPENCODE_SERVER_PASSWORD" in refused.remedy
            wrong = await self.found("opencode", opencode_url=url, password="falsch")
            assert wrong.result == "fails"
            assert "falsch" not in repr(wrong)
            assert (await self.found("opencode", opencode_url=url, password="geheim")).result == "ok"

    async def test_the_second_generation_is_named_with_what_to_do(self) -> None:
        async with server(lambda _: web.json_response({"version": "2.1.2", "pid": 1})) as url:
            found = await self.found("opencode", opencode_url=url)
            assert (found.result, found.said) == (
                "ok",
                f"the bridge follows OpenCode 2.1.2 (server generation 2, in the foreground) at {url}",
            )
        async with server(lambda _: web.json_response({"version": "0.0.0-next-202608070013"})) as url:
            found = await self.found("opencode", opencode_url=url)
        assert (
            found.said
            == f"{url} is an early OpenCode 2 (0.0.0-next-202608070013), and this bridge reads OpenCode 1 and 2.0.6 or later"
        )
        assert "update it to 2.0.6 or later" in found.remedy

    async def test_something_else_is_no_opencode_and_no_relay(self) -> None:
        async with server(lambda _: web.Response(text="<html>", content_type="text/html")) as url:
            assert "something else" in (await self.found("opencode", opencode_url=url)).remedy
            assert "not a relay's" in (await self.found("relay", relay_url=url)).said
        async with server(lambda _: web.Response(status=502)) as url:
            assert "answered 502" in (await self.found("relay", relay_url=url)).said
        async with server(lambda _: web.json_response({"ok": False, "devices": 1, "deliveries": 1})) as url:
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
        async with server(lambda _: web.json_response(answer, headers={"Date": date})) as url:
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
        health = {"ok": True, "devices": 7, "deliveries": 1}
        async with (
            server(lambda _: web.json_response(health)) as url,
            HttpProxy({"relay.example": int(url.rpartition(":")[2])}).listening() as proxy,
        ):
            environment = {"HTTP_PROXY": f"http://me:hunter2@127.0.0.1:{proxy.port}"}
            found = await self.relay_found(environment, "http://relay.example")
            assert (found.result, found.said) == ("ok", "http://relay.example knows 7 phone(s) in all")
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
