"""Turning a virtual clock: what APNs hears of or gives up on the way happens at its own time, not at the end."""

from collections.abc import Callable, Collection, Iterator

from simulator.apns.sandbox import Sandbox
from simulator.clock import VirtualClock
from simulator.phone.phone import Phone


async def turn(
    clock: VirtualClock,
    seconds: float,
    sandbox: Sandbox,
    phones: Collection[Phone],
    settle: Callable[[], None],
) -> None:
    """Let so many seconds pass, calling `settle` at each time at which something is due, and at the end."""
    target = clock.now() + seconds
    while (at := _next_due(clock.now(), sandbox, phones)) is not None and at < target:
        await clock.advance(at - clock.now())
        settle()
    await clock.advance(target - clock.now())
    settle()


def _next_due(now: float, sandbox: Sandbox, phones: Collection[Phone]) -> float | None:
    return min((at for at in _dues(sandbox, phones) if at > now), default=None)


def _dues(sandbox: Sandbox, phones: Collection[Phone]) -> Iterator[float]:
    """When a stored push expires, and when an activity ends, and its token with it: after 8 hours, or by a push that waits."""
    if sandbox.next_expiry is not None:
        yield sandbox.next_expiry
    for activity in (activity for phone in phones for activity in phone.activities.active):
        if activity.ends_at is not None:
            yield activity.ends_at
        if activity.waiting is not None and activity.waiting.message.ends:
            yield activity.waiting.due
