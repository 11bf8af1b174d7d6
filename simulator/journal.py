"""What happened, where and when: one append-only list that every part of the simulator writes and tests read."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from simulator.clock import Clock


@dataclass(frozen=True, slots=True)
class Entry:
    """One fact. `at` is UNIX seconds; `where` the part ("apns", "opencode", "phone", "relay", "bridge", "world")."""

    at: float
    where: str
    what: str
    detail: dict[str, Any] = field(default_factory=dict)


class Journal:
    """A ring of the newest entries. Readers filter it; listeners see each entry as it is written."""

    def __init__(self, clock: Clock, size: int = 100_000) -> None:
        self._clock = clock
        self._entries: deque[Entry] = deque(maxlen=size)
        self._listeners: list[Callable[[Entry], None]] = []

    def record(self, where: str, what: str, **detail: Any) -> Entry:
        """Write down that `what` happened now at `where`."""
        return self.record_at(self._clock.now(), where, what, **detail)

    def record_at(self, at: float, where: str, what: str, **detail: Any) -> Entry:
        """Write down what is known only now, but happened at `at`."""
        entry = Entry(at, where, what, detail)
        self._entries.append(entry)
        for listener in tuple(self._listeners):
            listener(entry)
        return entry

    def entries(self, where: str | None = None, what: str | None = None, since: float = 0.0) -> list[Entry]:
        """The entries still held, as they were written: of one part, of one kind, from a time (UNIX seconds) on."""
        return [
            entry
            for entry in self._entries
            if (where is None or entry.where == where)
            and (what is None or entry.what == what)
            and entry.at >= since
        ]

    def clear(self) -> None:
        """Forget all entries; listeners stay."""
        self._entries.clear()

    def listen(self, listener: Callable[[Entry], None]) -> Callable[[], None]:
        """Call `listener` with every entry from now on; the returned function stops it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)
