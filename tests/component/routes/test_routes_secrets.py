"""A secret that is replaced: its phones are counted, forgotten and refused, on both databases."""

import pytest
from quart import Quart

from component.routes.calls import (
    ACTIVITY,
    EVENT,
    FORGET,
    GOOD,
    NOTHING,
    PHONES,
    REGISTER,
    SECRET,
    TOKEN,
    Start,
    everything,
    post,
    post_event,
    register,
)
from fake_gateway import FakeGateway
from outcomes import answered

OTHER = "another-secret-of-24-chars"


async def test_phones_of_a_secret_are_counted_and_nothing_rings(app: Quart, gateway: FakeGateway) -> None:
    assert await post(app, PHONES, secret=SECRET) == (200, {"ok": True, "phones": 0})
    await register(app)
    await register(app, "cd" * 32)
    assert await post(app, PHONES, secret=SECRET) == (200, {"ok": True, "phones": 2})
    assert await post(app, PHONES, secret=OTHER) == (200, {"ok": True, "phones": 0})
    assert gateway.sent == []


class TestForget:
    """Everything of the one secret goes, on both databases, and nothing of another."""

    async def test_all_of_it_goes_and_an_event_rings_nowhere(
        self, start: Start, database_url: str, gateway: FakeGateway
    ) -> None:
        async with start(database_url, RELAY_EVENT_DEADLINE="5") as app:
            await register(app)
            assert (await post(app, REGISTER, secret=OTHER, deviceToken=TOKEN))[0] == 200
            assert (await post(app, ACTIVITY, **GOOD[ACTIVITY]))[0] == 200
            assert (await post_event(app, "e1"))["sent"] == 1
            for phones in (1, 0):  # the second time there is nothing left
                assert await post(app, FORGET, secret=SECRET) == (200, {"ok": True, "phones": phones})
            (left,) = await everything()
            assert left["device_token"] == TOKEN
            rang = len(gateway.sent)
            assert await post_event(app, "e2") == NOTHING
            assert len(gateway.sent) == rang
            assert (await post_event(app, "e3", secret=OTHER))["sent"] == 1
            # Only forgotten, not refused: whoever has the secret may begin anew.
            await register(app)
            assert (await post_event(app, "e4"))["sent"] == 1

    async def test_a_secret_that_is_refused_gets_no_phone_again(
        self, start: Start, database_url: str, gateway: FakeGateway
    ) -> None:
        async with start(database_url, RELAY_EVENT_DEADLINE="5") as app:
            await register(app)
            for phones in (1, 0):
                said = await post(app, FORGET, secret=SECRET, refuse=True)
                assert said == (200, {"ok": True, "phones": phones})
            for path in (REGISTER, ACTIVITY):
                status, refused = await post(app, path, **GOOD[path])
                assert (status, refused["code"]) == (403, "secret_replaced")
                assert "scan the pairing code again" in refused["error"]
            status, refused = await post(app, EVENT, **GOOD[EVENT])
            assert (status, refused["code"]) == (403, "secret_replaced")
            assert await everything() == []
            assert gateway.sent == []
            assert (await post(app, REGISTER, secret=OTHER, deviceToken=TOKEN))[0] == 200

    async def test_what_waits_for_another_try_is_not_sent_any_more(
        self, app: Quart, gateway: FakeGateway
    ) -> None:
        gateway.answers = [answered(503)]
        await register(app)
        assert (await post_event(app))["queued"] == 1
        await post(app, FORGET, secret=SECRET)
        assert await everything() == []


@pytest.mark.parametrize("path", [PHONES, FORGET])
async def test_a_secret_that_is_too_short_is_refused(app: Quart, path: str) -> None:
    assert (await post(app, path, secret="short"))[0] == 400
