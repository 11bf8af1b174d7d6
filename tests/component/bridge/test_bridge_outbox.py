"""The outbox and a real relay that fails in every way it can, is too old to have cards, or is away."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from component.bridge.fake_relay import FakeRelay
from component.bridge.outgoing import MakeOutbox, card, event, event_ids
from component.bridge.running import SECRET
from relay import contract
from relay.bridge.notify.outbox import LIMITED_STEP, SUPPRESS_SECONDS, Outbox
from relay.traceparent import of_event
from waiting import eventually


async def emptied(outbox: Outbox) -> None:
    await eventually(lambda: len(outbox) == 0)


class TestOrder:
    async def test_events_of_one_session_keep_their_order(
        self, outbox: Outbox, fake_relay: FakeRelay
    ) -> None:
        fake_relay.answers = [(503, {}), (200, {"ok": True}), (200, "<html>captive portal</html>"), (429, {})]
        for number in range(5):
            outbox.put(event("ses_a", number))
        assert len(outbox) == 5
        await emptied(outbox)
        assert event_ids(fake_relay.accepted) == [f"ses_a-{number}" for number in range(5)]

    async def test_one_slow_session_does_not_hold_up_the_others(
        self, outbox: Outbox, fake_relay: FakeRelay
    ) -> None:
        fake_relay.refused_sessions["ses_slow"] = (503, {})
        outbox.put(event("ses_slow", 0))
        outbox.put(event("ses_slow", 1))
        for number in range(30):
            outbox.put(event(f"ses_{number}"))
        await eventually(lambda: len(fake_relay.accepted) == 30)
        assert "ses_slow-1" not in event_ids(fake_relay.posted)
        fake_relay.refused_sessions.clear()
        await emptied(outbox)
        assert event_ids(fake_relay.accepted)[-2:] == ["ses_slow-0", "ses_slow-1"]

    async def test_at_most_eight_attempts_at_once(
        self, outbox: Outbox, fake_relay: FakeRelay, http: aiohttp.ClientSession
    ) -> None:
        fake_relay.gate.clear()
        for number in range(20):
            outbox.put(event(f"ses_{number}"))
        await eventually(lambda: len(fake_relay.posted) == 8)
        async with http.get(fake_relay.url):  # one more request comes through: nothing else was under way
            assert len(fake_relay.posted) == 8
        fake_relay.gate.set()
        await emptied(outbox)
        assert len(fake_relay.accepted) == 20


class TestAttempts:
    async def test_a_relay_that_is_down_gets_everything_once_it_is_up(
        self, outbox: Outbox, fake_relay: FakeRelay, pauses: list[float], caplog: pytest.LogCaptureFixture
    ) -> None:
        await fake_relay.stop()
        for session in ("ses_a", "ses_b"):
            for number in range(3):
                outbox.put(event(session, number))
        await eventually(lambda: len(pauses) >= 20)
        await fake_relay.start()
        await emptied(outbox)
        everything = [f"ses_{name}-{number}" for name in "ab" for number in range(3)]
        assert sorted(event_ids(fake_relay.accepted)) == everything
        assert "retry eventID=ses_a-0" in caplog.text
        assert "nothing listens there" in caplog.text
        assert SECRET not in caplog.text

    async def test_the_pauses_double_up_to_half_a_minute_and_are_logged_less_and_less(
        self, outbox: Outbox, fake_relay: FakeRelay, pauses: list[float], caplog: pytest.LogCaptureFixture
    ) -> None:
        fake_relay.answers = [(503, {})] * 20
        outbox.put(event("ses_a"))
        await eventually(lambda: fake_relay.accepted)
        assert pauses[:9] == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30]
        warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        attempts = [warning.split("attempt=")[1].split()[0] for warning in warnings]
        assert attempts == ["1", "2", "4", "8", "16"]

    async def test_an_attempt_has_a_deadline(
        self, make_outbox: MakeOutbox, fake_relay: FakeRelay, caplog: pytest.LogCaptureFixture
    ) -> None:
        fake_relay.gate.clear()
        outbox = make_outbox(deadline=0.05)
        outbox.put(event("ses_a"))
        await eventually(lambda: len(fake_relay.posted) >= 2)
        fake_relay.gate.set()
        await emptied(outbox)
        assert 'reason="no answer within 0.05 s"' in caplog.text
        assert set(event_ids(fake_relay.posted)) == {"ses_a-0"}  # the same eventID with every attempt
        assert set(fake_relay.traces) == {str(of_event("ses_a-0"))}  # and the same trace

    async def test_a_refusal_is_one_clear_line_and_no_second_attempt(
        self, outbox: Outbox, fake_relay: FakeRelay, caplog: pytest.LogCaptureFixture
    ) -> None:
        refusal = {"error": "Invalid request body", "code": "invalid", "details": f"bad {SECRET} here"}
        fake_relay.answers = [(400, refusal)]
        outbox.put(event("ses_a", 0))
        outbox.put(event("ses_a", 1))
        await emptied(outbox)
        assert event_ids(fake_relay.posted) == ["ses_a-0", "ses_a-1"]
        (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert record.getMessage() == (
            "refused eventID=ses_a-0 eventType=complete sessionID=ses_a "
            'reason="status 400: Invalid request body: bad *** here"'
        )

    async def test_a_secret_that_the_relay_does_not_take_is_said_once_until_it_is_taken(
        self, outbox: Outbox, fake_relay: FakeRelay, caplog: pytest.LogCaptureFixture
    ) -> None:
        unknown, revoked = (
            (403, {"error": "no", "code": code}) for code in ("secret_unknown", "secret_replaced")
        )
        fake_relay.answers = [unknown, unknown, (200, {"ok": True}), unknown, revoked, revoked]
        for number in range(6):
            outbox.put(event("ses_a", number))
        await emptied(outbox)
        said = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
        assert [text.split("reason=")[1].split('"')[1] for text in said] == [
            "it takes only secrets that its operator knows, and this machine's is none",
            "it takes only secrets that its operator knows, and this machine's is none",
            "it was replaced or revoked",
        ]
        assert "relay secret add NAME" in said[0]
        assert "relay pair --rotate-secret" in said[2]
        assert len(fake_relay.posted) == 6


class Relay429(FakeRelay):
    """Refuses by a limit: cards while `cards_limited`, alerts while `alerts_limited`; says `code`, and to come again after a minute."""

    cards_limited = alerts_limited = True
    code = "too_many_events"

    async def _event(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        is_card = body["eventType"] in ("start", "progress")
        if self.cards_limited if is_card else self.alerts_limited:
            self.refused.append(body["eventID"])
            said = {"ok": False, "error": "Too many", "code": self.code, "retryAfter": 60}
            return web.json_response(said, status=429, headers={"Retry-After": "60"})
        return await super()._event(request)

    def __init__(self) -> None:
        super().__init__()
        self.refused: list[str] = []


class TestLimits:
    """429 with Retry-After: the limit is the secret's, and the relay keeps the last of it for alerts."""

    @pytest.fixture
    def now(self) -> list[float]:
        return [1000.0]

    @pytest.fixture
    async def fake_relay(self) -> AsyncIterator[Relay429]:
        relay = Relay429()
        await relay.start()
        yield relay
        await relay.stop()

    @pytest.fixture
    def waits(self) -> list[float]:
        """The seconds of each step of waiting, from which on the limit is known."""
        return []

    @pytest.fixture
    def outbox(self, make_outbox: MakeOutbox, now: list[float], waits: list[float]) -> Outbox:
        async def pause(seconds: float) -> None:
            waits.append(seconds)
            await asyncio.sleep(0.002)
            now[0] += min(seconds, 0.01) if seconds <= LIMITED_STEP else 0.0

        return make_outbox(monotonic=lambda: now[0], sleep=pause)

    async def test_alerts_are_kept_and_nobody_asks_before_the_time(
        self, outbox: Outbox, fake_relay: Relay429, now: list[float], waits: list[float]
    ) -> None:
        outbox.put(event("ses_a", 0))
        await eventually(lambda: waits)
        for number in range(1, 5):
            outbox.put(event("ses_a", number))
            outbox.put(event(f"ses_{number}"))
        while now[0] < 1058:
            assert len(fake_relay.refused) == 1
            now[0] += 1
            await asyncio.sleep(0.002)
        fake_relay.alerts_limited = False
        now[0] += 60
        await emptied(outbox)
        assert len(event_ids(fake_relay.accepted)) == 9
        assert [one for one in event_ids(fake_relay.accepted) if one.startswith("ses_a")] == [
            f"ses_a-{number}" for number in range(5)
        ]
        assert fake_relay.refused == ["ses_a-0"]

    async def test_while_cards_wait_an_alert_goes_before_them(
        self, outbox: Outbox, fake_relay: Relay429, now: list[float], waits: list[float]
    ) -> None:
        """Of its own session what stands before it is given up; another session's newest card goes out afterwards."""
        fake_relay.alerts_limited = False
        outbox.put(card("ses_a", 0, "start"))
        await eventually(lambda: waits)
        outbox.put(card("ses_b", 1))
        outbox.put(card("ses_b", 2))
        outbox.put(event("ses_a", 1))
        await eventually(lambda: fake_relay.accepted)
        assert event_ids(fake_relay.accepted) == ["ses_a-1"]
        await eventually(lambda: len(outbox) == 1)
        assert now[0] < 1059
        fake_relay.cards_limited = False
        now[0] += 61
        await emptied(outbox)
        assert event_ids(fake_relay.cards) == ["ses_b-card-2"]
        assert fake_relay.refused == ["ses_a-card-0"]

    async def test_a_day_that_is_used_up_is_said_once_a_day(
        self, outbox: Outbox, fake_relay: Relay429, now: list[float], caplog: pytest.LogCaptureFixture
    ) -> None:
        fake_relay.code = "day_limit_reached"
        outbox.put(event("ses_a"))
        for day in (1, 2):
            for _ in range(3):
                before = len(fake_relay.refused)
                now[0] += 61
                await eventually(lambda before=before: len(fake_relay.refused) > before)  # type: ignore[misc]
            assert caplog.text.count("day limit reason=") == day
            now[0] += 86_400
        fake_relay.alerts_limited = False
        await emptied(outbox)


class TestBounds:
    async def test_beyond_the_bound_the_oldest_goes_and_the_log_says_so(
        self, make_outbox: MakeOutbox, fake_relay: FakeRelay, caplog: pytest.LogCaptureFixture
    ) -> None:
        await fake_relay.stop()
        outbox = make_outbox(bound=3)
        for number in range(5):
            outbox.put(event("ses_a", number))
        assert len(outbox) == 3
        await fake_relay.start()
        await emptied(outbox)
        assert event_ids(fake_relay.accepted) == ["ses_a-2", "ses_a-3", "ses_a-4"]
        assert [f"dropped eventID=ses_a-{number}" in caplog.text for number in range(3)] == [
            True,
            True,
            False,
        ]

    async def test_an_event_that_is_not_true_any_more_is_withdrawn_while_the_relay_is_away(
        self, outbox: Outbox, fake_relay: FakeRelay, pauses: list[float]
    ) -> None:
        await fake_relay.stop()
        outbox.put(event("ses_a", 0))
        await eventually(lambda: pauses)
        outbox.withdraw("ses_a", "ses_a-0")
        await emptied(outbox)  # and with it the waiting ends
        await fake_relay.start()
        outbox.put(event("ses_a", 1))
        await eventually(lambda: fake_relay.accepted)
        assert event_ids(fake_relay.accepted) == ["ses_a-1"]

    async def test_everything_is_done_whatever_became_of_it(
        self, make_outbox: MakeOutbox, fake_relay: FakeRelay
    ) -> None:
        done: list[str | None] = []
        outbox = make_outbox(bound=2, done=lambda event: done.append(event.event_id))
        fake_relay.answers = [(400, {"ok": False, "error": "no", "code": "invalid"})]
        for number in range(3):
            outbox.put(event("ses_a", number))
        await emptied(outbox)
        assert done == ["ses_a-0", "ses_a-1", "ses_a-2"]
        assert event_ids(fake_relay.accepted) == ["ses_a-2"]

    async def test_work_that_breaks_is_logged_and_the_next_event_goes_on(
        self, make_outbox: MakeOutbox, fake_relay: FakeRelay, caplog: pytest.LogCaptureFixture
    ) -> None:
        def broken(event: contract.Event) -> None:
            raise ValueError(event.event_id)

        outbox = make_outbox(done=broken)
        outbox.put(event("ses_a", 0))
        await eventually(lambda: "work failed sessionID=ses_a reason=ValueError" in caplog.text)
        outbox.put(event("ses_a", 1))
        await eventually(lambda: len(fake_relay.accepted) == 2)


class TestClose:
    async def test_it_does_not_wait_for_ever_and_names_what_is_left(
        self, outbox: Outbox, fake_relay: FakeRelay, caplog: pytest.LogCaptureFixture
    ) -> None:
        fake_relay.gate.clear()
        outbox.put(event("ses_a", 0))
        outbox.put(event("ses_a", 1))
        await eventually(lambda: fake_relay.posted)
        await outbox.close(0.02)
        assert "undelivered eventID=ses_a-0" in caplog.text
        assert "undelivered eventID=ses_a-1" in caplog.text
        assert len(outbox) == 0


OLD_REFUSAL = {"ok": False, "error": "Invalid request body"}


class TestOldRelay:
    """The first implementation knows neither start nor progress, and says no more than OLD_REFUSAL."""

    @pytest.fixture
    def now(self) -> list[float]:
        return [1000.0]

    @pytest.fixture
    def outbox(self, make_outbox: MakeOutbox, now: list[float]) -> Outbox:
        return make_outbox(monotonic=lambda: now[0])

    @pytest.mark.parametrize("kind", ["start", "progress"])
    async def test_it_is_detected_and_gets_every_alert_but_no_card_for_an_hour(
        self,
        outbox: Outbox,
        fake_relay: FakeRelay,
        caplog: pytest.LogCaptureFixture,
        kind: contract.EventType,
        now: list[float],
    ) -> None:
        fake_relay.answers = [(400, OLD_REFUSAL)]
        outbox.put(card("ses_a", 0, kind))
        await emptied(outbox)
        now[0] += SUPPRESS_SECONDS - 1
        for number in range(1, 4):
            outbox.put(card(f"ses_{number}", number, kind))
        outbox.put(event("ses_a", 1))
        await emptied(outbox)
        assert event_ids(fake_relay.posted) == ["ses_a-card-0", "ses_a-1"]
        assert event_ids(fake_relay.accepted) == ["ses_a-1"]
        (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
        assert record.getMessage() == (
            'old relay refuses="start and progress" remedy="update the relay; alerts are sent all the same"'
        )
        now[0] += 1
        outbox.put(card("ses_a", 5))
        await eventually(lambda: fake_relay.cards)

    async def test_two_refusals_at_once_are_one_warning(
        self, outbox: Outbox, fake_relay: FakeRelay, caplog: pytest.LogCaptureFixture
    ) -> None:
        fake_relay.gate.clear()
        fake_relay.answers = [(400, OLD_REFUSAL)] * 2
        for session in ("ses_a", "ses_b"):
            outbox.put(card(session, 0))
        await eventually(lambda: len(fake_relay.posted) == 2)
        fake_relay.gate.set()
        await emptied(outbox)
        assert caplog.text.count("old relay") == 1

    @pytest.mark.parametrize(
        ("first", "refusal"),
        [
            (card("ses_a", 0), (400, OLD_REFUSAL | {"code": "invalid_request"})),
            (card("ses_a", 0), (404, OLD_REFUSAL)),
            (event("ses_a", 0), (400, OLD_REFUSAL)),
        ],
        ids=["with a code", "404", "of an alert"],
    )
    async def test_another_refusal_does_not_make_it_old(
        self, outbox: Outbox, fake_relay: FakeRelay, first: contract.Event, refusal: tuple[int, Any]
    ) -> None:
        fake_relay.answers = [refusal]
        outbox.put(first)
        await emptied(outbox)
        outbox.put(card("ses_a", 1))
        await eventually(lambda: fake_relay.cards)
