"""How often a card may change: a phase change at once, everything else seldom, and the last state always. Pure.

APNs limits how often a Live Activity may be updated and delays what is above; the plan asks for about one progress in
10 to 15 s. A dropped phase change leaves a card that lies (pingdotgg/t3code#12668), so it is never held back.
"""

from dataclasses import dataclass

from relay.contract import PROGRESS_SECONDS, ContentState


@dataclass(frozen=True, slots=True)
class Shown:
    """What was sent last, and when (seconds of any clock that only grows)."""

    state: ContentState
    at: float


class Throttle:
    """Decides when a session's newest state is due. Holds one state sent and one waiting for each session."""

    def __init__(self, interval: float = PROGRESS_SECONDS) -> None:
        self._interval = interval
        self._shown: dict[str, Shown] = {}
        self._waiting: dict[str, ContentState] = {}

    def __len__(self) -> int:
        """Sessions remembered."""
        return len(self._shown.keys() | self._waiting.keys())

    def offer(self, session_id: str, state: ContentState, now: float) -> float | None:
        """Seconds until `take` gives the newest state; 0: at once. None: nothing new, or an earlier offer's time holds."""
        shown = self._shown.get(session_id)
        waited = self._waiting.pop(session_id, None) is not None
        if shown and state == shown.state:
            return None
        self._waiting[session_id] = state
        if shown is None or state.status != shown.state.status:
            return 0.0
        return None if waited else max(0.0, shown.at + self._interval - now)

    def take(self, session_id: str, now: float) -> ContentState | None:
        """The newest state if one waits; it counts as sent now."""
        state = self._waiting.pop(session_id, None)
        if state is not None:
            self._shown[session_id] = Shown(state, now)
        return state

    def sent(self, session_id: str, state: ContentState, now: float) -> None:
        """Another event carried `state`: what waited is outdated by it."""
        self._waiting.pop(session_id, None)
        self._shown[session_id] = Shown(state, now)

    def forget(self, session_id: str) -> None:
        """The run is over; nothing waits any more, and the next state goes at once."""
        self._waiting.pop(session_id, None)
        self._shown.pop(session_id, None)
