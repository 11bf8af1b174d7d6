"""Many requests at once for one session with many cards: each is answered, the newest state is what every card shows.

Requests for one session wait for each other within a relay; relays beside each other compare and set.
"""

import asyncio
from collections.abc import Callable

import pytest

from activity_relay import HASH, SECRET, SESSION, Relay
from relay.contract import Event
from relay.server.store import activities

Make = Callable[..., Relay]


async def with_cards(relay: Relay, cards: int) -> None:
    for number in range(cards):
        await relay.register(f"{number:04x}" * 16, device_token=f"{number:04x}" * 8)


@pytest.mark.parametrize("cards", [2, 20, 100])
@pytest.mark.parametrize("requests", [2, 16])
@pytest.mark.parametrize("relays", [1, 2])
async def test_none_is_turned_away(make: Make, cards: int, requests: int, relays: int) -> None:
    relay = make()
    await with_cards(relay, cards)
    both = [relay, make("host:2")][:relays]
    for one in both:
        await one.sender.engine.start()
    counts = await asyncio.gather(
        *(
            both[number % relays].receive("progress", f"evt_{number}", body=str(number))
            for number in range(requests)
        )
    )
    assert all(count == cards for count in counts)
    assert (
        len({one.event_id for one in await activities.of_session(relay.db, HASH, SESSION)}) == 1 or relays > 1
    )


async def test_events_of_one_session_are_written_in_the_order_in_which_they_came(make: Make) -> None:
    relay = make()
    await with_cards(relay, 30)
    known = await activities.of_session(relay.db, HASH, SESSION)
    events = [
        Event(secret=SECRET, event_type="progress", session_id=SESSION, body=str(number))
        for number in range(12)
    ]
    await asyncio.gather(
        *(
            relay.sender.receive(
                event, event_id=f"evt_{number}", secret_hash=HASH, recipients=[], known=known
            )
            for number, event in enumerate(events)
        )
    )
    shown = [
        one.state and one.state.last_message for one in await activities.of_session(relay.db, HASH, SESSION)
    ]
    assert shown == ["11"] * 30


@pytest.mark.parametrize("relays", [1, 2])
async def test_registrations_amid_the_events_get_their_place(make: Make, relays: int) -> None:
    relay = make()
    await with_cards(relay, 20)
    both = [relay, make("host:2")][:relays]
    for one in both:
        await one.sender.engine.start()
    await asyncio.gather(
        *(both[number % relays].receive("progress", body=str(number)) for number in range(8)),
        *(both[number % relays].register("ab" * 40 + f"{number:04x}", device_token=f"{number:04x}" * 8) for number in range(20)),
    )  # fmt: skip
    rows = await activities.of_session(relay.db, HASH, SESSION)
    tokens = {one.device_token: one.activity_token for one in rows}
    assert tokens == {f"{number:04x}" * 8: "ab" * 40 + f"{number:04x}" for number in range(20)}
