"""What the app does while it is in the foreground: it follows OpenCode's stream and changes its cards itself.

The plan's useMonitoring. In the background the stream is closed, and the cards live by pushes.
"""

import asyncio
from collections.abc import Callable
from contextlib import aclosing

from simulator.clock import Clock
from simulator.journal import Journal
from simulator.phone.app.http import Json, OpenCodeAway
from simulator.phone.app.monitored_session import MonitoredSession
from simulator.phone.app.opencode import OpenCodeClient, Server
from simulator.phone.app.session_activities import SessionActivities

RECONNECT_SECONDS = 1.0

OnSession = Callable[[str], None]


class Monitoring:
    """The sessions of one server that the app monitors. `follow` runs while the app is in the foreground.

    `begins_all`: every session of the server that gets to work is monitored, as if the person had sent its prompt from
    this phone; else only those named by `begin`, and those that have a card already.
    `live` is set while the stream is read and the cards are up to date with it.
    `ended` is called with each session whose card the app has ended; `unknown` with each the server does not know.
    """

    def __init__(
        self,
        client: OpenCodeClient,
        cards: SessionActivities,
        clock: Clock,
        journal: Journal,
        *,
        phone: str,
        ended: OnSession,
        unknown: OnSession,
        begins_all: bool = False,
    ) -> None:
        self._client = client
        self._server: Server | None = None
        self._cards = cards
        self._clock = clock
        self._journal = journal
        self._phone = phone
        self._ended = ended
        self._unknown = unknown
        self._begins_all = begins_all
        self._sessions: dict[str, MonitoredSession] = {}
        self._infos: dict[str, Json] = {}
        self._over: dict[str, str] = {}
        self.live = asyncio.Event()

    @property
    def sessions(self) -> frozenset[str]:
        """The sessions it monitors now."""
        return frozenset(self._sessions)

    def is_over(self, session_id: str) -> bool:
        """Whether the app has just seen the session's turn end, and has seen no other begin."""
        return self.live.is_set() and session_id in self._over

    async def begin(self, session_id: str) -> None:
        """Monitor a session from now on, and start its card: the person has sent it a prompt. OpenCodeAway."""
        server = await self._connected()
        info = await server.session(session_id)
        if info is not None:
            self._begin(server, info)

    def stop(self, session_id: str) -> None:
        """Monitor it no longer; a card that still runs ends."""
        session = self._sessions.pop(session_id, None)
        if session is not None:
            session.stop()
            self._show_end(session)

    async def follow(self) -> None:
        """Read the stream, again and again, until cancelled. After each connection the state is asked for first."""
        while True:
            try:
                server = await self._connected()
                async with aclosing(server.events()) as events:
                    async for event in events:
                        await self._take(server, event)
            except OpenCodeAway as away:
                self._journal.record("phone", "stream broke", phone=self._phone, why=str(away))
            finally:
                self.live.clear()
            await self._clock.sleep(RECONNECT_SECONDS)

    async def _connected(self) -> Server:
        """The server as it answers now. If it is of another generation than before its sessions are looked at anew."""
        server = await self._client.server()
        if self._server is not None and self._server is not server:
            self._sessions.clear()
        self._server = server
        return server

    async def _take(self, server: Server, event: Json) -> None:
        if event["type"] == "server.connected":
            await self._clock.sleep(server.deaf_for)
            await self._sync(server)
            self.live.set()
            return
        info = server.described(event)
        if info is not None:  # also of sessions that nobody monitors yet
            self._infos[info["id"]] = self._infos.get(info["id"], {}) | info
        self._begin_by(server, event)
        self._fold(event)

    # What the stream says.

    def _begin_by(self, server: Server, event: Json) -> None:
        """A session gets to work: from here on it is monitored, if the app monitors all or a push has made a card for it.

        What was under way as the server was asked may be of a turn whose end it has told already: its messages are known.
        """
        session_id, message_id = server.at_work(event) or ("", "")
        if not session_id or session_id in self._sessions:
            return
        if message_id and message_id <= self._over.get(session_id, ""):
            return
        self._over.pop(session_id, None)
        info = self._infos.get(session_id, {"id": session_id})
        if self._begins_all and not info.get("parentID"):
            self._begin(server, info)
        elif session_id in self._cards.sessions:
            self._monitor(server, info)

    def _fold(self, event: Json) -> None:
        for session in tuple(self._sessions.values()):
            before = session.content_state
            session.fold(event, self._clock.now())
            if session.over:
                self._end(session)
            elif session.content_state != before:
                self._cards.show(session.session_id, session.content_state)

    # The life of one monitored session.

    def _begin(self, server: Server, info: Json) -> None:
        session = self._monitor(server, info)
        self._journal.record("phone", "monitoring", phone=self._phone, sessionID=session.session_id)
        self._cards.start(session.session_id, session.content_state)

    def _monitor(self, server: Server, info: Json, *, begun: bool = False) -> MonitoredSession:
        session = self._sessions.setdefault(info["id"], server.monitor(info["id"], begun=begun))
        session.knows(info, *self._infos.values())
        return session

    def _end(self, session: MonitoredSession) -> None:
        del self._sessions[session.session_id]
        self._over[session.session_id] = session.newest_id
        self._show_end(session)

    def _show_end(self, session: MonitoredSession) -> None:
        self._cards.show(session.session_id, session.content_state)
        self._ended(session.session_id)

    # After a gap.

    async def _sync(self, server: Server) -> None:
        """Bring every card up to date, and end those whose session is over; also those that a push started."""
        self._over.clear()
        self._infos |= {info["id"]: info for info in await server.sessions()}
        for session_id in {**self._sessions, **self._cards.sessions}:
            info = await server.session(session_id)
            if info is None:
                self._forget(session_id)
            else:
                await self._sync_one(server, info)

    def _forget(self, session_id: str) -> None:
        self._sessions.pop(session_id, None)
        self._unknown(session_id)

    async def _sync_one(self, server: Server, info: Json) -> None:
        session = self._monitor(server, info, begun=True)
        session.knows(*await server.children(session.session_id))
        await server.sync(session, info, self._clock.now())
        if session.over:
            self._end(session)
        else:
            self._cards.show(session.session_id, session.content_state)
