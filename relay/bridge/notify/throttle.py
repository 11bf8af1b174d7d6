"""What the phone's cards show, and how often: a phase change at once, the rest seldom, and the last state always. Pure.

APNs limits how often a Live Activity may be updated and delays what is above; the plan asks for about one progress in
10 to 15 s. A dropped phase change leaves a card that lies (pingdotgg/t3code#12668), so it is never held back.
"""

from dataclasses import dataclass
from math import inf

import msgspec

from relay.bridge.notify.source import Retry
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

    def sessions(self) -> list[str]:
        """Those of which a state was sent since they were forgotten, oldest first."""
        return list(self._shown)

    def showing(self, session_id: str) -> bool:
        """Whether a state of the session was sent since it was forgotten."""
        return session_id in self._shown

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


@dataclass(slots=True)
class Waiting:
    """A row of attempts: when it began, the newest attempt's number, and until when the person knows of it."""

    since_ms: float
    attempt: int
    next_ms: float | None
    known_until_ms: float = 0.0


class RetryAlerts:
    """Decides when it is said that a model keeps a session waiting: once a row of attempts, if it is longer than `seconds`.

    A limit that refuses several children of a session at once is one row. 0: never.
    """

    def __init__(self, seconds: float) -> None:
        self._longest_ms = seconds * 1000
        self._waiting: dict[str, Waiting] = {}

    def due(self, session_id: str, retry: Retry, now_ms: float) -> bool:
        """Whether to say it now, because of this attempt."""
        row = self._waiting.get(session_id)
        again = row and retry.next_ms != row.next_ms and retry.attempt <= row.attempt
        if row is None or (again and now_ms >= row.known_until_ms):
            row = self._waiting[session_id] = Waiting(now_ms, retry.attempt, retry.next_ms)
        row.attempt, row.next_ms = retry.attempt, retry.next_ms
        until = retry.next_ms or now_ms
        if not self._longest_ms or row.known_until_ms or until - row.since_ms < self._longest_ms:
            return False
        row.known_until_ms = until
        return True

    def end(self, session_id: str) -> None:
        """The run is over."""
        self._waiting.pop(session_id, None)


class Cards:
    """What the card of each running root session shows; times are seconds of a clock that only grows.

    While a request waits that the phone knows of, the card shows that request, whatever else goes on in the session.
    """

    def __init__(self, interval: float = PROGRESS_SECONDS) -> None:
        self._throttle = Throttle(interval)
        self._asked: dict[str, dict[str, ContentState]] = {}  # by session and request, the newest last

    def begin(self, session_id: str, state: ContentState, now: float) -> ContentState:
        """What the card shows first, on its way now: `state`, unless a request waits already."""
        shown = self._shown(session_id, state)
        self._throttle.sent(session_id, shown, now)
        return shown

    def sessions(self) -> list[str]:
        """Those whose cards show something that has not ended, oldest first."""
        return self._throttle.sessions()

    def lose(self, session_id: str, state: ContentState, now: float) -> None:
        """An event is on its way that says that nobody knows what goes on. What does, is shown with the next `offer`."""
        self._throttle.sent(session_id, state, now)

    def showing(self, session_id: str) -> bool:
        """Whether its card shows a run that has not ended."""
        return self._throttle.showing(session_id)

    def ask(self, session_id: str, request_id: str, state: ContentState, now: float) -> ContentState:
        """An event is on its way that reports a request; what it shows until it is answered."""
        self._asked.setdefault(session_id, {})[request_id] = state
        shown = self._shown(session_id, state)
        self._throttle.sent(session_id, shown, now)
        return shown

    def answer(self, session_id: str, request_id: str) -> bool:
        """The request does not wait any more. Whether the card showed it, and no other waits."""
        asked = self._asked.get(session_id, {})
        shown = asked.pop(request_id, None) is not None
        if not asked:
            self._asked.pop(session_id, None)
        return shown and not asked

    def asked(self, session_id: str) -> ContentState | None:
        """The newest request that waits for the user, as the card shows it: with the number of the others, if there are any."""
        asked = self._asked.get(session_id)
        if not asked:
            return None
        newest = next(reversed(asked.values()))
        more = f" (+{len(asked) - 1})" if len(asked) > 1 else ""
        return msgspec.structs.replace(newest, last_message=newest.last_message + more)

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
        asked = self.asked(session_id)
        return msgspec.structs.replace(asked, session_title=state.session_title) if asked else state


class Ends:
    """Whether and when the end of a run rings: not after a short one, and those that come within seconds ring as one. Pure.

    Times are seconds of a clock that only grows. A run of which no beginning was seen counts as a long one.
    """

    def __init__(self, *, min_duration: float = 0.0, bundle: float = 0.0) -> None:
        self._min_duration, self._bundle = min_duration, bundle
        self._began: dict[str, float] = {}
        self._rang: dict[str, float] = {}

    def begin(self, session_id: str, now: float) -> None:
        """A run began, if none goes on."""
        self._began.setdefault(session_id, now)

    def complete(self, session_id: str, now: float) -> float | None:
        """Seconds until the end rings that comes now; 0: at once; None: it does not ring."""
        if now - self._began.get(session_id, -inf) < self._min_duration:
            return None
        return min(self._bundle, max(0.0, self._rang.get(session_id, -inf) + self._bundle - now))

    def end(self, session_id: str) -> None:
        """The run is over."""
        self._began.pop(session_id, None)

    def ring(self, session_id: str, now: float) -> None:
        """An end rings now. What rang long ago is forgotten."""
        self._rang = {one: at for one, at in self._rang.items() if now - at < self._bundle} | {
            session_id: now
        }
