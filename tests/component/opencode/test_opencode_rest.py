"""The REST routes over a real socket."""

import pytest

from simulator.opencode.v1.replay import replay, seeds
from simulator.scenario import load, scenarios

D = "/code/demo"


def played(server, name: str, until: str | None = None) -> None:
    """Put a recording into the server, all of it or up to the first event of a kind."""
    ready = replay(load(name).recording, 0, 1.0)
    for seed in seeds(load(name).recording, 0, 1.0):
        server.process.state.seed(seed.session, seed.messages)
    frames = [cue.due for cue in ready.cues]
    types = [frame.payload["type"] for frame in frames]
    server.process.publish(frames if until is None else frames[: types.index(until)])


def asks_at_the_end() -> list:
    """The recorded GETs that came after the last event, so that they need no timing."""
    asks = []
    for name in scenarios():
        recording = load(name).recording
        last = max(line.t for line in recording.events)
        late = [action for action in recording.actions if action.method == "GET" and action.sent_t > last]
        asks += [pytest.param(name, action, id=f"{name} {action.sent_t}") for action in late]
    return asks


@pytest.mark.parametrize(("name", "action"), asks_at_the_end())
async def test_the_routes_answer_as_recorded(server, ask, name: str, action) -> None:
    played(server, name)
    assert await ask("GET", action.target) == (action.status, action.response)


async def test_projects(server, ask) -> None:
    played(server, "a_text")
    status, (project,) = await ask("GET", "/project")
    assert (status, project["worktree"], project["vcs"]) == (200, D, "git")


async def test_sessions_of_a_directory(server, ask) -> None:
    played(server, "g_child_session")
    _, everything = await ask("GET", f"/session?directory={D}")
    _, roots = await ask("GET", f"/session?directory={D}&roots=true")
    assert (len(everything), [info["title"] for info in roots]) == (2, ["parent"])
    assert await ask("GET", "/session?directory=/code/other") == (200, [])
    _, of_the_project = await ask("GET", "/session?directory=/code/other&scope=project")
    assert len(of_the_project) == 2
    _, (child,) = await ask("GET", f"/session/{roots[0]['id']}/children")
    assert child["parentID"] == roots[0]["id"]


async def test_all_sessions_of_all_projects(server, ask) -> None:
    played(server, "g_child_session")
    _, (root,) = await ask("GET", "/experimental/session?roots=true&limit=100")
    assert root["project"] == {"id": root["projectID"], "worktree": D}
    assert len((await ask("GET", "/experimental/session"))[1]) == 2
    server.process.state.sessions[root["id"]]["time"]["archived"] = 1
    assert root["id"] not in [one["id"] for one in (await ask("GET", "/experimental/session"))[1]]
    assert len((await ask("GET", "/experimental/session?archived=true"))[1]) == 2


async def test_the_newest_messages(server, ask) -> None:
    played(server, "c_error_context_overflow")
    _, (info,) = await ask("GET", "/session")
    _, everything = await ask("GET", f"/session/{info['id']}/message")
    _, newest = await ask("GET", f"/session/{info['id']}/message?limit=1")
    assert newest == everything[-1:]
    assert len(everything) > 2
    status, error = await ask("GET", f"/session/{info['id']}/message?limit=x")
    assert (status, error["name"]) == (400, "BadRequest")


async def test_creating_a_session(ask) -> None:
    _, info = await ask("POST", "/session?directory=/code/other", {"title": "mine"})
    assert (info["title"], info["directory"], info["version"]) == ("mine", "/code/other", "1.18.33")
    assert await ask("GET", f"/session/{info['id']}") == (200, info)
    assert await ask("GET", "/session") == (200, [])
    _, info = await ask("POST", "/session")
    assert info["title"] == "New session - 2026-11-21T02:00:00.000Z"
    assert await ask("GET", f"/session/{info['id']}/todo") == (200, [])
    assert await ask("DELETE", f"/session/{info['id']}") == (200, True)
    assert (await ask("GET", f"/session/{info['id']}"))[0] == 404


@pytest.mark.parametrize("body", ["[]", "{", '"x"'])
async def test_a_body_that_is_no_object(server, http, body: str) -> None:
    async with http.post(server.url + "/session", data=body) as response:
        assert (response.status, await response.json()) == (400, {"_tag": "BadRequest"})


async def test_a_prompt_is_accepted_at_once(ask) -> None:
    _, info = await ask("POST", "/session", {})
    path = f"/session/{info['id']}"
    assert await ask("POST", f"{path}/prompt_async", {"parts": [{"type": "text", "text": "hi"}]}) == (204, "")
    _, (message,) = await ask("GET", f"{path}/message")
    assert (message["info"]["role"], message["parts"][0]["text"]) == ("user", "hi")


async def test_an_abort(server, ask) -> None:
    played(server, "e_abort", until="session.error")
    _, busy = await ask("GET", "/session/status")
    (session_id,) = busy
    assert await ask("POST", f"/session/{session_id}/abort") == (200, True)
    assert await ask("GET", "/session/status") == (200, {})


@pytest.mark.parametrize("reply", ["once", "always", "reject"])
async def test_a_permission_is_answered_once(server, ask, reply: str) -> None:
    played(server, "b_permission_once", until="permission.replied")
    _, (asked,) = await ask("GET", f"/permission?directory={D}")
    path = f"/permission/{asked['id']}/reply"
    assert await ask("GET", "/permission?directory=/code/other") == (200, [])
    assert (await ask("POST", f"{path}?directory=/code/other", {"reply": reply}))[0] == 404
    for body in ({}, {"reply": "maybe"}, {"response": "once"}):
        status, error = await ask("POST", path, body)
        assert (status, error["data"]["kind"]) == (400, "Payload")
    assert await ask("GET", "/permission") == (200, [asked])
    assert await ask("POST", f"{path}?directory={D}", {"reply": reply}) == (200, True)
    assert await ask("GET", "/permission") == (200, [])
    status, error = await ask("POST", f"{path}?directory={D}", {"reply": reply})
    assert (status, error["_tag"], error["requestID"]) == (404, "PermissionNotFoundError", asked["id"])


async def test_the_older_route_finds_the_directory_itself(server, ask) -> None:
    played(server, "b_permission_once", until="permission.replied")
    _, (asked,) = await ask("GET", "/permission")
    path = f"/session/{asked['sessionID']}/permissions/{asked['id']}?directory=/code/other"
    assert (await ask("POST", path, {"reply": "once"}))[0] == 400
    assert await ask("POST", path, {"response": "once"}) == (200, True)
    assert (await ask("POST", path, {"response": "once"}))[0] == 404


@pytest.mark.parametrize(("action", "body"), [("reply", {"answers": [["Blue"]]}), ("reject", None)])
async def test_a_question_is_answered_once(server, ask, action: str, body) -> None:
    played(server, "h_question", until="question.replied")
    _, (asked,) = await ask("GET", f"/question?directory={D}")
    path = f"/question/{asked['id']}/{action}"
    assert (await ask("POST", f"{path}?directory=/code/other", body))[0] == 404
    assert await ask("POST", path, body) == (200, True)
    assert await ask("GET", "/question") == (200, [])
    status, error = await ask("POST", path, body)
    assert (status, error["_tag"]) == (404, "QuestionNotFoundError")


async def test_requests_are_in_the_journal(ask, journal) -> None:
    await ask("GET", "/session/ses_x?directory=/code/demo")
    (entry,) = journal.entries("opencode", "request")
    assert entry.detail == {"method": "GET", "path": "/session/ses_x", "status": 404}


async def test_a_connection_serves_many_requests(server, http) -> None:
    """Hypercorn ends a connection after 1000 requests unless configured otherwise."""
    for _ in range(1100):
        async with http.get(server.url + "/global/health") as response:
            assert "Connection" not in response.headers


NOT_FOUND = {"name": "NotFoundError", "data": {"message": "Session not found: ses_x"}}


@pytest.mark.parametrize(
    ("method", "path", "body", "answer"),
    [
        ("GET", "/global/health", None, (200, {"healthy": True, "version": "1.18.33"})),
        ("POST", "/session/ses_nope/abort", None, (200, True)),
        ("POST", "/session/ses_x/permissions/per_1", {"response": "once"}, (404, NOT_FOUND)),
        ("DELETE", "/session/ses_x", None, (404, NOT_FOUND)),
        *(("GET", f"/session/ses_x{path}", None, (404, NOT_FOUND)) for path in ("", "/children", "/todo", "/message")),
        ("POST", "/no/such/route", {}, (404, "")),
    ],
)  # fmt: skip
async def test_short_answers(ask, method: str, path: str, body, answer) -> None:
    assert await ask(method, path, body) == answer


@pytest.mark.parametrize("path", ["/", "/no/such/route", "/session/ses_1/nothing", "/permission/x/reply"])
async def test_an_unknown_get_is_answered_by_the_web_ui(server, http, path: str) -> None:
    async with http.get(server.url + path) as response:
        assert (response.status, response.content_type) == (200, "text/html")
