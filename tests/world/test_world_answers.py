"""A person answers from the phone, and an unmodified OpenCode of either generation goes on: once, however parts die on the way.

The proof of the pairing's key is needed for every answer, and all texts are sealed.
"""

import base64
import os
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from simulator.phone.notifications import Notification
from simulator.phone.phone import Phone
from simulator.recording import Generation
from simulator.replay.world import PASSWORD, ReplayWorld, WorldOptions
from waiting import eventually

pytestmark = [pytest.mark.replay, pytest.mark.asyncio(loop_scope="module")]

SCRIPT = 'Ship it @@[{"op": "bash", "command": "git push origin main"}, {"op": "text", "n": 3, "ms": 5}]'
BASIC = "Basic " + base64.b64encode(f"opencode:{PASSWORD}".encode()).decode()


class Desk:
    """The person at the computer, who talks to the fake OpenCode over HTTP."""

    def __init__(self, world: ReplayWorld, generation: Generation, http: aiohttp.ClientSession) -> None:
        self.world, self.generation, self._http = world, generation, http

    async def ask(self, script: str = SCRIPT) -> str:
        """A new session with a prompt; its id."""
        if self.generation == 1:
            session = await self._post("/session", {})
            await self._post(
                f"/session/{session['id']}/prompt_async", {"parts": [{"type": "text", "text": script}]}
            )
            return str(session["id"])
        session = (await self._post("/api/session", {}))["data"]
        await self._post(f"/api/session/{session['id']}/prompt", {"text": script})
        return str(session["id"])

    async def reply(self, session_id: str, request_id: str, decision: str) -> None:
        """Answered here."""
        if self.generation == 1:
            await self._post(f"/permission/{request_id}/reply", {"reply": decision})
        else:
            path = f"/api/session/{session_id}/permission/{request_id}/reply"
            await self._post(path, {"decision": decision})

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        async with self._http.post(self.world.opencode.url + path, json=body) as response:
            assert response.status < 300, await response.text()
            return await response.json() if response.status == 200 else None


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=[1, 2], ids=["OpenCode 1", "OpenCode 2"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[ReplayWorld]:
    options = WorldOptions(
        generation=request.param, phones=2, relays=2, encrypt="require", live_activities=True,
        phone_profile="lenient", scripted=True, database_url=os.environ.get("ANSWERS_DATABASE"),
    )  # fmt: skip
    async with ReplayWorld(options) as world:
        yield world


@pytest_asyncio.fixture(loop_scope="module")
async def desk(world: ReplayWorld) -> AsyncIterator[Desk]:
    async with aiohttp.ClientSession(headers={"Authorization": BASIC}) as http:
        yield Desk(world, world.options.generation, http)


async def asked(phone: Phone, session_id: str) -> Notification:
    """The notification that asks, as soon as it is there."""
    await eventually(lambda: _of(phone, session_id, "permission"))
    return _of(phone, session_id, "permission")[0]


def _of(phone: Phone, session_id: str, event_type: str) -> list[Notification]:
    return [
        one
        for one in phone.notifications
        if one.payload["sessionID"] == session_id and one.payload["eventType"] == event_type
    ]


def outcomes(world: ReplayWorld, request_id: str) -> list[str]:
    """What the bridge acknowledged."""
    return [
        one.detail["outcome"]
        for one in world.journal.entries("relay", "acknowledged")
        if one.detail["requestID"] == request_id
    ]


async def done(phone: Phone, session_id: str) -> None:
    await eventually(lambda: _of(phone, session_id, "complete"))


@pytest.mark.parametrize("phones", [1, 2])
async def test_allowed_from_the_phone(world: ReplayWorld, desk: Desk, phones: int) -> None:
    first, second = world.phones
    session_id = await desk.ask()
    alert, other = await asked(first, session_id), await asked(second, session_id)
    assert "git push origin main" in alert.body
    assert alert.category == "permission.answer"
    reply = await first.answer(alert, "once")
    assert reply is not None
    assert reply.status == 202
    if phones == 2:
        late = await second.answer(other, "reject")
        assert late is not None
        assert (late.status, "request_answered" in late.error) == (409, True)
    await done(first, session_id)
    request_id = alert.payload["request"]["id"]
    await eventually(lambda: outcomes(world, request_id) == ["applied"])


async def test_denied_from_the_phone(world: ReplayWorld, desk: Desk) -> None:
    session_id = await desk.ask()
    alert = await asked(world.phones[0], session_id)
    await world.phones[0].answer(alert, "reject")
    await eventually(lambda: outcomes(world, alert.payload["request"]["id"]) == ["applied"])
    assert not _of(world.phones[0], session_id, "complete"), "a turn that was denied just stops"


async def test_answered_at_the_desk_first(world: ReplayWorld, desk: Desk) -> None:
    session_id = await desk.ask()
    alert = await asked(world.phones[0], session_id)
    request_id = alert.payload["request"]["id"]
    await desk.reply(session_id, request_id, "once")
    await done(world.phones[0], session_id)
    late = await world.phones[0].answer(alert, "reject")
    assert late is not None
    assert (late.status, "request_withdrawn" in late.error) == (409, True)
    assert outcomes(world, request_id) == []


async def test_a_locked_phone_wants_to_see_its_person(world: ReplayWorld, desk: Desk) -> None:
    phone = world.phones[0]
    session_id = await desk.ask()
    alert = await asked(phone, session_id)
    phone.set("locked", True)
    try:
        assert await phone.answer(alert, "once") is None
        assert await phone.answer(alert, "once", authenticated=True) is not None
    finally:
        phone.set("locked", False)
    await done(phone, session_id)


async def test_always_is_no_choice_of_a_phone(world: ReplayWorld, desk: Desk) -> None:
    session_id = await desk.ask()
    alert = await asked(world.phones[0], session_id)
    with pytest.raises(ValueError, match="always"):
        await world.phones[0].answer(alert, "always")
    await world.phones[0].answer(alert, "reject")


async def test_the_bridge_is_killed_before_it_fetches_the_answer(world: ReplayWorld, desk: Desk) -> None:
    session_id = await desk.ask()
    alert = await asked(world.phones[0], session_id)
    request_id = alert.payload["request"]["id"]
    await world.bridge.kill()
    await world.phones[0].answer(alert, "once")
    await world.start_bridge()
    await eventually(lambda: outcomes(world, request_id) == ["applied"])
    await done(world.phones[0], session_id)


async def test_a_relay_is_killed_after_it_took_the_answer(world: ReplayWorld, desk: Desk) -> None:
    session_id = await desk.ask()
    alert = await asked(world.phones[0], session_id)
    await world.bridge.kill()
    await world.phones[0].answer(alert, "once")
    for relay in world.relays:
        await relay.kill()
        await relay.start()
    await world.start_bridge()
    await done(world.phones[0], session_id)
    await eventually(lambda: outcomes(world, alert.payload["request"]["id"]) == ["applied"])


async def test_an_answer_meets_an_opencode_that_was_restarted(world: ReplayWorld, desk: Desk) -> None:
    session_id = await desk.ask()
    alert = await asked(world.phones[0], session_id)
    port = world.opencode.port
    await world.opencode.close()
    began = world.clock.now()
    await world.opencode.start(port)
    await world.watched(began)
    reply = await world.phones[0].answer(alert, "once")
    assert reply is not None
    if reply.status == 202:
        await eventually(lambda: outcomes(world, alert.payload["request"]["id"]) == ["gone"])
    else:
        assert "request_withdrawn" in reply.error


async def test_a_lie_of_the_relay_allows_nothing(world: ReplayWorld, desk: Desk) -> None:
    """Whoever has the secret and the nonce, as the relay's operator does, but not the key, is refused by the bridge."""
    phone = world.phones[0]
    session_id = await desk.ask()
    alert = await asked(phone, session_id)
    request = alert.payload["request"]
    secret = (world.folder / "relay-secret").read_text().strip()
    body = {
        "secret": secret,
        "requestID": request["id"],
        "nonce": request["nonce"],
        "decision": "once",
        "proof": "A" * 43,
    }
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{world.relay.url}/v1/answer", json=body) as response,
    ):
        assert response.status == 202
    await eventually(lambda: outcomes(world, request["id"]) == ["refused"])
    assert not _of(phone, session_id, "complete")
    await desk.reply(session_id, request["id"], "reject")


async def test_nothing_of_it_was_a_fault(world: ReplayWorld) -> None:
    assert [one for one in world.journal.entries() if one.detail.get("level") in ("ERROR", "CRITICAL")] == []
