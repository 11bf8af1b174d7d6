"""The stream is cut, OpenCode, the bridge or the relay killed, at random moments: nothing that holds is lost, nothing rings twice.

KILL_ROUNDS says how many rounds are played (default 6), KILL_SEED which, KILL_ROUND that this one is played alone.
"""

import os
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from simulator.clock import VirtualClock
from simulator.journal import Entry, Journal
from simulator.opencode.v1.replay import known_before
from simulator.replay.world import ReplayWorld, WorldOptions
from simulator.scenario import load
from world.kills import KILLS, WHOLE, Played, Round, draw, play, played_ids
from world.rings import Key, interruptions, rings, running, survivors, wrong_rings

ROUNDS = int(os.environ.get("KILL_ROUNDS", "6"))
SEED = int(os.environ.get("KILL_SEED", "20261121"))
ONLY = os.environ.get("KILL_ROUND")
SHOWN_LINES = 120


def rounds() -> list[Round]:
    return [draw(SEED, number) for number in ([int(ONLY)] if ONLY else range(ROUNDS))]


def line(entry: Entry) -> str:
    fields = " ".join(f"{name}={value!r}" for name, value in entry.detail.items())
    return f"  {entry.at % 1000:.3f} {entry.where} {entry.what} {fields}"[:400]


def story(world: ReplayWorld) -> str:
    """What happened in the newest round."""
    return "\n".join(line(entry) for entry in world.journal.entries()[-SHOWN_LINES:])


@pytest.mark.replay
async def test_a_death_at_any_moment_loses_nothing_that_holds_and_lets_nothing_ring_twice() -> None:
    """A round that fails is named with all that is needed to play it alone; the others are played all the same."""
    failed: list[str] = []
    done: list[Played] = []
    async with ReplayWorld(WorldOptions(live_activities=True, phone_profile="lenient")) as world:
        for one in rounds():
            try:
                done.append(await play(world, one))
            except AssertionError as error:
                failed.append(f"{one}\n  {error}\n{story(world)}")
        await world.still(2.0)
        failed += [f"{one.round}\n  later: {wrong}" for one in done if (wrong := one.wrong_alerts())]
    assert not failed, f"{len(failed)} of {len(rounds())} rounds failed\n" + "\n".join(failed)
    doubtful = sum(one.in_doubt.total() for one in done)
    assert doubtful <= 1 + len(done) // 50, "the relay takes too long to write down what APNs has answered"


# What must ring.


@pytest.mark.parametrize("name", WHOLE)
def test_the_rings_of_a_scenario_are_its_alerts(name: str) -> None:
    scenario = load(name)
    alerts = Counter[tuple[str, str]]()
    for alert in scenario.alerts:
        alerts[alert.event_type, alert.session_id] += alert.count
    found = [*rings(scenario), *interruptions(scenario.recording)]
    assert Counter((ring.event_type, ring.session_id) for ring in found) == alerts
    assert all(ring.known <= ring.begins < ring.ends for ring in found)


@pytest.mark.parametrize(
    ("name", "holds"),
    [
        ("b_permission_once", "-+"),
        ("b_permission_then_abort", "-"),
        ("g_child_session", "-+"),
        ("c_error_context_overflow", "-+"),
    ],
)
def test_a_request_lives_until_its_answer_or_the_end_of_its_turn_and_an_end_until_the_next_turn(
    name: str, holds: str
) -> None:
    found = rings(load(name))
    assert "".join("+" if ring.holds else "-" for ring in found) == holds
    assert all(before.ends <= after.begins for before, after in pairwise(found))
    assert len({ring.session_id for ring in found}) == 1  # that of the root


def test_of_a_dead_server_only_what_it_has_written_down_holds() -> None:
    asked, done = rings(load("b_permission_once"))
    (waiting,) = survivors([asked, done], asked.begins)
    assert waiting.ends == asked.begins
    assert [ring.holds for ring in survivors([asked, done], done.begins)] == [False, True]
    assert list(survivors([asked, done], asked.begins - 0.001)) == []
    first, second = rings(load("c_error_context_overflow"))
    (left,) = survivors([first, second], first.begins)
    assert left.holds


def test_an_end_that_is_only_written_down_may_ring() -> None:
    _, done = rings(load("g_child_session"))
    assert done.known < done.begins
    (may,) = survivors([done], done.known)
    assert may.ends == done.known


def test_a_death_breaks_off_what_runs_unless_that_has_failed_already() -> None:
    whole = load("c_error_401").recording
    (failed,) = rings(load("c_error_401"))
    before, after = (
        replace(whole, events=tuple(line for line in whole.events if line.t <= at), killed_at=at)
        for at in (failed.begins - 0.001, failed.begins)
    )
    assert [(ring.event_type, ring.session_id) for ring in interruptions(before)] == [
        ("error", failed.session_id)
    ]
    assert interruptions(after) == interruptions(whole) == []


def test_a_whole_recording_leaves_nothing_running() -> None:
    whole = [load(name).recording for name in WHOLE if load(name).recording.killed_at is None]
    assert {recording.name: running(recording) for recording in whole if running(recording)} == {}


# What is wrong.


def shown(event_type: str, session_id: str = "played", *, replaced: bool = False) -> dict[str, Any]:
    return {"eventType": event_type, "sessionID": session_id, "replaced": replaced}


@pytest.mark.parametrize(
    ("showings", "wrong"),
    [
        ([shown("complete")], []),
        ([shown("permission"), shown("complete"), shown("complete", "of another round")], []),
        ([], ["complete of played rang 0 times, not 1 to 1"]),
        ([shown("complete")] * 2, ["complete of played rang 2 times, not 1 to 1"]),
        ([shown("complete")] + [shown("permission")] * 2, ["permission of played rang 2 times, not 0 to 1"]),
        ([shown("complete"), shown("error")], ["error of played rang 1 times, not 0 to 0"]),
    ],
)
def test_what_is_lost_repeated_or_noise_is_found(showings: list[dict[str, Any]], wrong: list[str]) -> None:
    expected = rings(load("b_permission_once"))
    assert wrong_rings(expected, {expected[0].session_id: "played"}, showings) == wrong


class Shown:
    """As much of a world as a played round looks at."""

    def __init__(self) -> None:
        self.journal = Journal(VirtualClock())
        self.phones = [self]
        self.showings: list[dict[str, Any]] = []

    def card(self, number: int, *said: str, session_id: str = "played", ended: bool = False) -> None:
        for position, status in enumerate(said):
            what = "started" if position == 0 else "updated"
            state = {"status": status, "lastMessage": f"{position}"}
            self.journal.record("phone", what, phone="iPhone", activity=f"card {number}", by="push",
                                sessionID=session_id, contentState=state)  # fmt: skip
        if ended:
            self.journal.record("phone", "ended", phone="iPhone", activity=f"card {number}", by="push")


def played(world: Shown, name: str = "e_abort", part: str = "relay", *, unanswered: bool = False,
           in_doubt: Counter[Key] | None = None) -> Played:  # fmt: skip
    one = Round(1, 0, name, part, at=1.0, speed=20.0, unanswered=unanswered)
    (session_id,) = [card.session_id for card in load(name).activities]
    return Played(world, one, {session_id: "played"}, in_doubt)  # type: ignore[arg-type]


def test_an_alert_in_doubt_may_take_its_own_place_once() -> None:
    world = Shown()
    doubtful = played(world, "a_text", in_doubt=Counter({("complete", "played"): 1}))
    world.showings = [shown("complete"), shown("complete", replaced=True)]
    assert doubtful.wrong() == []
    assert played(world, "a_text").wrong() == ["complete of played rang 2 times, not 1 to 1"]
    world.showings = [shown("complete"), shown("complete")]
    assert doubtful.wrong() == ["complete of played rang 2 times, not 1 to 1"]
    world.showings = [shown("complete"), shown("complete", replaced=True), shown("complete", replaced=True)]
    assert doubtful.wrong() == ["complete of played rang 2 times, not 1 to 1"]


DONE, FAILED = ("working", "complete"), ("working", "error")


@pytest.mark.parametrize(
    ("name", "part", "cards", "rang", "wrong"),
    [
        ("e_abort", "relay", [], [], []),
        ("e_abort", "relay", [DONE], [], []),
        ("e_abort", "relay", [DONE, DONE], [], ["2 cards for 1 turns of played"]),
        ("c_error_401", "relay", [FAILED], ["error"], []),
        ("c_error_401", "relay", [DONE], ["error"], ["the card says complete, not error of played"]),
        ("e_abort", "opencode", [FAILED], [], ["the card says error, but nothing rang of played"]),
        ("e_abort", "opencode", [FAILED], ["error"], []),
    ],
)
def test_cards_end_once_as_recorded_or_rang_for_the_death(
    name: str, part: str, cards: list[tuple[str, ...]], rang: list[str], wrong: list[str]
) -> None:
    world = Shown()
    for number, statuses in enumerate(cards):
        world.card(number, *statuses, ended=True)
    world.showings = [shown(kind) for kind in rang]
    found = played(world, name, part).wrong()
    assert [one for one in found if "rang 1 times" not in one] == wrong


def test_a_card_that_runs_on_strangers_errors_and_unreported_events_are_found() -> None:
    world = Shown()
    world.card(1, "working", "complete")
    world.card(1, "working", session_id="stranger", ended=True)
    world.journal.record("phone", "shown", eventType="complete", sessionID="stranger")
    world.journal.record("bridge", "work failed", level="ERROR", sessionID="played", eventType="start")
    event = {"eventType": "progress", "sessionID": "played"}
    world.journal.record("bridge", "retry", **event)
    found = played(world).wrong()
    world.journal.record("bridge", "delivered", **event)
    assert [one for one in found if one not in played(world).wrong()] == ["progress waits"]
    assert len([one for one in found if "stranger" in one]) == 2
    assert any(one.startswith("the bridge says: work failed") for one in found)
    assert "running cards say ['complete'], not [] of played" in played(_running()).wrong()


def _running() -> Shown:
    world = Shown()
    world.card(1, "working", "complete")
    return world


def test_a_request_that_waits_must_be_on_a_card_that_runs() -> None:
    world = Shown()
    world.showings.append(shown("permission"))
    waits = played(world, "b_permission_once", unanswered=True)
    assert waits.wrong() == ["running cards say [], not ['permission'] of played"]
    world.card(1, "working", "permission")
    assert waits.wrong() == []


# The rounds.


def test_every_round_can_be_drawn_again_and_every_part_dies() -> None:
    drawn = [draw(1, number) for number in range(40)]
    assert drawn == [draw(1, number) for number in range(40)]
    assert drawn != [draw(2, number) for number in range(40)]
    assert Counter(one.part for one in drawn) == dict.fromkeys(KILLS, 10)


def test_a_server_that_dies_before_its_first_session_rings_for_none() -> None:
    early = Round(1, 1, "a_text", "opencode", at=0.1, speed=5.0, unanswered=False)
    assert early.rings == []
    ids = played_ids(early, 7)
    assert set(ids) == {card.session_id for card in early.scenario.activities}
    assert Played(Shown(), early, ids).wrong() == []  # type: ignore[arg-type]
    assert known_before(early.scenario.recording) == []


def test_an_unanswered_round_ends_with_a_request_that_waits_unless_opencode_died() -> None:
    unanswered = [one for number in range(100) if (one := draw(1, number)).unanswered]
    assert {one.part for one in unanswered} == set(KILLS)
    for one in unanswered:
        waits = {ring.session_id for ring in one.rings if ring.holds}
        assert len(waits) == (one.part != "opencode")
        assert waits <= one.waiting
