"""`relay doctor` on what pushes need: secret, key, counts, and a push that is followed to APNs' answer."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from activity_values import activity
from component.relay.doctoring import NOWHERE, SECRET, Build, examined
from loopback_server import LoopbackServer
from outcomes import answered, delivery, maybe_sent, not_sent
from relay import contract
from relay.apns.push import Outcome
from relay.bridge.http.replies import push_test_event
from relay.bridge.notify.mapping import Sender
from relay.bridge.notify.relay_client import PostResult
from relay.bridge.options import BridgeOptions
from relay.bridge.relay_secret import Phones
from relay.contract import secret_hash
from relay.doctor import apns, push
from relay.doctor.apns import key_finding
from relay.doctor.connections import check_secret
from relay.doctor.finding import Case, Finding
from relay.doctor.push import check_push, count_finding, push_findings, starts_in_vain, unsent
from relay.errors import ServerNotInstalled
from relay.server import settings
from relay.server.alerts import result_of
from relay.server.store import activities, deliveries
from relay.server.store.database import close_database, open_database
from relay.server.store.sql import Database


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


@pytest.mark.parametrize("may_ring", [False, True])
@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("secret_unknown", f"relay secret add NAME --hash {secret_hash(SECRET)}"),
        ("secret_replaced", "relay pair --rotate-secret"),
    ],
)
async def test_a_secret_that_the_relay_does_not_take(may_ring: bool, code: str, remedy: str) -> None:
    async def refused(_: web.Request) -> web.Response:
        return web.json_response({"ok": False, "error": "no", "code": code}, status=403)

    relay = LoopbackServer(web.post("/v1/event", refused), web.post("/v1/secret/phones", refused))
    await relay.start()
    try:
        url = relay.url
        case = Case(BridgeOptions(NOWHERE, url, relay_secret=SECRET), {}, push=may_ring)
        async with aiohttp.ClientSession() as http:
            devices, push = await check_push(http, case, SECRET)
    finally:
        await relay.stop()
    assert (devices.result, push.result) == ("fails", "skipped")
    assert "the relay does not take the secret" in devices.said
    assert remedy in devices.remedy
    assert SECRET not in repr(devices)


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


@pytest.mark.parametrize(
    ("counted", "result"), [(Phones(2), "ok"), (Phones(0), "fails"), (Phones(None, "it is old"), "skipped")]
)
def test_phones_are_counted_without_a_push(counted: Phones, result: str) -> None:
    assert count_finding(counted).result == result


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
