"""Phones say which key they have, the relay counts them and passes sealed texts on."""

import json

from quart import Quart

from component.routes.calls import PHONES, SECRET, post, post_event, register
from fake_gateway import FakeGateway

KID, OTHER = "Yw3NKWbEM2Y", "AAAAAAAAAAA"
ENVELOPE = {"v": 1, "kid": KID, "n": "AQEBAQEBAQEBAQEB", "ct": "A" * 40}


async def test_phones_with_the_key_are_counted(app: Quart, gateway: FakeGateway) -> None:
    async def counted(kid: str) -> tuple[int, int]:
        status, said = await post(app, PHONES, secret=SECRET, kid=kid)
        assert status == 200
        return said["phones"], said["withKey"]

    assert await counted(KID) == (0, 0)
    await register(app, kid=KID)
    await register(app, "cd" * 32)
    assert await counted(KID) == (2, 1)
    assert await counted(OTHER) == (2, 0)
    await register(app)  # an app that was put back to a release without keys
    assert await counted(KID) == (2, 0)
    assert "withKey" not in (await post(app, PHONES, secret=SECRET))[1], "nobody asked"


async def test_a_sealed_alert_goes_on_sealed_beside_a_text_by_its_type(
    app: Quart, gateway: FakeGateway
) -> None:
    await register(app)
    assert (await post_event(app, "e1", enc=ENVELOPE))["sent"] == 1
    payload = json.loads(gateway.sent[-1].payload)
    assert payload["aps"]["alert"] == {"title": "Session complete", "body": "OpenCode finished your session."}
    assert (payload["aps"]["mutable-content"], payload["enc"]) == (1, ENVELOPE)
    assert (await post_event(app, "e2"))["sent"] == 1
    clear = json.loads(gateway.sent[-1].payload)
    assert ("mutable-content" in clear["aps"], "enc" in clear) == (False, False)
