"""`relay doctor` along a chain of real processes and the simulator's fakes, whole and broken at each of its places."""

import asyncio
import io
import json
import os
import re
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme
from aiohttp import encode_basic_auth, web
from cryptography.hazmat.primitives.asymmetric import ec

from activity_values import activity
from http_proxy import HttpProxy
from outcomes import answered, delivery, maybe_sent, not_sent
from relay import contract
from relay.apns.push import Outcome
from relay.bridge.address import Address
from relay.bridge.errors import BadServiceFile, Unready
from relay.bridge.http.replies import BridgeHealth, RelayReply, push_test_event
from relay.bridge.notify.mapping import Sender
from relay.bridge.notify.relay_client import PostResult
from relay.bridge.options import BridgeOptions
from relay.bridge.relay_secret import Phones
from relay.bridge.sources.discovery import Found, Place
from relay.contract import secret_hash
from relay.doctor import apns, push
from relay.doctor.apns import key_finding
from relay.doctor.command import doctor as doctor_command
from relay.doctor.command import walk
from relay.doctor.connections import check_secret, clock_difference, opencode_finding
from relay.doctor.finding import STEPS, Case, Finding, finding_line, holds, report
from relay.doctor.push import count_finding, push_findings, starts_in_vain, unsent
from relay.doctor.reach import bridge_finding, phone_finding
from relay.errors import ServerNotInstalled
from relay.server import settings
from relay.server.alerts import result_of
from relay.server.store import activities, deliveries
from relay.server.store.database import close_database, open_database
from relay.server.store.sql import Database
from simulator.apns.faults import AnswerWith, Fault
from simulator.loopback import free_port
from simulator.replay.world import ReplayWorld, WorldOptions
from waiting import PATIENCE, eventually

SECRET = "s3cret-s3cret-s3cret"
NOWHERE = "http://127.0.0.1:9"
NOW = 1_795_000_000.0

Build = Callable[..., dict[str, str]]


async def examined(case: Case) -> dict[str, Finding]:
    findings = [finding async for finding in walk(case)]
    assert tuple(finding.step for finding in findings) == STEPS
    for finding in findings:
        assert finding.result != "fails" or finding.remedy, f"what to do about {finding}"
        assert not re.search(r"\w(Error|Exception)\b|\[Errno|_ssl\.c", finding.said), finding
    return {finding.step: finding for finding in findings}


def results(found: dict[str, Finding]) -> dict[str, str]:
    return {step: finding.result for step, finding in found.items()}


ALONE = {"phone": "fails"}
"""In these worlds relay and phone are on one machine: no other phone would reach that relay."""


class World(ReplayWorld):
    """Its bridge serves its health, as it does unless somebody says otherwise."""

    def _bridge_arguments(self) -> list[str]:
        self.bridge_port = free_port()
        rest = [one for one in super()._bridge_arguments() if one != "--port=0"]
        return [*rest, f"--port={self.bridge_port}"]


class TestChain:
    """A whole world: fakes of OpenCode, APNs and the phone, a relay and a bridge as processes."""

    def case(self, world: World, **changes: Any) -> Case:
        options = BridgeOptions(
            world.opencode.url, world.relay.url, secret_file=world.folder / "relay-secret"
        )
        environment = world.relay.environment
        given = {"options": options, "environment": environment, "bridge_port": world.bridge_port}
        return Case(**given | changes)

    async def test_a_whole_chain_rings_once_and_shows_no_card(self) -> None:
        async with World(WorldOptions(live_activities=True)) as world:
            found = await examined(self.case(world))
            assert results(found) == dict.fromkeys(STEPS, "ok") | ALONE
            assert "which on a phone is the phone itself" in found["phone"].said
            assert found["bridge"].said == "it follows OpenCode 1.18.33"
            assert "OpenCode 1.18" in found["opencode"].said
            assert "1 phone(s)" in found["devices"].said
            assert "sandbox and production" in found["apns"].said
            (phone,) = world.phones
            await eventually(lambda: phone.notifications)
            assert [one.title for one in phone.notifications] == ["Push test"]
            assert not phone.activities.active
            # Without a push nothing rings, and without the relay's settings the key is not asked for.
            found = await examined(self.case(world, push=False, environment={}))
            assert results(found) == {
                "opencode": "ok", "bridge": "ok", "relay": "ok", "secret": "ok", "phone": "fails",
                "apns": "skipped", "devices": "ok", "push": "skipped",
            }  # fmt: skip
            assert found["devices"].said == "1 phone(s) under this secret"
            assert len(phone.notifications) == 1

    async def test_it_says_where_the_chain_breaks(self) -> None:
        async with World(WorldOptions(phones=0)) as world:
            case = self.case(world)
            found = await examined(case)
            assert (found["devices"].result, found["push"].result) == ("fails", "skipped")
            assert "no phone" in found["devices"].said
            assert "relay pair" in found["devices"].remedy

            await world.pair("iPhone")
            world.apns.faults.add(Fault(AnswerWith("TopicDisallowed"), times=1))
            # The doctor's own push is struck, not the phone's.
            assert "TopicDisallowed" in (await examined(self.case(world, push=False)))["apns"].said

            rule = world.apns.faults.add(
                Fault(AnswerWith("PayloadTooLarge"), token=world.phones[0].app.token)
            )
            found = await examined(case)
            assert results(found) == dict.fromkeys(STEPS, "ok") | ALONE | {"push": "fails"}
            assert "refused 1" in found["push"].said
            assert "413 PayloadTooLarge" in found["push"].said
            assert world.phones[0].app.token not in found["push"].said
            assert "PayloadTooLarge" not in (await examined(self.case(world, environment={})))["push"].said
            world.apns.faults.remove(rule)

            key = world.apns.registry.keys[world.key.key_id]
            key.public_key = ec.generate_private_key(ec.SECP256R1()).public_key()
            found = await examined(case)
            assert (found["apns"].result, found["push"].result) == ("fails", "fails")
            assert "InvalidProviderToken" in found["apns"].said
            assert "APNS_KEY_ID" in found["apns"].remedy
            assert "still being tried" in found["push"].said

            await world.bridge.stop()
            found = await examined(self.case(world, push=False))
            assert found["bridge"].result == "fails"
            assert (
                "(nothing listens there), so nothing that OpenCode does is reported" in found["bridge"].said
            )
            assert f"start it: relay bridge --relay-url {world.relay.url}" in found["bridge"].remedy

            await world.relay.stop()
            await world.opencode.close()
            found = await examined(case)
            assert (found["opencode"].result, found["relay"].result) == ("fails", "fails")
            assert (found["devices"].result, found["push"].result) == ("skipped", "skipped")


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
        health = {"ok": True, "devices": 7, "deliveries": 1}
        async with (
            TestNeighbours().server(lambda _: web.json_response(health)) as url,
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


class TestSecret:
    def found(self, **options: Any) -> Finding:
        return check_secret(Case(BridgeOptions(NOWHERE, NOWHERE, **options), {}))[1]

    def test_the_doctor_makes_none(self, tmp_path: Path) -> None:
        found = self.found(secret_file=tmp_path / "relay-secret")
        assert (found.result, list(tmp_path.iterdir())) == ("fails", [])
        assert "relay pair" in found.remedy

    def test_a_short_one_is_refused_and_not_repeated(self, tmp_path: Path) -> None:
        (tmp_path / "relay-secret").write_text("geheim")
        for found in (
            self.found(relay_secret="geheim"),
            self.found(secret_file=tmp_path / "relay-secret"),
        ):
            assert found.result == "fails"
            assert "geheim" not in repr(found)

    def test_where_it_is_from_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "relay-secret").write_text(SECRET)
        found = self.found(secret_file=tmp_path / "relay-secret")
        assert (found.result, found.said) == ("ok", f"it is in {tmp_path / 'relay-secret'}")
        assert SECRET not in repr(found)


class TestKey:
    """The answers of APNs to a push for nobody."""

    GOOD = answered(400, "BadDeviceToken")
    BAD = answered(403, "InvalidProviderToken")

    @pytest.mark.parametrize(
        ("sandbox", "production", "result", "said", "remedy"),
        [
            (GOOD, GOOD, "ok", "accepted by sandbox and production", ""),
            (answered(410, "Unregistered"), GOOD, "ok", "sandbox and production", ""),
            (answered(403, "BadEnvironmentKeyInToken"), GOOD, "ok", "accepted by production", ""),
            (GOOD, answered(403, "BadEnvironmentKeyIdInToken"), "ok", "accepted by sandbox", ""),
            (BAD, BAD, "fails", "sandbox answers 403 InvalidProviderToken; production", "APNS_KEY_ID"),
            (GOOD, BAD, "fails", "production answers 403", "APNS_KEY_ID"),
            (answered(400, "TopicDisallowed"), GOOD, "fails", "TopicDisallowed", "APNS_DEFAULT_BUNDLE_ID"),
            (answered(403, "BadEnvironmentKeyInToken"), BAD, "fails", "sandbox answers 403", "both"),
            (answered(503), GOOD, "fails", "answers 503", "try again later"),
            (not_sent("no route"), GOOD, "fails", "(api.sandbox.push.apple.com:443) cannot be asked: no route", "firewall"),
            (GOOD, maybe_sent("no answer in time"), "fails", "no answer in time", "firewall"),
            (GOOD, not_sent("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer certificate (_ssl.c:1002)"),
             "fails", "cannot be asked: certificate verify failed: unable to get local issuer certificate", "APNS_CA_FILE"),
            (GOOD, not_sent("[Errno -2] Name or service not known"), "fails", "asked: Name or service not known", "name server"),
            (GOOD, not_sent("[Errno 111] Connect call failed ('127.0.0.1', 1)"), "fails", "asked: Connect call failed", "nothing listens"),
            (GOOD, not_sent("the proxy proxy:1 closed the connection"), "fails", "the proxy proxy:1", "APNS_PROXY"),
            (GOOD, not_sent("ClientConnectorDNSError"), "fails", "cannot be asked: the connection failed", "firewall"),
        ],
    )  # fmt: skip
    def test_only_an_answer_about_the_token_is_good(
        self, environment: Build, sandbox: Outcome, production: Outcome, result: str, said: str, remedy: str
    ) -> None:
        configured = settings.load(environment())
        found = key_finding({"sandbox": sandbox, "production": production}, configured)
        assert found.result == result
        assert said in found.said
        assert remedy in found.remedy
        assert "firewall" not in found.remedy or remedy == "firewall"

    async def test_settings_that_cannot_work_are_named(self, environment: Build) -> None:
        case = Case(BridgeOptions(NOWHERE, NOWHERE), environment(APNS_KEY_ID="short"), push=False)
        found = (await examined(case))["apns"]
        assert found.result == "fails"
        assert "APNS_KEY_ID must be the 10 letters" in found.said


class TestPush:
    """What the relay answers to the test push."""

    @pytest.mark.parametrize(
        ("counts", "devices", "push"),
        [
            ({"sent": 2, "failed": 0, "queued": 0}, "ok", "ok"),
            ({"sent": 2, "failed": 0, "queued": None}, "ok", "ok"),  # a relay of the first implementation
            ({"sent": 1, "failed": 1, "queued": 0}, "ok", "fails"),
            ({"sent": 0, "failed": 0, "queued": 1}, "ok", "fails"),
            ({"sent": 0, "failed": 0, "queued": 0}, "fails", "skipped"),
        ],
    )
    def test_every_phone_counts(self, counts: dict[str, Any], devices: str, push: str) -> None:
        found = push_findings(PostResult("delivered", counts=counts))
        assert [one.result for one in found] == [devices, push]

    def test_a_relay_that_refuses_is_quoted(self) -> None:
        devices, push = push_findings(PostResult("refused", "status 400: secret too short"))
        assert (devices.result, push.result) == ("fails", "skipped")
        assert "secret too short" in devices.said


class TestLedger:
    """The relay's database, as far as it is at hand."""

    EVENT = push_test_event(Sender(SECRET, "0123456789abcdef"), 1_700_000_000_000)

    async def test_without_settings_or_a_database_it_has_nothing_to_say(
        self, environment: Build, tmp_path: Path
    ) -> None:
        """Also where there is a file that is none, and where a server is away. The doctor makes none."""
        absent, text = tmp_path / "relay.sqlite3", tmp_path / "text.txt"
        await asyncio.to_thread(text.write_text, "not a database " * 100)
        assert await unsent({}, self.EVENT) == []
        for url in (f"sqlite://{absent}", f"sqlite://{text}", "mysql://relay:geheim@127.0.0.1:9/relay"):
            assert await unsent(environment(DATABASE_URL=url), self.EVENT) == []
        assert not await asyncio.to_thread(absent.exists)

    async def test_a_token_of_another_app_is_named_with_the_topic(
        self, environment: Build, tmp_path: Path
    ) -> None:
        """DeviceTokenNotForTopic: the bundle id is what the operator has to look at."""
        url = f"sqlite://{tmp_path}/relay.sqlite3"
        db = Database(await open_database(url))
        failed = delivery(0, secret_hash=secret_hash(SECRET), event_id=self.EVENT.event_id)
        await deliveries.enqueue(db, [failed], owner="host:1", lease_until=0)
        outcome = answered(400, "DeviceTokenNotForTopic")
        await deliveries.save(db, [result_of(failed, outcome, at=0)])
        await close_database()
        (said,) = await unsent(environment(DATABASE_URL=url), self.EVENT)
        assert "400 DeviceTokenNotForTopic to com.example.app: " in said
        assert "APNS_DEFAULT_BUNDLE_ID" in said


async def test_without_the_servers_packages_it_says_what_it_did_not_check(
    environment: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def missing() -> Iterator[None]:
        raise ServerNotInstalled
        yield

    for module in (apns, push):
        monkeypatch.setattr(module, "server_packages", missing)
    options = BridgeOptions(opencode_url=NOWHERE, relay_url=NOWHERE)
    found = await apns.check_apns(Case(options, environment()))
    assert (found.result, found.remedy) == ("skipped", ServerNotInstalled.REMEDY)
    assert "not checked" in found.said
    assert "not checked" in (await unsent(environment(), TestLedger.EVENT))[0]


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


@pytest.mark.parametrize(
    ("counted", "result"), [(Phones(2), "ok"), (Phones(0), "fails"), (Phones(None, "it is old"), "skipped")]
)
def test_phones_are_counted_without_a_push(counted: Phones, result: str) -> None:
    assert count_finding(counted).result == result


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


class TestReport:
    FINDINGS = (Finding("opencode", "ok", "fine\nand well"), Finding("relay", "fails", "gone", "start it"))

    def test_a_finding_is_one_line(self) -> None:
        assert [finding_line(one) for one in self.FINDINGS] == [
            "ok       opencode  fine and well",
            "fails    relay     gone -> start it",
        ]

    def test_a_program_gets_an_object(self) -> None:
        said = json.loads(report(self.FINDINGS))
        assert said["ok"] is holds(self.FINDINGS) is False
        assert said["steps"][1] == {"step": "relay", "result": "fails", "said": "gone", "remedy": "start it"}
        assert json.loads(report(self.FINDINGS[:1]))["ok"] is True


class TestCommand:
    @pytest.fixture
    def doctor(self, tmp_path: Path) -> Callable[..., Awaitable[asyncio.subprocess.Process]]:
        async def run(*words: str) -> asyncio.subprocess.Process:
            environment = {name: value for name, value in os.environ.items() if not name.startswith("APNS_")}
            return await asyncio.create_subprocess_exec(
                sys.executable, "-m", "relay", "doctor", f"--relay-url={NOWHERE}", f"--secret-file={tmp_path}/s",
                *words, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip

        return run

    async def test_what_fails_shows_in_the_exit_status(self, doctor: Any) -> None:
        process = await doctor(f"--opencode-url={NOWHERE}", "--json", "--no-push", "--port=9")
        out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
        assert (process.returncode, err) == (1, b"")
        said = {step["step"]: step["result"] for step in json.loads(out)["steps"]}
        assert said == dict.fromkeys(STEPS, "skipped") | dict.fromkeys(
            ("opencode", "bridge", "relay", "secret", "phone"), "fails"
        )

    async def test_a_signal_ends_it_at_once(self, doctor: Any) -> None:
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            deaf.setblocking(False)
            process = await doctor(f"--opencode-url=http://127.0.0.1:{deaf.getsockname()[1]}")
            connection, _ = await asyncio.get_running_loop().sock_accept(deaf)
            with connection:
                process.send_signal(signal.SIGTERM)
                out, err = await asyncio.wait_for(process.communicate(), 8)  # before the step's own deadline
        assert (process.returncode, out, err) == (1, b"", b"")

    async def test_in_process_it_prints_as_it_goes(self, tmp_path: Path) -> None:
        out = io.StringIO()
        case = Case(BridgeOptions(NOWHERE, NOWHERE, secret_file=tmp_path / "s"), {})
        assert await doctor_command(case, stop=asyncio.Event(), out=out) == 1
        assert [line.split()[1] for line in out.getvalue().splitlines()] == list(STEPS)


async def test_starts_that_no_phone_showed_are_named(environment: Build, tmp_path: Path) -> None:
    """kylebshr/luka-ios#146: APNs takes them all."""
    url, event = f"sqlite://{tmp_path}/relay.sqlite3", TestLedger.EVENT
    database = Database(await open_database(url))
    await activities.insert(
        database,
        [
            activity(
                id=str(number), secret_hash=contract.secret_hash(event.secret), stage="started",
                unadopted=1, pushed_at=1,
            )
            for number in range(3)
        ],
    )  # fmt: skip
    await close_database()
    assert await starts_in_vain(environment(DATABASE_URL=url), event) == (
        "3 starts accepted, none adopted: the start token may be stale"
    )
    assert await starts_in_vain({}, event) == ""
