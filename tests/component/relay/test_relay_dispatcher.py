"""The dispatcher between a database and a fake gateway, with a clock that the test moves."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from fake_gateway import FakeGateway
from mariadb import MariaDB
from relay import dispatcher as module
from relay.apns.push import Answered, MaybeSent, NotSent, Outcome, Push
from relay.contract import DeviceRegister
from relay.database import close_database, open_database
from relay.dispatcher import Dispatcher
from relay.planner import Delivery
from relay.store import deliveries, devices
from relay.store.sql import Database, Unavailable
from waiting import eventually

START = 1_800_000_000.0
SECRET = "a" * 64
TOKEN = "ab" * 32
DEADLINE = 10.0
LEASE = 45.0

Make = Callable[..., Dispatcher]


class Clock:
    """The test sets `now`; waiting is real."""

    def __init__(self) -> None:
        self.now = START


class Watch:
    """What the dispatcher sees of it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> float:
        return self._clock.now

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class NoJitter:
    def random(self) -> float:
        return 0.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks into the database often; when something is due says the test's clock."""
    monkeypatch.setattr(module, "POLL_SECONDS", 0.005)
    monkeypatch.setattr(module, "DATABASE_PAUSE", 0.005)


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    connection = await open_database(f"sqlite://{tmp_path}/relay.sqlite3")
    yield Database(connection)
    await close_database()


@pytest.fixture
async def make(gateway: FakeGateway, clock: Clock) -> AsyncIterator[Make]:
    """Dispatchers that are stopped at the end."""
    made: list[Dispatcher] = []

    def build(db: Database, owner: str = "host:1", way: FakeGateway | None = None) -> Dispatcher:
        dispatcher = Dispatcher(
            db, way or gateway, owner=owner, push_deadline=DEADLINE, keep_days=30, clock=Watch(clock),
            jitter=NoJitter(),  # type: ignore[arg-type]
        )  # fmt: skip
        made.append(dispatcher)
        return dispatcher

    yield build
    gateway.gate.set()
    for dispatcher in made:
        await dispatcher.stop(5)


@pytest.fixture
async def dispatcher(db: Database, make: Make) -> Dispatcher:
    """Started, with one phone in the database."""
    await register(db)
    started = make(db)
    await started.start()
    return started


async def register(db: Database, at: float = START - 100, apns_env: Any = "production") -> None:
    device = DeviceRegister(secret="s" * 16, device_token=TOKEN, apns_env=apns_env)
    await devices.register(db, device, secret_hash=SECRET, bundle_id="com.example.app", now_ms=int(at * 1000))


async def delivery(db: Database, at: float = START) -> Delivery:
    (phone,) = await devices.recipients(db, SECRET)
    push = Push(
        apns_id=str(uuid.uuid4()),
        device_token=phone.device_token,
        apns_env=phone.apns_env,
        topic=phone.bundle_id,
        push_type="alert",
        priority=10,
        expiration=int(at) + 86_400,
        collapse_id="c",
        payload=b"{}",
    )
    return Delivery(
        push=push,
        secret_hash=SECRET,
        event_id="e",
        event_type="complete",
        session_id="s",
        device_id=phone.device_id,
        created_at=int(at * 1000),
        registered_at=phone.registered_at,
    )


async def send(dispatcher: Dispatcher, *planned: Delivery) -> list[str]:
    """How the deliveries ended, or that they are tried again."""
    return list(await asyncio.gather(*(await dispatcher.enqueue(planned)).values()))


async def row(db: Database, apns_id: str) -> dict[str, Any]:
    _, found = await db.execute("SELECT * FROM delivery_log WHERE id = ?", [apns_id])
    return dict(found[0])


async def status_is(db: Database, apns_id: str, status: str) -> bool:
    return bool((await row(db, apns_id))["status"] == status)


def environments(gateway: FakeGateway) -> list[str]:
    return [push.apns_env for push in gateway.sent]


class TestTokens:
    async def test_the_other_environment_is_found_and_remembered(
        self, db: Database, dispatcher: Dispatcher, gateway: FakeGateway
    ) -> None:
        gateway.answers = [Answered(400, "BadDeviceToken")]
        planned = await delivery(db)
        assert await send(dispatcher, planned) == ["sent"]
        assert (await row(db, planned.push.apns_id))["apns_env"] == "sandbox"
        assert await send(dispatcher, await delivery(db)) == ["sent"]
        assert environments(gateway) == ["production", "sandbox", "sandbox"]
        (phone,) = await devices.recipients(db, SECRET)
        assert phone.registered_at == int((START - 100) * 1000)

    async def test_bad_in_both_removes_this_registration_only(
        self, db: Database, dispatcher: Dispatcher, gateway: FakeGateway
    ) -> None:
        other = DeviceRegister(secret="s" * 16, device_token=TOKEN)
        await devices.register(db, other, secret_hash="b" * 64, bundle_id="com.example.app", now_ms=1)
        gateway.answers = [Answered(400, "BadDeviceToken")] * 2
        assert await send(dispatcher, await delivery(db)) == ["failed"]
        assert await devices.recipients(db, SECRET) == []
        assert len(await devices.recipients(db, "b" * 64)) == 1

    @pytest.mark.parametrize(("since", "kept"), [(-101, True), (-100, True), (-99, False)])
    async def test_410_counts_against_the_time_of_the_registration(
        self, db: Database, dispatcher: Dispatcher, gateway: FakeGateway, since: float, kept: bool
    ) -> None:
        gateway.answers = [Answered(410, "Unregistered", int((START + since) * 1000))]
        assert await send(dispatcher, await delivery(db)) == ["failed"]
        assert bool(await devices.recipients(db, SECRET)) is kept

    @pytest.mark.parametrize(
        "answers", [[Answered(410, "Unregistered")], [Answered(400, "BadDeviceToken")] * 2]
    )
    async def test_a_phone_that_registers_while_its_push_is_in_flight_stays(
        self, db: Database, dispatcher: Dispatcher, gateway: FakeGateway, answers: list[Any]
    ) -> None:
        gateway.answers = answers
        gateway.gate.clear()
        sending = asyncio.create_task(send(dispatcher, await delivery(db)))
        await eventually(lambda: gateway.sent)
        await register(db, at=START + 1)
        gateway.gate.set()
        assert await sending == ["failed"]
        assert len(await devices.recipients(db, SECRET)) == 1


RETRIES: list[tuple[Outcome, float]] = [
    (Answered(429, "TooManyRequests"), 60),
    (Answered(500, "InternalServerError"), 900),
    (Answered(503, "Shutdown"), 1),
    (NotSent("refused"), 1),
    (MaybeSent("lost"), 1),
]


class TestRetries:
    @pytest.mark.parametrize(("outcome", "pause"), RETRIES, ids=str)
    async def test_it_is_due_again_at_the_right_time_with_the_same_apns_id(
        self,
        db: Database,
        dispatcher: Dispatcher,
        gateway: FakeGateway,
        clock: Clock,
        outcome: Outcome,
        pause: float,
    ) -> None:
        gateway.answers = [outcome]
        planned = await delivery(db)
        assert await send(dispatcher, planned) == ["queued"]
        assert (await row(db, planned.push.apns_id))["due_at"] == (START + pause) * 1000
        clock.now = START + pause - 0.001
        await polled(dispatcher)
        assert len(gateway.sent) == 1
        clock.now = START + pause
        await eventually(lambda: status_is(db, planned.push.apns_id, "sent"))
        assert gateway.sent == [planned.push] * 2
        assert (await row(db, planned.push.apns_id))["attempts"] == 2

    async def test_a_pause_beyond_the_expiry_is_the_end(
        self, db: Database, dispatcher: Dispatcher, gateway: FakeGateway, clock: Clock
    ) -> None:
        gateway.answers = [Answered(500, "InternalServerError")]
        planned = await delivery(db, at=START - 86_400 + 900)
        assert await send(dispatcher, planned) == ["failed"]
        assert (await row(db, planned.push.apns_id))["reason"] == "InternalServerError"

    async def test_what_expired_while_no_relay_ran_is_not_sent(
        self, db: Database, gateway: FakeGateway, make: Make
    ) -> None:
        await register(db)
        planned = await delivery(db, at=START - 86_400)
        await deliveries.enqueue(db, [planned], owner="host:1", lease_until=0)
        await make(db).start()
        await eventually(lambda: status_is(db, planned.push.apns_id, "failed"))
        found = await row(db, planned.push.apns_id)
        assert (found["error"], found["payload"]) == ("it expired before it could be sent", None)
        assert not gateway.sent

    async def test_a_gateway_that_breaks_is_a_try_like_any_other(
        self, db: Database, dispatcher: Dispatcher, gateway: FakeGateway, clock: Clock
    ) -> None:
        gateway.answers = [ZeroDivisionError("x"), ZeroDivisionError("x")]
        planned = await delivery(db)
        assert await send(dispatcher, planned) == ["queued"]
        found = await row(db, planned.push.apns_id)
        assert (found["attempts"], found["due_at"]) == (1, (START + 1) * 1000)
        assert found["error"] == "the relay is at fault: ZeroDivisionError"
        clock.now = START + 1
        await eventually(lambda: len(gateway.sent) == 2)
        clock.now = START + 10
        await eventually(lambda: status_is(db, planned.push.apns_id, "sent"))

    async def test_a_clock_that_is_set_meanwhile_breaks_nothing(
        self, db: Database, dispatcher: Dispatcher, gateway: FakeGateway, clock: Clock
    ) -> None:
        for jump, latency in ((-1000.0, 0), (3e9, 2**31 - 1)):

            def answer(_: Push, jump: float = jump) -> Outcome:
                clock.now = START + jump
                return Answered(200)

            gateway.answers = [answer]
            clock.now = START
            planned = await delivery(db)
            assert await send(dispatcher, planned) == ["sent"]
            assert (await row(db, planned.push.apns_id))["latency_ms"] == latency

    async def test_a_reason_that_no_database_stores(
        self, db: Database, dispatcher: Dispatcher, gateway: FakeGateway
    ) -> None:
        gateway.answers = [Answered(400, "\ud800"), MaybeSent("\udcff")]
        planned = [await delivery(db), await delivery(db)]
        assert await send(dispatcher, *planned) == ["failed", "queued"]


async def polled(dispatcher: Dispatcher) -> None:
    """Return when the dispatcher has looked into the database from now on."""
    looked = asyncio.Event()
    claim = dispatcher._claim

    async def watched() -> None:
        await claim()
        looked.set()

    dispatcher._claim = watched  # type: ignore[method-assign]
    dispatcher.look_for_due()
    await asyncio.wait_for(looked.wait(), 5)
    looked.clear()
    await asyncio.wait_for(looked.wait(), 5)
    dispatcher._claim = claim  # type: ignore[method-assign]


class Failing(Database):
    """A database that fails while `down`."""

    down = False

    async def execute(self, sql: str, values: Any = ()) -> Any:
        if self.down:
            raise Unavailable("down")
        return await super().execute(sql, values)


class TestFaults:
    async def test_an_answer_outlives_the_database(
        self, db: Database, make: Make, gateway: FakeGateway, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Also when the lease runs out meanwhile: the poll is sooner there than the answer."""
        await register(db)
        failing = Failing(db._connection)
        dispatcher = make(failing)
        await dispatcher.start()
        gateway.gate.clear()
        planned = await delivery(db)
        sending = asyncio.create_task(send(dispatcher, planned))
        await eventually(lambda: gateway.sent)
        save = deliveries.save
        failing.down = True
        gateway.gate.set()
        await eventually(lambda: "trying again" in caplog.text)
        clock.now = START + LEASE + 1
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(deliveries, "save", unavailable)
            failing.down = False
            await polled(dispatcher)
            assert (await row(db, planned.push.apns_id))["status"] == "queued"
        assert deliveries.save is save
        assert await sending == ["sent"]
        assert len(gateway.sent) == 1

    async def test_polling_and_sweeping_survive_the_database(
        self, db: Database, make: Make, gateway: FakeGateway, caplog: pytest.LogCaptureFixture
    ) -> None:
        await register(db)
        failing = Failing(db._connection)
        dispatcher = make(failing)
        await dispatcher.start()
        failing.down = True
        dispatcher.look_for_due()
        await eventually(lambda: "database unavailable" in caplog.text)
        failing.down = False
        planned = await delivery(db)
        await deliveries.enqueue(db, [planned], owner="host:9", lease_until=0)
        await eventually(lambda: status_is(db, planned.push.apns_id, "sent"))

    async def test_what_does_not_fit_in_memory_waits_in_the_database(
        self, db: Database, gateway: FakeGateway, make: Make, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "QUEUE_SIZE", 2)
        monkeypatch.setattr(module, "WORKERS", 1)
        await register(db)
        dispatcher = make(db)
        await dispatcher.start()
        gateway.gate.clear()
        planned = [await delivery(db) for _ in range(5)]
        futures = await dispatcher.enqueue(planned)
        assert [future.result() for future in futures.values() if future.done()] == ["queued"] * 3
        gateway.gate.set()
        await eventually(lambda: len(gateway.sent) == 2)
        clock.now = START + LEASE
        for one in planned:
            await eventually(lambda one=one: status_is(db, one.push.apns_id, "sent"))  # type: ignore[misc]
        assert sorted(push.apns_id for push in gateway.sent) == sorted(futures)

    async def test_what_waited_too_long_in_memory_is_left_to_its_lease(
        self, db: Database, gateway: FakeGateway, make: Make, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "WORKERS", 1)
        await register(db)
        dispatcher = make(db)
        await dispatcher.start()
        gateway.gate.clear()
        first, second = await delivery(db), await delivery(db)
        sending = asyncio.create_task(send(dispatcher, first, second))
        await eventually(lambda: gateway.sent)
        clock.now = START + LEASE / 2
        gateway.gate.set()
        assert await sending == ["sent", "queued"]
        clock.now = START + LEASE
        await eventually(lambda: status_is(db, second.push.apns_id, "sent"))

    async def test_a_defect_while_judging_costs_one_delivery_its_turn_only(
        self, db: Database, dispatcher: Dispatcher, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        planned = await delivery(db)
        with monkeypatch.context() as patch:
            patch.setattr(module, "settle", lambda *_, **__: 1 / 0)
            assert await send(dispatcher, planned) == ["queued"]
        clock.now = START + LEASE
        await eventually(lambda: status_is(db, planned.push.apns_id, "sent"))

    @pytest.mark.parametrize("name", ["save", "claim_due", "forget"])
    async def test_a_defect_ends_none_of_its_tasks(
        self, db: Database, make: Make, clock: Clock, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        broken = 0

        async def break_down(*_: Any, **__: Any) -> None:
            nonlocal broken
            broken += 1
            raise ValueError("a defect")

        monkeypatch.setattr(module, "SWEEP_SECONDS", 0.005)
        await register(db)
        planned = await delivery(db)
        dispatcher = make(db)
        with monkeypatch.context() as patch:
            patch.setattr(deliveries, name, break_down)
            await dispatcher.start()
            assert await send(dispatcher, planned) == ["queued" if name == "save" else "sent"]
            await eventually(lambda: broken > (0 if name == "save" else 1))
        clock.now = START + LEASE
        await eventually(lambda: status_is(db, planned.push.apns_id, "sent"))
        assert await send(dispatcher, await delivery(db)) == ["sent"]


async def unavailable(*_: Any) -> None:
    raise Unavailable("down")


class TestManyAtOnce:
    async def test_two_copies_of_an_event_at_once_are_one_push(
        self, db: Database, dispatcher: Dispatcher, gateway: FakeGateway
    ) -> None:
        same, other = await delivery(db), await delivery(db)
        found = await asyncio.gather(*(dispatcher.enqueue(planned) for planned in ([same], [same, other])))
        assert [list(futures) for futures in found] == [[same.push.apns_id], [other.push.apns_id]]
        assert [await future for futures in found for future in futures.values()] == ["sent", "sent"]
        assert len(gateway.sent) == 2


class TestLife:
    async def test_stopping_finishes_what_is_in_flight(
        self, db: Database, dispatcher: Dispatcher, gateway: FakeGateway
    ) -> None:
        gateway.gate.clear()
        planned = [await delivery(db) for _ in range(150)]
        await dispatcher.enqueue(planned)
        stopping = asyncio.create_task(dispatcher.stop(5))
        await eventually(lambda: len(gateway.sent) == module.WORKERS)
        gateway.gate.set()
        await stopping
        assert len(gateway.sent) == 150
        for one in planned:
            assert (await row(db, one.push.apns_id))["status"] == "sent"

    async def test_stopping_does_not_wait_for_ever(
        self, db: Database, dispatcher: Dispatcher, gateway: FakeGateway, caplog: pytest.LogCaptureFixture
    ) -> None:
        gateway.gate.clear()
        planned = await delivery(db)
        await dispatcher.enqueue([planned])
        await eventually(lambda: gateway.sent)
        await dispatcher.stop(0.01)
        assert "stop unfinished=1" in caplog.text
        assert (await row(db, planned.push.apns_id))["status"] == "queued"

    async def test_after_a_crash_the_same_relay_goes_on_at_once_and_another_when_the_lease_ran_out(
        self, db: Database, dispatcher: Dispatcher, gateway: FakeGateway, make: Make, clock: Clock
    ) -> None:
        gateway.gate.clear()
        planned = await delivery(db)
        await dispatcher.enqueue([planned])
        await eventually(lambda: gateway.sent)
        await crash(dispatcher)
        other_way = FakeGateway()
        other = make(db, "host:10", other_way)
        await other.start()
        clock.now = START + LEASE - 1
        await polled(other)
        assert not other_way.sent
        again_way = FakeGateway()
        await make(db, "host:1", again_way).start()
        await eventually(lambda: status_is(db, planned.push.apns_id, "sent"))
        assert [push.apns_id for push in other_way.sent + again_way.sent] == [planned.push.apns_id]

    async def test_what_a_crash_left_behind_goes_before_what_is_new(
        self, db: Database, dispatcher: Dispatcher, gateway: FakeGateway, make: Make,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        """A relay that waited for its first poll sent the request of a turn after the turn's end."""
        gateway.gate.clear()
        late = await delivery(db)
        await dispatcher.enqueue([late])
        await eventually(lambda: gateway.sent)
        await crash(dispatcher)
        monkeypatch.setattr(module, "POLL_SECONDS", 3600.0)
        way = FakeGateway()
        await make(db, "host:1", way).start()
        await eventually(lambda: way.sent == [late.push])

    async def test_another_relay_takes_over_when_the_lease_ran_out(
        self, db: Database, dispatcher: Dispatcher, gateway: FakeGateway, make: Make, clock: Clock
    ) -> None:
        gateway.gate.clear()
        planned = await delivery(db)
        await dispatcher.enqueue([planned])
        await eventually(lambda: gateway.sent)
        await crash(dispatcher)
        other_way = FakeGateway()
        await make(db, "host:2", other_way).start()
        clock.now = START + LEASE
        await eventually(lambda: status_is(db, planned.push.apns_id, "sent"))
        assert other_way.sent == [planned.push]

    async def test_old_rows_are_swept(
        self, db: Database, dispatcher: Dispatcher, make: Make, clock: Clock
    ) -> None:
        assert await send(dispatcher, await delivery(db)) == ["sent"]
        clock.now = START + 30 * 86_400 + 1
        await make(db, "host:2").start()

        async def gone() -> bool:
            return await deliveries.count(db) == 0

        await eventually(gone)

    @pytest.mark.mariadb
    async def test_on_mariadb(self, mariadb: MariaDB, make: Make, gateway: FakeGateway, clock: Clock) -> None:
        url = mariadb.new_database()
        db = Database(await open_database(url))
        await register(db)
        dispatcher = make(db)
        await dispatcher.start()
        gateway.answers = [Answered(400, "BadDeviceToken"), NotSent("refused")]
        planned = await delivery(db)
        assert await send(dispatcher, planned) == ["queued"]
        clock.now = START + 1
        await eventually(lambda: status_is(db, planned.push.apns_id, "sent"))
        gateway.answers = [Answered(410, "Unregistered")]
        assert await send(dispatcher, await delivery(db)) == ["failed"]
        assert await devices.count(db) == 0
        await dispatcher.stop(5)
        await close_database()
        mariadb.drop_database(url)


async def crash(dispatcher: Dispatcher) -> None:
    """End it without its stop."""
    for task in dispatcher._tasks:
        task.cancel()
    await asyncio.gather(*dispatcher._tasks, return_exceptions=True)
    dispatcher._tasks.clear()
    while not dispatcher._jobs.empty():
        dispatcher._jobs.get_nowait()
        dispatcher._jobs.task_done()
