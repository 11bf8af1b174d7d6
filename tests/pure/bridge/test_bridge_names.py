"""How a session is called before it has a title, and what a tool is called with that asks.

Titles made of the time: anomalyco/opencode#20501, code-yeongyu/oh-my-openagent#5544; of which session a notification
speaks: anomalyco/opencode#40970. Arguments: anomalyco/opencode#19549, #12111.
"""

import json
from typing import Any

import pytest

from pure.bridge.wire import created, event, status, text
from relay.bridge.notify.mapping import Sender
from relay.bridge.notify.mapping import event as mapped
from relay.bridge.notify.source import Change
from relay.bridge.sources.opencode1.catch_up import CatchUp
from relay.bridge.sources.opencode1.fold import Sessions
from relay.bridge.sources.opencode1.runs import Runs
from relay.bridge.sources.opencode1.wire import Event, SessionMessage
from relay.bridge.sources.session_tree import MAX_NAME
from relay.bridge.sources.wire import decode

UNTITLED = "New session - 2026-11-30T04:07:45.289Z"
SENDER = Sender("s3cret-s3cret-s3cret", "0123456789abcdef")


def prompted(session: str, words: str, message: str = "msg_0", **more: Any) -> list[Event]:
    info = {"id": message, "role": "user"}
    return [event("message.updated", sessionID=session, info=info), text(session, words, message, **more)]


def folded(*events: Event) -> Sessions:
    sessions = Sessions()
    for one in events:
        sessions.fold(one)
    return sessions


@pytest.mark.parametrize(
    ("title", "words", "name"),
    [
        (UNTITLED, "Fix the login,\nplease", "Fix the login, please"),
        (UNTITLED, "please " * 20, "please " * 8 + "ple…"),
        (UNTITLED, "use sk-proj-AbCd1234efgh5678 to log in", "use *** to log in"),
        (UNTITLED, "  ", None),
        (UNTITLED, None, None),
        ("", "Fix it", "Fix it"),
        ("Fix the login", "please", "Fix the login"),
        ("New session - planning", "please", "New session - planning"),
        ("Child session - 2026-11-30T04:07:45.289Z", "Look around", "Look around"),
    ],
)
def test_the_persons_first_words_stand_for_a_title(title: str, words: str | None, name: str | None) -> None:
    sessions = folded(
        created("a", title=title), *(prompted("a", words) if words else []), status("a", "busy")
    )
    assert sessions.title("a") == name
    assert len(name or "") <= MAX_NAME
    state = sessions.state("a", 0.0)
    assert state
    assert state.session_title == (name or "OpenCode session")
    asked = mapped(Change("asked", "a", "per_1"), sessions.title("a"), "bash: ls", SENDER)
    assert asked.title == f"Action Needed: {name or 'Session permission'}"


def test_only_the_first_prompt_names_it_and_only_what_the_person_wrote() -> None:
    sessions = folded(
        created("a", title=UNTITLED),
        *prompted("a", "the whole file", synthetic=True),
        text("a", "Fix it", "msg_0"),
        text("a", "and that", "msg_0"),
        *prompted("a", "Thanks", "msg_5"),
        text("a", "I fixed it", "msg_6"),
    )
    assert sessions.title("a") == "Fix it"


def test_the_card_gets_the_words_and_then_the_title() -> None:
    sessions = folded(created("a", title=UNTITLED), status("a", "busy"))
    asked, words = prompted("a", "Fix it")
    assert sessions.fold(asked) == []
    assert [one.kind for one in sessions.fold(words)] == ["progress"]
    info = {"id": "a", "title": "Login fixed"}
    assert [one.kind for one in sessions.fold(event("session.updated", info=info))] == ["progress"]
    assert sessions.title("a") == "Login fixed"


def test_the_folder_is_named_where_two_projects_could_be_confused() -> None:
    sessions = folded(
        created("a"), created("b", directory="/code/shop"), created("child", "b", directory="/tmp/x")
    )
    assert [sessions.title(one) for one in ("a", "b")] == ["Fix it (demo)", "Fix it (shop)"]
    assert (
        folded(created("a"), created("b"), created("child", "a", directory="/tmp/x")).title("a") == "Fix it"
    )
    alike = folded(
        created("a", directory="/me/app"), created("b", directory="/you/app"), created("c", directory="/")
    )
    assert [alike.title(one) for one in "abc"] == ["Fix it (me/app)", "Fix it (you/app)", "Fix it (/)"]
    assert (
        folded(created("a"), created("b", directory="/x"), created("c", directory=None)).title("c")
        == "Fix it"
    )
    assert Sessions().title("nobody") is None


def issue(status: str, **arguments: Any) -> Event:
    state = {"status": status, "input": arguments}
    part = {
        "type": "tool",
        "tool": "tracker_create_issue",
        "callID": "call_1",
        "messageID": "msg_1",
        "state": state,
    }
    return event("message.part.updated", sessionID="a", part=part)


def permission(call: Any = "call_1", request: str = "per_1") -> Event:
    return event(
        "permission.asked", id=request, sessionID="a", permission="tracker_create_issue", patterns=["*"], metadata={},
        tool={"messageID": "msg_1", "callID": call},
    )  # fmt: skip


def asked_texts(*events: Event) -> list[str]:
    sessions = Sessions()
    changes = [
        change for one in (created("a"), status("a", "busy"), *events) for change in sessions.fold(one)
    ]
    return [change.text for change in changes if change.kind == "asked"]


WHOLE = 'Use tracker_create_issue: title: "Fix it"'
BARE = "Use tracker_create_issue"


@pytest.mark.parametrize(
    ("events", "texts"),
    [
        ([issue("pending"), issue("running", title="Fix it"), permission()], [WHOLE]),
        ([issue("pending"), permission(), issue("running", title="Fix it")], [BARE, WHOLE]),  # either order (recorded)
        ([permission(), issue("running", title="Fix it"), issue("running", title="Fix it")], [BARE, WHOLE]),
        ([issue("running", title="Fix it"), permission("call_2")], [BARE]),
        ([issue("running", title="Fix it"), issue("completed", title="Fix it"), permission()], [BARE]),
        ([issue("running", title="Fix it"), permission(7)], [BARE]),
        ([permission(), event("permission.replied", sessionID="a", requestID="per_1", reply="once"),
          issue("running", title="Fix it")], [BARE]),
    ],
)  # fmt: skip
def test_a_tool_that_is_not_opencodes_own_shows_what_it_is_called_with(
    events: list[Event], texts: list[str]
) -> None:
    assert asked_texts(*events) == texts


def test_so_many_calls_are_remembered() -> None:
    calls = [
        event("message.part.updated", sessionID="a", part={
            "type": "tool", "tool": "x", "callID": f"call_{number}", "messageID": "m",
            "state": {"status": "running", "input": {"title": "Fix it"}}})
        for number in range(100)
    ]  # fmt: skip
    assert asked_texts(*calls, permission("call_0", "per_1"), permission("call_99", "per_2")) == [BARE, WHOLE]


@pytest.mark.parametrize(
    ("part", "texts"),
    [
        ({"callID": "call_1", "tool": "tracker_create_issue", "state": {"status": "running", "input": {"title": "Fix it"}}}, [WHOLE]),
        ({"callID": "call_2", "tool": "x", "state": {"status": "running", "input": {"title": "Fix it"}}}, []),
        ({"callID": "call_1", "tool": "x", "state": {"status": "completed", "input": {"title": "Fix it"}}}, []),
        ({"callID": 7, "state": {"status": "running", "input": {}}}, []),
        ({"callID": "call_1", "state": "odd"}, []),
        ({"callID": "call_1", "state": {"status": "running", "input": "odd"}}, []),
    ],
)  # fmt: skip
def test_a_request_that_a_bridge_finds_at_its_start_gets_its_arguments_from_the_newest_message(
    part: dict[str, Any], texts: list[str]
) -> None:
    runs = Runs()
    sessions = Sessions(runs)
    for one in (created("a"), status("a", "busy"), permission()):
        sessions.fold(one)
    answer = {"info": {"id": "msg_1", "role": "assistant"}, "parts": [{"type": "tool", **part}]}
    newest = decode(json.dumps(answer).encode(), SessionMessage)
    assert [change.text for change in CatchUp(runs).note("a", newest)] == texts
