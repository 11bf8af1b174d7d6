"""Subagents of generation 2: in the foreground, in the background, refused, failed and interrupted."""

import json

from opencode2_scripted import Scripted2

TEXT = {"op": "text", "n": 3, "ms": 20}
LONG = {"op": "text", "n": 100, "ms": 50}
BASH = {"op": "bash", "command": "echo child"}


def task(*script: dict, **options) -> dict:
    return {"op": "task", "prompt": f"@@{json.dumps(script)}", **options}


def prompt(server: Scripted2, *script: dict) -> str:
    session = server.session("parent")
    server.prompt(session, json.dumps(script))
    return session


async def child_of(server: Scripted2, parent: str, number: int = 0) -> str:
    await server.until(lambda: len(server.state.children(parent)) > number)
    return server.state.children(parent)[number]["id"]


def ends(server: Scripted2) -> list[tuple[str, str]]:
    """Session and end of every execution, in order."""
    return [
        (one["data"]["sessionID"], one["type"].removeprefix("session.execution."))
        for one in server.sent
        if one["type"].startswith("session.execution.") and not one["type"].endswith("started")
    ]


async def test_a_child_that_is_refused_does_not_end_its_parent() -> None:
    server = Scripted2()
    parent = prompt(server, task(BASH), TEXT)
    (asked,) = await server.asked()
    child = await child_of(server, parent)
    assert asked.session_id == child
    assert set(server.state.active) == {parent, child}
    await server.answer("reject")
    await server.idle(parent)
    assert ends(server) == [(child, "interrupted"), (parent, "succeeded")]
    assert server.data("session.execution.interrupted")[0]["reason"] == "shutdown"
    failed = [data for data in server.data("session.tool.failed") if data["sessionID"] == parent]
    assert [data["error"]["message"] for data in failed] == ["Subagent cancelled"]


async def test_a_parent_that_is_interrupted_ends_after_its_child() -> None:
    server = Scripted2()
    parent = prompt(server, task(LONG), TEXT)
    child = await child_of(server, parent)
    await server.clock.advance(1)
    server.api.interrupt(parent)
    assert ends(server) == [(child, "interrupted"), (parent, "interrupted")]
    assert [data["reason"] for data in server.data("session.execution.interrupted")] == ["user", "user"]
    await server.clock.advance(60)
    assert len(ends(server)) == 2


async def test_a_child_that_a_person_interrupts_does_not_end_its_parent() -> None:
    server = Scripted2()
    parent = prompt(server, task(LONG), TEXT)
    child = await child_of(server, parent)
    await server.clock.advance(1)
    server.api.interrupt(child)
    await server.idle(parent)
    assert ends(server) == [(child, "interrupted"), (parent, "succeeded")]


async def test_a_child_in_the_background_wakes_its_parent_once_more() -> None:
    server = Scripted2()
    parent = prompt(server, task(LONG, background=True), TEXT)
    await server.idle(parent)
    child = await child_of(server, parent)
    assert set(server.state.active) == {child}
    assert server.data("session.tool.success")[0]["metadata"]["status"] == "running"
    await server.until(lambda: len(ends(server)) == 3)
    assert ends(server) == [(parent, "succeeded"), (child, "succeeded"), (parent, "succeeded")]
    about = server.data("session.inbox.enqueued")[-1]
    assert about["sessionID"] == parent
    assert about["item"]["type"] == "synthetic"
    assert about["item"]["payload"]["metadata"] == {
        "source": "subagent", "childID": child, "state": "completed",
    }  # fmt: skip
    assert server.types(parent)[-9:-6] == ["execution.started", "inbox.delivered", "step.started"]


async def test_a_child_in_the_background_may_fail_or_be_refused() -> None:
    for script, state in (
        ({"op": "fail", "status": 401}, "error"),
        ({**BASH, "reply": "reject"}, "cancelled"),
    ):
        server = Scripted2()
        parent = prompt(server, task(script, background=True), TEXT)
        await server.until(lambda server=server: len(server.data("session.inbox.enqueued")) == 3)
        await server.idle(parent)
        assert server.data("session.inbox.enqueued")[-1]["item"]["payload"]["metadata"]["state"] == state
        assert ends(server)[-1] == (parent, "succeeded")


async def test_a_background_child_outlives_its_interrupted_parent() -> None:
    server = Scripted2()
    parent = prompt(server, task(LONG, background=True), LONG)
    await server.clock.advance(1)
    child = await child_of(server, parent)
    server.api.interrupt(parent)
    assert set(server.state.active) == {child}
    await server.until(lambda: len(ends(server)) == 3)
    assert ends(server)[-1] == (parent, "succeeded")


async def test_what_runs_is_sent_to_the_background() -> None:
    server = Scripted2()
    slow = {"op": "bash", "command": "sleep 30; echo done", "reply": "once"}
    parent = prompt(server, {"op": "tools", "tools": [task(LONG), slow, BASH]}, TEXT)
    server.agent.background(parent)  # nothing runs yet
    await server.until(lambda: bool(server.data("shell.created")))
    child = await child_of(server, parent)
    server.agent.background(parent)
    running = [data["metadata"]["status"] for data in server.data("session.tool.success")]
    assert running == ["running", "running"]
    assert len(server.state.permissions) == 1
    await server.answer("once")
    await server.idle(parent)
    assert set(server.state.active) == {child}
    await server.until(lambda: ends(server).count((parent, "succeeded")) == 3)
    sources = [
        one["item"]["payload"].get("metadata", {}).get("source")
        for one in server.data("session.inbox.enqueued")
    ]
    assert sources[-2:] == ["subagent", "shell"]
    server.agent.background(parent)


async def test_a_deleted_parent_gets_no_report() -> None:
    server = Scripted2()
    parent, other = (prompt(server, task(LONG, background=True), TEXT) for _ in range(2))
    await server.idle(other)
    server.api.delete(parent)
    assert set(server.state.active) == {await child_of(server, other)}
    await server.until(lambda: ends(server)[-1] == (other, "succeeded"))
    assert server.types(parent)[-1] == "deleted"


async def test_several_children_work_at_once() -> None:
    server = Scripted2()
    parent = prompt(server, {"op": "tools", "tools": [task(LONG), task(BASH, TEXT), task(TEXT)]}, TEXT)
    await server.asked()
    children = [await child_of(server, parent, number) for number in range(3)]
    await server.answer("once")
    await server.idle(parent)
    assert [session for session, _ in ends(server)] == [children[2], children[1], children[0], parent]
    success = [data for data in server.data("session.tool.success") if data["sessionID"] == parent]
    assert [data["metadata"]["sessionID"] for data in success] == [children[2], children[1], children[0]]


async def test_the_beta_nests_a_childs_progress() -> None:
    for flavour, nested in (("beta", True), ("2.1", False)):
        server = Scripted2(flavour)
        parent = prompt(server, task(TEXT), TEXT)
        await server.idle(parent)
        (progress,) = server.data("session.tool.progress")
        assert ("metadata" in progress["metadata"]) is nested
