"""One hour of one session and one card, on a virtual clock: agent, a way of forwarding, APNs, phone, and what became of pushes."""

import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final, Literal

from loadtests.day import Change, hour_of_work
from loadtests.forwarding import DirectGateway, Forwarding, Naive, relayed
from loadtests.staleness import Showing
from simulator.apns.sandbox import Sandbox
from simulator.clock import VirtualClock
from simulator.journal import Entry, Journal
from simulator.lab.device import DeviceSpec
from simulator.lab.lab import Lab
from simulator.phone.app.app import BUNDLE_ID
from simulator.phone.phone import Phone


class Tally:
    """A listener of the journal. `sent`, `deferred` and `dropped` by priority, `refused` by priority and reason.

    `deferred` are pushes that had to wait for power or budget, `dropped` those that the phone never applied. Starts by
    push have a budget of their own and are counted as `starts`.
    """

    def __init__(self) -> None:
        self.sent: Counter[int] = Counter()
        self.refused: Counter[tuple[int, str]] = Counter()
        self.deferred: Counter[int] = Counter()
        self.dropped: Counter[int] = Counter()
        self.starts = 0
        self._priorities: dict[str, int] = {}
        self._held_up: set[str] = set()

    def count(self, entry: Entry) -> None:
        """Count an entry, if it is about a push."""
        if entry.where == "apns" and entry.what == "push":
            self._answered(entry)
        elif entry.where == "phone" and "apnsID" in entry.detail:
            self._befell(entry)

    def _answered(self, entry: Entry) -> None:
        priority = int(entry.detail["priority"])
        self.sent[priority] += 1
        self._priorities[entry.detail["apns_id"]] = priority
        if entry.detail["status"] != 200:
            self.refused[priority, entry.detail["reason"]] += 1
            self._hold_up(entry.detail["apns_id"])

    def _befell(self, entry: Entry) -> None:
        priority = self._priorities[entry.detail["apnsID"]]
        if entry.what == "started":
            self.starts += 1
        elif entry.what == "deferred":
            self.deferred[priority] += 1
            self._hold_up(entry.detail["apnsID"])
        elif entry.what == "dropped":
            self.dropped[priority] += 1
            self._hold_up(entry.detail["apnsID"])

    def _hold_up(self, apns_id: str) -> None:
        if self._priorities[apns_id] == 10:
            self._held_up.add(apns_id)

    @property
    def held_up(self) -> int:
        """Priority 10 pushes that APNs refused, or that the phone deferred or dropped."""
        return len(self._held_up)


Policy = Literal["relay", "naive"]
POLICIES: Final[tuple[Policy, ...]] = ("relay", "naive")
Circumstances = Literal["on", "uneven", "off"]
CIRCUMSTANCES: Final[tuple[Circumstances, ...]] = ("on", "uneven", "off")
"""The phone's: screen on with the profile's usual delays, the same with delays drawn by chance, screen off."""

AFTERWARDS: Final = 180.0
"""Seconds after the agent's end: longer than a phone with its screen off lets a push wait."""


@dataclass(frozen=True, slots=True)
class Hour:
    """What came of it. `held` is what ActivityKit held of the session, `drawn` what the eye saw of it; times in seconds."""

    changes: list[Change]
    held: list[Showing]
    drawn: list[Showing]
    tally: Tally


class Card:
    """Follows what one card shows; times are seconds since `began`."""

    def __init__(self, phone: Phone, began: float) -> None:
        self._phone, self._began = phone, began
        self.held: list[Showing] = []
        self.drawn: list[Showing] = []

    def read(self) -> None:
        """Write down what is new on it."""
        self._phone.run_due()
        activity = self._phone.activities.newest
        if activity is not None:
            self._saw(self.held, activity.content_state["lastMessage"], activity.changed_at)
            self._saw(self.drawn, activity.drawn["lastMessage"], activity.drawn_at)

    def _saw(self, showings: list[Showing], message: str, at: float) -> None:
        if message.isdecimal() and (not showings or showings[-1].number != int(message)):
            showings.append(Showing(at - self._began, int(message)))


async def hour(
    rate: float, policy: Policy, phone: Circumstances, *, seconds: float = 3600.0, seed: int = 1
) -> Hour:
    """A session that changes `rate` times a second, for so many seconds.

    The phone is the profile `default` with the smaller of its two budgets (without "more frequent updates").
    """
    clock = VirtualClock()
    journal, tally = Journal(clock, size=1), Tally()
    journal.listen(tally.count)
    sandbox = Sandbox(clock, journal, random=Random(seed))
    sandbox.add_app(BUNDLE_ID)
    watched = _phone(Lab(clock, journal, sandbox), phone)
    changes = hour_of_work(rate, seconds, Random(f"{seed} {rate}"))
    card = Card(watched, clock.now())
    async with _forwarding(policy, DirectGateway(sandbox, clock), clock) as way:
        await _live(way, changes, watched, card, clock)
    return Hour(changes, card.held, card.drawn, tally)


def _phone(lab: Lab, circumstances: Circumstances) -> Phone:
    random = Random(5) if circumstances == "uneven" else None
    phone = lab.add_device(DeviceSpec("iPhone", BUNDLE_ID, "production"), random=random).phone
    phone.set("frequent_updates", False)
    phone.set("screen", "off" if circumstances == "off" else "on")
    return phone


@asynccontextmanager
async def _forwarding(
    policy: Policy, gateway: DirectGateway, clock: VirtualClock
) -> AsyncIterator[Forwarding]:
    if policy == "naive":
        yield Naive(gateway, clock)
        return
    with tempfile.TemporaryDirectory(prefix="budget-") as folder:
        async with relayed(Path(folder), gateway, clock) as way:
            yield way


async def _live(
    way: Forwarding, changes: list[Change], phone: Phone, card: Card, clock: VirtualClock
) -> None:
    """Every change at its time, every push when it is due."""
    start_token = phone.device.push_to_start_token
    assert start_token is not None
    await way.begin(phone.device.token("production"), start_token)
    tokens: list[str] = []
    phone.on_activity_token(lambda _, token: tokens.append(token))
    began = clock.now()
    coming = iter(changes)
    change = next(coming, None)
    while (passed := clock.now() - began) < changes[-1].at + AFTERWARDS:
        if change is not None and change.at <= passed:
            await way.report(change)
            change = next(coming, None)
        wait = await way.push_due()
        while tokens:
            await way.token_came(tokens.pop())
            wait = 0.0
        card.read()
        until_change = change.at - passed if change else wait
        await clock.advance(max(0.001, min(wait, until_change)))
        card.read()
