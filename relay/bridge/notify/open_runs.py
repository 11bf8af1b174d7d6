"""The runs of which the relay has heard the beginning and not yet the end. Pure.

They are what a bridge must know after its own restart: whichever of them is not running then has ended unheard.
"""

from collections.abc import Callable, Iterable


class OpenRuns:
    """Root sessions by id. `changed` is called whenever the set is another one."""

    def __init__(self, session_ids: Iterable[str] = (), changed: Callable[[], None] = lambda: None) -> None:
        self._ends: dict[str, str | None] = dict.fromkeys(
            session_ids
        )  # with the eventID of an end on its way
        self._changed = changed

    def ids(self) -> list[str]:
        """The open ones, oldest first."""
        return list(self._ends)

    def open(self, session_id: str) -> bool:
        """Whether a run goes on, as far as was told: no end of it is on its way."""
        return session_id in self._ends and self._ends[session_id] is None

    def begin(self, session_id: str) -> None:
        """A run began; an end on its way is that of the run before."""
        known = session_id in self._ends
        self._ends[session_id] = None
        if not known:
            self._changed()

    def end(self, session_id: str, event_id: str) -> None:
        """The event that tells of the end is on its way to the relay."""
        known = session_id in self._ends
        self._ends[session_id] = event_id
        if not known:
            self._changed()

    def settle(self, session_id: str, event_id: str | None) -> None:
        """The relay has taken or refused this event."""
        if event_id is not None and self._ends.get(session_id) == event_id:
            del self._ends[session_id]
            self._changed()
