"""RELAY_REGISTRATION=known: only the operator's secrets are taken, and how much work an answer takes does not say whether one is."""

from collections.abc import AsyncIterator, Sequence
from contextvars import ContextVar
from typing import Any

import pytest
from quart import Quart
from tortoise.connection import get_connection

from component.routes.calls import (
    ACTIVITY,
    EVENT,
    FORGET,
    GOOD,
    NO_ACTIVITY,
    NOTHING,
    PHONES,
    REGISTER,
    SECRET,
    TOKEN,
    UNREGISTER,
    Start,
    everything,
    post,
    post_event,
    register,
)
from fake_gateway import FakeGateway
from relay.contract import secret_hash
from relay.server.admission import SECRET_REPLACED, SECRET_UNKNOWN, refusal_of
from relay.server.store import deliveries, devices, secrets
from relay.server.store.sql import Database

STRANGER = "a-secret-that-nobody-has-added"
ASKED = (REGISTER, ACTIVITY, PHONES, EVENT)
"""What is refused to a secret that is not taken; whoever wants to leave may always leave."""


@pytest.fixture
async def app(start: Start, database_url: str) -> AsyncIterator[Quart]:
    async with start(database_url, RELAY_REGISTRATION="known", RELAY_EVENT_DEADLINE="5") as running:
        await secrets.add(other_relay(), secret_hash(SECRET), name="me", now_ms=1)
        yield running


def other_relay() -> Database:
    """On the same database: what is asked of it is asked behind the back of the one that is tested."""
    return Database(get_connection("default"))


async def refused(app: Quart, code: str, secret: str = STRANGER, paths: Sequence[str] = ASKED) -> None:
    for path in paths:
        status, said = await post(app, path, **GOOD[path] | {"secret": secret})
        assert (status, said["ok"], said["code"]) == (403, False, code), path
        assert secret not in str(said)


async def test_a_stranger_is_refused_in_one_sentence_and_leaves_nothing(
    app: Quart, gateway: FakeGateway
) -> None:
    await refused(app, "secret_unknown")
    assert "ask the operator for one" in SECRET_UNKNOWN.error
    assert await everything() == []
    await register(app)
    assert (await post_event(app))["sent"] == 1
    assert len(gateway.sent) == 1
    for path in (UNREGISTER, NO_ACTIVITY, FORGET):
        assert (await post(app, path, **GOOD[path] | {"secret": STRANGER}))[0] == 200


async def test_what_the_operator_does_holds_from_the_next_request_on(
    app: Quart, gateway: FakeGateway
) -> None:
    hash_ = secret_hash(STRANGER)
    await refused(app, "secret_unknown")
    await secrets.add(other_relay(), hash_, name="somebody", now_ms=1)
    stranger = {"secret": STRANGER, "deviceToken": TOKEN}
    assert (await post(app, REGISTER, **stranger))[0] == 200
    assert (await post_event(app, "e1", secret=STRANGER))["sent"] == 1
    await secrets.refuse(other_relay(), hash_, now_ms=2)
    # Not forgotten yet: refused all the same.
    await refused(app, "secret_replaced")
    assert len(gateway.sent) == 1
    await secrets.forget(other_relay(), hash_)
    await refused(app, "secret_replaced")
    assert [row["name"] for row in await secrets.known(other_relay())] == ["me"]


async def test_a_revoked_secret_with_very_many_phones_rings_none_of_them(
    app: Quart, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are still there, and their events go a way of their own."""
    monkeypatch.setattr(deliveries, "PHONES_AT_ONCE", 2)
    monkeypatch.setattr(deliveries, "PAGE", 2)
    for number in range(5):
        await register(app, f"{number:02}" * 32)
    assert (await post_event(app, "e1"))["sent"] == 5
    await secrets.refuse(other_relay(), secret_hash(SECRET), now_ms=2)
    for _ in range(2):
        await refused(app, "secret_replaced", SECRET, [EVENT])
    assert len(gateway.sent) == 5


async def test_a_phone_that_registers_while_its_secret_is_revoked_does_not_stay(
    app: Quart, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered = devices.register

    async def meanwhile(db: Database, *arguments: Any, **named: Any) -> bool:
        await secrets.refuse(db, secret_hash(SECRET), now_ms=2)
        await secrets.forget(db, secret_hash(SECRET))
        return await registered(db, *arguments, **named)

    monkeypatch.setattr(devices, "register", meanwhile)
    await refused(app, "secret_replaced", SECRET, [REGISTER])
    assert await everything() == []


async def test_who_replaces_a_secret_of_the_operators_frees_its_name(app: Quart) -> None:
    await register(app)
    assert await post(app, FORGET, secret=SECRET, refuse=True) == (200, {"ok": True, "phones": 1})
    await refused(app, "secret_replaced", SECRET)
    assert await secrets.known(other_relay()) == []


async def test_the_same_statements_whether_a_secret_is_known_or_not(
    app: Quart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted, because a measured time decides nothing on a busy machine. Of a stranger, a known secret with nothing registered, and
    one that was revoked.
    """
    execute, asked = Database.execute, list[str]()
    of_request = ContextVar("of_request", default=False)

    async def noted(self: Database, sql: str, values: Sequence[Any] = ()) -> Any:
        if of_request.get():
            asked.append(sql)
        return await execute(self, sql, values)

    async def statements(secret: str, path: str, **more: str) -> int:
        asked.clear()
        token = of_request.set(True)
        await post(app, path, **GOOD[path] | more | {"secret": secret})
        of_request.reset(token)
        await secrets.forget(other_relay(), secret_hash(secret))
        return len(asked)

    revoked = "a-secret-that-was-revoked"
    await secrets.refuse(other_relay(), secret_hash(revoked), now_ms=1)
    monkeypatch.setattr(Database, "execute", noted)
    for path in ASKED:
        for more in ({}, {"eventID": "e1"}, {"pushToStartToken": "cd" * 40}, {"deviceToken": TOKEN}):
            found = [await statements(secret, path, **more) for secret in (STRANGER, SECRET, revoked)]
            assert found[0] == found[1] == found[2] > 1, (path, more, found)


async def test_an_open_relay_takes_every_secret_but_a_revoked_one(start: Start, database_url: str) -> None:
    async with start(database_url) as app:
        await register(app)
        assert await post_event(app, "e1", secret=STRANGER) == NOTHING
        await secrets.refuse(other_relay(), secret_hash(STRANGER), now_ms=1)
        await refused(app, "secret_replaced")


def test_every_case_of_a_secret() -> None:
    table = {
        (frozenset[str](), frozenset[str]()): SECRET_UNKNOWN,
        (frozenset({"it"}), frozenset[str]()): None,
        (frozenset({"it"}), frozenset({"it"})): SECRET_REPLACED,
        (frozenset[str](), frozenset({"it"})): SECRET_REPLACED,
        (None, frozenset[str]()): None,
        (None, frozenset({"it"})): SECRET_REPLACED,
    }
    for (known, revoked), said in table.items():
        assert refusal_of("it", known, revoked) == said
