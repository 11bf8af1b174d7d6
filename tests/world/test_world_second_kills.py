"""An OpenCode 2 is stopped, killed, updated, replaced and cut off at random moments: nothing that holds is lost, nothing rings twice.

KILL_ROUNDS says how many rounds are played (default 4), KILL_SEED which, KILL_FIRST from which on, KILL_ROUND that this one is
played alone; KILL_DATABASE=mariadb puts the relay on MariaDB, KILL_FLAVOUR=2.0 is an older OpenCode.
"""

import os
from collections import Counter

import pytest

from mariadb import MariaDB
from simulator.replay.world import WorldOptions
from world.second_kills import PARTS, KillWorld, Round, draw, play, wrong_alerts

FIRST = int(os.environ.get("KILL_FIRST", "0"))
ROUNDS = int(os.environ.get("KILL_ROUNDS", "4"))
SEED = int(os.environ.get("KILL_SEED", "20261130"))
ONLY = os.environ.get("KILL_ROUND")
ON_MARIADB = os.environ.get("KILL_DATABASE") == "mariadb"
SHOWN_LINES = 150


def rounds() -> list[Round]:
    return [draw(SEED, number) for number in ([int(ONLY)] if ONLY else range(FIRST, FIRST + ROUNDS))]


def story(world: KillWorld) -> str:
    """What happened in the newest round."""
    lines = []
    for entry in world.journal.entries()[-SHOWN_LINES:]:
        fields = " ".join(f"{name}={value!r}" for name, value in entry.detail.items())
        lines.append(f"  {entry.at % 1000:.3f} {entry.where} {entry.what} {fields}"[:400])
    return "\n".join(lines)


@pytest.mark.replay
async def test_whatever_becomes_of_a_part_nothing_that_holds_is_lost_and_nothing_rings_twice(
    request: pytest.FixtureRequest,
) -> None:
    """A round that fails is named with all that is needed to play it alone; the others are played all the same."""
    database: MariaDB | None = request.getfixturevalue("mariadb") if ON_MARIADB else None
    options = WorldOptions(
        live_activities=True, phone_profile="lenient", database_url=database and database.new_database()
    )
    failed: list[str] = []
    async with KillWorld(options) as world:
        for one in rounds():
            try:
                await play(world, one)
            except AssertionError as error:
                failed.append(f"{one}\n  {error}\n{story(world)}")
                world.known_wrong.update(wrong_alerts(world))
        await world.still(2.0)
        later = wrong_alerts(world)
        rang = Counter(str(one["eventType"]) for one in world.phones[0].showings)
    assert not failed, f"{len(failed)} of {len(rounds())} rounds failed\n" + "\n".join(failed)
    assert later == []
    assert ONLY or rang.total() >= len(rounds()) // 2, f"hardly anything rang: {rang}"
    assert world.in_doubt.total() <= 1 + len(rounds()) // 50, (
        "the relay takes too long to write down what APNs has answered"
    )


def test_every_round_can_be_drawn_again_and_every_part_has_its_turn() -> None:
    drawn = [draw(1, number) for number in range(2 * len(PARTS))]
    assert drawn == [draw(1, number) for number in range(2 * len(PARTS))]
    assert drawn != [draw(2, number) for number in range(2 * len(PARTS))]
    assert Counter(one.part for one in drawn) == dict.fromkeys(PARTS, 2)
