"""What the phone's card of each running session shows, and when it may show something else. Pure.

While a request waits that the phone was told of, the card shows that request, whatever else goes on in the session.
"""

from relay.bridge.notify.throttle import Throttle
from relay.contract import PROGRESS_SECONDS, ContentState


class Cards:
    """One card for each root session; times are seconds of a clock that only grows."""

    def __init__(self, interval: float = PROGRESS_SECONDS) -> None:
        self._throttle = Throttle(interval)
        self._asked: dict[str, dict[str, ContentState]] = {}  # by session and request, the newest last

    def begin(self, session_id: str, state: ContentState, now: float) -> ContentState:
        """What the card shows first, on its way now: `state`, unless a request waits already."""
        shown = self._shown(session_id, state)
        self._throttle.sent(session_id, shown, now)
        return shown

    def ask(self, session_id: str, request_id: str, state: ContentState, now: float) -> None:
        """An event is on its way that tells of a request; its state stays until it is answered."""
        self._asked.setdefault(session_id, {})[request_id] = state
        self._throttle.sent(session_id, state, now)

    def answer(self, session_id: str, request_id: str) -> bool:
        """The request does not wait any more. Whether the card showed it, and no other waits."""
        asked = self._asked.get(session_id, {})
        shown = asked.pop(request_id, None) is not None
        if not asked:
            self._asked.pop(session_id, None)
        return shown and not asked

    def offer(self, session_id: str, state: ContentState, now: float) -> float | None:
        """Seconds until `take` gives what to send; 0: at once; None: nothing new, or it is waited for already.

        `state` is what the session does; a request that waits goes before it.
        """
        return self._throttle.offer(session_id, self._shown(session_id, state), now)

    def take(self, session_id: str, now: float) -> ContentState | None:
        """What the card is to show now, if it is anything new; it counts as sent."""
        return self._throttle.take(session_id, now)

    def end(self, session_id: str) -> None:
        """The run is over: nothing more is shown of it."""
        self._asked.pop(session_id, None)
        self._throttle.forget(session_id)

    def _shown(self, session_id: str, state: ContentState) -> ContentState:
        asked = self._asked.get(session_id)
        return next(reversed(asked.values())) if asked else state
