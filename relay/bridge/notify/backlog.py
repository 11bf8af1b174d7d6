"""The events that wait for the relay, by session and in order. Pure.

A card's newest state makes its older ones worthless; an alert is never given up for the sake of a card.
"""

from collections import deque
from dataclasses import dataclass, field

from relay.bridge.notify.mapping import is_progress
from relay.contract import Event


@dataclass(slots=True)
class Queue:
    """The events of one session, oldest first, each with its number. `flying`: the first is being sent just now.

    `stalled`: the first was tried, and it failed. `withdrawn`: eventIDs of what is not true any more.
    """

    events: deque[tuple[int, Event]] = field(default_factory=deque)
    flying: bool = False
    stalled: bool = False
    withdrawn: set[str] = field(default_factory=set)


class Backlog:
    """At most `bound` events wait, besides those that are being sent."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._queues: dict[str, Queue] = {}
        self._count = 0
        self._next = 0

    def __len__(self) -> int:
        """Events that wait or are being sent."""
        return self._count

    def events(self) -> list[Event]:
        """All events, in the order in which they came."""
        waiting = [entry for queue in self._queues.values() for entry in queue.events]
        return [event for _, event in sorted(waiting, key=lambda entry: entry[0])]

    def clear(self) -> list[Event]:
        """Forget all events and return them."""
        events = self.events()
        self._queues.clear()
        self._count = 0
        return events

    def put(self, event: Event) -> list[Event]:
        """Add an event; it takes the place of a progress event that waits before it. Returns what was given up."""
        queue = self._queues.setdefault(event.session_id, Queue())
        if len(queue.events) > queue.flying and is_progress(queue.events[-1][1]):
            queue.events.pop()
            self._count -= 1
        queue.events.append((self._next, event))
        self._next += 1
        self._count += 1
        return [self._give_up()] if self._count > self._bound else []

    def take(self, session_id: str) -> Event | None:
        """The session's oldest event, which is being sent from now on; then call `back` or `done`."""
        queue = self._queues.get(session_id)
        if queue is None:
            return None
        queue.flying = True
        return queue.events[0][1]

    def back(self, session_id: str) -> None:
        """Sending failed; the event waits again, unless it was withdrawn meanwhile."""
        queue = self._queues[session_id]
        queue.flying, queue.stalled = False, True
        self._take_back(session_id, queue)

    def done(self, session_id: str) -> None:
        """The relay has taken or refused the event."""
        queue = self._queues[session_id]
        queue.flying = False
        self._remove(session_id, 0)
        self._take_back(session_id, queue)
        queue.stalled = False

    def withdraw(self, session_id: str, event_id: str) -> None:
        """The event is not true any more. It is taken back only from a session whose events the relay does not take, at
        once or as soon as a try fails: otherwise it is on its way already, as good as sent."""
        if queue := self._queues.get(session_id):
            queue.withdrawn.add(event_id)
            self._take_back(session_id, queue)

    def _take_back(self, session_id: str, queue: Queue) -> None:
        if not queue.stalled or queue.flying:
            return
        for position in reversed(range(len(queue.events))):
            if queue.events[position][1].event_id in queue.withdrawn:
                self._remove(session_id, position)
        queue.withdrawn.clear()

    def _waiting(self) -> list[tuple[bool, int, str, int]]:
        return [
            (not is_progress(event), number, session_id, position)
            for session_id, queue in self._queues.items()
            for position, (number, event) in enumerate(queue.events)
            if not (queue.flying and position == 0)
        ]

    def _give_up(self) -> Event:
        """The oldest progress, else the oldest event."""
        _, _, session_id, position = min(self._waiting())
        return self._remove(session_id, position)

    def _remove(self, session_id: str, position: int) -> Event:
        queue = self._queues[session_id]
        _, event = queue.events[position]
        del queue.events[position]
        self._count -= 1
        if not queue.events:
            del self._queues[session_id]
        return event
