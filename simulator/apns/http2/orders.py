"""What the person at the controls has ordered for answers to come: hold one back, and let it go."""

from collections.abc import Callable

from simulator.apns.answers import Answer


class Orders:
    """Shared by all connections of a sandbox."""

    def __init__(self) -> None:
        self._to_hold = 0
        self._held: list[Callable[[], None]] = []

    def hold(self) -> None:
        """Hold back the answer to the next request that is accepted; called twice, of the next two."""
        self._to_hold += 1

    def release(self) -> int:
        """Send what was held back, in order, and hold nothing more; how many answers that were."""
        held, self._held, self._to_hold = self._held, [], 0
        for send in held:
            send()
        return len(held)

    def holds(self, answer: Answer, send: Callable[[], None]) -> bool:
        """True if this answer stays here until `release` calls `send`."""
        if not self._to_hold or answer.reason is not None:
            return False
        self._to_hold -= 1
        self._held.append(send)
        return True
