"""When the dispatcher tries again, and when it gives up."""

import pytest

from component.dispatcher.dispatching import (
    START,
    Clock,
    Make,
    delivery,
    polled,
    register,
    row,
    send,
    status_is,
)
from fake_gateway import FakeGateway
from outcomes import answered, maybe_sent, not_sent
from relay.apns.push import Outcome, Push
from relay.server.alerts.dispatcher import Dispatcher
from relay.server.store import deliveries
from relay.server.store.sql import Database
from waiting import eventually

RETRIES: list[tuple[Outcome, float]] = [
    (answered(429, "TooManyRequests"), 60),
    (answered(500, "InternalServerError"), 900),
    (answered(503, "Shutdown"), 1),
    (not_sent("refused"), 1),
    (maybe_sent("lost"), 1),
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
        gateway.answers = [answered(500, "InternalServerError")]
        planned = await delivery(db, at=START - 86_400 + 900)
        assert await send(dispatcher, planned) == ["failed"]
        assert (await row(db, planned.push.apns_id))["reason"] == "InternalServerError"

    async def test_what_expired_while_no_relay_ran_is_not_sent(
        self, db: Database, gateway: FakeGateway, make: Make
    ) -> None:
        await register(db)
        planned = await delivery(db, at=START - 86_400)
        await deliveries.enqueue(db, [planned], owner="host:1", lease_until=0)
        await make(db).engine.start()
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
                return answered(200)

            gateway.answers = [answer]
            clock.now = START
            planned = await delivery(db)
            assert await send(dispatcher, planned) == ["sent"]
            assert (await row(db, planned.push.apns_id))["latency_ms"] == latency

    async def test_a_reason_that_no_database_stores(
        self, db: Database, dispatcher: Dispatcher, gateway: FakeGateway
    ) -> None:
        gateway.answers = [answered(400, "\ud800"), maybe_sent("\udcff")]
        planned = [await delivery(db), await delivery(db)]
        assert await send(dispatcher, *planned) == ["failed", "queued"]
