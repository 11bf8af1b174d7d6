"""A whole relay over either transport: an event goes in at its route, and rings on the phones of a real sandbox."""

import json
import uuid
from typing import Any

import pytest

from relay.server import settings
from relay.server.app import apns_gateway, running_app
from simulator.apns.delivery.device import Delivery
from simulator.phone.app.app import BUNDLE_ID
from simulator.world import World
from waiting import eventually

SECRET = "a-secret-of-the-way-back"


@pytest.mark.parametrize("transport", ["lean", "aioapns"])
async def test_an_event_rings_on_the_phones_and_a_dead_token_is_forgotten(
    transport: str,
) -> None:
    rung: list[Delivery] = []
    async with World() as world:
        registry = world.apns.registry
        configured = settings.load(world.relay_environment | {"APNS_TRANSPORT": transport})
        gateway = apns_gateway(configured, world.clock)
        assert ("Aioapns" in type(gateway).__name__) == (transport == "aioapns")
        app = await world.enter(running_app(configured, clock=world.clock, gateway=gateway))

        async def post(path: str, **fields: Any) -> dict[str, Any]:
            body = json.dumps({"secret": SECRET} | fields)
            response = await app.test_client().post(f"/v1/{path}", data=body)
            assert response.status_code == 200
            said: dict[str, Any] = json.loads(await response.get_data())
            return said

        async def send_event() -> tuple[int, int, int]:
            said = await post("event", eventType="complete", sessionID="ses_1", eventID=str(uuid.uuid4()))
            return said["sent"], said["failed"], said["queued"]

        tokens = [registry.mint_token(BUNDLE_ID, "sandbox", "alert") for _ in range(4)]
        for token in tokens:
            registry.attach(token, rung.append)
            await post("device/register", deviceToken=token, apnsEnv="sandbox")
        assert await send_event() == (4, 0, 0)
        await eventually(lambda: len(rung) == 4)
        await post("device/register", deviceToken="ab" * 32, apnsEnv="sandbox")  # nobody's
        assert await send_event() == (4, 1, 0)
        assert await send_event() == (4, 0, 0)  # it was forgotten
        await eventually(lambda: len(rung) == 12)
