"""The fold of OpenCode 2's events: one alert for each fact, whatever comes in between.

Sources: recordings of a real engine (simulator/scenarios/opencode2), and anomalyco/opencode's core (session/execution.ts,
permission.ts) for what none of them shows.
"""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pure.bridge.opencode2_folding import HERE, WORDS, changes_of, event, play
from relay.bridge.sources.opencode2.fold import MAX_NAMES, MAX_PROMPT, MAX_UNKNOWN, Sessions
from relay.bridge.sources.opencode2.runs import WITHDRAWN, Runs
from relay.bridge.sources.opencode2.session import EXPIRED
from relay.bridge.sources.opencode2.wire import parse

SCRIPTS: dict[str, tuple[str, str]] = {
    "a turn": ("new; starts; step m1; says hi; done", "started; complete m1"),
    "a turn with a prompt": ("new; prompt m1; starts; delivered m1; step m2; done", "started; complete m2"),
    "queued prompts share one execution": (
        "new; starts; delivered m1; step m2; delivered m3; step m4; done", "started; complete m4",
    ),
    "two turns": ("new; starts; step m1; done; starts; step m2; done", "started; complete m1; started; complete m2"),
    "a failure": ("new; starts; step m1; stepfails m1; failed", "started; error m1"),
    "a failure before any step": ("new; starts; failed", "error"),
    "a failed step that is made again": ("new; starts; step m1; stepfails m1; retry; step m1; done", "started; complete m1"),
    "stopped by a person": ("new; starts; step m1; stopped", "started; stopped m1"),
    "stopped while it waits for a model": ("new; starts; step m1; retry; stopped", "started; stopped m1"),
    "no": ("new; starts; step m1; ask p1; no p1; shutdown", "started; asked p1; answered p1; stopped m1"),
    "no, with a reason": ("new; starts; step m1; ask p1; no p1; step m2; done", "started; asked p1; answered p1; complete m2"),
    "a dismissed question": ("new; starts; step m1; form f1; dismissed f1; shutdown", "started; asked f1; answered f1; stopped m1"),
    "an answered question": ("new; starts; step m1; form f1; filled f1; done", "started; asked f1; answered f1; complete m1"),
    "asked twice": ("new; starts; step m1; ask p1; ask p1; yes p1; ask p1; done", "started; asked p1; answered p1; complete m1"),
    "the end withdraws what was asked": ("new; starts; step m1; ask p1; stopped", "started; asked p1; answered p1; stopped m1"),
    "what a client asked while nothing ran lives on": (
        "new; ask p1; starts; step m1; done; yes p1", "asked p1; started; complete m1; answered p1",
    ),
    "a form that belongs to no session": ("global: form f1", ""),
    "the user's own shell command": ("new; starts; done", ""),
    "a compaction by hand": ("new; compact c1; starts; delivered c1; compacts; compacted; done", ""),
    "a compaction within a run": ("new; starts; delivered m1; compacts; compacted; step m2; done", "started; complete m2"),
    "a prompt that the model never saw": ("new; starts; delivered m1; done", "started; stopped m1"),
    "the server stops, and goes on": ("new; starts; step m1; shutdown; tick; starts; step m2; done", "started; complete m2"),
    "the server stops": ("new; starts; step m1; shutdown; tick; tick", "started; stopped m1"),
    "the folder is closed for inactivity": ("new; starts; step m1; expired", "started; stopped m1"),
    "and what was asked expires with it": ("new; starts; step m1; ask p1; expired", "started; asked p1; answered p1; error m1"),
    "a reason that nobody knows": ("new; starts; step m1; odd", "started; stopped m1"),
    "a reason that is none": ("new; starts; step m1; wordless", "started; stopped m1"),
    "a folder is closed": ("new; ask p1; closed", "asked p1; answered p1"),
    "a session that was in another folder": ("new; moved /code/other; ask p1; closed", "asked p1"),
    "a child": ("new; starts; step m1; b: new a; b: starts; b: step m2; b: done; done", "started; complete m1"),
    "a child fails": ("new; starts; step m1; b: new a; b: starts; b: step m2; b: failed; done", "started; complete m1"),
    "a child asks": (
        "new; starts; step m1; b: new a; b: starts; b: step m2; b: ask p1; b: yes p1; b: done; done",
        "started; asked p1; answered p1; complete m1",
    ),
    "a child in the background": (
        "new; starts; step m1; b: new a; b: starts; b: step m2; done; tick; tick; tick; b: done; told m3; starts; delivered m3; "
        "step m4; done", "started; complete m4",
    ),
    "a child in the background that nobody waits for": (
        "new; starts; step m1; b: new a; b: starts; c: new b; c: starts; done; b: done; tick; tick; c: done; tick; tick",
        "started; complete m1",
    ),
    "a child whose parent is asked for": (
        "b: starts; b: ask p1; b: learnt a; a: learnt", "b: unknown; unknown; asked p1",
    ),
    "a session that nobody knows": ("starts; step m1; done; lost", "unknown; started; complete m1"),
    "an idle session of which nothing is known": ("starts; done; learnt", "unknown"),
    "a deleted session": ("new; starts; step m1; ask p1; deleted; done; ask p2", "started; asked p1; answered p1; stopped m1"),
    "asked below a deleted session": ("new; b: new a; deleted; b: ask p1", ""),
    "a run whose start was missed": ("connected; step m1; learnt; done", "unknown; started; complete m1"),
    "a run that began before the connection and is over": ("new; starts; connected; done", ""),
    "and one that failed": ("new; starts; connected; failed", "error"),
    "text alone is work": ("new; starts; says hi; done", "complete"),
    "a tool alone is work": ("new; starts; tool c1; called c1; done", "complete"),
    "the folder's requests are rejected before its runs end": (
        "new; starts; step m1; ask p1; no p1; expired", "started; asked p1; answered p1; error m1",
    ),
    "what a child asked expires": (
        "new; starts; step m1; b: new a; b: starts; b: step m2; b: ask p1; b: expired; expired",
        "started; asked p1; answered p1; error m1",
    ),
    "what a child asked expires, its parent first": (
        "new; starts; step m1; b: new a; b: starts; b: step m2; b: ask p1; expired; b: expired",
        "started; asked p1; error m1; answered p1",
    ),
    "a child that asked, was answered and goes on expires with nothing": (
        "new; starts; step m1; b: new a; b: starts; b: step m2; b: ask p1; b: no p1; b: step m3; b: expired; expired",
        "started; asked p1; answered p1; stopped m1",
    ),
    "a failure of a run that nobody saw": ("new; connected; failed", "error"),
    "words of later releases": ("new; strange; starts; strange session.step.dreamt; step m1; done", "started; complete m1"),
}  # fmt: skip


@pytest.mark.parametrize(("script", "expected"), SCRIPTS.values(), ids=SCRIPTS)
def test_one_alert_for_each_fact(script: str, expected: str) -> None:
    assert play(script) == expected


def test_what_expired_says_so() -> None:
    changes = changes_of("new; starts; step m1; ask p1; expired", Sessions())
    assert [change.text for change in changes if change.kind == "error"] == [EXPIRED]


LINES: dict[str, tuple[str, str]] = {
    "it starts": ("starts; delivered m1", "Starting..."),
    "the model is called": ("starts; step m1", "Thinking…"),
    "it thinks": ("starts; step m1; says hi; thinks", "Thinking…"),
    "it says something": ("starts; step m1; says It is done.", "It is done."),
    "a tool": ("starts; step m1; tool c1; called c1", "shell: npm test"),
    "a tool of which only the call is known": ("starts; step m1; called c1", "npm test"),
    "it compacts": ("starts; step m1; compacts", "Compacting the conversation..."),
    "it has compacted": ("starts; step m1; compacts; compacted", "Thinking…"),
    "a child's tool": ("starts; step m1; b: new a; b: starts; b: tool c1; b: called c1", "shell: npm test"),
    "a model that is away": ("starts; step m1; retry 3", "The provider refused the key"),
    "and is back": ("starts; step m1; retry 3; step m1", "Thinking…"),
    "a child that waits for a model": (
        "starts; step m1; b: new a; b: starts; b: retry",
        "The provider refused the key",
    ),
    "and is heard again": ("starts; step m1; retry 3; says Well", "Well"),
    "and calls a tool": ("starts; step m1; retry 3; tool c1; called c1", "shell: npm test"),
    "a child that waited": ("starts; step m1; b: new a; b: starts; b: retry; b: step m2", "Thinking…"),
}


@pytest.mark.parametrize(("script", "line"), LINES.values(), ids=LINES)
def test_the_card_says_what_goes_on(script: str, line: str) -> None:
    sessions = Sessions()
    changes_of(f"new; {script}", sessions)
    state = sessions.state("a", 5000.0)
    assert state
    assert state.last_message == line
    assert (state.status, state.retry_info is None) == (
        ("retry", False) if line == "The provider refused the key" else ("working", True)
    )


def test_of_several_waits_the_longest_is_shown() -> None:
    sessions = Sessions()
    script = "new; starts; step m1; b: new a; b: starts; b: retry 2; c: new a; c: starts; c: retry 5"
    last = changes_of(script, sessions)[-1]
    assert (last.kind, last.session_id, last.retry and last.retry.attempt) == ("progress", "a", 5)
    last = changes_of("c: deleted; d: new; d: retry; says hi", sessions)[-1]
    assert (last.session_id, last.retry and last.retry.attempt) == ("a", 2)
    assert sessions.state("c", 0.0) is None


def test_a_session_is_called_as_its_server_or_its_person_calls_it() -> None:
    sessions = Sessions()
    assert sessions.title("a") is None
    assert sessions.directory("a") is None
    assert sessions.state("a", 0.0) is None
    changes_of("new; starts; prompt m1; delivered m1; prompt m2", sessions)
    assert sessions.title("a") == "Fix it"
    (renamed,) = changes_of("renamed The parser", sessions)
    assert (renamed.kind, sessions.title("a"), sessions.directory("a")) == ("progress", "The parser", HERE)
    changes_of("done; tick; ask p1", sessions)
    (renamed,) = changes_of("renamed The other parser", sessions)
    assert renamed.kind == "progress"  # of the card that shows the request
    assert len(sessions) == 1


def test_a_request_says_what_its_tool_is_called_with() -> None:
    sessions = Sessions()
    changes_of("new; starts; step m1; tool c1; called c1", sessions)
    asked = event(
        "permission.asked",
        id="p1",
        sessionID="a",
        action="tracker_create",
        resources=["*"],
        source={"id": "c1"},
    )
    assert [change.text for change in sessions.fold(asked)] == ['Use tracker_create: command: "npm test"']


def test_what_is_repeated_changes_nothing() -> None:
    """Numbers grow in a session (recorded: they have holes, and never go back)."""
    turn = [
        ("execution.started", 2), ("step.started", 5), ("text.ended", 9), ("execution.succeeded", 10),
    ]  # fmt: skip
    sessions = Sessions()
    changes_of("new", sessions)

    def fold(kind: str, seq: int, moment: int = 0) -> list[str]:
        body = {
            "id": f"evt_{moment + seq:012x}",
            "type": f"session.{kind}",
            "durable": {"aggregateID": "a", "seq": seq, "version": 1},
            "data": {"sessionID": "a", "assistantMessageID": "m1", "text": "Well"},
        }
        parsed = parse(json.dumps(body).encode())
        assert parsed
        return [change.kind for change in sessions.fold(parsed) if change.kind != "progress"]

    assert [fold(*one) for one in turn] == [[], ["started"], [], ["complete"]]
    assert [fold(*one) for one in turn] == [[], [], [], []]
    # A database of before, as from a backup, has smaller numbers and newer ids.
    assert [fold(*one, 100) for one in turn] == [[], ["started"], [], ["complete"]]


@pytest.mark.parametrize("durable", [None, 7, {}, {"seq": "NaN"}, {"seq": True}])
def test_a_number_that_is_none_costs_no_event(durable: Any) -> None:
    sessions = Sessions()
    changes_of("new; starts", sessions)
    for number in (1, 1):
        body = {
            "id": f"evt_{number}",
            "type": "session.step.started",
            "durable": durable,
            "data": {"sessionID": "a"},
        }
        parsed = parse(json.dumps(body).encode())
        assert parsed
        assert sessions.fold(parsed)


def test_what_a_closed_folder_asked_was_not_answered() -> None:
    changes = changes_of("new; ask p1; closed", Sessions())
    assert [(change.kind, change.text) for change in changes][-1] == ("answered", WITHDRAWN)


def test_the_newest_message_is_the_last_one_whatever_its_client_called_it() -> None:
    """A client may give its prompt an id of its own, which need not ascend."""
    assert play("new; prompt zzz; starts; delivered zzz; step m1; done") == "started; complete m1"


ODD: dict[str, tuple[dict[str, Any], str]] = {
    "a permission": ({"action": 7, "resources": "x", "metadata": [], "message": {}, "source": []}, ""),
    "resources that are no texts": ({"action": "shell", "resources": [1, "ls"]}, "shell: ls"),
    "a call that is none": ({"action": "shell", "resources": ["ls"], "source": {"id": 7}}, "shell: ls"),
    "a hook's reason": ({"action": "shell", "resources": ["ls"], "message": "Sure?"}, "shell: ls (Sure?)"),
}


@pytest.mark.parametrize(("data", "words"), ODD.values(), ids=ODD)
def test_what_cannot_be_read_costs_words_and_no_alert(data: dict[str, Any], words: str) -> None:
    sessions = Sessions()
    changes_of("new", sessions)
    (asked,) = sessions.fold(event("permission.asked", id="p1", sessionID="a", **data))
    assert (asked.kind, asked.text) == ("asked", words)


@pytest.mark.parametrize("form", [{"fields": 7, "title": []}, {"fields": [7, {"description": 7}]}])
def test_a_form_that_cannot_be_read_is_asked_all_the_same(form: dict[str, Any]) -> None:
    sessions = Sessions()
    changes_of("new", sessions)
    (asked,) = sessions.fold(event("form.created", form={"id": "f1", "sessionID": "a"} | form))
    assert (asked.kind, asked.subject_id) == ("asked", "f1")


BROKEN = [
    {"type": "session.execution.started", "data": {"sessionID": 7}},
    {"type": "session.execution.started", "data": []},
    {"type": "permission.asked", "data": {"sessionID": "a", "id": "x" * 300}},
    {"type": "permission.asked", "data": {"sessionID": "a"}},
    {"type": "form.created", "data": {"form": 7}},
    {"type": "form.created", "data": {"form": {"id": "f1"}}},
    {"type": "location.shutdown", "location": {"directory": 7}, "data": {}},
    {"type": "session.dreamt", "data": {"sessionID": "a"}},
]


@pytest.mark.parametrize("body", BROKEN, ids=json.dumps)
def test_what_is_malformed_is_skipped(body: dict[str, Any]) -> None:
    sessions = Sessions()
    parsed = parse(json.dumps(body).encode())
    assert parsed
    assert sessions.fold(parsed) == []
    assert play("new; starts; step m1; done", sessions) == "started; complete m1"


def test_unknown_types_are_counted_but_not_all_of_them() -> None:
    sessions = Sessions()
    for number in range(MAX_UNKNOWN + 5):
        sessions.fold(event(f"rpc.{number}"))
    sessions.fold(event("rpc.0"))
    assert (len(sessions.skipped), sessions.skipped["rpc.0"]) == (MAX_UNKNOWN, 2)


@pytest.mark.parametrize(
    ("line", "read"),
    [
        (b'{"id":"evt_1","type":"session.text.delta","data":{"sessionID":"a"}}', False),
        (b'{"id":"evt_1","type":"session.renamed","data":{"title":"\\"type\\":\\"x.delta\\""}}', True),
        (b'{"data":{"type":"x.delta"},"type":"session.renamed"}', True),
        (b'{"id":"evt_1","metadata":{"a":{"type":"x.delta"}},"type":"session.renamed","data":{}}', True),
        (b'{"type":7}', False),
        (b"{broken", False),
    ],
)  # fmt: skip
def test_only_what_may_matter_is_decoded(line: bytes, read: bool) -> None:
    assert (parse(line) is not None) is read


def test_names_of_tools_are_forgotten_in_time() -> None:
    sessions = Sessions()
    changes_of("new; starts; step m1", sessions)
    changes_of("; ".join(f"tool c{number}" for number in range(MAX_NAMES + 1)), sessions)
    changes_of("called c0; tool", sessions)
    assert sessions.state("a", 0.0).last_message == "npm test"  # type: ignore[union-attr]


def test_what_a_tool_is_called_with_is_kept_short_and_only_until_it_is_over() -> None:
    """A file that is written may have megabytes, and two hundred sessions may write."""
    runs = Runs()
    sessions = Sessions(runs)
    changes_of("new; starts; step m1", sessions)

    def call(kind: str, **more: Any) -> None:
        sessions.fold(event(f"session.tool.{kind}", sessionID="a", id="c1", **more))

    def kept() -> dict[str, Any]:
        session = runs.tree.get("a")
        assert session
        return session.calls

    call("called", input={"path": "a.txt", "content": "x" * 1_000_000, "lines": [1] * 10_000})
    assert kept() == {"c1": {"path": "a.txt", "content": "x" * MAX_PROMPT}}
    call("success")
    assert kept() == {}
    call("called", input={"labels": ["bug"]})
    assert kept() == {"c1": {"labels": ["bug"]}}
    call("failed")
    assert kept() == {}


OLD = [("session.input.admitted", "session.input.promoted", "inputID", "input"),
       ("session.inbox.enqueued", "session.inbox.delivered", "inboxID", "item")]  # fmt: skip


@pytest.mark.parametrize(("enqueued", "delivered", "name", "item"), OLD)
def test_both_names_of_the_inbox_are_read(enqueued: str, delivered: str, name: str, item: str) -> None:
    sessions = Sessions()
    changes_of("new; starts", sessions)
    said = {name: "m1", item: {"type": "user", "payload": {"text": "Fix it"}}}
    assert sessions.fold(event(enqueued, sessionID="a", **said)) == []
    (started,) = sessions.fold(event(delivered, sessionID="a", **{name: "m1"}))
    assert (started.kind, sessions.title("a")) == ("started", "Fix it")


# Any order of events, and any small memory.

NAMES = st.sampled_from(["a", "b", "c", "d"])
WORD = st.sampled_from([*WORDS, "learnt", "lost", "tick"])
ARGUMENTS = {
    "new": st.sampled_from(["", "", "a", "b"]),
    "learnt": st.sampled_from(["", "a"]),
    "retry": st.just("2"),
}
STEP = WORD.flatmap(
    lambda word: st.tuples(
        NAMES, st.just(word), ARGUMENTS.get(word, st.sampled_from(["m1", "m2", "p1", "p2"]))
    )
)


@given(st.lists(STEP, max_size=60), st.integers(1, 3))
def test_any_order_and_any_memory(script: list[tuple[str, str, str]], memory: int) -> None:
    """Nothing breaks; a root's run begins and ends in turn, and a child reports nothing but what it asks."""
    sessions = Sessions(Runs(max_sessions=memory))
    text = "; ".join(f"{session}: {word} {argument}" for session, word, argument in script)
    for change in changes_of(text, sessions):
        assert change.kind != "interrupted"
        assert change.session_id in "abcd"
    assert len(sessions) <= 4


@given(st.lists(STEP.filter(lambda step: step[1] not in ("new", "learnt", "lost")), max_size=60))
def test_each_run_ends_once_and_children_report_no_end(script: list[tuple[str, str, str]]) -> None:
    sessions = Sessions()
    changes_of("a: new; b: new a; c: new; d: new c", sessions)
    text = "; ".join(f"{session}: {word} {argument}" for session, word, argument in script)
    running: set[str] = set()
    executions = {"a": 0, "c": 0}
    for change in changes_of(text, sessions):
        assert change.session_id in ("a", "c") or ("deleted" in text and change.kind in ("asked", "answered"))
        if change.kind == "started":
            assert change.session_id not in running
            running.add(change.session_id)
        elif change.kind in ("complete", "error", "stopped"):
            assert change.session_id in running or change.kind in ("complete", "error")
            running.discard(change.session_id)
            executions[change.session_id] += 1
    ends = ("done", "failed", "stopped", "shutdown", "expired", "odd", "wordless", "deleted")
    for session, count in executions.items():
        assert count <= sum(1 for name, word, _ in script if name == session and word in ends)


def test_the_end_of_a_tool_of_an_unknown_session_is_nothing() -> None:
    sessions = Sessions()
    late = event("session.tool.success", sessionID="a", assistantMessageID="m1", id="call_1", content=[])
    assert sessions.fold(late) == []
    assert len(sessions) == 0
