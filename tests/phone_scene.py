"""An OpenCode server on a real socket whose agent does what a test says, and a phone whose app follows it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from phone_pushes import Delivered
from simulator.clock import VirtualClock
from simulator.journal import Journal
from simulator.opencode.v1.effects import Effect
from simulator.opencode.v1.server import OpenCodeServer
from simulator.phone.activitykit.activity import Activity
from simulator.phone.app.content_state import KINDS, ContentState
from simulator.phone.phone import Phone
from simulator.phone.profile import profile
from simulator.phone.push import session_props
from waiting import eventually

DIRECTORY = "/code/demo"
SECRET = "s3cret-s3cret-s3cret-24"
SERVER_ID = "0123456789abcdef"


class Apns:
    """Issues tokens that tell their kind, and remembers which were expired."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self.expired: list[str] = []

    def issue(self, kind: str) -> str:
        return f"{kind}-{next(self._numbers)}"

    def expire(self, token: str) -> None:
        self.expired.append(token)


class Agent:
    """Lets things happen on a server, one event at a time."""

    def __init__(self, server: OpenCodeServer) -> None:
        self.server = server
        self._numbers = count(1)

    def happens(self, kind: str, session_id: str = "ses_1", **more: Any) -> None:
        event = (kind, {"sessionID": session_id, **more})
        self.server.process.act(DIRECTORY, Effect((event,)))

    def session(self, session_id: str = "ses_1", title: str = "Fix it", **more: Any) -> None:
        times = {"created": 1, "updated": 1}
        info = {
            "id": session_id,
            "title": title,
            "directory": DIRECTORY,
            "projectID": "p",
            "time": times,
            **more,
        }
        self.happens("session.created", session_id, info=info)

    def deleted(self, session_id: str = "ses_1") -> None:
        self.happens("session.deleted", session_id, info={"id": session_id})

    def busy(self, session_id: str = "ses_1") -> None:
        self.happens("session.status", session_id, status={"type": "busy"})

    def retry(self, attempt: int, next_at: float, session_id: str = "ses_1") -> None:
        status = {"type": "retry", "attempt": attempt, "message": "Rate limit", "next": round(next_at * 1000)}
        self.happens("session.status", session_id, status=status)

    def idle(self, session_id: str = "ses_1") -> None:
        self.happens("session.status", session_id, status={"type": "idle"})
        self.happens("session.idle", session_id)

    def says(self, words: str, session_id: str = "ses_1", *, completed: bool = False, **more: Any) -> None:
        number = next(self._numbers)
        ends = {"time": {"created": 1, "completed": 2}, "finish": "stop"} if completed else {}
        info = {
            "id": f"msg_{number}", "sessionID": session_id, "role": "assistant", "time": {"created": 1}, **ends, **more,
        }  # fmt: skip
        part = {
            "id": f"prt_{number}", "type": "text", "text": words, "messageID": info["id"], "sessionID": session_id,
        }  # fmt: skip
        self.happens("message.updated", session_id, info=info)
        self.happens("message.part.updated", session_id, part=part)

    def asks(self, request_id: str = "per_1", session_id: str = "ses_1") -> None:
        self.happens("permission.asked", session_id, id=request_id, permission="bash", patterns=["ls"])

    def is_answered(self, request_id: str = "per_1", session_id: str = "ses_1", reply: str = "once") -> None:
        self.happens("permission.replied", session_id, requestID=request_id, reply=reply)

    def fails(self, words: str, session_id: str = "ses_1") -> None:
        error = {"name": "APIError", "data": {"message": words}}
        self.happens("session.error", session_id, error=error)


@dataclass
class Scene:
    """A phone whose app is paired with a server; time passes only while something is waited for."""

    clock: VirtualClock
    journal: Journal
    relay: Any
    opencode: OpenCodeServer
    kind: str = "flat"
    apns: Apns = field(default_factory=Apns)
    phones: list[Phone] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.agent = Agent(self.opencode)

    def phone(self, *, begins_all: bool = True, strictness: str = "lenient", **more: Any) -> Phone:
        """A phone in the background, paired but not registered."""
        phone = Phone(
            self.clock, self.journal, self.apns,
            name=f"D{len(self.phones) + 1}", os_version="26.0",
            kind=KINDS[self.kind], begins_all=begins_all, profile=profile(strictness), **more,
        )  # fmt: skip
        phone.app.scan(self.link())
        self.phones.append(phone)
        return phone

    def link(self, server_id: str = SERVER_ID, secret: str = SECRET, host: str = "") -> str:
        return (
            f'{{"v":1,"serverID":"{server_id}","relayURL":"{self.relay.url}",'
            f'"relaySecret":"{secret}","hosts":["{host or self.opencode.url}"]}}'
        )

    async def until(self, condition: Callable[[], Any], within: float = 10.0) -> Any:
        """The first true value of `condition()`, while virtual time passes."""

        async def turn() -> Any:
            await self.clock.advance(0.05)
            return condition()

        return await eventually(turn, within=within)

    async def open(self, phone: Phone) -> None:
        """The person opens the app; return when it follows the stream."""
        phone.set("app", "foreground")
        monitorings = phone.app.live_sessions._servers.values()
        await self.until(lambda: all(one.live.is_set() for one in monitorings))
        await phone.app.live_sessions.followed()

    async def at_work(self) -> Phone:
        """A phone with the app open, whose card shows that the session works."""
        phone = self.phone()
        self.agent.session()
        await self.open(phone)
        self.agent.busy()
        await self.follows(phone, status="working")
        return phone

    async def at_rest(self, phone: Phone) -> None:
        """Return when the app has nothing more to tell anybody."""
        await self.until(lambda: len(phone.app._tasks) == 0)

    async def follows(self, phone: Phone, **more: Any) -> None:
        """The state of the newest card, as soon as it holds all of `more`."""
        await self.until(lambda: phone.activities.newest is not None and more.items() <= says(phone).items())

    async def received(self, what: str, count: int = 1) -> list[dict[str, Any]]:
        """The bodies of the calls of this route, as soon as there are so many."""
        return await self.until(lambda: found if len(found := self.calls(what)) >= count else None)

    def calls(self, what: str) -> list[dict[str, Any]]:
        return [body for path, body in self.relay.calls if path == f"/v1/{what}"]

    def starts(self, phone: Phone, session_id: str = "ses_1", **state: Any) -> Activity:
        """The relay starts a card by push."""
        kind = KINDS[self.kind]
        self._push(
            phone, phone.device.push_to_start_token, "start", state,
            **{
                "attributes-type": kind.activity_type.name, "attributes": kind.attributes(session_id),
                "input-push-token": 1, "alert": {"title": "Session Started", "body": "B"},
            },
        )  # fmt: skip
        return phone.activities.newest

    def pushes(self, phone: Phone, activity: Activity, event: str = "update", **state: Any) -> None:
        """The relay changes or ends a card by push."""
        self._push(phone, activity.token, event, state)

    def _push(self, phone: Phone, token: str | None, event: str, state: dict[str, Any], **more: Any) -> None:
        said = {"status": "working", "session_title": "Fix it", "last_message": "Pushed", **state}
        content_state = KINDS[self.kind].content_state(ContentState(**said))
        aps = {"timestamp": int(self.clock.now()), "event": event, "content-state": content_state, **more}
        phone.receive(Delivered({"aps": aps}, device_token=token))


def says(phone: Phone) -> dict[str, Any]:
    """What the newest card says."""
    return session_props(phone.activities.newest.content_state) or {}


def entries(journal: Journal, what: str) -> list[dict[str, Any]]:
    return [entry.detail for entry in journal.entries("phone", what)]
