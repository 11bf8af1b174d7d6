"""Fairness among secrets: what waits is served by turns, and how many places one secret may take. Pure.

One that has much to do (a flood of events, an event with very many phones) waits for itself: whoever comes meanwhile waits for
one thing of each other, however much that has.
"""

import math
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Turns(Generic[K, V]):
    """A waiting line in which owners take turns; of one owner the first comes first."""

    def __init__(self) -> None:
        self._of: OrderedDict[K, deque[V]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._of)

    def append(self, owner: K, one: V) -> None:
        """At the end of its owner's line; an owner that had none is the last whose turn comes."""
        self._of.setdefault(owner, deque()).append(one)

    def popleft(self) -> V:
        """The next. IndexError if none waits."""
        if not self._of:
            raise IndexError("nobody waits")
        owner, waiting = self._of.popitem(last=False)
        one = waiting.popleft()
        if waiting:
            self._of[owner] = waiting
        return one

    def take(self, most: int) -> list[V]:
        """The next ones, so many at most."""
        taken: list[V] = []
        while self._of and len(taken) < most:
            taken.append(self.popleft())
        return taken


def by_turns(
    found: Iterable[V], *, owner: Callable[[V], K], places: Callable[[K], int], most: int
) -> list[V]:
    """What is taken of what was found: so many at most, of each owner what there are places for, and owners take turns."""
    turns: Turns[K, V] = Turns()
    left: dict[K, int] = {}
    for one in found:
        of = owner(one)
        if left.setdefault(of, places(of)) > 0:
            left[of] -= 1
            turns.append(of, one)
    return turns.take(most)


class Places:
    """What is in memory by key, and of how many places each secret has how many.

    A secret alone takes all but the share `reserved`; others find that free. The more secrets want much, the less each may hold, so
    that some remain for one that comes anew ("dynamic thresholds": Choudhury and Hahne, IEEE/ACM Transactions on Networking 6(2), 1998).
    """

    def __init__(self, most: int, reserved: float = 0.0) -> None:
        self._most, self._reserved = most, reserved
        self._keys: dict[str, str] = {}
        self._of: Counter[str] = Counter()

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __len__(self) -> int:
        return len(self._keys)

    def take(self, key: str, secret_hash: str) -> None:
        """A place for the key. One that is held already stays where it is."""
        if key not in self._keys:
            self._keys[key] = secret_hash
            self._of[secret_hash] += 1

    def free(self, key: str) -> None:
        """The key's place is free again."""
        secret_hash = self._keys.pop(key)
        self._of[secret_hash] -= 1
        if not self._of[secret_hash]:
            del self._of[secret_hash]

    @property
    def room(self) -> int:
        """Places that are free."""
        return max(0, self._most - len(self._keys))

    def left(self, secret_hash: str, taken: int = 0, taken_by_it: int = 0) -> int:
        """How many more of this secret find a place, when so many are given away that do not count yet, so many of them to it."""
        room, held = self.room - taken, self._of[secret_hash] + taken_by_it
        return max(0, room - math.floor(self._reserved * (room + held)))
