"""A whole relay over either transport: an event goes in at its route, and rings on the phones of a real sandbox."""

import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from relay.server import settings
from relay.server.app import apns_gateway, running_app
from simulator.apns.delivery.device import Delivery
from simulator.apns.sandbox import Sandbox
from simulator.clock import RealClock
from simulator.journal import Journal
from simulator.replay.relay_environment import relay_environment
from waiting import eventually

BUNDLE_ID = "com.example.app"
SECRET = "a-secret-of-the-way-back"


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    clock = RealClock()
    running = Sandbox(clock, Journal(clock), random=Random(6), folder=tmp_path)
    await running.start()
    running.add_app(BUNDLE_ID)
    yield running
    await running.close()


@pytest.mark.parametrize("transport", ["lean", "aioapns"])
async def test_an_event_rings_on_the_phones_and_a_dead_token_is_forgotten(
    sandbox: Sandbox, tmp_path: Path, transport: str
) -> None:
    variables = relay_environment(sandbox, sandbox.issue_key(), BUNDLE_ID)
    database = f"sqlite://{tmp_path}/relay.sqlite3"
    configured = settings.load(variables | {"APNS_TRANSPORT": transport, "DATABASE_URL": database})
    clock = RealClock()
    gateway = apns_gateway(configured, clock.now)
    assert ("Aioapns" in type(gateway).__name__) == (transport == "aioapns")
    rung: list[Delivery] = []
    async with running_app(configured, clock=clock, gateway=gateway) as app:

        async def post(path: str, **fields: Any) -> dict[str, Any]:
            body = json.dumps({"secret": SECRET} | fields)
            response = await app.test_client().post(f"/v1/{path}", data=body)
            assert response.status_code == 200
            said: dict[str, Any] = json.loads(await response.get_data())
            return said

        async def tell() -> tuple[int, int, int]:
            said = await post("event", eventType="complete", sessionID="ses_1", eventID=str(uuid.uuid4()))
            return said["sent"], said["failed"], said["queued"]

        tokens = [sandbox.registry.mint_token(BUNDLE_ID, "sandbox", "alert") for _ in range(4)]
        for token in tokens:
            sandbox.registry.attach(token, rung.append)
            await post("device/register", deviceToken=token, apnsEnv="sandbox")
        assert await tell() == (4, 0, 0)
        await eventually(lambda: len(rung) == 4)
        await post("device/register", deviceToken="ab" * 32, apnsEnv="sandbox")  # nobody's
        assert await tell() == (4, 1, 0)
        assert await tell() == (4, 0, 0)  # it was forgotten
        await eventually(lambda: len(rung) == 12)
