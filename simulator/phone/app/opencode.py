"""The app's connection to an OpenCode server: the hosts of its pairing, and which generation answers there."""

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from simulator.phone.app.http import Json, OpenCodeAway, Place
from simulator.phone.app.monitored_session import MonitoredSession
from simulator.phone.app.opencode1 import OpenCode1
from simulator.phone.app.opencode2 import OpenCode2


class Server(Protocol):
    """One generation, at one host. Infos of sessions are `{id, title?, parentID?}`, whatever else is in them.

    `deaf_for` is how many seconds after server.connected events are lost. What asks the server raises OpenCodeAway.
    """

    deaf_for: float

    def events(self) -> AsyncGenerator[Json, None]:
        """All events, `server.connected` first. Raises OpenCodeAway when the stream ends, however it does."""
        ...

    def monitor(self, session_id: str, *, begun: bool) -> MonitoredSession:
        """A session that is fed the events of this generation."""
        ...

    def described(self, event: Json) -> Json | None:
        """The info of the session that this event describes, if it does."""
        ...

    def at_work(self, event: Json) -> tuple[str, str] | None:
        """The session that this event says is at work, if it does, and the id of the message in which; "" if it does not say."""
        ...

    async def sessions(self) -> list[Json]:
        """The infos of its newest sessions, of all directories."""
        ...

    async def session(self, session_id: str) -> Json | None:
        """The info of a session; None if the server knows no such session."""
        ...

    async def children(self, session_id: str) -> list[Json]:
        """The infos of its subagents' sessions."""
        ...

    async def sync(self, session: MonitoredSession, info: Json, now: float) -> None:
        """Tell a monitored session what the server knows of it after a gap."""
        ...


class OpenCodeClient:
    """One server under the addresses of its pairing; the first that answers is used as long as it does.

    `password` is what the person typed in for it. Generation 2 always asks for one, generation 1 if it was given one.
    """

    def __init__(self, hosts: Sequence[str], password: str | None = None) -> None:
        self._hosts = tuple(host.rstrip("/") for host in hosts)
        self._password = password
        self._server: Server | None = None
        self._host: str | None = None

    async def server(self) -> Server:
        """The server as it answers now; the same object as before if it is the same. OpenCodeAway."""
        hosts = (self._host, *self._hosts) if self._host else self._hosts
        for host in hosts:
            try:
                found = await self._recognised(Place(host, self._password))
            except OpenCodeAway:
                continue
            if self._host != host or type(found) is not type(self._server):
                self._host, self._server = host, found
            return self._server or found
        raise OpenCodeAway(f"none of {', '.join(self._hosts)} answers")

    async def _recognised(self, place: Place) -> Server:
        """Generation 1 answers GET /api/info with its web page, generation 2 the other's route: so it is the JSON that counts."""
        info = await place.get_json("/api/info")
        if isinstance(info, dict) and str(info.get("version", "")).startswith("2."):
            return OpenCode2(place)
        await place.get("/global/health")
        return OpenCode1(place)
