"""What the dispatcher learns of a token from APNs' answers: its environment, and its death."""

import asyncio
from typing import Any

import pytest

from component.dispatcher.dispatching import (
    SECRET,
    START,
    TOKEN,
    delivery,
    environments,
    register,
    row,
    send,
)
from fake_gateway import FakeGateway
from outcomes import answered
from relay.contract import DeviceRegister
from relay.server.alerts.dispatcher import Dispatcher
from relay.server.store import devices
from relay.server.store.sql import Database
from waiting import eventually


class TestTokens:
    async def test_the_other_environment_is_found_and_remembered(
        self, db: Database, dispatcher: Dispatcher, gateway: FakeGateway
    ) -> None:
        gateway.answers = [answered(400, "BadDeviceToken")]
        planned = await delivery(db)
        assert await send(dispatcher, planned) == ["sent"]
        assert (await row(db, planned.push.apns_id))["apns_env"] == "sandbox"
        assert await send(dispatcher, await delivery(db)) == ["sent"]
        assert environments(gateway) == ["production", "sandbox", "sandbox"]
        (phone,) = await devices.recipients(db, SECRET)
        assert phone.registered_at == int((START - 100) * 1000)

    async def test_bad_in_both_removes_this_registration_only(
        self, db: Database, dispatcher: Dispatcher, gateway: FakeGateway
    ) -> None:
        other = DeviceRegister(secret="s" * 16, device_token=TOKEN)
        await devices.register(db, other, secret_hash="b" * 64, bundle_id="com.example.app", now_ms=1)
        gateway.answers = [answered(400, "BadDeviceToken")] * 2
        assert await send(dispatcher, await delivery(db)) == ["failed"]
        assert await devices.recipients(db, SECRET) == []
        assert len(await devices.recipients(db, "b" * 64)) == 1

    @pytest.mark.parametrize(("since", "kept"), [(-101, True), (-100, True), (-99, False)])
    async def test_410_counts_against_the_time_of_the_registration(
        self, db: Database, dispatcher: Dispatcher, gateway: FakeGateway, since: float, kept: bool
    ) -> None:
        gateway.answers = [answered(410, "Unregistered", int((START + since) * 1000))]
        assert await send(dispatcher, await delivery(db)) == ["failed"]
        assert bool(await devices.recipients(db, SECRET)) is kept

    @pytest.mark.parametrize(
        "answers", [[answered(410, "Unregistered")], [answered(400, "BadDeviceToken")] * 2]
    )
    async def test_a_phone_that_registers_while_its_push_is_in_flight_stays(
        self, db: Database, dispatcher: Dispatcher, gateway: FakeGateway, answers: list[Any]
    ) -> None:
        gateway.answers = answers
        gateway.gate.clear()
        sending = asyncio.create_task(send(dispatcher, await delivery(db)))
        await eventually(lambda: gateway.sent)
        await register(db, at=START + 1)
        gateway.gate.set()
        assert await sending == ["failed"]
        assert len(await devices.recipients(db, SECRET)) == 1
