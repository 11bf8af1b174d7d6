"""What befell pushes, counted by priority as the journal is written: sent, refused, deferred, dropped."""

from collections import Counter

from simulator.journal import Entry


class Tally:
    """A listener of the journal. `sent`, `deferred` and `dropped` by priority, `refused` by priority and reason.

    `deferred` are pushes that had to wait for power or budget, `dropped` those that the phone never applied. Starts by
    push have a budget of their own and are counted as `starts`.
    """

    def __init__(self) -> None:
        self.sent: Counter[int] = Counter()
        self.refused: Counter[tuple[int, str]] = Counter()
        self.deferred: Counter[int] = Counter()
        self.dropped: Counter[int] = Counter()
        self.starts = 0
        self._priorities: dict[str, int] = {}
        self._held_up: set[str] = set()

    def hear(self, entry: Entry) -> None:
        """Count an entry, if it is about a push."""
        if entry.where == "apns" and entry.what == "push":
            self._answered(entry)
        elif entry.where == "phone" and "apnsID" in entry.detail:
            self._befell(entry)

    def _answered(self, entry: Entry) -> None:
        priority = int(entry.detail["priority"])
        self.sent[priority] += 1
        self._priorities[entry.detail["apns_id"]] = priority
        if entry.detail["status"] != 200:
            self.refused[priority, entry.detail["reason"]] += 1
            self._hold_up(entry.detail["apns_id"])

    def _befell(self, entry: Entry) -> None:
        priority = self._priorities[entry.detail["apnsID"]]
        if entry.what == "started":
            self.starts += 1
        elif entry.what == "deferred":
            self.deferred[priority] += 1
            self._hold_up(entry.detail["apnsID"])
        elif entry.what == "dropped":
            self.dropped[priority] += 1
            self._hold_up(entry.detail["apnsID"])

    def _hold_up(self, apns_id: str) -> None:
        if self._priorities[apns_id] == 10:
            self._held_up.add(apns_id)

    @property
    def held_up(self) -> int:
        """Priority 10 pushes that APNs refused, or that the phone deferred or dropped."""
        return len(self._held_up)
