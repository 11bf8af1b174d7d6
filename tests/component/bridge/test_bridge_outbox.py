"""The outbox and a real relay that fails in every way it can."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from relay import contract
from relay.bridge.backoff import Backoff
from relay.bridge.lanes import Lanes
from relay.bridge.outbox import SPARE_SECONDS, Outbox
from relay.bridge.relay_client import TRY_DEADLINE, RelayClient

Until = Callable[[Callable[[], Any]], Awaitable[None]]
SECRET = "s3cret-s3cret-s3cret"


def event(session: str, number: int = 0) -> contract.Event:
    return contract.Event(
        secret=SECRET,
        event_type="complete",
        session_id=session,
        title="Fix it",
        body="Done.",
        event_id=f"{session}-{number}",
    )


def event_ids(posted: list[Any]) -> list[str]:
    return [one.eventID for one in posted]


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
async def make_outbox(
    fake_relay: Any, http: aiohttp.ClientSession, pauses: list[float]
) -> AsyncIterator[Callable[..., Outbox]]:
    """An outbox to the fake relay; its pauses are recorded and last 5 ms."""
    made: list[Outbox] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.sleep(0.005)

    def make(*, try_deadline: float = TRY_DEADLINE, **options: Any) -> Outbox:
        relay = RelayClient(http, fake_relay.url + "/", try_deadline=try_deadline)
        fixed = {"backoff": Backoff(), "sleep": pause, "random": lambda: 1.0}
        made.append(Outbox(relay, **fixed | options))
        return made[-1]

    yield make
    for outbox in made:
        await outbox.close(0)


@pytest.fixture
def outbox(make_outbox: Callable[..., Outbox]) -> Outbox:
    return make_outbox()


async def test_events_of_one_session_keep_their_order(outbox: Outbox, fake_relay: Any, until: Until) -> None:
    fake_relay.answers = [(503, {}), (200, {"ok": True}), (500, {}), (429, {})]
    for number in range(5):
        outbox.put(event("ses_a", number))
    assert len(outbox) == 5
    await until(lambda: len(outbox) == 0)
    assert event_ids(fake_relay.accepted) == [f"ses_a-{number}" for number in range(5)]


async def test_a_relay_that_is_down_gets_everything_once_it_is_up(
    outbox: Outbox, fake_relay: Any, until: Until, pauses: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    await fake_relay.stop()
    for session in ("ses_a", "ses_b"):
        for number in range(3):
            outbox.put(event(session, number))
    await until(lambda: len(pauses) >= 20)
    await fake_relay.start()
    await until(lambda: len(outbox) == 0)
    everything = [f"ses_{name}-{number}" for name in "ab" for number in range(3)]
    assert sorted(event_ids(fake_relay.accepted)) == everything
    assert "retry eventID=ses_a-0" in caplog.text
    assert "ClientConnectorError" in caplog.text
    assert SECRET not in caplog.text


async def test_the_pauses_double_up_to_half_a_minute(
    outbox: Outbox, fake_relay: Any, until: Until, pauses: list[float]
) -> None:
    fake_relay.answers = [(503, {})] * 9
    outbox.put(event("ses_a"))
    await until(lambda: fake_relay.accepted)
    assert pauses == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30]


async def test_repeated_failures_are_logged_less_and_less(
    outbox: Outbox, fake_relay: Any, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    fake_relay.answers = [(503, {})] * 20
    outbox.put(event("ses_a"))
    await until(lambda: fake_relay.accepted)
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [record.getMessage().split("attempt=")[1].split()[0] for record in warnings] == [
        "1",
        "2",
        "4",
        "8",
        "16",
    ]


async def test_a_refusal_is_one_clear_line_and_no_second_try(
    outbox: Outbox, fake_relay: Any, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    refusal = {
        "ok": False,
        "error": "Invalid request body",
        "code": "invalid",
        "details": f"bad {SECRET} here",
    }
    fake_relay.answers = [(400, refusal)]
    outbox.put(event("ses_a", 0))
    outbox.put(event("ses_a", 1))
    await until(lambda: len(outbox) == 0)
    assert event_ids(fake_relay.posted) == ["ses_a-0", "ses_a-1"]
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.getMessage() == (
        "refused eventID=ses_a-0 eventType=complete sessionID=ses_a "
        'reason="status 400: Invalid request body: bad *** here"'
    )


async def test_the_answer_is_logged_with_its_counts(
    outbox: Outbox, fake_relay: Any, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "relay.bridge")
    fake_relay.answers = [
        (200, {"ok": True, "sent": 2, "failed": 1, "queued": 3}),
        (200, {"ok": True, "sent": 1}),
    ]
    outbox.put(event("ses_a", 0))
    outbox.put(event("ses_a", 1))
    await until(lambda: len(outbox) == 0)
    assert (
        "delivered eventID=ses_a-0 eventType=complete sessionID=ses_a sent=2 failed=1 queued=3 attempts=1"
        in caplog.text
    )
    assert "delivered eventID=ses_a-1 eventType=complete sessionID=ses_a sent=1 attempts=1" in caplog.text


async def test_something_else_than_a_relay_is_not_taken_for_success(
    outbox: Outbox, fake_relay: Any, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    fake_relay.answers = [(200, "<html>captive portal</html>")]
    outbox.put(event("ses_a"))
    await until(lambda: len(outbox) == 0)
    assert event_ids(fake_relay.posted) == ["ses_a-0", "ses_a-0"]
    assert "not a relay's answer" in caplog.text


async def test_one_slow_session_does_not_hold_up_the_others(
    outbox: Outbox, fake_relay: Any, until: Until
) -> None:
    fake_relay.refused_sessions["ses_slow"] = (503, {})
    outbox.put(event("ses_slow", 0))
    outbox.put(event("ses_slow", 1))
    for number in range(30):
        outbox.put(event(f"ses_{number}"))
    await until(lambda: len(fake_relay.accepted) == 30)
    assert "ses_slow-1" not in event_ids(fake_relay.posted)
    fake_relay.refused_sessions.clear()
    await until(lambda: len(outbox) == 0)
    assert event_ids(fake_relay.accepted)[-2:] == ["ses_slow-0", "ses_slow-1"]


async def test_a_try_has_a_deadline(
    make_outbox: Callable[..., Outbox], fake_relay: Any, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    fake_relay.gate.clear()
    outbox = make_outbox(try_deadline=0.05)
    outbox.put(event("ses_a"))
    await until(lambda: len(fake_relay.posted) >= 2)
    fake_relay.gate.set()
    await until(lambda: len(outbox) == 0)
    assert 'reason="no answer within 0.05 s"' in caplog.text
    assert set(event_ids(fake_relay.posted)) == {"ses_a-0"}  # the same eventID with every try


async def test_beyond_the_bound_the_oldest_goes_and_the_log_says_so(
    make_outbox: Callable[..., Outbox], fake_relay: Any, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    await fake_relay.stop()
    outbox = make_outbox(bound=3)
    for number in range(5):
        outbox.put(event("ses_a", number))
    assert len(outbox) == 3
    await fake_relay.start()
    await until(lambda: len(outbox) == 0)
    assert event_ids(fake_relay.accepted) == ["ses_a-2", "ses_a-3", "ses_a-4"]
    for number in range(2):
        assert f"dropped eventID=ses_a-{number}" in caplog.text


async def test_closing_drains(outbox: Outbox, fake_relay: Any, caplog: pytest.LogCaptureFixture) -> None:
    fake_relay.answers = [(503, {})]
    for number in range(3):
        outbox.put(event("ses_a", number))
    await outbox.close(5)
    assert len(fake_relay.accepted) == 3
    assert "undelivered" not in caplog.text


async def test_closing_does_not_wait_for_ever_and_names_what_is_left(
    outbox: Outbox, fake_relay: Any, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    fake_relay.gate.clear()
    outbox.put(event("ses_a", 0))
    outbox.put(event("ses_a", 1))
    await until(lambda: fake_relay.posted)
    await outbox.close(0.02)
    assert "undelivered eventID=ses_a-0" in caplog.text
    assert "undelivered eventID=ses_a-1" in caplog.text
    assert len(outbox) == 0


async def test_at_most_eight_tries_at_once(outbox: Outbox, fake_relay: Any, until: Until) -> None:
    fake_relay.gate.clear()
    for number in range(20):
        outbox.put(event(f"ses_{number}"))
    await until(lambda: len(fake_relay.posted) == 8)
    await asyncio.sleep(0.02)
    assert len(fake_relay.posted) == 8
    fake_relay.gate.set()
    await until(lambda: len(outbox) == 0)
    assert len(fake_relay.accepted) == 20


def card(session: str, number: int, kind: contract.EventType = "progress") -> contract.Event:
    state = contract.ContentState(status="working", session_title="Fix it", last_message=f"step {number}")
    return contract.Event(
        secret=SECRET,
        event_type=kind,
        session_id=session,
        content_state=state,
        event_id=f"{session}-card-{number}",
    )


class TestCards:
    async def test_only_the_newest_progress_reaches_a_relay_that_was_away(
        self, outbox: Outbox, fake_relay: Any, until: Until, pauses: list[float]
    ) -> None:
        await fake_relay.stop()
        outbox.put(event("ses_a", 0))
        for number in range(50):
            outbox.put(card("ses_a", number))
        await until(lambda: len(pauses) >= 3)
        assert len(outbox) == 2
        await fake_relay.start()
        await until(lambda: len(outbox) == 0)
        assert event_ids(fake_relay.accepted) == ["ses_a-0"]
        assert event_ids(fake_relay.cards) == ["ses_a-card-49"]

    async def test_an_event_that_is_not_true_any_more_is_withdrawn_while_the_relay_is_away(
        self, outbox: Outbox, fake_relay: Any, until: Until, pauses: list[float]
    ) -> None:
        await fake_relay.stop()
        for number in range(3):
            outbox.put(event("ses_a", number))
        await until(lambda: pauses)
        for number in range(2):
            outbox.withdraw("ses_a", f"ses_a-{number}")
        await until(lambda: len(outbox) == 1)
        await fake_relay.start()
        await until(lambda: len(outbox) == 0)
        assert event_ids(fake_relay.accepted) == ["ses_a-2"]

    async def test_withdrawing_the_only_event_ends_the_waiting(
        self, outbox: Outbox, fake_relay: Any, until: Until, pauses: list[float]
    ) -> None:
        await fake_relay.stop()
        outbox.put(event("ses_a", 0))
        await until(lambda: pauses)
        outbox.withdraw("ses_a", "ses_a-0")
        await until(lambda: len(outbox) == 0)
        await fake_relay.start()
        outbox.put(event("ses_a", 1))
        await until(lambda: fake_relay.accepted)
        assert event_ids(fake_relay.accepted) == ["ses_a-1"]

    async def test_everything_is_settled_whatever_became_of_it(
        self, make_outbox: Callable[..., Outbox], fake_relay: Any, until: Until
    ) -> None:
        settled: list[str | None] = []
        outbox = make_outbox(bound=2, settled=lambda event: settled.append(event.event_id))
        fake_relay.answers = [(400, {"ok": False, "error": "no", "code": "invalid"})]
        for number in range(3):
            outbox.put(event("ses_a", number))
        await until(lambda: len(outbox) == 0)
        assert settled == ["ses_a-0", "ses_a-1", "ses_a-2"]
        assert event_ids(fake_relay.accepted) == ["ses_a-2"]

    async def test_work_that_breaks_is_logged_and_the_next_event_goes_on(
        self,
        make_outbox: Callable[..., Outbox],
        fake_relay: Any,
        until: Until,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        def broken(event: contract.Event) -> None:
            raise ValueError(event.event_id)

        outbox = make_outbox(settled=broken)
        outbox.put(event("ses_a", 0))
        await until(lambda: "work failed sessionID=ses_a reason=ValueError" in caplog.text)
        outbox.put(event("ses_a", 1))
        await until(lambda: len(fake_relay.accepted) == 2)


OLD_REFUSAL = {"ok": False, "error": "Invalid request body"}


class TestOldRelay:
    """The first implementation knows neither start nor progress, and says no more than OLD_REFUSAL."""

    @pytest.fixture
    def now(self) -> list[float]:
        return [1000.0]

    @pytest.fixture
    def outbox(self, make_outbox: Callable[..., Outbox], now: list[float]) -> Outbox:
        return make_outbox(monotonic=lambda: now[0])

    @pytest.mark.parametrize("kind", ["start", "progress"])
    async def test_it_is_detected_and_spared_but_gets_every_alert(
        self,
        outbox: Outbox,
        fake_relay: Any,
        until: Until,
        caplog: pytest.LogCaptureFixture,
        kind: contract.EventType,
    ) -> None:
        fake_relay.answers = [(400, OLD_REFUSAL)]
        outbox.put(card("ses_a", 0, kind))
        await until(lambda: len(outbox) == 0)
        for number in range(1, 4):
            outbox.put(card(f"ses_{number}", number, kind))
        outbox.put(event("ses_a", 1))
        await until(lambda: len(outbox) == 0)
        assert event_ids(fake_relay.posted) == ["ses_a-card-0", "ses_a-1"]
        assert event_ids(fake_relay.accepted) == ["ses_a-1"]
        (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
        assert record.getMessage() == (
            'old relay refuses="start and progress" remedy="update the relay; alerts are sent all the same"'
        )

    async def test_it_is_tried_again_after_an_hour(
        self, outbox: Outbox, fake_relay: Any, until: Until, now: list[float]
    ) -> None:
        fake_relay.answers = [(400, OLD_REFUSAL)]
        outbox.put(card("ses_a", 0))
        await until(lambda: len(outbox) == 0)
        now[0] += SPARE_SECONDS
        outbox.put(card("ses_a", 1))
        await until(lambda: fake_relay.cards)
        assert event_ids(fake_relay.cards) == ["ses_a-card-1"]

    async def test_a_refused_alert_says_nothing_about_cards(
        self, outbox: Outbox, fake_relay: Any, until: Until
    ) -> None:
        fake_relay.answers = [(400, OLD_REFUSAL)]
        outbox.put(event("ses_a", 0))
        await until(lambda: len(outbox) == 0)
        outbox.put(card("ses_a", 1))
        await until(lambda: fake_relay.cards)

    @pytest.mark.parametrize(
        "refusal", [(400, OLD_REFUSAL | {"code": "invalid_request"}), (404, OLD_REFUSAL)]
    )
    async def test_another_refusal_does_not_make_it_old(
        self, outbox: Outbox, fake_relay: Any, until: Until, refusal: tuple[int, Any]
    ) -> None:
        fake_relay.answers = [refusal]
        outbox.put(card("ses_a", 0))
        await until(lambda: len(outbox) == 0)
        outbox.put(card("ses_a", 1))
        await until(lambda: fake_relay.cards)


class TestLanes:
    async def test_failing_work_loses_only_its_own_item(self, caplog: pytest.LogCaptureFixture) -> None:
        done: list[int] = []

        async def work(item: int) -> None:
            if item == 1:
                raise ValueError("broken")
            done.append(item)

        lanes: Lanes[int] = Lanes("test", work, bound=10, dropped=done.append)
        for item in (0, 1, 2):
            lanes.put("key", item)
        assert await lanes.close(5) == []
        assert done == [0, 2]
        assert "work failed lane=test:key reason=ValueError" in caplog.text

    async def test_cancelling_a_key_leaves_the_others(self) -> None:
        done: list[str] = []
        gate = asyncio.Event()

        async def work(item: str) -> None:
            await gate.wait()
            done.append(item)

        lanes: Lanes[str] = Lanes("test", work, bound=10, dropped=done.append)
        for item in ("a1", "a2", "b1"):
            lanes.put(item[0], item)
        await asyncio.sleep(0)
        lanes.cancel("a")
        lanes.cancel("nothing")
        lanes.put("a", "a3")
        gate.set()
        assert await lanes.close(5) == []
        assert sorted(done) == ["a3", "b1"]

    async def test_closing_returns_what_was_not_done(self) -> None:
        lanes: Lanes[int] = Lanes("test", asyncio.sleep, bound=10, dropped=print)
        lanes.put("key", 60)
        lanes.put("key", 0)
        assert await lanes.close(0) == [60, 0]
        assert len(lanes) == 0
        assert await lanes.close(0) == []

    async def test_work_that_brings_more_work_is_drained_too(self) -> None:
        done: list[int] = []

        async def work(item: int) -> None:
            done.append(item)
            if item < 3:
                lanes.put("key", item + 1)

        lanes: Lanes[int] = Lanes("test", work, bound=10, dropped=done.append)
        lanes.put("key", 0)
        assert await lanes.close(5) == []
        assert done == [0, 1, 2, 3]
