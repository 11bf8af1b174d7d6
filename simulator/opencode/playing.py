"""What plays of recordings of both generations have in common: renamed ids, moved times, and events sent when they are due."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Generic, TypeVar

import msgspec

from simulator.clock import Clock
from simulator.opencode.ids import renamed
from simulator.opencode.script import Json

Due = TypeVar("Due")

SUBSCRIBED_WITHIN = 15.0
DOWN_FOR = 1.0
_ROUNDING = 1e-6
"""UNIX seconds as floats are exact to 0.2 microseconds."""
_FIRST_MS = 1_000_000_000_000
"""Numbers from here on (September 2001) are UNIX milliseconds; OpenCode's objects hold no others of this size."""

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Cue(Generic[Due]):
    """Something that is sent, and when it is due: seconds since the play began."""

    at: float
    due: Due


@dataclass(frozen=True, slots=True)
class Timing:
    """Where the times of a recording go: `recorded_ms` is played at `played_ms`, `speed` times as fast."""

    recorded_ms: float
    played_ms: float
    speed: float

    def move(self, ms: int) -> int:
        """The time (UNIX ms) at which something recorded at `ms` happens in the play."""
        return round(self.played_ms + (ms - self.recorded_ms) / self.speed)


@dataclass(frozen=True, slots=True)
class Played:
    """One play: its number, how many events went out, and the played id of each recorded session."""

    number: int
    events: int
    sessions: dict[str, str]


def played(value: Json, play: int, timing: Timing | None) -> Json:
    """A recorded object as the `play`-th play has it: with ids and times of its own. Play 0 keeps the ids."""
    moved = value if timing is None else _moved(value, timing)
    own: Json = moved if play == 0 else json.loads(renamed(_encode(moved).decode(), play))
    return own


def start_ms(lines: Iterable[tuple[float, Json]]) -> float | None:
    """UNIX milliseconds at which the recording's `t` was 0, by the newest time in its first event that has one."""
    for t, event in lines:
        times = _times(event)
        if times:
            return max(times) - t * 1000
    return None


async def send_when_due(
    clock: Clock, cues: Sequence[Cue[Due]], started: float, publish: Callable[[list[Due]], int]
) -> int:
    """Publish all cues of a play that began at `started`, those due at once together; the number of events sent."""
    position = sent = 0
    while position < len(cues):
        await clock.sleep(started + cues[position].at - clock.now())
        now = clock.now() - started + _ROUNDING
        end = position + 1
        while end < len(cues) and cues[end].at <= now:
            end += 1
        sent += publish([cue.due for cue in cues[position:end]])
        position = end
    return sent


def _moved(value: Any, timing: Timing) -> Any:
    if isinstance(value, dict):
        return {key: _moved(one, timing) for key, one in value.items()}
    if isinstance(value, list):
        return [_moved(one, timing) for one in value]
    return timing.move(value) if _is_time(value) else value


def _times(value: Any) -> list[int]:
    if isinstance(value, dict):
        return list(chain.from_iterable(_times(one) for one in value.values()))
    if isinstance(value, list):
        return list(chain.from_iterable(_times(one) for one in value))
    return [value] if _is_time(value) else []


def _is_time(value: Any) -> bool:
    return isinstance(value, int) and value >= _FIRST_MS
