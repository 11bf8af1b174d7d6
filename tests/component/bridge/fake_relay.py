"""A relay whose answers a test chooses."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from loopback_server import LoopbackServer

STARTED = ("start", "working", "Starting...")
STOPPED = ("progress", "complete", "Stopped")
"""What `FakeRelay.shown` says of a card at its beginning and at an end that does not ring."""
INTERRUPTED = "Interrupted: OpenCode stopped before the session was done."


@dataclass
class Posted:
    """What the relay got."""

    eventType: str  # noqa: N815  the wire's names
    sessionID: str  # noqa: N815
    title: str
    body: str
    eventID: str  # noqa: N815
    state: dict[str, Any]
    rest: dict[str, Any] = field(repr=False)


class FakeRelay(LoopbackServer):
    """POST /v1/event: answers with `answers` in turn, then with 200; `gate`, when cleared, makes it hang."""

    def __init__(self) -> None:
        super().__init__(
            web.post("/v1/event", self._event),
            web.post("/v1/secret/phones", self._phones),
            web.post("/v1/secret/forget", self._forget),
        )
        self.phones: dict[str, int] | None = None  # by secret; None: a relay that knows no such route
        self.known: set[str] | None = None  # the operator's secrets; None: it takes every one
        self.forgotten: list[tuple[str, bool]] = []
        self.traces: list[str] = []  # the header traceparent of every try
        self.posted: list[Posted] = []  # every try
        self.accepted: list[Posted] = []  # what rings
        self.cards: list[Posted] = []  # what only moves a card
        self.seen_ids: set[str] = set()  # an eventID that comes again does nothing
        self.answers: list[tuple[int, Any]] = []
        self.refused_sessions: dict[str, tuple[int, Any]] = {}
        self.gate = asyncio.Event()
        self.gate.set()

    def rang(self) -> list[tuple[str, str]]:
        """(eventType, sessionID) of all that rang, in order."""
        return [(event.eventType, event.sessionID) for event in self.accepted]

    def shown(self, session_id: str) -> list[tuple[str, str, str]]:
        """(eventType, status, lastMessage) of all that moved the session's card without ringing, in order."""
        return [
            (event.eventType, event.state["status"], event.state["lastMessage"])
            for event in self.cards
            if event.sessionID == session_id
        ]

    async def _phones(self, request: web.Request) -> web.Response:
        if self.phones is None:
            raise web.HTTPNotFound
        secret = (await request.json())["secret"]
        if self.known is not None and secret not in self.known:
            return web.json_response({"ok": False, "error": "no", "code": "secret_unknown"}, status=403)
        return web.json_response({"ok": True, "phones": self.phones.get(secret, 0)})

    async def _forget(self, request: web.Request) -> web.Response:
        if self.phones is None:
            raise web.HTTPNotFound
        body = await request.json()
        self.forgotten.append((body["secret"], body["refuse"]))
        return web.json_response({"ok": True, "phones": self.phones.pop(body["secret"], 0)})

    async def _event(self, request: web.Request) -> web.StreamResponse:
        self.traces.append(request.headers.get("traceparent", ""))
        body = await request.json()
        event = Posted(
            *(body.pop(name, "") for name in ("eventType", "sessionID", "title", "body", "eventID")),
            body.pop("contentState", {}),
            body,
        )
        self.posted.append(event)
        await self.gate.wait()
        status, answer = 200, {"ok": True, "sent": 1, "failed": 0, "queued": 0}
        if event.sessionID in self.refused_sessions:
            status, answer = self.refused_sessions[event.sessionID]
        elif self.answers:
            status, answer = self.answers.pop(0)
        if status == 200 and event.eventID not in self.seen_ids:
            self.seen_ids.add(event.eventID)
            rings = event.eventType not in ("start", "progress")
            (self.accepted if rings else self.cards).append(event)
        if isinstance(answer, str):
            return web.Response(status=status, text=answer)
        return web.json_response(answer, status=status)
