"""The app while somebody looks at it, beside OpenCode 2: gaps in the stream, a server that ends, and an update in place."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from phone_scene import Scene, entries, says
from simulator.opencode.v2.server import OpenCode2Server
from simulator.phone.app.monitored_session import DECISION, INTERRUPTED, STARTING, STOPPED

PASSWORD = "pässwort"
OWN = {"sessionID": "ses_1"}


class Server2:
    """Lets things happen in one session of OpenCode 2."""

    def __init__(self, server: OpenCode2Server) -> None:
        self.server = server
        server.api.create({"id": "ses_1", "title": "Fix it"})

    def happens(self, kind: str, **more: Any) -> None:
        self.server.process.publish(kind, {**OWN, **more})

    def works(self, message_id: str = "msg_000000000002") -> None:
        self.happens("session.execution.started")
        self.happens("session.step.started", assistantMessageID=message_id, agent="build", model={})

    def says(self, words: str, message_id: str = "msg_000000000002") -> None:
        self.happens("session.text.started", assistantMessageID=message_id, ordinal=0)
        self.happens("session.text.ended", assistantMessageID=message_id, ordinal=0, text=words)

    def ends(self, how: str = "succeeded", **more: Any) -> None:
        self.happens(f"session.execution.{how}", **more)


@pytest.fixture
async def second(scene: Scene) -> AsyncIterator[Server2]:
    """In the place of the scene's OpenCode 1, at its port."""
    port = scene.opencode.port
    await scene.opencode.close()
    server = OpenCode2Server(scene.clock, scene.journal, password=PASSWORD, managed=False)
    await server.start(port)
    yield Server2(server)
    await server.close()


async def test_a_turn_from_its_start_to_its_end(scene: Scene, second: Server2) -> None:
    phone = scene.phone(password=PASSWORD)
    await scene.open(phone)
    second.works()
    await scene.follows(phone, status="working", lastMessage=STARTING, sessionTitle="Fix it")
    second.says("Installing...")
    second.happens("permission.asked", id="per_1", action="shell", resources=["ls"])
    await scene.follows(phone, status="permission", lastMessage=DECISION)
    second.happens("permission.replied", requestID="per_1", reply="once")
    await scene.follows(phone, status="working", lastMessage="Installing...")
    second.ends()
    await scene.follows(phone, status="complete", lastMessage="Installing...")
    assert [card.started_by for card in phone.activities.all] == ["app"]


async def test_a_server_that_is_killed_at_work_and_forgets_it(scene: Scene, second: Server2) -> None:
    phone = scene.phone(password=PASSWORD)
    await scene.open(phone)
    second.works()
    second.says("Half an")
    await scene.follows(phone, lastMessage="Half an")
    await second.server.cut()
    await scene.until(lambda: entries(scene.journal, "stream broke"))
    assert says(phone)["status"] == "working"
    await second.server.start()
    await scene.follows(phone, status="error", lastMessage=INTERRUPTED)


async def test_what_ended_and_what_waits_since_the_app_was_left(scene: Scene, second: Server2) -> None:
    phone = scene.phone(password=PASSWORD)
    await scene.open(phone)
    second.works()
    await scene.follows(phone, status="working")
    phone.set("app", "background")
    second.happens("form.created", form={"id": "frm_1", "title": "Questions", "fields": [], **OWN})
    await scene.open(phone)
    await scene.follows(phone, status="permission", lastMessage=DECISION)
    phone.set("app", "background")
    second.happens("form.cancelled", id="frm_1")
    second.ends("interrupted", reason="user")
    await scene.open(phone)
    await scene.follows(phone, status="complete", lastMessage=STOPPED)


async def test_an_update_under_an_open_app(scene: Scene) -> None:
    """A password is sent to generation 1, too, which does not ask for it."""
    phone = scene.phone(password=PASSWORD)
    scene.agent.session("ses_0")
    await scene.open(phone)
    scene.agent.busy("ses_0")
    scene.agent.idle("ses_0")
    await scene.follows(phone, status="complete")
    port = scene.opencode.port
    await scene.opencode.close()
    server = OpenCode2Server(scene.clock, scene.journal, password=PASSWORD, managed=False)
    await server.start(port)
    second = Server2(server)
    await scene.until(lambda: server.process.streams.subscriptions)
    second.works()
    await scene.follows(phone, status="working", sessionTitle="Fix it")
    second.ends("failed", error={"type": "provider.auth", "message": "No key"})
    await scene.follows(phone, status="error", lastMessage="No key")
    await server.close()
