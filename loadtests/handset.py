"""A phone of which only the alerts count: it decides on each push as iOS does, and notes what it shows."""

from collections.abc import Callable
from typing import Final

from simulator.clock import Clock
from simulator.phone.notifications import Notification, Receiver, interpret
from simulator.phone.push import Push, content

Note = Callable[[str, str, float], None]
"""Told of each alert on a screen: session id as the app reads it, phone, time (UNIX seconds)."""


class Handset:
    """How APNs sees it. Without screen, app and Live Activities, which cost a load test more than the decision itself.

    The decision is `simulator.phone`'s own; a push that it drops, or that shows nothing but a badge, is not noted.
    """

    online: Final = True
    asleep: Final = False

    def __init__(self, name: str, token: str, bundle_id: str, clock: Clock, note: Note) -> None:
        self.name = name
        self.token = token
        self._receiver = Receiver(tokens=frozenset({token}), bundle_id=bundle_id)
        self._clock = clock
        self._note = note

    def refuses(self, _: Push) -> None:
        """Nothing: its owner wants alerts."""

    def receive(self, push: Push) -> None:
        """Show it, if iOS would."""
        now = self._clock.now()
        if isinstance(interpret(push, self._receiver, now), Notification):
            self._note(content(push.payload).session_id or "", self.name, now)
