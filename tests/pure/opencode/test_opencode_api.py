"""Requests to a server: scripted sessions and recorded ones, instances, disposal, the death of the process."""

import random

import pytest

from simulator.clock import VirtualClock
from simulator.journal import Journal
from simulator.opencode.v1.api import TO_BURST, Api
from simulator.opencode.v1.process import Process
from simulator.opencode.v1.replay import replay
from simulator.opencode.v1.requests import Refused
from simulator.scenario import load

D = "/code/demo"


def noise(payloads: list[dict]) -> list[tuple[str, dict]]:
    kinds = ("plugin.added", "catalog.updated", "reference.updated", "integration.updated")
    return [(one["type"], one["properties"]) for one in payloads if one["type"] in kinds]


async def test_an_instance_starts_with_the_recorded_burst(scripted) -> None:
    scripted.api.visit(D)
    assert [one["type"] for one in scripted.sent] == ["project.updated"]
    await scripted.clock.advance(TO_BURST + 0.1)
    recorded = [line.event["payload"] for line in load("a_text").recording.events]
    assert noise(scripted.sent) == noise(recorded)
    assert len(noise(recorded)) == 49


async def test_an_instance_starts_once_until_it_is_disposed_of(scripted) -> None:
    for _ in range(3):
        scripted.api.visit(D)
    assert len(scripted.sent) == 1
    scripted.api.dispose(D)
    scripted.api.visit(D)
    assert [one["type"] for one in scripted.sent] == [
        "project.updated", "server.instance.disposed", "project.updated",
    ]  # fmt: skip


async def test_directories_are_projects_of_their_own(scripted) -> None:
    one, other = scripted.session(), scripted.session(directory="/code/other")
    assert one["projectID"] != other["projectID"]
    assert {project["worktree"] for project in scripted.state.projects.values()} == {D, "/code/other"}


async def test_disposal_aborts_what_works_there_and_forgets_what_waits(scripted) -> None:
    busy, asking = scripted.session(), scripted.session()
    elsewhere = scripted.session(directory="/code/other")
    turns = [scripted.prompt(busy, '[{"op": "text", "n": 500}]')]
    turns.append(scripted.prompt(asking, '[{"op": "bash", "command": "echo x"}]'))
    other = scripted.prompt(elsewhere, '[{"op": "text", "n": 500}]')
    await scripted.asked("permissions")
    scripted.api.dispose(D)
    assert [turn.result().how for turn in turns] == ["aborted", "aborted"]
    for session in (busy, asking):
        assert scripted.milestones(session)[-5:] == ["MessageAbortedError", *["idle", "session.idle"] * 2]
    assert scripted.sent[-1] == {
        **scripted.sent[-1],
        "type": "server.instance.disposed",
        "properties": {"directory": D},
    }
    assert scripted.state.permissions == {}
    assert not other.done()
    assert list(scripted.state.statuses) == [elsewhere["id"]]


async def test_disposing_of_everything_announces_each_instance_and_then_all(scripted) -> None:
    for directory in ("/code/b", "/code/a"):
        scripted.session(directory=directory)
    before = len(scripted.sent)
    scripted.api.dispose_all()
    sent = [(one["type"], one["properties"]) for one in scripted.sent[before:]]
    assert sent == [
        ("server.instance.disposed", {"directory": "/code/a"}),
        ("server.instance.disposed", {"directory": "/code/b"}),
        ("global.disposed", {}),
    ]


async def test_a_session_is_renamed_and_archived(scripted) -> None:
    session = scripted.session()
    changed = scripted.api.change(session, {"title": "new"})
    assert (changed["title"], "archived" in changed["time"]) == ("new", False)
    archived = scripted.api.change(changed, {"time": {"archived": 5}})
    assert (archived["title"], archived["time"]["archived"]) == ("new", 5)
    assert [one["type"] for one in scripted.of(session)] == ["session.created"] + ["session.updated"] * 2


async def test_a_new_title_survives_the_turn_that_goes_on(scripted) -> None:
    session = scripted.session()
    scripted.prompt(session, '[{"op": "text", "n": 50}]')
    await scripted.clock.advance(0.5)
    scripted.api.change(scripted.state.sessions[session["id"]], {"title": "new"})
    await scripted.clock.advance(5)
    assert scripted.state.sessions[session["id"]]["title"] == "new"


@pytest.fixture
def recorded() -> Process:
    """A server without a model, in the middle of a recording: a permission waits."""
    clock = VirtualClock()
    process = Process(clock, Journal(clock), directory=D, attach_window=0.0, source=random.Random(0))
    frames = [cue.due for cue in replay(load("b_permission_once").recording, 0, 1.0).cues]
    types = [frame.payload["type"] for frame in frames]
    process.publish(frames[: types.index("permission.replied")])
    return process


async def test_without_a_model_no_instance_is_announced(recorded: Process) -> None:
    sent: list = []
    recorded.streams.send = sent.append
    Api(recorded, None).visit("/code/other")
    assert sent == []


async def test_without_a_model_nobody_waits_for_an_answer(recorded: Process) -> None:
    api = Api(recorded, None)
    with pytest.raises(Refused) as refused:
        await api.message(api.create(D, {}), {"parts": []})
    assert refused.value.status == 500


async def test_disposal_ends_recorded_turns_too(recorded: Process) -> None:
    assert recorded.state.session_status(D)
    assert recorded.state.permissions
    Api(recorded, None).dispose(D)
    assert (recorded.state.session_status(D), recorded.state.permissions) == ({}, {})


async def test_deleting_a_recorded_session(recorded: Process) -> None:
    (session,) = recorded.state.sessions.values()
    api = Api(recorded, None)
    api.delete(session)
    assert recorded.state.sessions == {}
    assert list(recorded.state.session_status(D)) == [session["id"]]
    api.die()
    recorded.state.restart()
    assert recorded.state.session_status(D) == {}
