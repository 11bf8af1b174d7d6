"""Ends: once, late news, a new run, eight hours."""

import asyncio
from collections.abc import Callable

import pytest

from activity_relay import HASH, NEW_TOKEN, SESSION, Relay, aps
from relay.server.live_activities import sender as activity_sender
from relay.server.store import activities

Make = Callable[..., Relay]


@pytest.mark.parametrize("event_type", ["complete", "error"])
async def test_the_end_carries_the_final_state_once(relay: Relay, event_type: str) -> None:
    await relay.activate()
    for _ in range(3):
        await relay.receive(event_type, body="over")
        await relay.run(15)
    (end,) = relay.sent
    assert relay.pushed == [("end", event_type, "over")]
    assert 0 < aps(end)["dismissal-date"] - aps(end)["timestamp"] <= 4 * 3600
    assert end.priority == 10
    assert (await relay.row()).activity_token is None


async def test_late_progress_does_not_bring_it_back_and_a_new_run_does(relay: Relay) -> None:
    await relay.activate()
    await relay.receive("complete")
    await relay.run(2)
    await relay.receive("progress", body="late")
    await relay.run(5)
    assert [event for event, _, _ in relay.pushed] == ["end"]
    await relay.receive("start", title="again")
    await relay.push()
    await relay.register(NEW_TOKEN)
    await relay.run(2)
    assert [event for event, _, _ in relay.pushed] == ["end", "start", "update"]


async def test_what_a_card_showed_is_forgotten_soon_and_its_session_goes_on_as_before(relay: Relay) -> None:
    await relay.activate()
    await relay.sender.sweep()
    assert (await relay.row()).state, "it runs"
    await relay.receive("complete", body="secret")
    await relay.run(2)
    for minutes, is_kept in ((9, True), (2, False)):
        await relay.clock.advance(minutes * 60)
        await relay.sender.sweep()
        row = await relay.row()
        assert (row.stage, row.state is not None) == ("ended", is_kept)
    await relay.receive("progress", body="a new run, for nobody is that late")
    await relay.push()
    await relay.register(NEW_TOKEN)
    await relay.receive("complete", body="done")
    await relay.run(20)
    assert [event for event, _, _ in relay.pushed] == ["end", "start", "end"]
    assert relay.pushed[1][2] == "a new run, for nobody is that late"


async def test_near_eight_hours_it_times_out_and_the_session_gets_another(make: Make, relay: Relay) -> None:
    await relay.activate()
    other = make("host:2")
    await relay.clock.advance(8 * 3600 - 360)
    await asyncio.gather(relay.sender.sweep(), other.sender.sweep())
    await relay.push()
    assert not relay.sent
    await relay.clock.advance(60)
    await asyncio.gather(relay.sender.sweep(), other.sender.sweep())
    await asyncio.gather(relay.push(), other.push())
    assert relay.pushed == [("end", "working", "Timed out")]
    await relay.clock.advance(20)
    await relay.receive("progress", body="still at it")
    await relay.push()
    assert relay.pushed[1:] == [("start", "working", "still at it")]


async def test_any_number_times_out_in_one_sweep(
    make: Make, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity_sender, "ROWS", 3)
    other = make("host:2")
    sessions = [f"ses_{number}" for number in range(10)]
    for number, session in enumerate(sessions):
        await relay.register(f"{number:02}" * 80, session=session)
    await relay.clock.advance(8 * 3600 - 300 + 1)
    await asyncio.gather(relay.sender.sweep(), other.sender.sweep())
    assert all([(await relay.row(session)).ends for session in sessions])


async def test_what_is_long_over_is_forgotten(relay: Relay) -> None:
    await relay.receive("start")
    await relay.clock.advance(25 * 3600)
    await relay.sender.sweep()
    assert await activities.of_session(relay.db, HASH, SESSION) == []
