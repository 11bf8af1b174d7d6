"""The sessions of the fake OpenCode 2 by REST: lists, transcripts, prompts, inboxes, and everything else that changes one."""

import asyncio
import json

import pytest

from component.opencode.conftest import PASSWORD, credentials
from simulator.opencode.v2.server import OpenCode2Server
from waiting import PATIENCE, eventually

DEMO, OTHER, GONE = "/code/demo", "/code/other", "/code/gone"
NO_SESSION = {
    "_tag": "SessionNotFoundError", "sessionID": "ses_unknown", "message": "Session not found: ses_unknown"
}  # fmt: skip


def invalid(message: str, kind: str) -> dict:
    return {"_tag": "InvalidRequestError", "message": message, "kind": kind}


@pytest.fixture
def create(server2, clock):
    """A session, a millisecond later than the one before."""

    async def new(directory: str = DEMO, **body) -> str:
        await clock.advance(0.001)
        return server2.api.create({"location": {"directory": directory}, **body})["id"]

    return new


async def test_a_new_session(ask2, server2) -> None:
    wanted = {"title": "Fix it", "agent": "plan", "location": {"directory": OTHER}, "metadata": {"by": "me"}}
    status, said = await ask2("POST", "/api/session", wanted)
    info = said["data"]
    now = info["time"]["created"]
    assert (status, info) == (
        200,
        {
            "id": info["id"],
            "projectID": info["projectID"],
            "title": "Fix it",
            "agent": "plan",
            "metadata": {"by": "me"},
            "cost": 0,
            "tokens": {"input": 0, "output": 0, "reasoning": 0, "cache": {"read": 0, "write": 0}},
            "time": {"created": now, "updated": now},
            "location": {"directory": OTHER},
        },
    )
    assert await ask2("GET", f"/api/session/{info['id']}") == (200, {"data": info})
    assert await ask2("GET", "/api/debug/location") == (200, [{"directory": OTHER}])
    again = await ask2("POST", "/api/session", {"id": info["id"], "title": "Another"})
    assert again == (200, {"data": info})
    assert "title" not in (await ask2("POST", "/api/session", {}))[1]["data"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("GET", "/api/session/ses_unknown", None, 404, NO_SESSION),
        ("GET", "/api/session/ses_unknown/message", None, 404, NO_SESSION),
        ("POST", "/api/session/ses_unknown/prompt", {"text": "x"}, 404, NO_SESSION),
        ("POST", "/api/session/ses_unknown/interrupt", None, 404, NO_SESSION),
        ("GET", "/api/session/bad-id", None, 400, invalid('Expected a string starting with "ses", got "bad-id"\n  at ["sessionID"]', "Params")),
        ("GET", "/api/session?limit=0", None, 400, invalid('Expected a value greater than 0, got 0\n  at ["limit"]', "Query")),
        ("GET", "/api/session?limit=many", None, 400, invalid('Expected a number, got "many"\n  at ["limit"]', "Query")),
        ("GET", "/api/session?order=up", None, 400, invalid('Expected Order, got "up"\n  at ["order"]', "Query")),
        ("GET", "/api/session?cursor=xx", None, 400, {"_tag": "InvalidCursorError", "message": "Invalid cursor"}),
        ("GET", "/api/session/{id}/message?limit=500", None, 400, invalid('Expected a value less than or equal to 200, got 500\n  at ["limit"]', "Query")),
        ("GET", "/api/session/{id}/message/msg_1", None, 404, {"_tag": "MessageNotFoundError", "messageID": "msg_1", "message": "Message not found: msg_1"}),
        ("POST", "/api/session/{id}/prompt", {}, 400, invalid('Missing key\n  at ["text"]', "Payload")),
        ("POST", "/api/session/{id}/prompt", {"text": 5}, 400, invalid('Expected string, got 5\n  at ["text"]', "Payload")),
        ("POST", "/api/session/{id}/prompt", {"text": "x", "id": "ses_1"}, 400, invalid('Expected a string starting with "msg", got "ses_1"\n  at ["id"]', "Payload")),
        ("POST", "/api/session/{id}/prompt", [], 400, invalid("Expected object", "Payload")),
        ("POST", "/api/session", {"id": "msg_1"}, 400, invalid('Expected a string starting with "ses", got "msg_1"\n  at ["id"]', "Payload")),
        ("POST", "/api/session/{id}/model", {}, 400, invalid('Missing key\n  at ["model"]', "Payload")),
        ("POST", "/api/session/{id}/view", {}, 400, invalid('Missing key\n  at ["idle"]', "Payload")),
        ("POST", "/api/session/{id}/view", {"idle": "now"}, 400, invalid('Expected number, got "now"\n  at ["idle"]', "Payload")),
        ("POST", "/api/session/{id}/revert/stage", {"messageID": "msg_1"}, 404, {"_tag": "MessageNotFoundError", "messageID": "msg_1", "message": "Message not found: msg_1"}),
        ("DELETE", "/api/session/{id}/inbox/msg_1", None, 404, {"_tag": "MessageNotFoundError", "messageID": "msg_1", "message": "Message not found: msg_1"}),
    ],
)  # fmt: skip
async def test_refusals(ask2, create, method, path, body, status, said) -> None:
    """The first nine are recorded."""
    assert await ask2(method, path.format(id=await create()), body) == (status, said)


async def test_a_body_that_is_no_json(http, server2, create) -> None:
    url = f"{server2.url}/api/session/{await create()}/prompt"
    async with http.post(url, data="not json", headers=credentials()) as response:
        assert (response.status, await response.json()) == (400, invalid("Invalid JSON", "Payload"))


async def test_the_list_of_sessions(ask2, create, server2) -> None:
    first = await create(title="Fix the login")
    child = await create(parentID=first)
    second = await create(OTHER, title="Tests")
    archived = await create(title="Old")
    server2.api.change(archived, {"archived": True})
    for query, expected in [
        ("", [second, child, first]),
        ("parentID=null", [second, first]),
        (f"parentID={first}", [child]),
        (f"directory={OTHER}", [second]),
        ("directory=/code/nowhere", []),
        (f"location[directory]={OTHER}", [second, child, first]),
        ("search=LOGIN", [first]),
        ("order=asc", [first, child, second]),
        ("archived=true", [archived]),
        ("limit=1", [second]),
        ("unknown=1", [second, child, first]),
        ("project=global", []),
    ]:
        status, said = await ask2("GET", f"/api/session?{query}")
        assert (status, [one["id"] for one in said["data"]]) == (200, expected), query
        assert set(said["cursor"]) == ({"previous", "next"} if expected else set())


async def test_pages_of_sessions(ask2, create) -> None:
    """Every page that is not empty leads on: the first empty one is the end."""
    made = [await create() for _ in range(5)]
    await create(OTHER)
    found, query = [], f"directory={DEMO}&limit=2"
    while said := (await ask2("GET", f"/api/session?{query}"))[1]:
        if not said["data"]:
            break
        found += [one["id"] for one in said["data"]]
        query = f"limit=2&cursor={said['cursor']['next']}"
    assert found == made[::-1]
    assert said["cursor"] == {}
    _, back = await ask2(
        "GET",
        f"/api/session?limit=2&cursor={(await ask2('GET', '/api/session?limit=9'))[1]['cursor']['next']}",
    )
    assert back["data"] == []
    _, whole = await ask2("GET", f"/api/session?directory={DEMO}")
    _, last = await ask2("GET", f"/api/session?cursor={whole['cursor']['next']}")
    assert last["data"] == []
    _, middle = await ask2("GET", f"/api/session?directory={DEMO}&limit=3")
    _, rest = await ask2("GET", f"/api/session?limit=2&cursor={middle['cursor']['next']}")
    _, before = await ask2("GET", f"/api/session?limit=2&cursor={rest['cursor']['previous']}")
    assert [one["id"] for one in before["data"]] == made[::-1][1:3]


async def test_a_page_after_a_session_that_is_gone_is_empty(ask2, create) -> None:
    await create()
    gone = await create()
    _, said = await ask2("GET", "/api/session?limit=1")
    await ask2("DELETE", f"/api/session/{gone}")
    _, after = await ask2("GET", f"/api/session?cursor={said['cursor']['next']}")
    assert after == {"data": [], "cursor": {}}


async def test_a_cursor_stands_with_a_limit_alone(ask2, create) -> None:
    await create()
    _, said = await ask2("GET", "/api/session")
    for query in ("order=desc", "parentID=null"):
        status, refused = await ask2("GET", f"/api/session?cursor={said['cursor']['next']}&{query}")
        assert (status, refused["_tag"]) == (400, "InvalidCursorError")


async def test_a_prompt_is_taken_once(ask2, create, listen2, server2) -> None:
    """One's own identifier makes it safe to send it again."""
    session_id = await create()
    path, stream = f"/api/session/{session_id}/prompt", await listen2(server2)
    status, said = await ask2("POST", path, {"id": "msg_mine", "text": "hello", "delivery": "queue"})
    admitted = said["data"]
    assert (status, admitted) == (
        200,
        {
            "id": "msg_mine",
            "sessionID": session_id,
            "time": {"created": admitted["time"]["created"]},
            "type": "user",
            "payload": {"text": "hello"},
            "delivery": "queue",
        },
    )
    assert await ask2("POST", path, {"id": "msg_mine", "text": "changed"}) == (200, said)
    assert await ask2("GET", f"/api/session/{session_id}/inbox") == (200, {"data": [admitted]})
    other = await create()
    status, refused = await ask2("POST", f"/api/session/{other}/prompt", {"id": "msg_mine", "text": "hello"})
    assert (status, refused["_tag"]) == (409, "ConflictError")
    await stream.count(3)
    (enqueued,) = [one for one in stream.events if one["type"] == "session.inbox.enqueued"]
    item = {"type": "user", "payload": {"text": "hello"}, "delivery": "queue"}
    assert enqueued["data"] == {"sessionID": session_id, "inboxID": "msg_mine", "item": item}


async def test_the_inbox_can_be_changed(ask2, create, listen2, server2) -> None:
    session_id = await create()
    stream = await listen2(server2)
    for name in ("msg_1", "msg_2"):
        await ask2("POST", f"/api/session/{session_id}/prompt", {"id": name, "text": name})
    assert await ask2("PATCH", f"/api/session/{session_id}/inbox/msg_1", {"delivery": "queue"}) == (204, "")
    assert await ask2("DELETE", f"/api/session/{session_id}/inbox/msg_2") == (204, "")
    _, said = await ask2("GET", f"/api/session/{session_id}/inbox")
    assert [(one["id"], one["delivery"]) for one in said["data"]] == [("msg_1", "queue")]
    await stream.count(5)
    assert stream.types[3:] == ["session.inbox.delivery.changed", "session.inbox.cancelled"]


async def test_an_idle_session_is_not_interrupted(ask2, create, server2, listen2) -> None:
    session_id = await create()
    stream = await listen2(server2)
    path = f"/api/session/{session_id}/interrupt"
    assert await ask2("POST", path) == (200, {"interrupted": False})
    server2.process.publish("session.execution.started", {"sessionID": session_id})
    assert await ask2("POST", path) == (200, {"interrupted": True})
    await stream.count(3)
    assert stream.events[-1]["data"] == {"sessionID": session_id, "reason": "user"}


async def test_what_runs(ask2, create, server2) -> None:
    running, _ = await create(), await create()
    server2.process.publish("session.execution.started", {"sessionID": running})
    assert await ask2("GET", "/api/session/active") == (200, {"data": {running: {"type": "running"}}})


async def test_to_wait_for_the_end_of_a_turn(ask2, create, server2) -> None:
    session_id = await create()
    path = f"/api/experimental/session/{session_id}/wait"
    assert await ask2("POST", path) == (204, "")
    server2.process.publish("session.execution.started", {"sessionID": session_id})
    waiting = asyncio.create_task(ask2("POST", path))
    await eventually(lambda: server2.process.waits(session_id))
    server2.process.publish("session.execution.succeeded", {"sessionID": session_id})
    async with asyncio.timeout(PATIENCE):
        assert await waiting == (204, "")


async def test_a_prompt_can_be_stored_for_later(ask2, create, server2) -> None:
    """No agent is woken; nor by its like that come again."""
    session_id = await create()
    for path in ("prompt", "synthetic"):
        status, said = await ask2("POST", f"/api/session/{session_id}/{path}", {"text": "x", "resume": False})
        assert (status, said["data"]["payload"]) == (200, {"text": "x"})
    assert len(server2.process.state.inbox(session_id)) == 2


async def test_changing_a_session(ask2, create, server2, listen2) -> None:
    session_id = await create(title="Before")
    stream = await listen2(server2)
    body = {"title": "After", "metadata": {"a": 1}, "permissions": [], "archived": True}
    assert await ask2("PATCH", f"/api/session/{session_id}", body) == (204, "")
    await ask2("PATCH", f"/api/session/{session_id}", {"archived": False})
    await ask2("POST", f"/api/session/{session_id}/view", {"idle": 5})
    await ask2("POST", f"/api/session/{session_id}/agent", {"agent": "plan"})
    await ask2("POST", f"/api/session/{session_id}/model", {"model": {"id": "m", "providerID": "p"}})
    await stream.count(9)
    assert stream.types[1:] == [
        "session.renamed", "session.metadata.updated", "session.permissions", "session.archived",
        "session.unarchived", "session.viewed", "session.agent.selected", "session.model.selected",
    ]  # fmt: skip
    _, said = await ask2("GET", f"/api/session/{session_id}")
    info = said["data"]
    assert (info["title"], info["metadata"], info["permissions"]) == ("After", {"a": 1}, [])
    assert (info["agent"], info["model"]) == ("plan", {"id": "m", "providerID": "p", "variant": "default"})
    assert info["time"]["viewed"] == 5
    assert "archived" not in info["time"]


async def test_deleting_a_busy_session(ask2, create, server2, listen2) -> None:
    """Its children go first; after session.deleted nothing more is said of any of them."""
    session_id = await create()
    child = await create(parentID=session_id)
    for owner in (session_id, child):
        server2.process.publish("session.execution.started", {"sessionID": owner})
    stream = await listen2(server2)
    assert await ask2("DELETE", f"/api/session/{session_id}") == (204, "")
    await stream.count(5)
    assert [(event["type"], event["data"]["sessionID"]) for event in stream.events[1:]] == [
        ("session.execution.interrupted", session_id),
        ("session.execution.interrupted", child),
        ("session.deleted", child),
        ("session.deleted", session_id),
    ]
    assert (await ask2("GET", f"/api/session/{session_id}"))[0] == 404
    assert (await ask2("GET", "/api/session/active"))[1] == {"data": {}}


async def test_a_fork_is_a_root_of_its_own(ask2, create, server2, listen2) -> None:
    session_id = await create(title="Fix it")
    for name in ("msg_1", "msg_2"):
        server2.api.prompt(session_id, {"id": name, "text": name})
        server2.process.publish("session.inbox.delivered", {"sessionID": session_id, "inboxID": name})
    stream = await listen2(server2)
    path = f"/api/session/{session_id}/fork"
    _, whole = await ask2("POST", path, {})
    _, before = await ask2("POST", path, {"before": "msg_2"})
    await stream.count(3)
    assert stream.types[1:] == ["session.forked", "session.forked"]
    assert stream.events[1]["data"]["parentID"] == session_id
    assert "parentID" not in whole["data"]
    assert [one["data"]["title"] for one in (whole, before)] == ["Fix it (fork #1)", "Fix it (fork #2)"]
    for fork, kind, said in [(whole, "through", ["msg_2", "msg_1"]), (before, "before", ["msg_1"])]:
        boundary = {"type": kind, "messageID": "msg_2"}
        assert fork["data"]["fork"] == {"sessionID": session_id, "boundary": boundary}
        _, found = await ask2("GET", f"/api/session/{fork['data']['id']}/message")
        assert [one["id"] for one in found["data"]] == said


async def test_messages(ask2, create, server2, clock) -> None:
    """Newest first; each kind that a turn leaves."""
    session_id = await create()
    server2.api.prompt(session_id, {"id": "msg_1", "text": "hello"})
    owner = {"sessionID": session_id}
    for kind, data in [
        ("inbox.delivered", {"inboxID": "msg_1"}),
        ("step.started", {"assistantMessageID": "msg_2", "agent": "build", "model": {"id": "m", "providerID": "p"}}),
        ("retry.scheduled", {"assistantMessageID": "msg_2", "attempt": 2, "at": 5, "error": {"type": "unknown", "message": "x"}}),
    ]:  # fmt: skip
        server2.process.publish(f"session.{kind}", owner | data)
    path = f"/api/session/{session_id}/message"
    _, said = await ask2("GET", path)
    assert [one["type"] for one in said["data"]] == ["assistant", "user"]
    assert said["data"][0]["retry"]["attempt"] == 2
    assert await ask2("GET", f"{path}/msg_1") == (200, {"data": said["data"][1]})
    server2.process.publish("session.step.started", owner | {"assistantMessageID": "msg_2"})
    _, said = await ask2("GET", f"{path}?limit=1")
    assert [one["id"] for one in said["data"]] == ["msg_2"]
    assert "retry" not in said["data"][0]
    server2.process.publish("session.execution.succeeded", owner)
    _, said = await ask2("GET", f"{path}?type=idle")
    assert [(one["type"], one["outcome"]) for one in said["data"]] == [("idle", "succeeded")]


async def test_what_comes_into_the_inbox_besides_prompts(ask2, create, server2) -> None:
    session_id = await create()
    _, said = await ask2(
        "POST", f"/api/session/{session_id}/synthetic", {"text": "done", "description": "note"}
    )
    assert (said["data"]["type"], said["data"]["payload"]) == (
        "synthetic",
        {"text": "done", "description": "note"},
    )
    _, wish = await ask2("POST", f"/api/session/{session_id}/compact", {})
    assert (wish["data"]["type"], wish["data"]["payload"]) == ("compaction", {})
    server2.process.publish(
        "session.inbox.delivered", {"sessionID": session_id, "inboxID": said["data"]["id"]}
    )
    (message,) = server2.process.state.newest_messages(session_id)
    assert (message["type"], message["text"]) == ("synthetic", "done")


async def test_empty_executions(ask2, create, server2, listen2) -> None:
    """A person's own command, and calling off a way back, start and end an execution without a step."""
    session_id = await create()
    server2.api.prompt(session_id, {"id": "msg_1", "text": "hello"})
    server2.process.publish("session.inbox.delivered", {"sessionID": session_id, "inboxID": "msg_1"})
    stream = await listen2(server2)
    assert await ask2("POST", f"/api/session/{session_id}/shell", {"command": "ls"}) == (204, "")
    status, staged = await ask2("POST", f"/api/session/{session_id}/revert/stage", {"messageID": "msg_1"})
    assert (status, staged["data"]["messageID"]) == (200, "msg_1")
    assert (await ask2("GET", f"/api/session/{session_id}"))[1]["data"]["revert"] == staged["data"]
    assert await ask2("DELETE", f"/api/session/{session_id}/revert") == (204, "")
    assert "revert" not in (await ask2("GET", f"/api/session/{session_id}"))[1]["data"]
    await stream.count(9)
    execution = ["session.execution.started", "session.execution.succeeded"]
    shell = ["session.shell.started", "session.shell.ended", *execution]
    assert stream.types[1:] == [*shell, "session.revert.staged", "session.revert.cleared", *execution]
    newest = [one["type"] for one in server2.process.state.newest_messages(session_id)]
    assert newest == ["idle", "idle", "shell", "user"]


async def test_a_command_beside_a_turn_starts_no_execution_of_its_own(ask2, create, server2, listen2) -> None:
    session_id = await create()
    server2.process.publish("session.execution.started", {"sessionID": session_id})
    stream = await listen2(server2)
    await ask2("POST", f"/api/session/{session_id}/shell", {"command": "ls"})
    server2.api.rename(session_id, "next")
    await stream.count(4)
    assert stream.types[1:] == ["session.shell.started", "session.shell.ended", "session.renamed"]


async def test_locations(ask2, server2) -> None:
    """Asking for one loads it; a plain `?directory=` is not looked at."""
    project = server2.process.project_of(DEMO)
    for path, headers, directory in [
        ("/api/location", {}, DEMO),
        (f"/api/location?directory={OTHER}", {}, DEMO),
        (f"/api/location?location%5Bdirectory%5D={OTHER}", {}, OTHER),
        ("/api/location", {"x-opencode-directory": "/code/by%20header"}, "/code/by header"),
    ]:
        place = {"id": project, "directory": directory, "canonical": directory}
        assert await ask2("GET", path, **headers) == (200, {"directory": directory, "project": place})
    loaded = [{"directory": one} for one in (DEMO, OTHER, "/code/by header")]
    assert await ask2("GET", "/api/debug/location") == (200, loaded)
    assert await ask2("DELETE", f"/api/debug/location?location[directory]={OTHER}") == (204, "")
    assert await ask2("GET", "/api/debug/location") == (200, [loaded[0], loaded[2]])


async def test_a_directory_in_which_something_happens_is_loaded(ask2, create, server2) -> None:
    """Also after a restart, when a turn goes on that nobody asked for."""
    session_id = await create(OTHER)
    await server2.cut()
    await server2.start()
    assert await ask2("GET", "/api/debug/location") == (200, [])
    server2.process.publish("session.execution.started", {"sessionID": session_id})
    assert await ask2("GET", "/api/debug/location") == (200, [])  # that event names no directory
    server2.process.publish("session.step.started", {"sessionID": session_id, "assistantMessageID": "msg_1"})
    assert await ask2("GET", "/api/debug/location") == (200, [{"directory": OTHER}])
    assert await ask2("GET", "/api/experimental/migration/v1") == (200, {"status": "completed"})


async def test_projects(ask2, create) -> None:
    await create()
    _, (project,) = await ask2("GET", "/api/project")
    assert set(project) == {"id", "canonical", "vcs", "time", "sandboxes"}
    assert project["canonical"] == DEMO


@pytest.mark.parametrize(("flavour", "status"), [("2.1", 404), ("2.0", 500), ("beta", 500)])
async def test_a_directory_that_is_gone(http, clock, journal, flavour, status) -> None:
    """The session can be made; whatever needs its location fails, and nothing is said on the stream."""
    server = OpenCode2Server(clock, journal, password=PASSWORD, flavour=flavour)
    server.process.missing.add(GONE)
    await server.start()
    session = server.api.create({"location": {"directory": GONE}})
    assert session["projectID"] == "global"
    path = f"{server.url}/api/session/{session['id']}"
    for method, url in [
        ("POST", f"{path}/prompt"),
        ("GET", f"{path}/permission"),
        ("GET", f"{path}/form"),
        ("GET", f"{server.url}/api/permission/request?location[directory]={GONE}"),
    ]:
        async with http.request(method, url, json={"text": "x"}, headers=credentials()) as response:
            body = await response.text()
            assert response.status == status
            assert (json.loads(body)["_tag"] if body else None) == (
                "LocationNotFoundError" if status == 404 else None
            )
    async with http.get(f"{server.url}/api/debug/location", headers=credentials()) as response:
        assert await response.json() == []
    await server.close()


async def test_the_beta_speaks_other_words(http, clock, journal, listen2) -> None:
    server = OpenCode2Server(clock, journal, password=PASSWORD, flavour="beta")
    await server.start()
    stream = await listen2(server)

    async def ask(method: str, path: str, body=None):
        async with http.request(method, server.url + path, json=body, headers=credentials()) as response:
            is_json = response.content_type == "application/json"
            return response.status, await response.json() if is_json else await response.text()

    session_id = server.api.create({"location": {"directory": DEMO}, "title": "Before"})["id"]
    path = f"/api/session/{session_id}"
    _, said = await ask("POST", f"{path}/prompt", {"id": "msg_1", "text": "hello"})
    assert said["data"] == {
        "id": "msg_1", "sessionID": session_id, "type": "user", "delivery": "steer",
        "timeCreated": said["data"]["timeCreated"], "data": {"text": "hello"},
    }  # fmt: skip
    assert await ask("GET", f"{path}/pending") == (200, {"data": [said["data"]]})
    server.process.publish("session.inbox.delivered", {"sessionID": session_id, "inboxID": "msg_1"})
    step = {"sessionID": session_id, "assistantMessageID": "msg_2"}
    server.process.publish("session.step.started", {**step, "started": 5})
    server.process.publish("session.step.streamed", step)
    assert await ask("POST", f"{path}/rename", {"title": "After"}) == (204, "")
    assert await ask("POST", f"{path}/interrupt") == (204, "")
    assert await ask("POST", f"{path}/revert/clear") == (204, "")
    assert await ask("POST", f"{path}/wait") == (204, "")
    form_id = server.api.ask_form(session_id, {"title": "Questions", "fields": []})["id"]
    assert await ask("GET", f"{path}/form/{form_id}/state") == (200, {"data": {"status": "pending"}})
    assert await ask("POST", f"{path}/form/{form_id}/cancel") == (204, "")
    assert (await ask("GET", "/api/form/request"))[1]["data"] == []
    assert await ask("GET", "/api/server") == (200, {"urls": [server.url]})
    _, fork = await ask("POST", f"{path}/fork", {"boundary": {"type": "before", "messageID": "msg_1"}})
    assert fork["data"]["fork"]["boundary"] == {"type": "before", "messageID": "msg_1"}
    await stream.count(12)
    assert stream.types[1:6] == [
        "session.created", "session.input.admitted", "session.input.promoted", "session.step.started", "session.renamed"
    ]  # fmt: skip
    admitted = {"type": "user", "data": {"text": "hello"}, "delivery": "steer"}
    assert stream.events[2]["data"] == {"sessionID": session_id, "inputID": "msg_1", "input": admitted}
    assert stream.events[3]["data"] == {"sessionID": session_id, "inputID": "msg_1"}
    assert stream.events[4]["data"] == step
    assert "outcome" not in (await ask("GET", path))[1]["data"]
    await server.close()


@pytest.mark.parametrize("flavour", ["2.0", "2.1"])
async def test_in_the_beta_a_killed_turn_is_not_claimed(clock, journal, flavour) -> None:
    for tried, claimed in [(flavour, True), ("beta", False)]:
        server = OpenCode2Server(clock, journal, password=PASSWORD, flavour=tried)
        await server.start()
        session_id = server.api.create({})["id"]
        server.process.publish("session.execution.started", {"sessionID": session_id})
        await server.cut()
        assert (session_id in server.process.state.claims) == claimed


async def test_a_foreground_server_forgets_its_claims(clock, journal) -> None:
    for managed in (True, False):
        server = OpenCode2Server(clock, journal, password=PASSWORD, managed=managed)
        await server.start()
        session_id = server.api.create({})["id"]
        server.process.publish("session.execution.started", {"sessionID": session_id})
        await server.close()
        await server.start()
        assert (session_id in server.process.state.claims) == managed
        await server.close()
