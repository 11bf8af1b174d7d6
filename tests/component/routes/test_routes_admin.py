"""/admin without its token: nothing of it. With it: what it shows and does, and that nothing else makes it do anything."""

import re
from collections.abc import AsyncIterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from quart import Quart
from quart.typing import TestClientProtocol

from component.routes.calls import EVENT, REGISTER, SECRET, TOKEN, Start, post, register, table
from fake_gateway import FakeGateway
from outcomes import answered
from relay.contract import secret_hash
from relay.server.admin import access, pages, reading
from relay.server.store import deliveries
from relay.server.store.sql import Unavailable
from waiting import eventually

ADMIN = "an-admin-token-of-the-tests-of-admin"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
OURS = {"Sec-Fetch-Site": "same-origin"}
HASH = secret_hash(SECRET)


@pytest.fixture
async def app(start: Start, tmp_path: Path) -> AsyncIterator[Quart]:
    async with start(f"sqlite://{tmp_path}/relay.sqlite3", RELAY_ADMIN_TOKEN=ADMIN) as running:
        yield running


def admin_of(app: Quart) -> Quart:
    """The app of the pages, behind all that stands before it."""
    found: Any = app.asgi_app
    while not isinstance(found, pages.AdminRoute):
        found = found._app
    return found._pages


class Operator:
    """A browser that has typed the token."""

    def __init__(self, client: TestClientProtocol) -> None:
        self.client = client

    async def get(self, path: str) -> tuple[int, str]:
        response = await self.client.get(path)
        return response.status_code, (await response.get_data()).decode()

    async def form(self, on: str, action: str) -> tuple[int, str]:
        """Send the form with this action that stands on that page."""
        _, page = await self.get(on)
        assert f'action="{action}"' in page
        found = re.search(r'name="form_token" value="(\w+)"', page)
        assert found
        response = await self.client.post(action, form={"form_token": found[1]}, headers=OURS)
        return response.status_code, response.headers.get("Location", "")


async def log_in(app: Quart, token: str = ADMIN, **headers: str) -> Any:
    client = app.test_client()
    response = await client.post("/admin/login", form={"token": token}, headers=OURS | headers)
    return response, client


@pytest.fixture
async def operator(app: Quart) -> Operator:
    response, client = await log_in(app)
    assert (response.status_code, response.headers["Location"]) == (303, "/admin")
    return Operator(client)


async def delivered(app: Quart, gateway: FakeGateway) -> tuple[str, str]:
    """A phone and a delivery that was refused; their ids."""
    await register(app)
    gateway.answers.append(answered(400, "TopicDisallowed"))
    event = {"secret": SECRET, "eventType": "complete", "sessionID": "<script>ses", "title": "PRIVATE", "eventID": "evt_1"}  # fmt: skip
    assert (await post(app, EVENT, **event))[1]["failed"] == 1
    (phone,), (delivery,) = await table("device_registration"), await table()
    return phone["id"], delivery["id"]


def paths_of(app: Quart, **ids: str) -> list[tuple[str, str]]:
    """Every route of /admin with these ids in it."""
    found = []
    for rule in admin_of(app).url_map.iter_rules():
        path = re.sub(r"<(\w+)>", lambda name: ids[name[1]], rule.rule)
        found += [(method, path) for method in rule.methods or () if method not in ("HEAD", "OPTIONS")]
    return sorted(found)


# Closed.


async def test_without_a_token_in_the_settings_it_does_not_exist(start: Start, tmp_path: Path) -> None:
    async with start(f"sqlite://{tmp_path}/relay.sqlite3") as app:
        client = app.test_client()
        for method in METHODS:
            unknown = await client.open("/no-such-path", method=method)
            for path in ("/admin", "/admin/", "/admin/login", "/admin/phones", "//admin", "/Admin"):
                found = await client.open(path, method=method, headers=OURS)
                assert (found.status_code, await found.get_data()) == (404, await unknown.get_data())


async def test_without_a_session_every_route_shows_the_form_and_does_nothing(
    app: Quart, gateway: FakeGateway
) -> None:
    device_id, apns_id = await delivered(app, gateway)
    routes = paths_of(app, device_id=device_id, apns_id=apns_id, secret_hash=HASH)
    assert len(routes) == 11
    before = [await table("device_registration"), await table()]
    cookies = ["", "x", "..", "9999999999.aa.bb", f"9999999999.{'a' * 32}.{'b' * 64}"]
    headers = [OURS | {"Cookie": f"relay_admin={cookie}"} for cookie in cookies]
    headers += [OURS | {"Authorization": f"Bearer {ADMIN}"}, {}]
    strange = [
        (method, path) for method in METHODS for path in ("/admin/x", "/admin/login/", "/admin//phones")
    ]
    for (method, path), given in product([*routes, *strange], headers):
        if path == "/admin/login" and method == "POST":
            continue
        response = await app.test_client().open(path, method=method, headers=given)
        said = (await response.get_data()).decode()
        assert response.status_code == (200 if (method, path) == ("GET", "/admin") else 403), (method, path)
        assert method == "HEAD" or 'name="token"' in said
        for hidden in (
            HASH[:12],
            apns_id[:8],
            TOKEN[-8:],
            device_id,
            "TopicDisallowed",
            "com.example",
            "KEY1234567",
        ):
            assert hidden not in said + str(response.headers), (method, path, hidden)
    assert [await table("device_registration"), await table()] == before
    assert len(gateway.sent) == 1


async def test_only_the_right_token_opens_it_and_wrong_ones_are_counted(app: Quart) -> None:
    for wrong in ("", ADMIN[:-1], ADMIN.upper(), "\u00fc"):
        response, _ = await log_in(app, wrong)
        assert response.status_code == 403
        assert "Set-Cookie" not in response.headers
    assert (await log_in(app, "a fifth"))[0].status_code == 403
    response, _ = await log_in(app)
    assert response.status_code == 429
    assert 0 < int(response.headers["Retry-After"]) <= 60


async def test_a_login_from_another_page_is_none(app: Quart) -> None:
    for headers in ({}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        client = app.test_client()
        response = await client.post("/admin/login", form={"token": ADMIN}, headers=headers)
        assert response.status_code == 403
        assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize(("scheme", "secure"), [("http", False), ("https", True)])
async def test_the_cookie_is_for_this_page_alone(app: Quart, scheme: str, secure: bool) -> None:
    response, _ = await log_in(app, **{"X-Forwarded-Proto": scheme})
    cookie = response.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/admin"} <= {part.strip() for part in cookie.split(";")}
    assert ("Secure" in cookie) is secure
    assert ADMIN not in cookie


async def test_every_reply_keeps_itself_to_itself(app: Quart, operator: Operator) -> None:
    for path in ("/admin", "/admin/x", "/admin/phones", "/admin/deliveries/x"):
        response = await operator.client.get(path)
        assert "script" not in response.headers["Content-Security-Policy"]
        assert response.headers["Content-Security-Policy"].startswith(
            "default-src 'none'; style-src 'sha256-"
        )
        assert (response.headers["X-Frame-Options"], response.headers["Cache-Control"]) == (
            "DENY",
            "no-store",
        )
        assert (await response.get_data()).count(b"<script") == 0


# What changes something.


async def test_a_form_of_another_session_or_from_another_page_does_nothing(
    app: Quart, operator: Operator, gateway: FakeGateway
) -> None:
    device_id, apns_id = await delivered(app, gateway)
    _, other = await log_in(app)
    theirs = re.search(r'form_token" value="(\w+)"', (await Operator(other).get("/admin"))[1])
    ours = re.search(r'form_token" value="(\w+)"', (await operator.get("/admin"))[1])
    assert theirs and ours  # noqa: PT018
    posts = [path for method, path in paths_of(app, device_id=device_id, apns_id=apns_id, secret_hash=HASH)
             if method == "POST" and path != "/admin/login"]  # fmt: skip
    assert len(posts) == 4
    tries = [(OURS, {}), (OURS, {"form_token": theirs[1]}), ({}, {"form_token": ours[1]}),
             ({"Sec-Fetch-Site": "same-site"}, {"form_token": ours[1]})]  # fmt: skip
    for path, (headers, form) in product(posts, tries):
        response = await operator.client.post(path, form=form, headers=headers)
        assert response.status_code == 403, path
    assert len(await table("device_registration")) == 1
    assert len(gateway.sent) == 1
    assert (await operator.get("/admin"))[1].count("Log out") == 1


async def test_who_logs_out_is_out_even_with_the_cookie(app: Quart, operator: Operator) -> None:
    (cookie,) = [one for one in operator.client.cookie_jar if one.name == access.COOKIE]  # type: ignore[union-attr]
    assert await operator.form("/admin", "/admin/logout") == (303, "/admin")
    kept = {"Cookie": f"{access.COOKIE}={cookie.value}"}
    assert b"Log out" not in await (await app.test_client().get("/admin", headers=kept)).get_data()


async def test_a_test_push_rings_on_one_phone_and_its_story_says_how_it_went(
    app: Quart, operator: Operator, gateway: FakeGateway
) -> None:
    await register(app)
    await register(app, "cd" * 32)
    (device_id,) = [row["id"] for row in await table("device_registration") if row["device_token"] == TOKEN]
    for answer, said in (
        (answered(200), "APNs took the test push: the phone should ring now."),
        (
            answered(400, "TopicDisallowed"),
            "The test push failed: 400 TopicDisallowed: Pushing to this topic is not allowed.",
        ),
        (
            answered(503, "ServiceUnavailable"),
            "The test push waits: 503 ServiceUnavailable: The service is unavailable.",
        ),
    ):
        gateway.answers.append(answer)
        status, location = await operator.form("/admin/phones", f"/admin/phones/{device_id}/test")
        assert (status, gateway.sent[-1].device_token) == (303, TOKEN)
        status, page = await operator.get(location)
        assert status == 200
        assert said in page
    assert len(gateway.sent) == 3
    assert b"Sent by the operator of your relay." in gateway.sent[0].payload


async def test_phones_and_secrets_are_forgotten_once_it_was_asked_twice(
    app: Quart, operator: Operator
) -> None:
    for token in (TOKEN, "cd" * 32, "ef" * 32):
        await register(app, token)
    (device_id, *_) = [
        row["id"] for row in await table("device_registration") if row["device_token"] == TOKEN
    ]
    path = f"/admin/phones/{device_id}/forget"
    assert await operator.form(path, path) == (303, "/admin/phones?done=phone")
    assert len(await table("device_registration")) == 2
    assert (await operator.get(path))[0] == 404
    path = f"/admin/secrets/{HASH}/forget"
    assert "Its 2 phone(s)" in (await operator.get(path))[1]
    assert await operator.form(path, path) == (303, "/admin/phones?done=secret")
    assert await table("device_registration") == []
    assert "No phone is registered." in (await operator.get("/admin/phones"))[1]


async def test_a_phone_that_is_gone_gets_no_test_push(app: Quart, operator: Operator) -> None:
    found = re.search(r'form_token" value="(\w+)"', (await operator.get("/admin"))[1])
    assert found
    for what in ("test", "forget"):
        response = await operator.client.post(
            f"/admin/phones/gone/{what}", form={"form_token": found[1]}, headers=OURS
        )
        assert response.status_code == 404


# What is shown.


async def test_texts_and_whole_tokens_are_on_no_page_and_strangers_words_are_text(
    app: Quart, operator: Operator, gateway: FakeGateway
) -> None:
    device_id, apns_id = await delivered(app, gateway)
    gateway.answers.append(answered(503, "<b>x"))
    await post(app, EVENT, secret=SECRET, eventType="error", sessionID="s", title="PRIVATE", eventID="<i>e")
    for _, path in paths_of(app, device_id=device_id, apns_id=apns_id, secret_hash=HASH):
        status, said = await operator.get(path)
        assert status in (200, 405), path
        for hidden in (TOKEN, "PRIVATE", "<script>", "<b>x", "<i>e", SECRET, ADMIN):
            assert hidden not in said, (path, hidden)
    story = (await operator.get(f"/admin/deliveries/{apns_id}"))[1]
    assert "&lt;script&gt;ses" in story
    assert "Pushing to this topic is not allowed." in story
    assert "Apple, &#34;Handling notification responses from APNs&#34;" in story
    assert "check bundleId and APNS_DEFAULT_BUNDLE_ID" in story


async def test_pages_lead_on_to_older_deliveries_and_more_phones(
    app: Quart, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PAGE", 2)
    monkeypatch.setattr(reading, "PHONES", 2)
    for number in range(5):
        await register(app, f"{number:02x}" * 32)
    await post(app, REGISTER, secret="t" * 24, deviceToken=TOKEN)
    assert (await post(app, EVENT, secret=SECRET, eventType="complete", sessionID="s"))[1]["sent"] == 5
    found = {"deliveries": set[str](), "phones": set[str]()}
    for kind, path in (("deliveries", f"/admin/deliveries?secret={HASH}"), ("phones", "/admin/phones")):
        for _ in range(3):
            _, page = await operator.get(path)
            shown = set(re.findall(r"<code>…(\w{8})</code>", page))
            assert not shown & found[kind]
            found[kind] |= shown
            older = re.search(r'href="([^"]+)">(?:Older|More phones)<', page)
            path = older[1].replace("&amp;", "&") if older else ""
        assert path == ""
    assert (len(found["deliveries"]), len(found["phones"])) == (5, 6)
    assert "…abababab" not in (await operator.get(f"/admin/phones?secret={HASH[:8]}"))[1]
    assert (await operator.get("/admin/deliveries?before=x"))[0] == 200


async def test_a_paused_key_says_why_and_what_to_check(
    app: Quart, operator: Operator, gateway: FakeGateway
) -> None:
    await register(app)
    gateway.answers.append(answered(403, "InvalidProviderToken"))
    await post(app, EVENT, secret=SECRET, eventType="complete", sessionID="s")
    _, page = await operator.get("/admin")
    assert "<strong>paused</strong> InvalidProviderToken, for com.example.app alone" in page
    assert "tries again in" in page
    assert "check APNS_KEY_ID, APNS_TEAM_ID and APNS_PRIVATE_KEY" in page
    assert page.count("<strong>not paused</strong>") == 1  # the sandbox


# What goes wrong.


async def test_without_the_database_the_key_is_still_shown(
    app: Quart, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise Unavailable("/etc/inside")

    monkeypatch.setattr(deliveries, "waiting", away)
    monkeypatch.setattr(reading.log, "newest", away)
    status, page = await operator.get("/admin")
    assert (status, "The database does not answer." in page, "Key, production" in page) == (200, True, True)
    status, page = await operator.get("/admin/deliveries")
    assert (status, "The database does not answer" in page, "inside" in page) == (503, True, False)


async def test_a_defect_shows_nothing_of_the_inside(
    app: Quart, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("/etc/inside")

    monkeypatch.setattr(reading.log, "newest", broken)
    for path in ("/admin", "/admin/deliveries"):
        status, page = await operator.get(path)
        assert (status, "inside" in page, "This page is broken" in page) == (500, False, True)
    assert (await operator.get("/admin/x"))[0] == 404
    assert (await operator.client.put("/admin/phones")).status_code == 405


async def test_hourly_counts_are_those_of_the_database_and_survive_the_relay(
    start: Start, tmp_path: Path, gateway: FakeGateway
) -> None:
    url = f"sqlite://{tmp_path}/relay.sqlite3"
    for expected in (1, 2):
        async with start(url, RELAY_ADMIN_TOKEN=ADMIN) as app:
            await register(app)
            await post(app, EVENT, secret=SECRET, eventType="complete", sessionID="s")
            operator = Operator((await log_in(app))[1])

            async def shown(operator: Operator = operator, expected: int = expected) -> bool:
                return f"{expected} taken by APNs" in (await operator.get("/admin"))[1]

            await eventually(shown)
