"""A clock that a test turns, with timers on it."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Timer:
    due: float
    function: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class Timers:
    """`call_later` for what is tested; `now` in seconds."""

    now: float = 0.0
    waiting: list[Timer] = field(default_factory=list)

    def call_later(self, seconds: float, function: Callable[[], None]) -> Timer:
        timer = Timer(self.now + seconds, function)
        self.waiting.append(timer)
        return timer

    def turn_to(self, now: float) -> None:
        """Call all that is due until then, in the order of their times."""
        while due := sorted(
            (t for t in self.waiting if not t.cancelled and t.due <= now), key=lambda t: t.due
        ):
            self.now = due[0].due
            due[0].cancelled = True
            due[0].function()
        self.now = now
