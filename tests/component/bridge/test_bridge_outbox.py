"""The outbox and a real relay that fails in every way it can."""

import logging

import aiohttp
import pytest

from component.bridge.fake_relay import FakeRelay
from component.bridge.outgoing import MakeOutbox, event, event_ids
from component.bridge.running import SECRET
from relay.bridge.notify.outbox import Outbox
from waiting import eventually


async def test_events_of_one_session_keep_their_order(outbox: Outbox, fake_relay: FakeRelay) -> None:
    fake_relay.answers = [(503, {}), (200, {"ok": True}), (500, {}), (429, {})]
    for number in range(5):
        outbox.put(event("ses_a", number))
    assert len(outbox) == 5
    await eventually(lambda: len(outbox) == 0)
    assert event_ids(fake_relay.accepted) == [f"ses_a-{number}" for number in range(5)]


async def test_a_relay_that_is_down_gets_everything_once_it_is_up(
    outbox: Outbox, fake_relay: FakeRelay, pauses: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    await fake_relay.stop()
    for session in ("ses_a", "ses_b"):
        for number in range(3):
            outbox.put(event(session, number))
    await eventually(lambda: len(pauses) >= 20)
    await fake_relay.start()
    await eventually(lambda: len(outbox) == 0)
    everything = [f"ses_{name}-{number}" for name in "ab" for number in range(3)]
    assert sorted(event_ids(fake_relay.accepted)) == everything
    assert "retry eventID=ses_a-0" in caplog.text
    assert "ClientConnectorError" in caplog.text
    assert SECRET not in caplog.text


async def test_the_pauses_double_up_to_half_a_minute(
    outbox: Outbox, fake_relay: FakeRelay, pauses: list[float]
) -> None:
    fake_relay.answers = [(503, {})] * 9
    outbox.put(event("ses_a"))
    await eventually(lambda: fake_relay.accepted)
    assert pauses == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30]


async def test_repeated_failures_are_logged_less_and_less(
    outbox: Outbox, fake_relay: FakeRelay, caplog: pytest.LogCaptureFixture
) -> None:
    fake_relay.answers = [(503, {})] * 20
    outbox.put(event("ses_a"))
    await eventually(lambda: fake_relay.accepted)
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [record.getMessage().split("attempt=")[1].split()[0] for record in warnings] == [
        "1",
        "2",
        "4",
        "8",
        "16",
    ]


async def test_a_refusal_is_one_clear_line_and_no_second_try(
    outbox: Outbox, fake_relay: FakeRelay, caplog: pytest.LogCaptureFixture
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
    await eventually(lambda: len(outbox) == 0)
    assert event_ids(fake_relay.posted) == ["ses_a-0", "ses_a-1"]
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.getMessage() == (
        "refused eventID=ses_a-0 eventType=complete sessionID=ses_a "
        'reason="status 400: Invalid request body: bad *** here"'
    )


async def test_the_answer_is_logged_with_its_counts(
    outbox: Outbox, fake_relay: FakeRelay, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "relay.bridge")
    fake_relay.answers = [
        (200, {"ok": True, "sent": 2, "failed": 1, "queued": 3}),
        (200, {"ok": True, "sent": 1}),
    ]
    outbox.put(event("ses_a", 0))
    outbox.put(event("ses_a", 1))
    await eventually(lambda: len(outbox) == 0)
    assert (
        "delivered eventID=ses_a-0 eventType=complete sessionID=ses_a sent=2 failed=1 queued=3 attempts=1"
        in caplog.text
    )
    assert "delivered eventID=ses_a-1 eventType=complete sessionID=ses_a sent=1 attempts=1" in caplog.text


async def test_something_else_than_a_relay_is_not_taken_for_success(
    outbox: Outbox, fake_relay: FakeRelay, caplog: pytest.LogCaptureFixture
) -> None:
    fake_relay.answers = [(200, "<html>captive portal</html>")]
    outbox.put(event("ses_a"))
    await eventually(lambda: len(outbox) == 0)
    assert event_ids(fake_relay.posted) == ["ses_a-0", "ses_a-0"]
    assert "not a relay's answer" in caplog.text


async def test_one_slow_session_does_not_hold_up_the_others(outbox: Outbox, fake_relay: FakeRelay) -> None:
    fake_relay.refused_sessions["ses_slow"] = (503, {})
    outbox.put(event("ses_slow", 0))
    outbox.put(event("ses_slow", 1))
    for number in range(30):
        outbox.put(event(f"ses_{number}"))
    await eventually(lambda: len(fake_relay.accepted) == 30)
    assert "ses_slow-1" not in event_ids(fake_relay.posted)
    fake_relay.refused_sessions.clear()
    await eventually(lambda: len(outbox) == 0)
    assert event_ids(fake_relay.accepted)[-2:] == ["ses_slow-0", "ses_slow-1"]


async def test_a_try_has_a_deadline(
    make_outbox: MakeOutbox, fake_relay: FakeRelay, caplog: pytest.LogCaptureFixture
) -> None:
    fake_relay.gate.clear()
    outbox = make_outbox(deadline=0.05)
    outbox.put(event("ses_a"))
    await eventually(lambda: len(fake_relay.posted) >= 2)
    fake_relay.gate.set()
    await eventually(lambda: len(outbox) == 0)
    assert 'reason="no answer within 0.05 s"' in caplog.text
    assert set(event_ids(fake_relay.posted)) == {"ses_a-0"}  # the same eventID with every try


async def test_beyond_the_bound_the_oldest_goes_and_the_log_says_so(
    make_outbox: MakeOutbox, fake_relay: FakeRelay, caplog: pytest.LogCaptureFixture
) -> None:
    await fake_relay.stop()
    outbox = make_outbox(bound=3)
    for number in range(5):
        outbox.put(event("ses_a", number))
    assert len(outbox) == 3
    await fake_relay.start()
    await eventually(lambda: len(outbox) == 0)
    assert event_ids(fake_relay.accepted) == ["ses_a-2", "ses_a-3", "ses_a-4"]
    for number in range(2):
        assert f"dropped eventID=ses_a-{number}" in caplog.text


async def test_closing_drains(
    outbox: Outbox, fake_relay: FakeRelay, caplog: pytest.LogCaptureFixture
) -> None:
    fake_relay.answers = [(503, {})]
    for number in range(3):
        outbox.put(event("ses_a", number))
    await outbox.close(5)
    assert len(fake_relay.accepted) == 3
    assert "undelivered" not in caplog.text


async def test_closing_does_not_wait_for_ever_and_names_what_is_left(
    outbox: Outbox, fake_relay: FakeRelay, caplog: pytest.LogCaptureFixture
) -> None:
    fake_relay.gate.clear()
    outbox.put(event("ses_a", 0))
    outbox.put(event("ses_a", 1))
    await eventually(lambda: fake_relay.posted)
    await outbox.close(0.02)
    assert "undelivered eventID=ses_a-0" in caplog.text
    assert "undelivered eventID=ses_a-1" in caplog.text
    assert len(outbox) == 0


async def test_at_most_eight_tries_at_once(
    outbox: Outbox, fake_relay: FakeRelay, http: aiohttp.ClientSession
) -> None:
    fake_relay.gate.clear()
    for number in range(20):
        outbox.put(event(f"ses_{number}"))
    await eventually(lambda: len(fake_relay.posted) == 8)
    async with http.get(fake_relay.url):  # one more request comes through: nothing else was under way
        assert len(fake_relay.posted) == 8
    fake_relay.gate.set()
    await eventually(lambda: len(outbox) == 0)
    assert len(fake_relay.accepted) == 20
