"""What the outbox of Live Activities promises beside the cards: its lease, its limit, and what the log of pushes says of them."""

import pytest

from activity_relay import HASH, OTHER_PHONE, OTHER_START_TOKEN, PHONE, Relay
from activity_values import OUTCOMES
from outcomes import answered
from relay.server.engine import WRITE_MS
from relay.server.live_activities.settlement import Disposition
from relay.server.store import devices


async def test_a_lease_outlives_a_push_that_asks_both_environments_until_the_deadline(relay: Relay) -> None:
    """The deadline of one push is 10 s here; then its result is written down."""
    await relay.activate()
    relay.gateway.gate.clear()
    await relay.receive("progress", body="a")
    now_ms = int(relay.clock.now() * 1000)
    await relay.sender.engine.poll()
    while not relay.sent:
        await relay.clock.sleep(0)
    assert (await relay.row()).lease_until == now_ms + 2 * 10_000 + WRITE_MS
    relay.gateway.gate.set()


@pytest.mark.parametrize("limit", [1, 3])
async def test_no_more_are_claimed_than_asked_for(relay: Relay, limit: int) -> None:
    for number in range(5):
        await relay.receive("start", session=f"ses_{number}")
    await relay.sender.claim(limit, {})
    await relay.sender.engine.idle()
    assert len(relay.sent) == limit


@pytest.mark.parametrize("disposition", OUTCOMES)
async def test_the_log_says_of_each_push_its_event_and_how_it_ended(
    relay: Relay, disposition: Disposition
) -> None:
    await relay.activate()
    relay.gateway.answers = [OUTCOMES[disposition]]
    await relay.receive("progress", "evt_of_the_push", body="a")
    await relay.push()
    _, rows = await relay.db.execute(
        "SELECT event_id, status, due_at, payload FROM delivery_log WHERE event_id = 'evt_of_the_push'"
    )
    status = "sent" if disposition == "sent" else "failed"
    assert [tuple(row) if not hasattr(row, "values") else tuple(row.values()) for row in rows] == [
        ("evt_of_the_push", status, 0, None)
    ]


@pytest.mark.parametrize("odd", [0, 1])
async def test_a_dead_start_token_without_a_time_goes_whenever_its_phone_registered(
    relay: Relay, odd: int
) -> None:
    """A 410 whose body is lost says no time: dead is the token that the start was planned with."""
    await relay.clock.advance(2 - relay.clock.now() % 2 + odd / 1000)
    await relay.add_phone(OTHER_PHONE, OTHER_START_TOKEN)
    await devices.unregister(relay.db, secret_hash=HASH, device_token=PHONE)
    relay.gateway.answers = [answered(410, "Unregistered")]
    await relay.receive("start")
    await relay.push()
    phone = await devices.find(relay.db, secret_hash=HASH, device_token=OTHER_PHONE)
    assert phone is not None
    assert phone.registered_at % 2 == odd
    assert phone.push_to_start_token is None
