"""The sessions that the app shows live, over the life of the app: cards, their tokens at the relay, and the stream."""

import asyncio
from collections.abc import Sequence

from simulator.clock import Clock
from simulator.journal import Journal
from simulator.phone.app.content_state import AppKind
from simulator.phone.app.monitoring import Monitoring
from simulator.phone.app.opencode import OpenCodeClient
from simulator.phone.app.relay_client import ActivityTokens, ReportToken, Tasks
from simulator.phone.app.session_activities import UNKNOWN, SessionActivities
from simulator.phone.device import AppState
from simulator.phone.live_activities import LiveActivities


class LiveSessions:
    """Follows every paired server while the app is in the foreground; lives by pushes in the background.

    `report_token` registers tokens at the relay of an account. `begins_all`: see Monitoring. `password` is what the person
    typed in for the servers.
    """

    def __init__(
        self,
        kind: AppKind,
        activities: LiveActivities,
        report_token: ReportToken,
        tasks: Tasks,
        clock: Clock,
        journal: Journal,
        *,
        phone: str,
        begins_all: bool = False,
        password: str | None = None,
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._phone = phone
        self._begins_all = begins_all
        self._password = password
        self._tasks = tasks
        self._tokens = ActivityTokens(report_token, tasks)
        self._hosts: dict[str, tuple[str, ...]] = {}
        self._servers: dict[str, Monitoring] = {}
        self._unknown_to: dict[str, set[str]] = {}
        self._following: list[asyncio.Task[None]] = []
        self._cards = SessionActivities(kind, activities, on_token=self._register, is_over=self._is_over)

    @property
    def monitored(self) -> frozenset[str]:
        """The sessions it monitors now, of all servers."""
        return frozenset().union(*(server.sessions for server in self._servers.values()))

    def paired(self, account: str, hosts: Sequence[str]) -> None:
        """The server of this account is reached at one of these hosts."""
        self._hosts[account] = tuple(hosts)
        self._servers[account] = self._new_server(account)

    async def followed(self) -> None:
        """Return when the stream of every paired server is read and the cards are up to date with it."""
        for server in self._servers.values():
            await server.live.wait()

    async def begin(self, account: str, session_id: str) -> None:
        """The person has sent a prompt: monitor the session and start its card. OpenCodeAway."""
        await self._servers[account].begin(session_id)

    def stop(self, session_id: str) -> None:
        """The person follows the session no longer: its card ends."""
        for server in self._servers.values():
            server.stop(session_id)

    def entered(self, state: AppState) -> None:
        """The app came to the foreground, left it, or was ended by the person."""
        for task in self._following:
            task.cancel()
        self._following.clear()
        if state == "force_quit":
            self._tokens.forget()
            self._servers = {account: self._new_server(account) for account in self._hosts}
        elif state == "foreground":
            self._open()

    def _open(self) -> None:
        self._cards.adopt_all()
        for account, session_id in self._tokens.registered:
            if session_id not in self._cards.sessions:
                self._tokens.unregister(account, session_id)
        self._following += [
            self._tasks.start(server.follow(), f"monitoring-{account}")
            for account, server in self._servers.items()
        ]

    def _new_server(self, account: str) -> Monitoring:
        return Monitoring(
            OpenCodeClient(self._hosts[account], self._password),
            self._cards,
            self._clock,
            self._journal,
            phone=self._phone,
            ended=lambda session_id: self._tokens.unregister(account, session_id),
            unknown=lambda session_id: self._orphaned(account, session_id),
            begins_all=self._begins_all,
        )

    def _orphaned(self, account: str, session_id: str) -> None:
        """A card goes when no paired server knows its session; the one that does may be away."""
        unknown_to = self._unknown_to.setdefault(session_id, set())
        unknown_to.add(account)
        if unknown_to >= set(self._servers):
            self._cards.remove(session_id, UNKNOWN)
            for one in self._servers:
                self._tokens.unregister(one, session_id)

    def _is_over(self, session_id: str) -> bool:
        return any(server.is_over(session_id) for server in self._servers.values())

    def _register(self, session_id: str, token: str) -> None:
        """A push-started activity does not say whose session it shows: then it is reported to the relay of every pairing."""
        owners = [account for account, server in self._servers.items() if session_id in server.sessions]
        for account in owners or tuple(self._servers):
            self._tokens.register(account, session_id, token)
