"""What the outbox does with what only moves a card, and with a relay too old to have cards."""

import logging
from typing import Any

import pytest

from component.bridge.fake_relay import FakeRelay
from component.bridge.outgoing import MakeOutbox, card, event, event_ids
from relay import contract
from relay.bridge.notify.outbox import SUPPRESS_SECONDS, Outbox
from waiting import eventually


class TestCards:
    async def test_only_the_newest_progress_reaches_a_relay_that_was_away(
        self, outbox: Outbox, fake_relay: FakeRelay, pauses: list[float]
    ) -> None:
        await fake_relay.stop()
        outbox.put(event("ses_a", 0))
        for number in range(50):
            outbox.put(card("ses_a", number))
        await eventually(lambda: len(pauses) >= 3)
        assert len(outbox) == 2
        await fake_relay.start()
        await eventually(lambda: len(outbox) == 0)
        assert event_ids(fake_relay.accepted) == ["ses_a-0"]
        assert event_ids(fake_relay.cards) == ["ses_a-card-49"]

    async def test_an_event_that_is_not_true_any_more_is_withdrawn_while_the_relay_is_away(
        self, outbox: Outbox, fake_relay: FakeRelay, pauses: list[float]
    ) -> None:
        await fake_relay.stop()
        for number in range(3):
            outbox.put(event("ses_a", number))
        await eventually(lambda: pauses)
        for number in range(2):
            outbox.withdraw("ses_a", f"ses_a-{number}")
        await eventually(lambda: len(outbox) == 1)
        await fake_relay.start()
        await eventually(lambda: len(outbox) == 0)
        assert event_ids(fake_relay.accepted) == ["ses_a-2"]

    async def test_withdrawing_the_only_event_ends_the_waiting(
        self, outbox: Outbox, fake_relay: FakeRelay, pauses: list[float]
    ) -> None:
        await fake_relay.stop()
        outbox.put(event("ses_a", 0))
        await eventually(lambda: pauses)
        outbox.withdraw("ses_a", "ses_a-0")
        await eventually(lambda: len(outbox) == 0)
        await fake_relay.start()
        outbox.put(event("ses_a", 1))
        await eventually(lambda: fake_relay.accepted)
        assert event_ids(fake_relay.accepted) == ["ses_a-1"]

    async def test_everything_is_done_whatever_its_result(
        self, make_outbox: MakeOutbox, fake_relay: FakeRelay
    ) -> None:
        done: list[str | None] = []
        outbox = make_outbox(bound=2, done=lambda event: done.append(event.event_id))
        fake_relay.answers = [(400, {"ok": False, "error": "no", "code": "invalid"})]
        for number in range(3):
            outbox.put(event("ses_a", number))
        await eventually(lambda: len(outbox) == 0)
        assert done == ["ses_a-0", "ses_a-1", "ses_a-2"]
        assert event_ids(fake_relay.accepted) == ["ses_a-2"]

    async def test_work_that_breaks_is_logged_and_the_next_event_goes_on(
        self,
        make_outbox: MakeOutbox,
        fake_relay: FakeRelay,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        def broken(event: contract.Event) -> None:
            raise ValueError(event.event_id)

        outbox = make_outbox(done=broken)
        outbox.put(event("ses_a", 0))
        await eventually(lambda: "work failed sessionID=ses_a reason=ValueError" in caplog.text)
        outbox.put(event("ses_a", 1))
        await eventually(lambda: len(fake_relay.accepted) == 2)


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
    async def test_it_is_detected_and_gets_every_alert_but_no_cards(
        self,
        outbox: Outbox,
        fake_relay: FakeRelay,
        caplog: pytest.LogCaptureFixture,
        kind: contract.EventType,
    ) -> None:
        fake_relay.answers = [(400, OLD_REFUSAL)]
        outbox.put(card("ses_a", 0, kind))
        await eventually(lambda: len(outbox) == 0)
        for number in range(1, 4):
            outbox.put(card(f"ses_{number}", number, kind))
        outbox.put(event("ses_a", 1))
        await eventually(lambda: len(outbox) == 0)
        assert event_ids(fake_relay.posted) == ["ses_a-card-0", "ses_a-1"]
        assert event_ids(fake_relay.accepted) == ["ses_a-1"]
        (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
        assert record.getMessage() == (
            'old relay refuses="start and progress" remedy="update the relay; alerts are sent all the same"'
        )

    async def test_two_refusals_at_once_are_one_warning(
        self, outbox: Outbox, fake_relay: FakeRelay, caplog: pytest.LogCaptureFixture
    ) -> None:
        fake_relay.gate.clear()
        fake_relay.answers = [(400, OLD_REFUSAL)] * 2
        for session in ("ses_a", "ses_b"):
            outbox.put(card(session, 0))
        await eventually(lambda: len(fake_relay.posted) == 2)
        fake_relay.gate.set()
        await eventually(lambda: len(outbox) == 0)
        assert caplog.text.count("old relay") == 1

    async def test_it_is_tried_again_after_an_hour(
        self, outbox: Outbox, fake_relay: FakeRelay, now: list[float]
    ) -> None:
        fake_relay.answers = [(400, OLD_REFUSAL)]
        outbox.put(card("ses_a", 0))
        await eventually(lambda: len(outbox) == 0)
        now[0] += SUPPRESS_SECONDS
        outbox.put(card("ses_a", 1))
        await eventually(lambda: fake_relay.cards)
        assert event_ids(fake_relay.cards) == ["ses_a-card-1"]

    async def test_a_refused_alert_says_nothing_about_cards(
        self, outbox: Outbox, fake_relay: FakeRelay
    ) -> None:
        fake_relay.answers = [(400, OLD_REFUSAL)]
        outbox.put(event("ses_a", 0))
        await eventually(lambda: len(outbox) == 0)
        outbox.put(card("ses_a", 1))
        await eventually(lambda: fake_relay.cards)

    @pytest.mark.parametrize(
        "refusal", [(400, OLD_REFUSAL | {"code": "invalid_request"}), (404, OLD_REFUSAL)]
    )
    async def test_another_refusal_does_not_make_it_old(
        self, outbox: Outbox, fake_relay: FakeRelay, refusal: tuple[int, Any]
    ) -> None:
        fake_relay.answers = [refusal]
        outbox.put(card("ses_a", 0))
        await eventually(lambda: len(outbox) == 0)
        outbox.put(card("ses_a", 1))
        await eventually(lambda: fake_relay.cards)
