"""What tools ask, print and leave, against the recordings."""

import pytest

from simulator.opencode.v1 import tools
from simulator.opencode.v1.tools import Chunk, Request
from simulator.scenario import load

D = "/code/demo"


def recorded(name: str, kind: str) -> list[dict]:
    payloads = [line.event["payload"] for line in load(name).recording.events]
    return [one["properties"] for one in payloads if one["type"] == kind]


def tool_states(name: str, status: str) -> list[tuple[str, dict]]:
    parts = [one["part"] for one in recorded(name, "message.part.updated") if one["part"]["type"] == "tool"]
    return [(one["tool"], one["state"]) for one in parts if one["state"]["status"] == status]


ASKING = [
    "b_permission_always",
    "b_permission_edit",
    "b_permission_external_directory",
    "b_permission_once",
    "b_permission_reject",
    "b_permission_webfetch",
    "f_two_sessions",
]


@pytest.mark.parametrize("name", ASKING)
def test_what_is_asked_is_what_was_recorded(name: str) -> None:
    (first, *_) = tool_states(name, "running")
    asked = [request.json() for request in tools.requests(first[0], first[1]["input"], D)]
    expected = [
        {key: one[key] for key in ("permission", "patterns", "metadata", "always")}
        for one in recorded(name, "permission.asked")
    ]
    assert asked == expected


@pytest.mark.parametrize("name", [name for name in ASKING if name != "b_permission_reject"])
def test_how_a_tool_ends_is_what_was_recorded(name: str) -> None:
    for tool, state in tool_states(name, "completed"):
        done = tools.done(tool, state["input"], D)
        if "git status -sb" not in state["title"]:  # its output was that of a real repository
            assert (done.output, done.metadata) == (state["output"], state["metadata"])
        assert done.title == state["title"]


def test_a_file_that_was_written_is_announced_and_counted() -> None:
    ((tool, state),) = tool_states("b_permission_edit", "completed")
    done = tools.done(tool, state["input"], D)
    sent = [
        (kind, recorded("b_permission_edit", kind)[0]) for kind in ("file.edited", "file.watcher.updated")
    ]
    assert list(done.events) == sent
    last = recorded("b_permission_edit", "message.updated")[-1]
    assert list(done.diffs) == last["info"]["summary"]["diffs"]
    assert done.files == ("/code/demo/new.txt",)


def test_an_edit_is_counted_too() -> None:
    done = tools.done("edit", {"filePath": f"{D}/a.py", "newString": "x\ny"}, D)
    assert done.diffs[0]["additions"] == 2
    assert tools.done("edit", {"filePath": f"{D}/a.py"}, D).diffs[0]["additions"] == 0


def test_an_abort_of_a_running_command_is_as_recorded() -> None:
    ((tool, state),) = tool_states("e_abort_in_tool", "completed")
    mine = tools.interrupted(tool, state["input"], "start\n")
    assert mine == {key: state[key] for key in ("status", "output", "metadata", "title")}


def test_an_abort_while_the_permission_waits_is_as_recorded() -> None:
    ((tool, state),) = tool_states("b_permission_then_abort", "error")
    mine = tools.interrupted(tool, state["input"], None)
    assert mine == {key: state[key] for key in ("status", "error", "metadata")}


@pytest.mark.parametrize(
    ("name", "error"), [("b_permission_reject", tools.REJECTED), ("h_question_reject", tools.DISMISSED)]
)
def test_the_words_of_a_no(name: str, error: str) -> None:
    ((_, state),) = tool_states(name, "error")
    assert state["error"] == error


def test_the_words_of_an_answer() -> None:
    ((_, state),) = tool_states("h_question", "completed")
    assert tools.answered(state["input"]["questions"], [["Blue"]]) == (state["output"], state["title"])
    _, title = tools.answered([{"question": "a"}, {"question": "b"}], [["x"], ["y", "z"]])
    assert title == "Asked 2 questions"


def test_what_a_command_prints() -> None:
    printed = tools.chunks("bash", {"command": "echo a; sleep 2; echo b && sleep 1"})
    assert printed == (Chunk(0.0, ""), Chunk(0.0, "a\n"), Chunk(2.0, "a\nb\n"), Chunk(1.0, "a\nb\n"))
    assert tools.chunks("bash", {"command": "sleep long"}) == (Chunk(0.0, ""),)
    assert tools.chunks("bash", {"command": "ls"}) == (Chunk(0.0, ""),)
    assert tools.chunks("webfetch", {"url": "x"}) == ()


@pytest.mark.parametrize(
    ("command", "outside"),
    [
        ("cat /etc/hosts /etc/passwd", ["/etc"]),
        ("cat /etc/hosts /var/log/x", ["/etc", "/var/log"]),
        ("cat /code/demo/a /code/demo/b/c", []),
        ("cat /code/demonstration/a", ["/code/demonstration"]),
        ("echo x > /dev/null", []),
    ],
)
def test_what_lies_outside(command: str, outside: list[str]) -> None:
    found = tools.requests("bash", {"command": command}, D)
    directories = [one.metadata["directories"] for one in found if one.permission == "external_directory"]
    assert directories == ([outside] if outside else [])


@pytest.mark.parametrize(
    ("patterns", "allowed", "expected"),
    [
        (["git status -sb"], {("bash", "git status *")}, True),
        (["git status"], {("bash", "git status *")}, True),
        (["git push"], {("bash", "git status *")}, False),
        (["git status -sb", "ls"], {("bash", "git status *")}, False),
        (["git status -sb"], {("edit", "*")}, False),
        (["git status -sb"], set(), False),
    ],
)
def test_what_always_allows(patterns: list[str], allowed: set, expected: bool) -> None:
    assert Request("bash", tuple(patterns), {}, ()).allowed_by(allowed) is expected


def test_other_tools_ask_nothing_and_end() -> None:
    assert tools.requests("read", {}, D) == ()
    assert tools.done("read", {}, D).title == "read"
