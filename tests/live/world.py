"""The simulator's world around a real OpenCode: bridge and relay as processes, an APNs sandbox, and an iPhone."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import aiohttp

from live.client import OpenCodeClient
from live.provider import KEY, Provider
from live.server import PASSWORD, OpenCodeServe
from simulator.replay.report import activities
from simulator.replay.world import ReplayWorld, WorldOptions
from waiting import eventually

Json = dict[str, Any]

PERMISSION_DELAY = 1.0
"""Seconds that the bridge gives the person at the computer to answer before the phone rings."""
STILL_SECONDS = 1.5
"""Seconds without any movement after which nothing more comes: the relay holds a change back for one at the most."""


class LiveWorld(ReplayWorld):
    """A ReplayWorld whose `opencode` is the real one; `client` is a person who works with it, `provider` its model."""

    def __init__(self, program: Path) -> None:
        # Lenient, because so many cards in a few minutes are too many for a phone.
        super().__init__(
            WorldOptions(live_activities=True, phone_profile="lenient", permission_delay=PERMISSION_DELAY)
        )
        self._program = program

    @property
    def bridge_environment(self) -> dict[str, str]:
        """The password, as a person gives it to both."""
        return {"OPENCODE_SERVER_PASSWORD": PASSWORD}

    async def _start_opencode(self) -> None:
        self.provider = await self._stack.enter_async_context(Provider())
        self.opencode = OpenCodeServe(self._program, self.folder / "opencode", self.provider.url)
        self._stack.push_async_callback(self.opencode.kill)
        await self.opencode.start()
        headers = {"Authorization": aiohttp.encode_basic_auth("opencode", PASSWORD)}
        http = await self._stack.enter_async_context(aiohttp.ClientSession(headers=headers))
        self.client = OpenCodeClient(http, self.opencode.url, str(self.opencode.directory))

    async def restart_opencode(self) -> None:
        """Start OpenCode again after it was stopped or killed; return when the bridge watches it."""
        began = self.clock.now()
        await self.opencode.start()
        await self.watched(began)

    async def watched(self, since: float) -> None:
        """Return when the bridge has connected to OpenCode after `since` (UNIX seconds)."""
        # The bridge's own log line has milliseconds only.
        await eventually(lambda: self.journal.entries("bridge", "connected", since - 0.001))

    # What a person sees.

    async def shows(self, session_id: str, status: str) -> Json:
        """The session's newest card, as soon as it shows this status."""

        def ready() -> Json | None:
            cards = self.cards(session_id)
            assert cards, f"{session_id} has no card"
            states = [state["status"] for state in cards[-1]["states"]]
            assert states[-1] == status, f"the card shows {states}"
            return cards[-1]

        return await eventually(ready)

    async def all_rang(self, session_id: str, count: int) -> None:
        """Return when the phone has rung so often for the session, and nothing moves any more."""
        await eventually(lambda: len(self.alerts(session_id)) >= count)
        await self.still(STILL_SECONDS)

    async def ended(self, session_id: str, runs: int = 1) -> Json:
        """The session's newest card, once nothing moves any more: there was one for each run, and all have ended."""
        (card,) = await self.all_ended([session_id], runs)
        return card

    async def all_ended(self, session_ids: Sequence[str], runs: int = 1) -> list[Json]:
        """`ended` of several sessions."""

        def ready() -> bool:
            ends = [[card["ended"] for card in self.cards(session_id)] for session_id in session_ids]
            assert all(len(one) >= runs and None not in one for one in ends), f"cards ended at {ends}"
            return True

        await eventually(ready)
        await self.still(STILL_SECONDS)
        found = [self.cards(session_id) for session_id in session_ids]
        assert [len(cards) for cards in found] == [runs] * len(found)
        return [cards[-1] for cards in found]

    def cards(self, session_id: str) -> list[Json]:
        """The session's Live Activities on the phone so far, as `simulator.replay.report` tells of them."""
        found = activities(self.journal.entries("phone"))
        return [card for card in found if card["sessionID"] == session_id]

    def alerts(self, session_id: str) -> list[tuple[str, str, str]]:
        """`(eventType, title, body)` of every time the phone rang for the session, oldest first."""
        return [
            (one["eventType"], one["title"], one["body"])
            for one in self.phones[0].showings
            if one["sessionID"] == session_id
        ]

    def flaws(self) -> list[object]:
        """What must never be, whatever was played: [] unless something is wrong."""
        entries = self.journal.entries()
        pushes, showings = self.journal.entries("apns", "push"), self.phones[0].showings
        secrets = (KEY, PASSWORD, self.provider.url, (self.folder / "relay-secret").read_text().strip())
        return [
            *self.provider.faults,
            *(one for one in entries if one.detail.get("level") in ("ERROR", "CRITICAL")),
            *(one for one in pushes if one.detail["status"] != 200),
            *(one for one in showings if one["replaced"] or not one["knownServer"]),
            *(one for one in entries if any(secret in str(one.detail) for secret in secrets)),
            *(
                line
                for line in (*self.relay.log, *self.bridge.log)
                if any(secret in line for secret in secrets)
            ),
        ]


def went(card: Json) -> str:
    """The statuses that a card went through, as in "working permission complete"."""
    return " ".join(status for status, _ in groupby(state["status"] for state in card["states"]))
