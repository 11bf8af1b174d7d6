"""Events happening in a server without a socket."""

import random

import pytest

from simulator.clock import VirtualClock
from simulator.journal import Journal
from simulator.opencode.v1.effects import abort, prompt
from simulator.opencode.v1.process import DEFAULT_PROJECT, Process
from simulator.opencode.v1.replay import replay
from simulator.opencode.v1.wire import frame
from simulator.scenario import load

D = "/code/demo"


@pytest.fixture
def process() -> Process:
    clock = VirtualClock()
    return Process(clock, Journal(clock), directory=D, attach_window=0.02, source=random.Random(0))


def frames(name: str, play: int = 0) -> list:
    return [cue.due for cue in replay(load(name).recording, play, 1.0).cues]


def until(name: str, kind: str) -> tuple[list, list]:
    """The frames of a recording up to the first event of a kind, and the rest."""
    all_frames = frames(name)
    position = next(index for index, one in enumerate(all_frames) if one.payload["type"] == kind)
    return all_frames[:position], all_frames[position:]


def test_a_turn_that_a_person_ended_is_over(process: Process) -> None:
    before, after = until("b_permission_once", "permission.replied")
    process.publish(before)
    (session_id,) = process.state.statuses
    process.act(D, abort(process.state, session_id))
    assert process.publish(after) == 0
    assert process.state.statuses == {}


def test_other_sessions_go_on(process: Process) -> None:
    before, after = until("f_two_sessions", "permission.replied")
    process.publish(before)
    asking = next(iter(process.state.permissions.values())).session_id
    process.act(D, abort(process.state, asking))
    assert 0 < process.publish(after) < len(after)


def test_a_new_prompt_wakes_a_stopped_session(process: Process) -> None:
    before, after = until("e_abort", "session.error")
    process.publish(before)
    (session_id,) = process.state.statuses
    process.act(D, abort(process.state, session_id))
    session = process.state.sessions[session_id]
    process.act(D, prompt(process.ids, session, {"parts": []}, process.now_ms()))
    assert process.publish(after) == len(after)


def test_acting_continues_the_recorded_sequence(process: Process) -> None:
    process.publish(frames("a_text"))
    ((session_id, last),) = process.state.sequences.items()
    session = process.state.sessions[session_id]
    process.act(D, prompt(process.ids, session, {"parts": [{"type": "text", "text": "x"}]}, process.now_ms()))
    assert process.state.sequences[session_id] == last + 3


def test_the_project_of_a_directory(process: Process) -> None:
    assert process.project_of(D) == DEFAULT_PROJECT
    sent = {"id": "evt_1", "type": "project.updated", "properties": {"id": "abc", "worktree": "/code/other"}}
    process.publish([frame({"directory": "global", "project": "abc", "payload": sent})])
    assert process.project_of("/code/other") == "abc"
    assert process.project_of(D) == DEFAULT_PROJECT
