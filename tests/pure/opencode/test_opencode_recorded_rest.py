"""The strongest test of the fold: at every recorded moment it must say what the real server said by REST."""

from urllib.parse import parse_qs, urlsplit

import pytest

from simulator.opencode.v1.replay import known_before
from simulator.opencode.v1.state import State, pending_in
from simulator.recording import Action, Recording
from simulator.scenario import load, scenarios

DIRECTORY = "/code/demo"

NOT_OURS = {
    # This list also names a session of an earlier recording on the same real server.
    ("g_child_session", "/session"),
}


def folded(recording: Recording, until: float) -> State:
    state = State()
    for seed in known_before(recording):
        state.seed(seed.session, seed.messages)
    for line in recording.events:
        if line.t <= until:
            state.fold(line.event["directory"], line.event["payload"])
    return state


def answer(state: State, action: Action):
    url = urlsplit(action.target)
    directory = parse_qs(url.query).get("directory", [DIRECTORY])[0]
    match url.path.strip("/").split("/"):
        case ["session", "status"]:
            return state.session_status(directory)
        case ["permission"]:
            return pending_in(directory, state.permissions)
        case ["question"]:
            return pending_in(directory, state.questions)
        case ["session"]:
            return [info for info in state.newest_sessions() if "parentID" not in info]
        case ["session", session_id]:
            return state.sessions.get(session_id)
        case ["session", session_id, "children"]:
            return state.children(session_id)
        case ["session", session_id, "message"]:
            return state.message_list(session_id)
    raise AssertionError(f"no answer for {action.target}")


def recorded_gets() -> list:
    gets = []
    for name in scenarios():
        for action in load(name).recording.actions:
            if action.method == "GET":
                path = urlsplit(action.target).path
                gets.append(pytest.param(name, action, id=f"{name} {action.sent_t} {path[:16]}"))
    return gets


@pytest.mark.parametrize(("name", "action"), recorded_gets())
def test_the_fold_answers_as_the_real_server_did(name: str, action: Action) -> None:
    recording = load(name).recording
    answers = answer(folded(recording, action.sent_t), action)
    if (name, urlsplit(action.target).path) in NOT_OURS:
        assert answers == action.response[: len(answers)]
    else:
        assert answers == action.response


def test_nearly_all_recordings_ask_the_server_something() -> None:
    asked = {name for name in scenarios() if any(a.method == "GET" for a in load(name).recording.actions)}
    alone = {name for name in scenarios() if not load(name).recording.actions}  # the stream without the calls
    assert set(scenarios()) - asked - alone == {
        "b_permission_external_directory",
        "b_permission_webfetch",
        "i_sigkill_while_streaming",
        "i_sigterm_while_streaming",
        "m_slow_first_token",
    }


@pytest.mark.parametrize("name", scenarios())
def test_after_the_last_event_nothing_runs_unless_the_server_was_killed(name: str) -> None:
    recording = load(name).recording
    state = folded(recording, float("inf"))
    assert bool(state.statuses) == (recording.killed_at is not None)


def test_an_abort_leaves_the_request_pending_as_a_ghost() -> None:
    state = folded(load("b_permission_then_abort").recording, float("inf"))
    assert state.statuses == {}
    assert [request["permission"] for request in pending_in(DIRECTORY, state.permissions)] == ["bash"]


def test_streamed_text_is_not_stored_until_its_part_ends() -> None:
    """What the real server broadcasts as message.part.delta never reaches its database."""
    recording = load("a_text").recording
    session_id = next(iter(folded(recording, float("inf")).sessions))

    def text_at(t: float) -> str:
        parts = folded(recording, t).message_list(session_id)[-1]["parts"]
        return next(part["text"] for part in parts if part["type"] == "text")

    assert text_at(2.5) == ""
    assert text_at(4.0).startswith("word0 word1 ")
