"""The machine's clock is set, both ways, by seconds or by weeks: what is stored waits no longer than its pause, and nothing is given
up for its age (node-apn#590, apnotic#109: servers whose clock was wrong until NTP set it).
"""

import json
import random
from collections.abc import Callable
from dataclasses import replace

import pytest

import outcomes
from activity_relay import Relay
from fake_gateway import FakeGateway
from outcomes import answered
from relay.clock import ClockWatch
from relay.contract import DeviceRegister
from relay.server.alerts import Dispatcher
from relay.server.delivery import Delivery
from relay.server.store import deliveries, devices
from relay.server.store.sql import Database

START = 1_800_000_000.0
SECRET = "a" * 64
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
JUMPS = [6.0, 5 * MINUTE, 2 * HOUR, 3 * DAY]


class JumpingClock:
    """`time` is the true one, which only passes; `ahead` by how much this machine's is wrong."""

    def __init__(self) -> None:
        self.time, self.ahead = START, 0.0

    def now(self) -> float:
        return self.time + self.ahead

    def monotonic(self) -> float:
        return self.time - START

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("these tests step by hand")


@pytest.fixture
def clock() -> JumpingClock:
    return JumpingClock()


class Alerts:
    """One relay's alerts, stepped by hand a second at a time, and what they sent."""

    def __init__(self, db: Database, clock: JumpingClock, owner: str = "host:1") -> None:
        self.db, self.clock, self.gateway = db, clock, FakeGateway()
        self.outbox = Dispatcher(
            db,
            self.gateway,
            owner=owner,
            push_deadline=10,
            keep_days=30,
            clock=clock,
            jitter=random.Random(1),
        )

    async def phone(self) -> None:
        device = DeviceRegister(secret="s" * 16, device_token="ab" * 32)
        await devices.register(
            self.db,
            device,
            secret_hash=SECRET,
            bundle_id="com.example.app",
            now_ms=int(self.clock.now() * 1000),
        )

    async def plan(self) -> Delivery:
        (phone,) = await devices.recipients(self.db, SECRET)
        push = replace(outcomes.ALERT, device_token=phone.device_token)
        return outcomes.delivery(int(self.clock.now() * 1000), push=push, device_id=phone.device_id)

    async def send(self, planned: Delivery) -> str:
        (sending,) = await self.outbox.enqueue([[planned]])
        assert not isinstance(sending, Exception)
        return "known" if not sending else str(await sending[planned.push.apns_id])

    async def run(self, seconds: float, step: float = 1.0) -> None:
        """So much time passes; every step it polls, and sweeps once a minute."""
        ends = self.clock.time + seconds
        while self.clock.time < ends:
            self.clock.time += step
            await self.outbox.engine.poll()
            await self.outbox.engine.idle()
            if int(self.clock.time) % 60 < step:
                await self.outbox.engine.sweep()

    async def status(self, planned: Delivery) -> str:
        _, rows = await self.db.execute(
            "SELECT status FROM delivery_log WHERE id = ?", [planned.push.apns_id]
        )
        return str(rows[0]["status"]) if rows else "gone"


@pytest.mark.parametrize("back", JUMPS)
async def test_a_retry_waits_for_its_pause_and_not_for_the_clock(
    db: Database, clock: JumpingClock, back: float
) -> None:
    """The clock was ahead while APNs asked for a minute's patience, then it is set right."""
    clock.ahead = back
    alerts = Alerts(db, clock)
    await alerts.phone()
    alerts.gateway.answers = [answered(429, "TooManyRequests")]
    planned = await alerts.plan()
    assert await alerts.send(planned) == "queued"
    clock.ahead = 0.0
    await alerts.run(1.5 * MINUTE)
    assert await alerts.status(planned) == "sent"
    assert len(alerts.gateway.sent) == 2
    assert await alerts.send(await alerts.plan()) == "sent"


@pytest.mark.parametrize("back", JUMPS)
@pytest.mark.parametrize("owner", ["host:1", "host:2"])
async def test_what_a_killed_relay_with_a_clock_ahead_held_is_sent(
    db: Database, clock: JumpingClock, back: float, owner: str
) -> None:
    """By itself when it starts again, or by another relay when a lease that is taken now would have ended."""
    killed = Alerts(db, clock)
    clock.ahead = back
    await killed.phone()
    planned = await killed.plan()
    now_ms = int(clock.now() * 1000)
    await deliveries.enqueue(db, [planned], owner="host:1", lease_until=now_ms + 45_000)
    clock.ahead = 0.0
    next_one = Alerts(db, clock, owner)
    await next_one.outbox.release_leases()
    await next_one.outbox.bring_forward()
    await next_one.run(2 * MINUTE)
    assert await next_one.status(planned) == "sent"
    assert len(next_one.gateway.sent) == 1


@pytest.mark.parametrize("ahead", [3 * HOUR, DAY, 400 * DAY])
async def test_what_is_due_further_ahead_than_any_pause_is_due_now(
    db: Database, clock: JumpingClock, ahead: float
) -> None:
    alerts = Alerts(db, clock)
    await alerts.phone()
    planned = await alerts.plan()
    planned = replace(planned, push=replace(planned.push, expiration=int(clock.now() + 500 * DAY)))
    await deliveries.enqueue(db, [planned], owner="host:1", lease_until=0)
    await db.execute("UPDATE delivery_log SET due_at = ?", [int((clock.now() + ahead) * 1000)])
    await alerts.outbox.engine.poll()
    await alerts.outbox.engine.idle()
    assert await alerts.status(planned) == "sent"


@pytest.mark.parametrize("forward", [25 * HOUR, 40 * DAY])
async def test_a_clock_that_goes_ahead_for_a_while_expires_nothing(
    db: Database, clock: JumpingClock, forward: float
) -> None:
    """An alert lives for a day; that day has not passed."""
    alerts = Alerts(db, clock)
    await alerts.phone()
    alerts.gateway.answers = [answered(503, "ServiceUnavailable")]
    planned = await alerts.plan()
    assert await alerts.send(planned) == "queued"
    await alerts.run(10)
    clock.ahead = forward
    await alerts.run(MINUTE)
    clock.ahead = 0.0
    await alerts.run(20 * MINUTE)
    assert await alerts.status(planned) == "sent"


@pytest.mark.parametrize("refused", [1, 3])
async def test_an_alert_whose_pause_is_longer_than_the_doubt_is_sent_all_the_same(
    db: Database, clock: JumpingClock, refused: int
) -> None:
    """It was tried for two hours when the clock went two days ahead, and its pause is an hour and more by then."""
    alerts = Alerts(db, clock)
    await alerts.phone()
    alerts.gateway.answers = [answered(429, "TooManyRequests")] * 7
    planned = await alerts.plan()
    assert await alerts.send(planned) == "queued"
    while alerts.gateway.answers:
        await alerts.run(MINUTE, step=30.0)
    alerts.gateway.answers = [answered(429, "TooManyRequests")] * refused
    clock.ahead = 2 * DAY
    await alerts.run((refused + 1) * 2 * HOUR, step=30.0)
    assert await alerts.status(planned) == "sent"


@pytest.mark.parametrize("behind", [2 * HOUR, 26 * HOUR, 400 * DAY])
async def test_an_alert_from_before_the_first_ntp_answer_is_sent(
    db: Database, clock: JumpingClock, behind: float
) -> None:
    """A machine without a battery for its clock boots in the past: an alert of then looks a day old when the clock is set."""
    clock.ahead = -behind
    alerts = Alerts(db, clock)
    await alerts.phone()
    alerts.gateway.answers = [answered(429, "TooManyRequests")] * 2
    planned = await alerts.plan()
    assert await alerts.send(planned) == "queued"
    clock.ahead = 0.0
    await alerts.run(4 * MINUTE)
    assert await alerts.status(planned) == "sent"
    assert alerts.gateway.sent[-1].expiration > clock.now()


@pytest.mark.parametrize("believed", [False, True])
async def test_rows_are_kept_for_their_days_and_not_for_a_clock_that_jumps(
    db: Database, clock: JumpingClock, believed: bool
) -> None:
    """A resend of the event is harmless as long as its row is there."""
    alerts = Alerts(db, clock)
    await alerts.phone()
    planned = await alerts.plan()
    assert await alerts.send(planned) == "sent"
    await alerts.run(10)
    clock.ahead = 40 * DAY
    await alerts.run(ClockWatch.DOUBT_SECONDS + 2 * MINUTE if believed else 30 * MINUTE, step=30.0)
    assert await alerts.status(planned) == ("gone" if believed else "sent")
    clock.ahead = 0.0
    await alerts.run(MINUTE)
    assert await alerts.send(planned) == ("sent" if believed else "known")


@pytest.mark.parametrize("jump", [-3 * DAY, -2 * HOUR, -6.0, 6.0, 2 * HOUR, 3 * DAY])
async def test_a_resend_is_harmless_whatever_the_clock_did(
    db: Database, clock: JumpingClock, jump: float
) -> None:
    alerts = Alerts(db, clock)
    await alerts.phone()
    planned = await alerts.plan()
    assert await alerts.send(planned) == "sent"
    clock.ahead = jump
    assert await alerts.send(planned) == "known"
    await alerts.run(5)
    assert len(alerts.gateway.sent) == 1


@pytest.mark.parametrize("seed", range(8))
async def test_every_alert_is_sent_once_however_often_the_clock_is_set(
    db: Database, clock: JumpingClock, seed: int
) -> None:
    """APNs is troubled now and then. Nothing waits longer than the longest pause that it asked for, here a minute and a half."""
    chance = random.Random(seed)
    alerts = Alerts(db, clock)
    await alerts.phone()
    planned = []
    for _ in range(25):
        if chance.random() < 0.5:
            clock.ahead = chance.choice([-1, 1]) * chance.choice([0.0, 3.0, 90.0, 3 * HOUR, 2 * DAY])
        if chance.random() < 0.4:
            alerts.gateway.answers.append(answered(429, "TooManyRequests"))
        planned.append(await alerts.plan())
        await alerts.send(planned[-1])
        await alerts.run(chance.choice([1, 20, 70]))
    alerts.gateway.answers.clear()
    clock.ahead = 0.0
    await alerts.run(4 * MINUTE)
    assert [await alerts.status(one) for one in planned] == ["sent"] * 25
    delivered = [push.apns_id for push in alerts.gateway.sent]
    assert set(delivered) == {one.push.apns_id for one in planned}


# Live Activities.


@pytest.fixture
async def relay(db: Database, clock: JumpingClock) -> Relay:
    made = Relay(db, FakeGateway(), clock, "host:1")  # type: ignore[arg-type]
    clock.ahead = 0.0
    await made.add_phone()
    return made


async def cards_run(relay: Relay, clock: JumpingClock, seconds: int) -> None:
    for _ in range(seconds):
        clock.time += 1
        await relay.push()


@pytest.mark.parametrize("back", JUMPS)
@pytest.mark.parametrize("answer", [200, 503])
async def test_a_card_goes_on_at_its_pace_when_the_clock_is_set_back(
    relay: Relay, clock: JumpingClock, back: float, answer: int
) -> None:
    clock.ahead = back
    await relay.receive("start", title="Fix")
    await relay.push()
    await relay.register()
    await cards_run(relay, clock, 15)
    relay.gateway.answers = [answered(answer, "ServiceUnavailable" if answer == 503 else None)]
    await relay.receive("progress", body="a")
    await relay.push()
    await relay.receive("progress", body="b")
    clock.ahead = 0.0
    await cards_run(relay, clock, 30)
    assert relay.pushed[-1] == ("update", "working", "b")
    stamps = [aps_timestamp(push.payload) for push in relay.sent]
    assert stamps == sorted(set(stamps))
    row = await relay.row()
    assert (row.due_at, row.lease_until) == (None, 0)
    assert row.began_at <= clock.now() * 1000


def aps_timestamp(payload: bytes) -> int:

    return int(json.loads(payload)["aps"]["timestamp"])


@pytest.mark.parametrize("ahead", [2 * HOUR, 400 * DAY])
@pytest.mark.parametrize("leased", [False, True])
async def test_a_card_that_is_due_further_ahead_than_any_pause_is_due_now(
    relay: Relay, clock: JumpingClock, ahead: float, leased: bool
) -> None:
    """Also one that a relay with such a clock was pushing when it was killed."""
    await relay.receive("start", title="Fix")
    await relay.push()
    await relay.register()
    await cards_run(relay, clock, 15)
    await relay.receive("progress", body="late")
    late = int((clock.now() + ahead) * 1000)
    await relay.db.execute(
        "UPDATE activity_registration SET due_at = ?, lease_until = ?, lease_owner = 'killed'",
        [late, late if leased else 0],
    )
    await relay.push()
    assert relay.pushed[-1] == ("update", "working", "late")


async def test_a_clock_that_goes_ahead_for_a_while_times_no_card_out(
    relay: Relay, clock: JumpingClock
) -> None:
    """A card ends near eight hours of its age, which it has not."""
    await relay.receive("start", title="Fix")
    await relay.push()
    await relay.register()
    await cards_run(relay, clock, 15)
    clock.ahead = 9 * HOUR
    await cards_run(relay, clock, 15)
    assert relay.sender.engine._watch.doubtful_until > clock.monotonic()
    assert (await relay.row()).stage == "active"


# The watch itself.

Step = Callable[[JumpingClock], None]


@pytest.mark.parametrize(
    ("jumps", "seen", "doubtful"),
    [
        ([0.0], [0.0], False),
        ([1.0, -1.0], [0.0, 0.0], False),
        ([5.0, -5.0], [5.0, -5.0], False),
        ([400.0], [400.0], True),
        ([400.0, -400.0], [400.0, -400.0], True),
        ([-400.0], [-400.0], True),
        ([9e6, -2.0], [9e6, -2.0], True),
    ],
)
def test_the_watch_sees_jumps_and_doubts_a_clock_that_was_set_far_off(
    clock: JumpingClock, jumps: list[float], seen: list[float], doubtful: bool
) -> None:
    watch = ClockWatch(clock)
    found = []
    for jump in jumps:
        clock.time += 10
        clock.ahead += jump
        found.append(watch.jump())
    assert found == pytest.approx(seen)
    assert watch.jump() == 0.0
    assert (watch.doubtful_until > clock.monotonic()) == doubtful
    clock.time += ClockWatch.DOUBT_SECONDS
    assert watch.jump() == 0.0
    assert watch.doubtful_until <= clock.monotonic()
