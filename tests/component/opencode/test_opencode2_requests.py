"""Permissions and forms of the fake OpenCode 2: who asks, who answers, and what becomes of what waits."""

import pytest

from simulator.opencode.v2.api import EXPIRES_AFTER

DEMO, OTHER = "/code/demo", "/code/other"


def missing(key: str) -> dict:
    return {"_tag": "InvalidRequestError", "message": f'Missing key\n  at ["{key}"]', "kind": "Payload"}


@pytest.fixture
async def session_id(server2) -> str:
    return server2.api.create({"location": {"directory": DEMO}})["id"]


@pytest.fixture
def ask(server2):
    """A permission that waits; with `tool` it is asked by one, else by a client."""

    def permission(session_id: str, *resources: str, tool: bool = False, **body) -> str:
        source = {"source": {"type": "tool", "messageID": "msg_1", "id": "call_1"}} if tool else {}
        asked = {"action": "shell", "resources": list(resources) or ["git push"], **source, **body}
        return server2.api.ask_permission(session_id, asked)["id"]

    return permission


@pytest.fixture
def question(server2):
    def form(session_id: str, *fields: dict) -> str:
        shown = list(fields) or [{"key": "q0", "type": "string", "custom": True}]
        return server2.api.ask_form(session_id, {"title": "Questions", "fields": shown})["id"]

    return form


async def test_a_client_asks_on_an_idle_session(ask2, session_id, listen2, server2) -> None:
    stream = await listen2(server2)
    path = f"/api/session/{session_id}/permission"
    body = {"action": "shell", "resources": ["git push origin"], "save": ["git push *"], "message": "why"}
    status, said = await ask2("POST", path, body)
    request_id = said["data"]["id"]
    assert (status, said["data"]) == (200, {"id": request_id, "effect": "ask"})
    request = {"id": request_id, "sessionID": session_id, **body}
    assert await ask2("GET", path) == (200, {"data": [request]})
    assert await ask2("GET", f"{path}/{request_id}") == (200, {"data": request})
    _, here = await ask2("GET", f"/api/permission/request?location[directory]={DEMO}")
    assert (here["data"], here["location"]["directory"]) == ([request], DEMO)
    _, elsewhere = await ask2("GET", f"/api/permission/request?location[directory]={OTHER}")
    assert elsewhere["data"] == []
    assert await ask2("GET", "/api/session/active") == (200, {"data": {}})
    await stream.count(2)
    assert (stream.types[1], stream.events[1]["data"]) == ("permission.asked", request)


@pytest.mark.parametrize("word", ["once", "always", "reject"])
async def test_an_answer_takes_the_request_away(ask2, session_id, ask, listen2, server2, word) -> None:
    request_id = ask(session_id)
    stream = await listen2(server2)
    path = f"/api/session/{session_id}/permission/{request_id}"
    assert await ask2("POST", f"{path}/reply", {"decision": word}) == (204, "")
    await stream.count(2)
    replied = {"sessionID": session_id, "requestID": request_id, "reply": word}
    assert (stream.types[1], stream.events[1]["data"]) == ("permission.replied", replied)
    gone = {"_tag": "PermissionNotFoundError", "requestID": request_id}
    gone["message"] = f"Permission request not found: {request_id}"
    assert await ask2("POST", f"{path}/reply", {"decision": word}) == (404, gone)
    assert await ask2("GET", path) == (404, gone)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"reply": "once"}, missing("decision")),
        (
            {"decision": "maybe"},
            {"_tag": "InvalidRequestError", "message": 'Expected Permission.Reply, got "maybe"\n  at ["decision"]', "kind": "Payload"},
        ),
    ],
)  # fmt: skip
async def test_answers_that_are_none(ask2, session_id, ask, body, said) -> None:
    """As recorded."""
    path = f"/api/session/{session_id}/permission/{ask(session_id)}/reply"
    assert await ask2("POST", path, body) == (400, said)


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("permission", {"resources": []}, missing("action")),
        ("permission", {"action": "shell"}, missing("resources")),
        ("permission", {"action": "shell", "resources": "ls"}, {**missing(""), "message": 'Expected array, got "ls"\n  at ["resources"]'}),
        ("permission", {"action": "shell", "resources": [], "id": "x"}, {**missing(""), "message": 'Expected a string starting with "per", got "x"\n  at ["id"]'}),
        ("form", {"fields": []}, missing("title")),
        ("form", {"title": "Questions"}, missing("fields")),
        ("form", {"title": "Q", "fields": [], "id": "x"}, {**missing(""), "message": 'Expected a string starting with "frm", got "x"\n  at ["id"]'}),
    ],
)  # fmt: skip
async def test_requests_that_are_none(ask2, session_id, path, body, said) -> None:
    assert await ask2("POST", f"/api/session/{session_id}/{path}", body) == (400, said)


async def test_an_answer_for_another_session(ask2, server2, session_id, ask) -> None:
    request_id = ask(session_id)
    other = server2.api.create({"location": {"directory": DEMO}})["id"]
    path = f"/api/session/{other}/permission/{request_id}/reply"
    assert (await ask2("POST", path, {"decision": "once"}))[1]["_tag"] == "PermissionNotFoundError"
    path = f"/api/session/ses_unknown/permission/{request_id}/reply"
    assert (await ask2("POST", path, {"decision": "once"}))[1]["_tag"] == "SessionNotFoundError"


async def test_a_no_is_the_answer_to_all_that_the_session_asks(session_id, ask, server2, listen2) -> None:
    first, second = ask(session_id, "one"), ask(session_id, "two")
    other = ask(server2.api.create({"location": {"directory": DEMO}})["id"], "one")
    stream = await listen2(server2)
    server2.api.reply_permission(server2.process.state.permissions[first], "reject")
    await stream.count(3)
    said = [(one["data"]["requestID"], one["data"]["reply"]) for one in stream.events[1:]]
    assert said == [(first, "reject"), (second, "reject")]
    assert list(server2.process.state.permissions) == [other]


async def test_always_answers_what_it_allows(ask2, session_id, ask, server2, listen2) -> None:
    """Of any session of that directory; a command of several parts only if all are allowed."""
    other = server2.api.create({"location": {"directory": DEMO}})["id"]
    elsewhere = server2.api.create({"location": {"directory": OTHER}})["id"]
    asked = ask(session_id, "git push origin", save=["git push *"])
    same = ask(other, "git push")
    open_still = [
        ask(session_id, "git pull"),
        ask(other, "git push", "rm -r"),
        ask(other, "git push", action="edit"),
        ask(elsewhere, "git push"),
        server2.api.ask_permission(other, {"action": "shell", "resources": []})["id"],
    ]
    stream = await listen2(server2)
    path = f"/api/session/{session_id}/permission/{asked}/reply"
    assert await ask2("POST", path, {"decision": "always"}) == (204, "")
    await stream.count(3)
    said = [
        (one["data"]["sessionID"], one["data"]["requestID"], one["data"]["reply"])
        for one in stream.events[1:]
    ]
    assert said == [(session_id, asked, "always"), (other, same, "always")]
    assert list(server2.process.state.permissions) == open_still
    body = {"action": "shell", "resources": ["git push --force"]}
    _, allowed = await ask2("POST", f"/api/session/{other}/permission", body)
    assert allowed["data"]["effect"] == "allow"


async def test_saved_rules(ask2, session_id, ask, server2, clock) -> None:
    server2.api.reply_permission(
        server2.process.state.permissions[ask(session_id, "ls", save=["ls *", "cat *"])], "always"
    )
    project = server2.process.project_of(DEMO)
    _, said = await ask2("GET", "/api/permission/saved")
    assert [(one["projectID"], one["action"], one["resource"]) for one in said["data"]] == [
        (project, "shell", "ls *"),
        (project, "shell", "cat *"),
    ]
    assert (await ask2("GET", "/api/permission/saved?projectID=global"))[1] == {"data": []}
    first, second = (one["id"] for one in said["data"])
    await clock.advance(1)
    assert await ask2("PATCH", f"/api/permission/saved/{first}", {"resource": "ls"}) == (204, "")
    assert await ask2("DELETE", f"/api/permission/saved/{second}") == (204, "")
    _, (changed,) = 200, (await ask2("GET", "/api/permission/saved"))[1]["data"]
    assert changed["resource"] == "ls"
    assert changed["time"]["updated"] == changed["time"]["created"] + 1000
    status, gone = await ask2("DELETE", f"/api/permission/saved/{second}")
    assert (status, gone["_tag"]) == (404, "PermissionSavedNotFoundError")


async def test_the_end_of_a_turn_withdraws_what_its_tools_asked(ask2, session_id, ask, server2) -> None:
    """No permission.replied is sent; what a client asked itself goes on waiting."""
    server2.process.publish("session.execution.started", {"sessionID": session_id})
    ask(session_id, "by a tool", tool=True)
    own = ask(session_id, "by a client")
    await ask2("POST", f"/api/session/{session_id}/interrupt")
    assert list(server2.process.state.permissions) == [own]
    await ask2("DELETE", f"/api/session/{session_id}")
    assert not server2.process.state.permissions


async def test_an_interrupt_cancels_forms(ask2, session_id, question, server2, listen2) -> None:
    server2.process.publish("session.execution.started", {"sessionID": session_id})
    form_id = question(session_id)
    question("global")
    stream = await listen2(server2)
    await ask2("POST", f"/api/session/{session_id}/interrupt")
    await stream.count(3)
    assert stream.types[1:] == ["form.cancelled", "session.execution.interrupted"]
    path = f"/api/session/{session_id}/form/{form_id}/reply"
    assert (await ask2("POST", path, {"answer": {"q0": "x"}}))[0] == 409


async def test_a_form_is_filled_in_once(ask2, session_id, question, server2, listen2) -> None:
    form_id = question(session_id)
    stream = await listen2(server2)
    path = f"/api/session/{session_id}/form/{form_id}"
    _, said = await ask2("GET", path)
    assert said["data"]["state"] == {"status": "pending"}
    assert await ask2("POST", f"{path}/reply", {"answer": {"q0": "Blue"}}) == (204, "")
    await stream.count(2)
    assert (stream.types[1], stream.events[1]["data"]) == (
        "form.replied",
        {"id": form_id, "sessionID": session_id, "answer": {"q0": "Blue"}},
    )
    _, said = await ask2("GET", path)
    assert said["data"]["state"] == {"status": "answered", "answer": {"q0": "Blue"}}
    settled = {
        "_tag": "FormAlreadySettledError",
        "id": form_id,
        "message": f"Form already settled: {form_id}",
    }
    assert await ask2("POST", f"{path}/reply", {"answer": {"q0": "Red"}}) == (409, settled)
    assert await ask2("DELETE", path) == (409, settled)
    assert await ask2("GET", f"/api/session/{session_id}/form") == (200, {"data": []})


async def test_a_settled_form_is_forgotten_after_ten_minutes(ask2, session_id, question, clock) -> None:
    path = f"/api/session/{session_id}/form/{question(session_id)}"
    await ask2("DELETE", path)
    await clock.advance(599)
    assert (await ask2("DELETE", path))[0] == 409
    await clock.advance(1)
    assert (await ask2("DELETE", path))[1]["_tag"] == "FormNotFoundError"


async def test_a_form_is_dismissed(ask2, session_id, question, server2, listen2) -> None:
    """With or without a word about why."""
    stream = await listen2(server2)
    for query, state in [
        ("", {"status": "cancelled"}),
        ("?message=later", {"status": "cancelled", "message": "later"}),
    ]:
        path = f"/api/session/{session_id}/form/{question(session_id)}"
        assert await ask2("DELETE", path + query) == (204, "")
        assert (await ask2("GET", path))[1]["data"]["state"] == state
    await stream.count(5)
    assert stream.types[1:] == ["form.created", "form.cancelled"] * 2


async def test_forms_of_no_session(ask2, listen2, server2) -> None:
    """As a plugin asks: the word "global" stands where a session would."""
    stream = await listen2(server2)
    body = {
        "title": "Key",
        "fields": [{"key": "key", "type": "string"}],
        "metadata": {"kind": "mcp-elicitation"},
    }
    _, said = await ask2("POST", "/api/session/global/form", body)
    form = said["data"]
    assert form == {"id": form["id"], "sessionID": "global", **body}
    assert await ask2("GET", "/api/session/global/form") == (200, {"data": [form]})
    assert (await ask2("GET", "/api/form"))[1]["data"] == [form]
    assert (await ask2("GET", f"/api/form?location[directory]={OTHER}"))[1]["data"] == []
    assert await ask2("POST", f"/api/session/global/form/{form['id']}/reply", {"answer": {"key": "k"}}) == (
        204,
        "",
    )
    await stream.count(3)
    assert stream.types[1:] == ["form.created", "form.replied"]
    assert stream.events[1]["data"] == {"form": form}


async def test_answers_that_do_not_fit(ask2, session_id, question) -> None:
    """The first three are recorded; every kind of field is in test_opencode2_forms."""
    form_id = question(session_id)
    path = f"/api/session/{session_id}/form/{form_id}/reply"
    wrong = {"_tag": "FormInvalidAnswerError", "id": form_id}
    for body, status, said in [
        ({"answer": {"nope": "x"}}, 400, {**wrong, "message": "Unknown form field: nope"}),
        ({"answer": {"q0": 5}}, 400, {**wrong, "message": "Expected string for form field: q0"}),
        ({"answers": [["Red"]]}, 400, missing("answer")),
        ({"answer": []}, 400, {**wrong, "message": "Expected an object of answers by field"}),
    ]:
        assert await ask2("POST", path, body) == (status, said)
    path = f"/api/session/{session_id}/form/frm_unknown/reply"
    unknown = {"_tag": "FormNotFoundError", "id": "frm_unknown", "message": "Form not found: frm_unknown"}
    assert await ask2("POST", path, {"answer": {}}) == (404, unknown)


async def test_loading_all_locations_anew(ask2, session_id, ask, question, server2, listen2) -> None:
    ask(session_id, "one")
    ask(session_id, "two")
    question(session_id)
    question("global")
    stream = await listen2(server2)
    assert await ask2("POST", "/api/location/reload") == (204, "")
    await stream.count(6)
    assert stream.types[1:] == ["permission.replied"] * 2 + ["form.cancelled"] * 2 + ["location.shutdown"]
    assert await ask2("GET", "/api/debug/location") == (200, [])


async def test_evicting_one_location_leaves_the_others(ask2, session_id, question, ask, server2) -> None:
    other = server2.api.create({"location": {"directory": OTHER}})["id"]
    kept = [ask(other), question(other)]
    ask(session_id)
    question(session_id)
    assert await ask2("DELETE", f"/api/debug/location?location[directory]={DEMO}") == (204, "")
    state = server2.process.state
    assert [*state.permissions, *(form.info["id"] for form in state.pending_forms())] == kept


async def test_a_location_expires_after_an_hour_without_an_event(
    ask, session_id, question, server2, listen2, clock
) -> None:
    """A turn that waits ends first, for inactivity; then what waited is refused, which nobody did."""
    server2.process.publish("session.execution.started", {"sessionID": session_id})
    asked = ask(session_id, tool=True)
    question(session_id)
    server2.api.create({"location": {"directory": OTHER}})
    await clock.advance(EXPIRES_AFTER - 1)
    server2.api.create({"location": {"directory": OTHER}})
    stream = await listen2(server2)
    await clock.advance(1)
    await stream.count(5)
    assert [
        (one["type"], one["data"].get("reason") or one["data"].get("reply")) for one in stream.events[1:]
    ] == [
        ("form.cancelled", None),
        ("session.execution.interrupted", "inactivity"),
        ("permission.replied", "reject"),
        ("location.shutdown", None),
    ]
    assert stream.events[3]["data"]["requestID"] == asked
    assert server2.process.state.locations == [OTHER]
    await clock.advance(EXPIRES_AFTER - 1)
    assert server2.process.state.locations == []
    await clock.advance(10 * EXPIRES_AFTER)
    assert stream.types.count("location.shutdown") <= 2
