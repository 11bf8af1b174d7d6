"""What the outbox of Live Activities promises beside the cards: its lease, its limit, and what the log of pushes says of them."""

from collections.abc import Callable
from typing import cast

import pytest

from activity_relay import BUNDLE, HASH, OTHER_PHONE, OTHER_START_TOKEN, PHONE, Relay
from activity_values import OUTCOMES, state
from outcomes import answered
from relay.server.engine import WRITE_MS
from relay.server.live_activities.activity import Activity, activity_id
from relay.server.live_activities.settlement import Disposition
from relay.server.store import activities, devices
from relay.server.store.shards import Presence, Shards, shard_of
from waiting import eventually


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
    await relay.sender.claim(limit, relay.sender.engine.held)
    await relay.sender.engine.idle()
    assert len(relay.sent) == limit


def due_card(relay: Relay, secret_hash: str, number: int) -> Activity:
    now_ms = int(relay.clock.now() * 1000)
    return Activity(
        id=activity_id(secret_hash, f"ses_{number}", PHONE), secret_hash=secret_hash, session_id=f"ses_{number}",
        device_token=PHONE, bundle_id=BUNDLE, apns_env="production", activity_format="flat", stage="active",
        event_type="progress", began_at=now_ms, updated_at=now_ms, due_at=now_ms - 1000 + number,
        activity_token=f"{number:02x}" * 40, state=state(),
    )  # fmt: skip


async def test_behind_cards_of_a_secret_with_very_many_another_secrets_card_goes_at_once(
    relay: Relay,
) -> None:
    """They waited longer, are more than are read at a time, and more than find a place in memory."""
    flood = [due_card(relay, "e" * 64, number) for number in range(450)]
    other = due_card(relay, "f" * 64, 450)
    await activities.insert(relay.db, [*flood, other])
    relay.gateway.gate.clear()
    await relay.sender.engine.poll()
    await eventually(lambda: len(relay.sent) == 201)
    assert other.activity_token in [push.device_token for push in relay.sent]
    relay.gateway.gate.set()
    await relay.sender.engine.idle()
    for _ in range(2):
        await relay.push()
    assert len(relay.sent) == 451


async def test_of_relays_that_divide_the_shards_the_one_that_has_the_news_pushes_it(
    make: Callable[..., Relay],
) -> None:
    """Whose shard the card is in does not matter then; what is due later is left to that one, until it is overdue."""
    here = make()
    await here.add_phone()
    await here.activate()
    own = shard_of(HASH)
    here.sender._presence = cast(Presence, Elsewhere(Shards(own + 1, own + 2)))
    await here.receive("permission")
    await here.sender.engine.idle()
    assert [push for _, push, _ in here.pushed] == ["permission"]
    await here.receive("permission", body="again")
    await here.run(12)
    assert len(here.sent) == 1
    await here.run(3)
    assert len(here.sent) == 2


class Elsewhere:
    """Of the shards others serve the rest."""

    def __init__(self, shards: Shards) -> None:
        self.shards = shards

    async def refresh(self) -> Shards:
        return self.shards


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
