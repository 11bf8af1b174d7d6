"""The event route as ASGI: bodies in pieces, late, too large, broken off; and what it leaves to Quart."""

import asyncio
import json
import time
from typing import Any

import pytest

from relay.contract import Event, EventReply
from relay.server.addresses import Clients
from relay.server.limits import Limits, Rate
from relay.server.metrics import Recorder
from relay.server.routes import limits
from relay.server.routes.events import EventRoute
from relay.server.routes.limits import LimitsRoute

EVENT = {"secret": "s" * 16, "eventType": "complete", "sessionID": "ses_1"}
BODY = json.dumps(EVENT).encode()


class Intake:
    """Accepts every event, or fails."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.fault: Exception | None = None

    async def accept(self, event: Event) -> EventReply:
        self.events.append(event)
        if self.fault:
            raise self.fault
        return EventReply(sent=1, failed=0)


class Caller:
    """Sends messages of ASGI, and then nothing more."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self._messages = list(messages)
        self.said: list[Any] = []

    async def receive(self) -> Any:
        if not self._messages:
            await asyncio.Event().wait()
        return self._messages.pop(0)

    async def send(self, message: Any) -> None:
        self.said.append(message)

    @property
    def answer(self) -> tuple[int, dict[str, Any]]:
        start, body = self.said
        headers = dict(start["headers"])
        assert headers[b"content-type"] == b"application/json"
        assert int(headers[b"content-length"]) == len(body["body"])
        return start["status"], json.loads(body["body"])


def pieces(*bodies: bytes) -> list[dict[str, Any]]:
    return [{"type": "http.request", "body": body, "more_body": True} for body in bodies]


END = {"type": "http.request", "body": b"", "more_body": False}
GONE = {"type": "http.disconnect"}


@pytest.fixture
def intake() -> Intake:
    return Intake()


async def post(
    intake: Intake, *messages: dict[str, Any], body_timeout: float = 60, **scope: str
) -> tuple[int, dict[str, Any]]:
    async def elsewhere(_: Any, __: Any, send: Any) -> None:
        body = b'"elsewhere"'
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 299, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    route = LimitsRoute(
        EventRoute(elsewhere, intake),  # type: ignore[arg-type]
        Limits({}, now=time.time, monotonic=time.monotonic),
        Clients(()),
        at_once=0,
        max_body=1000,
        body_seconds=body_timeout,
        recorder=Recorder(),
        monotonic=time.monotonic,
        day_limit_reached=lambda *_: None,
    )
    caller = Caller(*messages)
    here = {"type": "http", "path": "/v1/event", "method": "POST", "headers": [], "client": None} | scope
    await route(here, caller.receive, caller.send)  # type: ignore[arg-type]
    return caller.answer


ACCEPTED = (200, {"ok": True, "sent": 1, "failed": 0, "queued": 0})


@pytest.mark.parametrize(
    "messages",
    [
        [*pieces(BODY), END],
        [*pieces(BODY[:7], BODY[7:]), END],
        [{"type": "http.request", "body": BODY}],
        [*pieces(BODY.ljust(1000)), END],
    ],
    ids=["as Hypercorn sends it", "in pieces", "at once", "as large as may be"],
)
async def test_an_event_is_answered(intake: Intake, messages: list[dict[str, Any]]) -> None:
    assert await post(intake, *messages) == ACCEPTED
    assert [event.session_id for event in intake.events] == ["ses_1"]


async def test_of_a_body_that_is_too_large_the_rest_is_only_read_for_a_moment(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REST_SECONDS", 0.01)
    status, said = await post(intake, *pieces(b" " * 600, b" " * 401))
    assert (status, said["code"]) == (413, "body_too_large")
    assert not intake.events


async def test_and_no_further_than_a_megabyte(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REST_SECONDS", 60)
    status, said = await post(intake, *pieces(*[b" " * (1 << 18)] * 6))
    assert (status, said["code"]) == (413, "body_too_large")


async def test_a_body_that_does_not_come(intake: Intake) -> None:
    status, said = await post(intake, *pieces(BODY), body_timeout=0.001)
    assert (status, said["code"]) == (408, "request_timeout")
    assert not intake.events


async def test_a_body_that_breaks_off_is_no_event(intake: Intake) -> None:
    status, said = await post(intake, *pieces(BODY[:-1]), GONE)
    assert (status, said["code"]) == (400, "invalid_body")
    assert not intake.events


async def test_an_intake_that_takes_too_long_is_an_honest_status(intake: Intake) -> None:
    """Its other faults: `test_routes_faults`."""
    intake.fault = TimeoutError()
    status, said = await post(intake, *pieces(BODY), END)
    assert (status, said["code"], said["ok"]) == (503, "database_unavailable", False)


@pytest.mark.parametrize("scope", [{"method": "GET"}, {"path": "/v1/event/"}, {"type": "websocket"}])
async def test_everything_else_is_for_quart(intake: Intake, scope: dict[str, str]) -> None:
    assert await post(intake, *pieces(BODY), END, **scope) == (299, "elsewhere")


async def test_what_is_no_request_of_http_is_passed_on_and_a_websocket_is_counted() -> None:
    passed, said = [], []

    async def app(scope: Any, _: Any, __: Any) -> None:
        passed.append(scope["type"])

    async def send(message: Any) -> None:
        said.append(message["type"])

    route = LimitsRoute(
        app,
        Limits({"requests": Rate(1, 60.0)}, now=time.time, monotonic=time.monotonic),
        Clients(()),
        at_once=0,
        max_body=0,
        body_seconds=0,
        recorder=Recorder(),
        monotonic=time.monotonic,
        day_limit_reached=lambda *_: None,
    )
    for kind in ("lifespan", "websocket", "websocket"):
        scope = {"type": kind, "headers": [], "client": ("192.0.2.1", 1)}
        await route(scope, Caller().receive, send)  # type: ignore[arg-type]
    assert (passed, said) == (["lifespan", "websocket"], ["websocket.close"])
