"""More sessions than a phone shows (developer forum 799505: five cards of an app, about ten starts by push an hour)."""

import asyncio
import json

from activity_relay import Relay, aps


def started(relay: Relay) -> list[str]:
    return [aps(push)["attributes"]["sessionId"] for push in relay.sent if aps(push)["event"] == "start"]


async def begin(relay: Relay, session: str) -> None:
    await relay.receive("start", session=session)
    await relay.run(2)
    if session in started(relay):
        await relay.register(f"{len(relay.sent):02x}" * 80, session=session)


async def test_the_sixth_session_waits_for_a_card_to_end_and_a_question_goes_first(relay: Relay) -> None:
    for number in range(8):
        await begin(relay, f"ses_{number}")
    assert started(relay) == [f"ses_{number}" for number in range(5)]
    await relay.receive("permission", session="ses_7", body="rm")
    await relay.run(30)
    assert len(started(relay)) == 5
    await relay.receive("complete", session="ses_1")
    await relay.run(10)
    assert started(relay)[5:] == ["ses_7"]
    assert json.loads(relay.sent[-1].payload)["aps"]["content-state"]["status"] == "permission"
    await relay.receive("complete", session="ses_2")
    await relay.run(10)
    assert started(relay)[6:] == ["ses_5"]  # of equals the one that waits longest


async def test_what_ends_while_it_waits_shows_nothing(relay: Relay) -> None:
    for number in range(6):
        await begin(relay, f"ses_{number}")
    await relay.receive("complete", session="ses_5")
    await relay.receive("complete", session="ses_0")
    await relay.run(20)
    assert len(started(relay)) == 5


async def test_eight_sessions_at_once_start_five_cards(relay: Relay) -> None:
    await asyncio.gather(*(relay.receive("start", session=f"ses_{number}") for number in range(8)))
    await relay.run(20)
    assert len(started(relay)) == 5


async def test_the_eleventh_start_within_an_hour_waits_for_its_end(relay: Relay) -> None:
    for number in range(12):
        await begin(relay, f"ses_{number}")
        await relay.receive("complete", session=f"ses_{number}") if number < 10 else None
        await relay.run(2)
    assert len(started(relay)) == 10
    await relay.clock.advance(3600)
    await relay.run(10)
    assert started(relay)[10:] == ["ses_10", "ses_11"]
