"""What this relay counts by the hour, written down for /admin and for the relays that share its database."""

import asyncio
import uuid
from collections.abc import Callable

from relay.server.metrics import HOUR_MS, Recorder
from relay.server.store import hours
from relay.server.store.sql import Database


class HourlyCounts:
    """Numbers of this run of the relay. One that is killed loses those of its last minute. `now`: UNIX seconds."""

    def __init__(self, db: Database, recorder: Recorder, now: Callable[[], float]) -> None:
        self._db, self._recorder, self._now = db, recorder, now
        self._run = uuid.uuid4().hex[:12]
        self._saved: dict[tuple[int, str, str, str], int] = {}
        self._saving = asyncio.Lock()

    async def save(self) -> None:
        """Write down what has changed since the last time. Raises Unavailable; the next time writes it then."""
        async with self._saving:
            numbers = dict(self._recorder.hours)
            changed = {key: number for key, number in numbers.items() if self._saved.get(key) != number}
            if changed:
                await hours.save(self._db, changed, run=self._run)
            self._saved = numbers
            self._forget_past_hours()

    def _forget_past_hours(self) -> None:
        """Those that are over and written down; nothing is added to them any more, unless the clock is set back."""
        over = self._now() * 1000 - HOUR_MS
        for key in [
            key
            for key, number in self._saved.items()
            if key[0] <= over and self._recorder.hours[key] == number
        ]:
            del self._recorder.hours[key], self._saved[key]

    async def forget(self, *, before_ms: int) -> None:
        """Of all relays, the hours before."""
        await hours.forget(self._db, before_ms=before_ms)
