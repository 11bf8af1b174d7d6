"""Identifiers, made and renamed."""

import random
import re

import pytest

from simulator.clock import VirtualClock
from simulator.opencode.ids import Ids, renamed
from simulator.scenario import load, scenarios

SESSION = "ses_e042c66e1ffekMYgmfDUQ7tyOs"


def ids(clock: VirtualClock | None = None) -> Ids:
    return Ids(clock or VirtualClock(), random.Random(1))


@pytest.mark.parametrize("prefix", ["ses", "msg", "prt", "per", "que", "evt"])
def test_the_form_of_an_id(prefix: str) -> None:
    assert re.fullmatch(prefix + r"_[0-9a-f]{12}[0-9A-Za-z]{14}", ids().new(prefix))


def test_ids_of_one_moment_ascend() -> None:
    maker = ids()
    made = [maker.new("evt") for _ in range(5000)]
    assert made == sorted(made)
    assert len({one[:16] for one in made}) == len(made)


def test_the_time_is_in_the_id_as_in_recorded_ones() -> None:
    """The event evt_1fbd399200010... was sent for session ses_e042c66e1ffe..., created at 1795226310942 ms."""
    maker = Ids(VirtualClock(1795226310.946), random.Random(0))
    assert maker.new("evt").startswith("evt_1fbd39922001")
    maker = Ids(VirtualClock(1795226310.942), random.Random(0))
    assert maker.new("ses").startswith("ses_e042c66e1ffe")


def test_a_renamed_id_keeps_its_kind_and_time() -> None:
    new = renamed(SESSION, 1)
    assert new != SESSION
    assert new[:16] == SESSION[:16]
    assert len(new) == len(SESSION)
    assert new == renamed(SESSION, 1)
    assert len({SESSION, *(renamed(SESSION, play) for play in range(10))}) == 10


@pytest.mark.parametrize(
    "text",
    [
        f'"{SESSION}"',
        f"task_id: {SESSION} (resumable)",
        f"one\\n{SESSION}\\ntwo",
        f"/session/{SESSION}/message",
    ],
)
def test_ids_are_renamed_wherever_they_stand(text: str) -> None:
    assert renamed(text, 3) == text.replace(SESSION, renamed(SESSION, 3))


def test_tool_calls_are_renamed_too() -> None:
    new = renamed("call_59351537_2", 1)
    assert re.fullmatch(r"call_\d{8}_2", new)
    assert new != "call_59351537_2"


@pytest.mark.parametrize(
    "text", ["ses_x", "message_id", "processes_1234", "evt_", "evt_zzzzzzzzzzzzA5kSdypzdDanBw"]
)
def test_what_is_only_like_an_id_is_kept(text: str) -> None:
    assert renamed(text, 1) == text


@pytest.mark.parametrize("name", scenarios())
def test_no_recorded_id_survives_a_renaming_and_no_two_become_one(name: str) -> None:
    text = " ".join(str(line.event) for line in load(name).recording.events)
    pattern = r"(?:ses|msg|prt|per|que|evt)_[0-9a-f]{12}[0-9A-Za-z]{14}|call_\d+_\d+"
    before, after = set(re.findall(pattern, text)), set(re.findall(pattern, renamed(text, 1)))
    assert not before & after
    assert len(before) == len(after)


async def test_later_ids_are_greater_but_sessions_sort_first() -> None:
    clock = VirtualClock()
    maker = ids(clock)
    message, session = maker.new("msg"), maker.new("ses")
    await clock.advance(0.001)
    assert maker.new("msg") > message
    assert maker.new("ses") < session
