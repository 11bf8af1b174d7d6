"""A relay that is killed, a gateway that breaks, a database that goes away."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from activity_relay import NEW_TOKEN, OTHER_PHONE, OTHER_START_TOKEN, PHONE, START_TOKEN, Relay
from relay.server.delivery import Recipient
from relay.server.live_activities.activity import Activity
from relay.server.store import activities, devices
from relay.server.store.sql import Database, Unavailable
from waiting import eventually

Make = Callable[..., Relay]


async def test_an_update_in_its_hands_is_sent_again_a_start_is_not(make: Make, relay: Relay) -> None:
    await relay.activate()
    await relay.add_phone(OTHER_PHONE, OTHER_START_TOKEN)
    relay.gateway.gate.clear()
    await relay.receive("progress", body="a")
    await relay.sender.engine.poll()
    await eventually(lambda: len(relay.sent) == 2)
    await relay.sender.engine.stop(0)
    relay.gateway.gate.set()
    again = make("host:1")
    await again.sender.engine.start()
    await again.run(60)
    assert sorted(event for event, _, _ in relay.pushed) == ["start", "update", "update"]


async def test_another_relay_takes_over_when_the_lease_ends(make: Make, relay: Relay) -> None:
    await relay.activate()
    relay.gateway.gate.clear()
    await relay.receive("progress", body="a")
    await relay.sender.engine.poll()
    await eventually(lambda: relay.sent)
    await relay.sender.engine.stop(0)
    relay.gateway.gate.set()
    other = make("host:2")
    await other.run(20)
    assert len(relay.sent) == 1
    await other.run(5)
    assert relay.pushed == [("update", "working", "a")] * 2


async def test_a_slow_claim_keeps_no_other_waiting(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    await relay.add_phone()
    await relay.add_phone(OTHER_PHONE, OTHER_START_TOKEN)
    find, gate = devices.find, asyncio.Event()

    async def slow(db: Database, *, secret_hash: str, device_token: str) -> Recipient | None:
        if device_token == PHONE:
            await gate.wait()
        return await find(db, secret_hash=secret_hash, device_token=device_token)

    monkeypatch.setattr(devices, "find", slow)
    await relay.receive("start")
    await asyncio.wait_for(relay.sender.engine.poll(), 10)
    await eventually(lambda: [push.device_token for push in relay.sent] == [OTHER_START_TOKEN])
    gate.set()
    await relay.sender.engine.idle()
    assert [push.device_token for push in relay.sent] == [OTHER_START_TOKEN, START_TOKEN]


async def test_a_result_is_written_down_when_the_database_is_back(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    await relay.activate()
    monkeypatch.setattr("relay.server.engine.DATABASE_PAUSE", 0.001)
    find, failures = activities.find, iter([Unavailable("gone"), Unavailable("gone")])

    async def flaky(db: Database, activity_id: str) -> Activity | None:
        if failure := next(failures, None):
            raise failure
        return await find(db, activity_id)

    monkeypatch.setattr(activities, "find", flaky)
    await relay.receive("progress")
    await relay.push()
    row = await relay.row()
    assert (row.due_at, row.lease_until) == (None, 0)


async def test_without_a_database_the_poll_goes_on(relay: Relay, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture
) -> None:  # fmt: skip
    due, failures = activities.due, iter([Unavailable("gone"), ZeroDivisionError("defect")])

    async def flaky(db: Database, **bounds: int) -> list[Activity]:
        if failure := next(failures, None):
            raise failure
        return await due(db, **bounds)

    monkeypatch.setattr(activities, "due", flaky)
    await relay.sender.engine.start()
    await relay.receive("start")
    for _ in range(500):
        await relay.clock.advance(1)
        await asyncio.sleep(0.002)
        if relay.sent:
            break
    assert len(relay.sent) == 1
    assert "database unavailable" in caplog.text
    assert "activities broken" in caplog.text


async def test_decisions_are_made_again_when_another_wrote_first(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    await relay.activate()
    change, lost = activities.change, iter([True, True])

    async def contended(db: Database, activity: Activity) -> Activity | None:
        stale = replace(activity, revision=activity.revision - 1) if next(lost, False) else activity
        return await change(db, stale)

    monkeypatch.setattr(activities, "change", contended)
    assert await relay.receive("progress", body="a") == 1
    await relay.register(NEW_TOKEN)
    await relay.run(1)
    assert [push.device_token for push in relay.sent] == [NEW_TOKEN]


async def test_it_gives_up_when_nothing_gets_through(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(db: Database, activity: Activity) -> None:
        return None

    await relay.register()
    monkeypatch.setattr(activities, "CONTENTION_SECONDS", 0.05)
    monkeypatch.setattr(activities, "change", never)
    with pytest.raises(Unavailable):
        await relay.receive("progress")
    with pytest.raises(Unavailable):
        await relay.register(NEW_TOKEN)
    with pytest.raises(Unavailable):
        await relay.unregister()


@pytest.mark.parametrize(("name", "pushes"), [("change", 3), ("find", 4)])
async def test_a_fault_of_one_activity_leaves_the_others_their_turn(
    relay: Relay, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str, pushes: int
) -> None:
    """Its claim breaks (`change`), or the record of its result (`find`)."""
    sessions = ["ses_1", "ses_2", "ses_3"]
    for number, session in enumerate(sessions):
        await relay.register(f"{number:02}" * 80, session)
        await relay.receive("progress", session=session, body=session)
    broken = await relay.row("ses_2")
    really = getattr(activities, name)

    async def faulty(db: Database, activity: Activity | str) -> Activity | None:
        if broken.id in (activity, getattr(activity, "id", None)):
            raise ZeroDivisionError("a defect")
        return await really(db, activity)  # type: ignore[no-any-return]

    with monkeypatch.context() as patch:
        patch.setattr(activities, name, faulty)
        await relay.push()
    assert f"activity broken activityID={broken.id}" in caplog.text
    assert [(await relay.row(one)).due_at for one in ("ses_1", "ses_3")] == [None, None]
    await relay.run(60)
    assert [(await relay.row(one)).due_at for one in sessions] == [None] * 3
    assert sorted(message for _, _, message in relay.pushed) == sorted(sessions + ["ses_2"] * (pushes - 3))
