"""Fairness: who waits for whom in a line of turns, what one secret leaves to others, and which shards a relay serves."""

import asyncio
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.server.store.shards import ALL, SHARDS, part_of, shard_of
from relay.server.store.sql import _Gate
from relay.server.turns import Places, Turns, by_turns

OWNERS = st.sampled_from("abcde")
STEPS = st.lists(st.one_of(OWNERS, st.none()), max_size=80)
"""An owner: one more of it waits. None: one is served."""


@given(STEPS)
def test_nobody_waits_for_more_than_one_of_each_other_for_each_of_his_own(steps: list[str | None]) -> None:
    turns: Turns[str, int] = Turns()
    waiting: list[tuple[str, int, int]] = []
    """Owner, number, and how many of the owner were before it."""
    since: dict[int, Counter[str]] = {}
    """Whom each saw served while it waited."""
    for number, owner in enumerate([*steps, *[None] * len(steps)]):
        if owner is not None:
            ahead = sum(of == owner for of, _, _ in waiting)
            turns.append(owner, number)
            waiting.append((owner, number, ahead))
            since[number] = Counter()
        elif turns:
            found = turns.popleft()
            (served,) = (one for one in waiting if one[1] == found)
            waiting.remove(served)
            owner_of, _, ahead = served
            others = since.pop(found)
            assert all(count <= ahead + 1 for other, count in others.items() if other != owner_of)
            assert others[owner_of] == ahead  # of one owner the first comes first
            for seen in since.values():
                seen[owner_of] += 1
    assert not waiting
    assert not turns
    with pytest.raises(IndexError):
        turns.popleft()


@given(st.lists(OWNERS, max_size=60), st.dictionaries(OWNERS, st.integers(0, 9)), st.integers(0, 40))
def test_what_is_taken_by_turns_fits_and_favours_nobody(
    found: list[str], places: dict[str, int], most: int
) -> None:
    taken = by_turns(
        enumerate(found), owner=lambda one: one[1], places=lambda of: places.get(of, 3), most=most
    )
    counts, there = Counter(of for _, of in taken), Counter(found)
    may = {of: min(count, places.get(of, 3)) for of, count in there.items()}
    assert len(taken) == min(most, sum(may.values()))
    assert all(counts[of] <= may[of] for of in counts)
    # Whoever got less than it might have had got no less than any other, but for the last round.
    least = min((counts[of] for of in may if counts[of] < may[of]), default=None)
    assert least is None or all(count <= least + 1 for count in counts.values())


@pytest.mark.parametrize(("reserved", "floods"), [(0.2, "abcde"), (0.5, "abcdefghijkl")])
def test_floods_that_break_in_one_after_the_other_leave_a_place_to_one_that_comes_anew(
    reserved: float, floods: str
) -> None:
    places = Places(10_000, reserved)
    for flood in floods:
        for number in range(places.left(flood)):
            places.take(f"{flood}{number}", flood)
        assert places.left("new") >= 1


@pytest.mark.parametrize("floods", [1, 2, 7, 40])
def test_floods_that_go_on_come_to_equal_shares_and_leave_room(floods: int) -> None:
    """Whatever becomes free is asked for by all of them at once."""
    random = Random(floods)
    places, held = Places(500, 0.2), Counter[str]()
    names = [f"{number}" for number in range(floods)]
    for step in range(2000):
        for name in random.sample(names, floods) if step % 5 == 0 else ():
            for _ in range(places.left(name)):
                held[name] += 1
                places.take(f"{name} {held[name]}", name)
        name = random.choices([*held], [*held.values()])[0]
        places.free(f"{name} {held[name]}")
        held[name] -= 1
    assert places.left("new") >= 1
    assert max(held.values()) <= 2 * 4 * 500 / (1 + 4 * floods) + 1


def test_a_secret_alone_takes_all_but_what_is_reserved_and_frees_it_again() -> None:
    places = Places(100, 0.2)
    assert places.left("a") == 80
    assert places.left("a", taken=10, taken_by_it=10) == 70
    assert places.left("b", taken=80) == 16
    for number in range(80):
        places.take(f"{number}", "a")
    places.take("7", "a")  # is there already
    assert (places.left("a"), places.left("b"), places.room, len(places)) == (0, 16, 20, 80)
    assert "7" in places
    for number in range(80):
        places.free(f"{number}")
    assert (places.left("a"), places.room, len(places), "7" in places) == (80, 100, 0, False)
    assert Places(3).left("a") == 3


# Statements.


async def served(gate: _Gate, *lanes: str) -> list[str]:
    """In which order statements get through that come while one is under way, each one ending before the next begins."""
    order: list[str] = []

    async def statement(lane: str) -> None:
        await gate.enter(lane)
        order.append(lane)
        await asyncio.sleep(0)
        gate.leave()

    await gate.enter("")
    waiting = [asyncio.create_task(statement(lane)) for lane in lanes]
    await asyncio.sleep(0)
    gate.leave()
    await asyncio.gather(*waiting)
    return order


async def test_every_other_statement_is_the_relays_own_and_secrets_take_turns() -> None:
    assert await served(_Gate(1), "a", "a", "a", "", "b", "", "", "c") == [
        "",
        "a",
        "",
        "b",
        "",
        "c",
        "a",
        "a",
    ]


async def test_a_statement_that_is_given_up_lets_the_next_one_through() -> None:
    gate = _Gate(1)
    await gate.enter("")
    given_up, last, turn = (asyncio.create_task(gate.enter(one)) for one in "aab")
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.sleep(0)
    gate.leave()
    last.cancel()  # in the moment in which its turn has come
    await asyncio.wait([given_up, last, turn], timeout=5)
    assert (given_up.cancelled(), last.cancelled(), turn.done()) == (True, True, True)
    gate.leave()
    await asyncio.wait_for(gate.enter("c"), 5)


# Shards.


@given(st.sets(st.text(min_size=1, max_size=5), min_size=1, max_size=300))
def test_every_shard_is_one_relays(owners: set[str]) -> None:
    parts = [part_of(owner, owners) for owner in owners]
    held = Counter(shard for part in parts for shard in range(*part))
    assert held == dict.fromkeys(range(SHARDS), 1)
    sizes = [part.end - part.first for part in parts]
    assert max(sizes) - min(sizes) <= 1


def test_a_relay_that_nobody_sees_serves_all() -> None:
    assert part_of("me", []) == part_of("me", ["other"]) == ALL
    assert ALL.all
    assert part_of("me", ["me"]).all
    assert not part_of("me", ["me", "other"]).all


def test_the_shard_is_the_first_byte_of_the_hash() -> None:
    assert [shard_of(f"{byte:02x}" + "e" * 62) for byte in range(256)] == [*range(256)]
