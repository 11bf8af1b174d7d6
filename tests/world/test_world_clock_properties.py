"""Whichever way the clocks of relay, phone and APNs are set, and whenever: cards stay right, and no alert waits for a clock.

The machine is that of the Live Activities, with alerts beside the cards. Sources: node-apn#590 and apnotic#109 (servers whose clock was
wrong until NTP set it). True time is what passes; each of the three has a clock of its own, which shows it wrongly.
Two counts of the cards begin anew when the relay's clock is set, and are not judged across that moment: ten urgent pushes an hour, and
twelve seconds between equal phases.
"""

import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
from hypothesis import Phase
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from activity_relay import BUNDLE
from relay import contract
from relay.apns.gateway import Environments, KeyPause
from relay.apns.push import Outcome
from relay.contract import DeviceRegister, Event
from relay.server.alerts import ALERT_SECONDS, Dispatcher, plan
from relay.server.delivery import DeliveryAttempt, DeliveryResult
from relay.server.store import deliveries, devices
from relay.server.store.sql import Database
from sandbox_gateway import OUTCOMES, SandboxGateway
from simulator.clock import VirtualClock
from waiting import eventually
from world.cards import HOUR, MACHINES, RELAYS, Cards, play

EXAMPLES = int(os.environ.get("ACTIVITY_EXAMPLES", "12"))
DAY = 86_400
ALERTS = "a" * 24
"""The secret of the alerts."""
ALERTS_HASH = contract.secret_hash(ALERTS)
OFFSETS = st.sampled_from(
    [0, 0, *(sign * far for far in (3, 90, HOUR // 2, 3 * HOUR, 2 * DAY) for sign in (1, -1))]
)
LATE = 7.0
"""Seconds that an alert may wait beyond its pause: clocks of two relays may be five apart, and a relay polls every second."""


class WrongClock:
    """`ahead` by so many seconds of `true`, by which time passes."""

    def __init__(self, true: VirtualClock) -> None:
        self._true, self.ahead = true, 0.0

    def now(self) -> float:
        return self._true.now() + self.ahead

    def monotonic(self) -> float:
        return self._true.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._true.sleep(seconds)


class Alerts(Dispatcher):
    """Writes down until when, by true time, each alert pauses."""

    until: dict[str, float]
    true: VirtualClock

    def result(
        self, attempt: DeliveryAttempt, outcome: Outcome, *, at: int, latency_ms: int
    ) -> DeliveryResult:
        found = super().result(attempt, outcome, at=at, latency_ms=latency_ms)
        if found.status == "queued":
            self.until[attempt.key] = self.true.now() + (found.due_at - at) / 1000
        else:
            self.until.pop(attempt.key, None)
        return found


@dataclass(frozen=True)
class Planned:
    """An alert, and when by true time."""

    apns_id: str
    at: float


class Clocks(Cards):
    """The same phone and relays; each machine's clock is set now and then, and alerts are sent beside the cards."""

    steps = 0

    def clock_of(self, _where: str) -> WrongClock:
        return WrongClock(self.clock)

    def __init__(self) -> None:
        self.until: dict[str, float] = {}
        self.planned: list[Planned] = []
        self.numbers = count()
        self.set_at: list[float] = []
        super().__init__()

    async def _open(self) -> None:
        await super()._open()
        self.alert_gateway = SandboxGateway(self.sandbox, self.clocks["relay"])
        self.alerts = [self._dispatcher(number) for number in range(2)]
        device = DeviceRegister(secret=ALERTS, device_token=self.phone.device.token("production"))
        await devices.register(
            self.db, device, secret_hash=ALERTS_HASH, bundle_id=BUNDLE, now_ms=int(self.clock.now() * 1000)
        )

    def _dispatcher(self, number: int) -> Alerts:
        clock = self.clocks["relay"]
        gateway = Environments(KeyPause(self.alert_gateway, clock.monotonic))
        made = Alerts(Database(self.connection), gateway, owner=f"host:{number}", push_deadline=10, keep_days=30, clock=clock,
                      jitter=random.Random(number))  # fmt: skip
        made.until, made.true = self.until, self.clock
        return made

    async def _close(self) -> None:
        self.alert_gateway.release()
        for one in self.alerts:
            await one.engine.stop(1)
        await super()._close()

    # What happens.

    @rule(where=st.sampled_from(MACHINES), ahead=OFFSETS)
    def a_clock_is_set(self, where: str, ahead: float) -> None:
        if where == "relay" and ahead != self.clocks[where].ahead:
            self.set_at.append(self.clock.now())
        self.clocks[where].ahead = ahead

    def relay_clock_was_set(self, after: float, until: float) -> bool:
        return any(after <= at <= until for at in self.set_at)

    @rule(one=RELAYS, fault=st.sampled_from([None, None, *sorted(OUTCOMES)]))
    def an_alert(self, one: int, fault: Any) -> None:
        self.alert_gateway.faults.extend([fault] if fault else [])
        self.do(self._alert(one))

    async def _alert(self, one: int) -> None:
        event = Event(secret=ALERTS, event_type="complete", session_id="ses_alert")
        now_ms = int(self.clocks["relay"].now() * 1000)
        phones = await devices.recipients(self.db, ALERTS_HASH)
        planned = plan(
            event,
            event_id=f"alert {next(self.numbers)}",
            secret_hash=ALERTS_HASH,
            recipients=phones,
            now_ms=now_ms,
        )
        self.planned += [Planned(each.push.apns_id, self.clock.now()) for each in planned]
        await self.alerts[one].enqueue([planned])
        await self._settled()

    @rule(one=RELAYS, ahead=OFFSETS)
    def a_clock_is_set_while_an_alert_waits(self, one: int, ahead: float) -> None:
        self.an_alert(one, "not sent")
        self.a_clock_is_set("relay", ahead)
        self.time_passes(60)

    @rule()
    def the_relays_sweep(self) -> None:
        for relay, alerts in zip(self.relays, self.alerts, strict=True):
            self.do(relay.sender.engine.sweep())
            self.do(alerts.engine.sweep())

    @rule(one=RELAYS)
    def a_relay_is_killed(self, one: int) -> None:
        super().a_relay_is_killed(one)

        async def restart() -> None:
            await self.alerts[one].engine.stop(0)
            self.alerts[one] = self._dispatcher(one)
            for outbox in (self.alerts[one], self.relays[one].sender):
                await outbox.release_leases()
                await outbox.bring_forward()

        self.do(restart())

    @rule()
    def slow_answers_come(self) -> None:
        self.alert_gateway.release()
        super().slow_answers_come()

    async def _push(self) -> None:
        await self._polled()
        await super()._push()

    async def _settled(self) -> None:
        await super()._settled()
        await eventually(lambda: sum(len(one.engine.held) for one in self.alerts) == self.alert_gateway.held)

    # What must hold.

    @invariant()
    def no_alert_waits_longer_than_its_pause(self) -> None:
        """Whatever the clocks say: once it is over by true time, the next poll sends it."""
        if self.until:
            self.do(self._polled())
        waiting = {
            apns_id: until
            for apns_id, until in self.until.items()
            if not any(apns_id in one.engine.held for one in self.alerts)
        }
        late = [self.clock.now() - until for until in waiting.values()]
        assert max(late, default=0.0) <= LATE, f"an alert waits {max(late)} s beyond its pause"

    async def _polled(self) -> None:
        for one in self.alerts:
            await one.engine.poll()
        await self._settled()

    @invariant()
    def no_alert_is_given_up(self) -> None:
        """As long as it is younger than a day, less the longest pause."""
        for one in self.do(self._given_up()):
            age = self.clock.now() - one.at
            assert age > ALERT_SECONDS - 1.5 * HOUR, f"given up {age} s after it was planned"

    async def _given_up(self) -> Sequence[Planned]:
        _, rows = await self.db.execute(
            "SELECT id FROM delivery_log WHERE status = 'failed' AND push_type = 'alert'"
        )
        failed = {row["id"] for row in rows}
        gone = [one for one in self.planned if one.apns_id in failed]
        self.planned = [one for one in self.planned if one.apns_id not in failed]
        return gone

    @rule()
    def all_is_well_in_the_end(self) -> None:
        for where in MACHINES:
            self.a_clock_is_set(where, 0.0)
        self.alert_gateway.faults.clear()
        self.alert_gateway.release()
        super().all_is_well_in_the_end()


def test_cards_and_alerts_are_right_however_the_clocks_are_set() -> None:
    Clocks.steps = 0
    play(EXAMPLES, Phase.generate, machine=Clocks)  # as it is found: making it shorter takes minutes
    assert Clocks.steps > EXAMPLES


def _wall(patch: pytest.MonkeyPatch) -> None:
    """The pause of a refused key is measured by the clock that is set."""
    patch.setattr(WrongClock, "monotonic", WrongClock.now)


async def _nothing(*_: Any, **__: Any) -> None: ...


def _never_forward(patch: pytest.MonkeyPatch) -> None:
    """What a clock that was ahead wrote is left as it is."""
    patch.setattr(deliveries, "bring_forward", _nothing)


@pytest.mark.parametrize("broken", [_wall, _never_forward])
def test_a_relay_that_waits_for_a_clock_is_found(
    broken: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch)
    with pytest.raises(AssertionError):
        play(60, Phase.generate, machine=Clocks)
