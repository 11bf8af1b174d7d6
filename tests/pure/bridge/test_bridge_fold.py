"""The fold over sessions: one change for one thing that happened, whatever OpenCode repeats, doubles or forgets."""

import itertools

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pure.bridge.folding import changes_of, play
from pure.bridge.wire import created, event, status, text, tool
from relay.bridge.notify.source import Change
from relay.bridge.sources.opencode1.fold import HANDLERS, WHOLE_HANDLERS, Sessions
from relay.bridge.sources.opencode1.runs import Runs
from relay.bridge.sources.opencode1.wire import Event, Info
from relay.bridge.sources.session_tree import MAX_HELD, SessionTree, TreeSession

TURNS = {
    "the first idle completes": ("busy; busy; idle; idle; idled", "complete"),
    "every turn completes once": ("busy; idle; idled; busy; idle; idled", "complete; started; complete"),
    "old servers send only session.idle": ("busy; idled; idled", "complete"),
    "an unknown status changes nothing": ("busy; dreaming; idle", "complete"),
    "an error is reported once": ("busy; error; error; idle; idle; stack; idle", "error"),
    "an error that is repeated once is another one the second time": ("busy; error; idle; stack; stack", "error; error"),
    "an error needs no name": ("busy; nameless", "error"),
    "after an error the model may be called again": (
        "busy; step m1; error; step m2; error; step m3; idle", "error m1; started; complete m3",
    ),
    "a failed turn may be followed by another": ("busy; error; idle; busy", "error; started"),
    "an abort is silent through all idles": ("busy; step m1; abort; idle; idled; written m1; idle; idled", "stopped m1"),
    "an abort before the model is called is in the message": ("busy; step m1; aborted m1; idle", "stopped m1"),
    "an abort during a retry is silent": ("busy; retry; idle; idled", "stopped"),
    "an overflow goes on and completes": ("busy; overflow; busy; idle", "complete"),
    "the newest message names the end": (
        "busy; step m1; step m2; step m1; idle; busy; idle", "complete m2; started; complete",
    ),
    # OpenCode 1.18.33, recording config_change_during_run: it aborts the runs itself, waits for their last words, and goes.
    "a disposed instance interrupts its runs": (
        "busy; ask p1; disposed /code/demo", "asked p1; answered p1; interrupted",
    ),
    "which it has aborted before": (
        "busy; step m1; abort; idle; written m1; idle; disposed /code/demo", "stopped m1; interrupted m1",
    ),
    "once": ("busy; abort; disposed /code/demo; disposed /code/demo; idle", "interrupted"),
    "but not one that has ended": ("busy; idle; disposed /code/demo", "complete"),
    "nor one that has failed": ("busy; error; disposed /code/demo", "error"),
    "nor one that went on after the abort": ("busy; abort; idle; busy; idle; disposed /code/demo", "stopped; started; complete"),
    # anomalyco/opencode 1.18.33, recording shell_and_compact: who types these sits there.
    "a shell command by hand is silent": ("busy; prompt m1; step m2; written m2; idle; idled", "stopped m2"),
    "a compaction by hand is silent": ("busy; prompt m1; compacts m2; idle; idled", "stopped m2"),
    "one that the agent needed is not": ("busy; step m1; overflow; compacts m2; busy; step m3; idle", "complete m3"),
    "the run after a command by hand": (
        "busy; prompt m1; written m2; idle; busy; prompt m3; step m4; idle; busy; idle",
        "stopped m2; started; complete m4; started; complete",
    ),
    "a compaction that fails": ("busy; compacts m2; error; idle", "error m2"),
    "another instance does not": ("busy; disposed /code/other; disposed; idle", "complete"),
}  # fmt: skip
"""From the first busy of session "a", whose start is left out."""

REQUESTS = {
    "a permission is reported once": ("ask p1; ask p1; yes p1; yes p1", "asked p1; answered p1"),
    "a question is reported once": ("question q1; question q1; answered q1; answered q1", "asked q1; answered q1"),
    "an answer to nothing": ("yes p0; yes", ""),
    "no id": ("ask", ""),
    "once": ("ask p1; yes p1; called m1; idle", "asked p1; answered p1; complete m1"),
    "always": ("ask p1; always p1; called m1; idle", "asked p1; answered p1; complete m1"),
    "an answer without its word": ("ask p1; wordless p1; idle", "asked p1; answered p1; complete"),
    "an answer in a new word": ("ask p1; perhaps p1; idle", "asked p1; answered p1; complete"),
    "an answered question": ("question q1; answered q1; idle", "asked q1; answered q1; complete"),
    "a no stops silently": ("ask p1; no p1; called m1; idle", "asked p1; answered p1; stopped m1"),
    "a dismissed question stops silently": ("question q1; dismissed q1; idle", "asked q1; answered q1; stopped"),
    "a no with feedback goes on": ("ask p1; no p1; step m2; idle", "asked p1; answered p1; complete m2"),
    "a yes after a no goes on": (
        "ask p1; ask p2; no p1; yes p2; idle",
        "asked p1; asked p2; answered p1; answered p2; complete",
    ),
    "a prompt is no step": ("ask p1; no p1; prompt m9; idle", "asked p1; answered p1; stopped m9"),
    "a message of before is no step": ("step m1; ask p1; no p1; step m1; idle", "asked p1; answered p1; stopped m1"),
    "a finished message is no step": ("ask p1; no p1; called m9; idle", "asked p1; answered p1; stopped m9"),
    "a completed message is no step": ("ask p1; no p1; written m9; idle", "asked p1; answered p1; stopped m9"),
    "another session's step": ("ask p1; no p1; b: new; b: step m9; idle", "asked p1; answered p1; stopped"),
    "an abort withdraws": ("ask p1; ask p2; abort; idle; idle", "asked p1; asked p2; answered p1; answered p2; stopped"),
    "an end withdraws before it completes": ("ask p1; idle", "asked p1; answered p1; complete"),
    "a deletion withdraws": ("ask p1; deleted", "asked p1; answered p1; stopped"),
}  # fmt: skip
"""In a run of session "a"."""

FAILURES = {
    # anomalyco/opencode 1.18.33, recording error_without_idle: an agent or command that does not exist, without a turn.
    "an error without a turn": ("error; stack", "error"),
    "each of them": ("error; stack; error; stack; error", "error; error; error"),
    "a turn after it fails, too": ("error; stack; busy; error; idle; idle", "error; started; error"),
    "a turn after it completes": ("error; stack; busy; idle; idled", "error; started; complete"),
    "a turn after it is stopped": ("error; stack; busy; abort; idle; idle", "error; started; stopped"),
    "after a good turn": ("busy; step m1; idle; error; stack", "started; complete m1; error"),
    "after a failed turn": ("busy; error; idle; idle; error; stack", "started; error; error"),
    "after a stopped turn": ("busy; abort; idle; idle; error; stack", "started; stopped; error"),
    "after a no": ("busy; ask p1; no p1; idle; error", "started; asked p1; answered p1; stopped; error"),
    "a lone stack is an error": ("stack; stack", "error"),
    "the next prompt is another turn though no idle came": (
        "busy; prompt m1; error; prompt m2; busy; step m3; error; idle", "started; error m1; started; error m3",
    ),
    "and so it is after an abort": (
        "busy; prompt m1; abort; prompt m2; busy; step m3; idle", "started; stopped m1; started; complete m3",
    ),
    "a prompt that waits fails by itself": (
        "busy; prompt m1; error; step m2; prompt m3; error; idle", "started; error m1; started; error m3",
    ),
    "a prompt that is sent again is none": ("busy; prompt m1; error; prompt m1; error; idle", "started; error m1"),
    "an abort between turns is silent": ("abort; idle; error", "error"),
    "an overflow between turns is silent": ("overflow; error", "error"),
    "of a child never": ("b: new a; b: error; b: stack; b: busy; b: error; b: idle", ""),
}  # fmt: skip
"""Of session "a"; each failure is one change, whatever came before it."""

TREES = {
    "children neither begin, complete, fail nor stop": (
        "new; busy; b: new a; c: new b; b: busy; b: idle; b: busy; b: error; b: idle; c: busy; c: idle; b: deleted; idle",
        "started; complete",
    ),
    "a child's requests are the root's": (
        "new; b: new a; c: new b; b: ask p1; c: ask p2; c: yes p2; b: yes p1",
        "asked p1; asked p2; answered p2; answered p1",
    ),
    "a child's no does not stop its parent": (
        "new; busy; b: new a; b: busy; b: ask p1; b: no p1; b: idle; idle",
        "started; asked p1; answered p1; complete",
    ),
    "parents of each other": ("b: new c; c: new b; d: new d; b: ask p1; d: ask p2", "c: asked p1; d: asked p2"),
    "an unknown session is asked for once": ("busy; busy; ask p1", "unknown"),
    "changes wait in order until it is known": (
        "busy; ask p1; yes p1; idle; learnt; lost",
        "unknown; started; asked p1; answered p1; complete",
    ),
    "what cannot be known is a root": ("busy; idle; lost", "unknown; started; complete"),
    "an update teaches as well": ("busy; idle; updated Fix it", "unknown; started; complete"),
    "unknown parents are asked for upwards": (
        "c: ask p1; c: learnt b; b: learnt a; learnt",
        "c: unknown; b: unknown; unknown; asked p1",
    ),
    "an unknown child that ends is silent": ("b: busy; b: idle; b: learnt a; learnt", "b: unknown; unknown"),
    "others do not wait for an unknown one": ("new; b: busy; b: idle; busy; idle", "b: unknown; started; complete"),
    "the tail of a deleted session is dropped": (
        "new; busy; deleted; retry; error; ask p1; step m1; busy; idle; new; yes p1",
        "started; stopped",
    ),
    "a deleted child's requests are withdrawn": ("new; b: new a; b: ask p1; b: deleted", "asked p1; answered p1"),
    "a child of a deleted parent is no root": ("new; b: new a; b: busy; deleted; b: idle; b: ask p1; b: deleted", ""),
    "what waits for a deleted parent is dropped": ("b: ask p1; b: learnt a; deleted; learnt", "b: unknown; unknown"),
    "a session without a directory is not disposed": ("unplaced; busy; disposed /code/demo; idle", "started; complete"),
    "a session deleted before it was known": ("busy; idle; deleted; lost", "unknown"),
}  # fmt: skip


BACKGROUND = {
    # anomalyco/opencode 1.18.33, recording bg_subagents.
    "complete with the report of the last one": (
        "b: busy; idle; idled; c: busy; b: idle; c: idle; busy; step m2; idle; idled",
        "perhaps_complete m1; started; complete m2",
    ),
    "complete without a report": ("b: busy; idle; b: idle; b: idled", "perhaps_complete m1"),
    "a subagent that fails, too": ("b: busy; idle; b: error; b: idle", "perhaps_complete m1"),
    "or is deleted": ("b: busy; idle; b: deleted", "perhaps_complete m1"),
    "a subagent that ended before": ("b: busy; b: idle; idle", "complete m1"),
    "another prompt meanwhile": ("b: busy; idle; busy; b: idle; step m2; idle", "complete m2"),
    "another prompt is done meanwhile": ("b: busy; idle; busy; step m2; idle; b: idle", "perhaps_complete m2"),
    "a subagent's subagent": ("d: new b; b: background d; b: busy; d: busy; b: idle; idle; d: idle", "perhaps_complete m1"),
    "a subagent asks": (
        "b: busy; idle; b: ask p1; b: yes p1; b: idle", "asked p1; answered p1; perhaps_complete m1",
    ),
    "an error is one at once": ("b: busy; error; idle; b: idle", "error m1"),
    "an error while it waits": ("b: busy; idle; error; b: idle", "error m1"),
    "an abort is one at once": ("b: busy; abort; idle; b: idle", "stopped m1"),
    "a disposed instance": ("b: busy; idle; disposed /code/demo", "interrupted m1"),
    "a root that is deleted": ("b: busy; idle; deleted; b: idle", "stopped m1"),
    "a subagent that is waited for is none": ("d: new a; d: busy; idle; d: idle", "complete m1"),
}  # fmt: skip
"""After "new; busy; step m1", with b and c in the background, and what is reported of the root after its start."""


@pytest.mark.parametrize(("script", "changes"), BACKGROUND.values(), ids=BACKGROUND)
def test_subagents_in_the_background(script: str, changes: str) -> None:
    begin = "new; busy; step m1; b: new a; c: new a; background b; background c"
    assert play(f"{begin}; {script}") == f"started; {changes}"


@pytest.mark.parametrize(("script", "changes"), TURNS.values(), ids=TURNS)
def test_turns(script: str, changes: str) -> None:
    assert play(f"new; {script}") == f"started; {changes}"


@pytest.mark.parametrize(("script", "changes"), REQUESTS.values(), ids=REQUESTS)
def test_requests(script: str, changes: str) -> None:
    assert play(f"new; busy; {script}") == "; ".join(filter(None, ("started", changes)))


@pytest.mark.parametrize(("script", "changes"), FAILURES.values(), ids=FAILURES)
def test_failures(script: str, changes: str) -> None:
    assert play(f"new; {script}") == changes


@pytest.mark.parametrize(("script", "changes"), TREES.values(), ids=TREES)
def test_trees_of_sessions(script: str, changes: str) -> None:
    assert play(script) == changes


def test_an_event_without_an_id_gets_a_fresh_one() -> None:
    sessions = Sessions(Runs(fresh_id=iter(["one", "two"]).__next__))
    sessions.fold(created("a"))
    busy, idle = (
        Event(type="session.status", properties=status("a", kind).properties) for kind in ("busy", "idle")
    )
    assert sessions.fold(busy) == [Change("started", "a", "one")]
    assert sessions.fold(idle) == [Change("complete", "a", "two")]


@pytest.mark.parametrize("kind", [*HANDLERS, *WHOLE_HANDLERS, "server.heartbeat", "todo.updated", ""])
def test_odd_and_other_events_change_nothing(kind: str) -> None:
    sessions = Sessions()
    assert play("new; busy", sessions) == "started"
    for odd in (
        b"[]",
        b"7",
        b"{}",
        b'{"sessionID":7}',
        b'{"info":7}',
        b"\xff",
        b'{"info":null,"sessionID":null}',
    ):
        assert sessions.fold(Event(type=kind, id="evt_x", properties=msgspec.Raw(odd))) == []
    assert sessions.fold(event("permission.asked", id="p1")) == []  # of no session


class TestCard:
    """What the card of session "a" shows while it runs."""

    @pytest.fixture
    def sessions(self) -> Sessions:
        fresh = Sessions()
        play("new; busy; step msg_1", fresh)
        return fresh

    def shown(self, sessions: Sessions) -> str | None:
        state = sessions.state("a", 0.0)
        return state and state.last_message

    @pytest.mark.parametrize(
        ("event", "words"),
        [
            (tool("a", "npm test"), "bash: npm test"),
            (text("a", "All\nis well."), "is well."),
            (text("a", "a prompt", "msg_of_the_user"), None),
            (text("a", "nobody wrote this", synthetic=True), None),
            (text("a", "thinking", "msg_of_another", type="reasoning"), None),
            (text("a", ""), None),
            (text("other", "x"), None),
            (event("message.part.updated", sessionID="a"), None),
            (event("message.part.delta", sessionID="a", delta="word"), None),
        ],
    )
    def test_a_new_tool_or_text_is_progress(
        self, sessions: Sessions, event: Event, words: str | None
    ) -> None:
        assert [change.kind for change in sessions.fold(event)] == ["progress"] * (words is not None)
        assert self.shown(sessions) == (words or "Thinking…")
        assert sessions.fold(event) == []

    def test_a_model_that_thinks_is_said_to(self) -> None:
        """From its call on, whether it reports its reasoning or nothing at all for minutes; then what it does."""
        sessions = Sessions()
        play("new; busy", sessions)
        shown = [self.shown(sessions)]
        for step in ("step msg_1", "tool ls", "step msg_2", "busy"):
            play(step, sessions)
            shown.append(self.shown(sessions))
        reasoning = text("a", "", "msg_2", type="reasoning")
        assert [change.kind for change in sessions.fold(reasoning)] == ["progress"]
        assert [*shown, self.shown(sessions)] == [
            "Starting...", "Thinking…", "bash: ls", "bash: ls", "bash: ls", "Thinking…",
        ]  # fmt: skip

    def test_a_childs_work_shows_on_the_roots_card(self, sessions: Sessions) -> None:
        play("b: new a; c: new b; c: busy", sessions)
        assert sessions.fold(tool("c", "ls"))[0].session_id == "a"
        assert self.shown(sessions) == "bash: ls"

    def test_a_subagents_work_in_the_background_shows_though_the_root_is_idle(
        self, sessions: Sessions
    ) -> None:
        play("b: new a; background b; b: busy; idle; idled", sessions)
        assert [change.kind for change in sessions.fold(tool("b", "ls"))] == ["progress"]
        assert self.shown(sessions) == "bash: ls"
        play("b: idle", sessions)
        assert self.shown(sessions) is None

    def test_a_retry_says_which_when_and_why(self, sessions: Sessions) -> None:
        for retried, shown in (
            (status("a", "retry", attempt=2, message="Overloaded", next=8000), ("retry", "Overloaded", "Retry 2 in 8s")),
            (status("a", "retry", attempt="soon"), ("retry", "Starting...", "Retry 1")),
            (status("a", "busy"), ("working", "Thinking…", None)),
        ):  # fmt: skip
            assert [change.kind for change in sessions.fold(retried)] == ["progress"]
            state = sessions.state("a", 500.0)
            assert state is not None
            assert (state.status, state.last_message, state.retry_info) == shown

    def test_a_new_title_is_progress_and_none_keeps_the_old_one(self, sessions: Sessions) -> None:
        assert [change.kind for change in changes_of("updated Parser", sessions)] == ["progress"]
        assert changes_of("updated Parser; updated", sessions) == []
        assert sessions.title("a") == "Parser"
        state = sessions.state("a", 0.0)
        assert state is not None
        assert state.session_title == "Parser"

    def test_a_new_title_shows_while_a_subagent_asks_though_the_root_is_idle(
        self, sessions: Sessions
    ) -> None:
        play("idle; b: new a; b: ask p1", sessions)
        assert [change.kind for change in changes_of("updated Parser", sessions)] == ["progress"]
        assert changes_of("b: updated Other", sessions) == []
        play("b: yes p1", sessions)
        assert changes_of("updated Later", sessions) == []

    def test_the_last_title_of_a_deleted_session_is_known(self, sessions: Sessions) -> None:
        play("updated Parser; deleted", sessions)
        assert sessions.title("a") == "Parser"

    def test_a_session_that_does_not_run_has_no_card(self, sessions: Sessions) -> None:
        play("tool ls; idle", sessions)
        assert changes_of("tool pwd; updated Later", sessions) == []
        assert self.shown(sessions) is None
        play("busy", sessions)
        assert self.shown(sessions) == "Starting..."

    def test_where_it_works(self, sessions: Sessions) -> None:
        assert (sessions.directory("a"), sessions.directory("b")) == ("/code/demo", None)


class TestMemory:
    def test_idle_sessions_beyond_the_bound_are_forgotten_oldest_first(self) -> None:
        sessions = Sessions(Runs(max_sessions=3))
        play("; ".join(f"{number}: new" for number in range(5)), sessions)
        assert len(sessions) == 3
        assert [bool(sessions.title(str(number))) for number in range(5)] == [False] * 2 + [True] * 3
        assert play("0: busy", sessions) == "0: unknown"  # and asked for again when it moves

    def test_sessions_in_which_something_goes_on_are_kept(self) -> None:
        sessions = Sessions(Runs(max_sessions=2))
        play("new; busy; b: new; b: ask p1; c: ask p2; 0: new; 1: new; 2: new; 3: new", sessions)
        assert play("idle; b: yes p1; c: lost", sessions) == "complete; b: answered p1; c: asked p2"

    def test_deleted_and_request_ids_are_bounded_too(self) -> None:
        sessions = Sessions(Runs(max_sessions=2))
        play("new; ask p0; ask p1; ask p2", sessions)
        assert play("ask p0", sessions) == "asked p0"
        play("0: deleted; 1: deleted; 2: deleted; 0: learnt", sessions)
        assert sessions.title("0") == "Fix it"

    def test_what_waits_for_an_unknown_root_is_bounded(self) -> None:
        sessions = Sessions()
        play("; ".join(f"ask p{number}" for number in range(3 * MAX_HELD)), sessions)
        held = "; ".join(f"asked p{number}" for number in range(2 * MAX_HELD, 3 * MAX_HELD))
        assert play("learnt", sessions) == held

    def test_a_session_that_the_server_does_not_know_is_over(self) -> None:
        sessions = Sessions()
        play("new; busy", sessions)
        assert [change.kind for change in sessions.forget("a")] == ["stopped"]
        assert sessions.forget("b") == []
        assert len(sessions) == 0


SESSIONS, MESSAGES, REQUEST_IDS = ("a", "b", "c", "d"), ("m1", "m2"), ("p1", "p2", "p3")
ANY_STEP = st.sampled_from(
    [f"{one}: {word}" for one, word in itertools.product(SESSIONS, ("new", "busy", "retry", "idle", "error", "abort", "overflow", "deleted"))]
    + [f"{one}: new {parent}" for one, parent in itertools.product(SESSIONS, SESSIONS)]
    + [f"{one}: background {child}" for one, child in itertools.product(SESSIONS, SESSIONS)]
    + [f"{one}: step {message}" for one, message in itertools.product(SESSIONS, MESSAGES)]
    + [f"{one}: {word} {request}" for one, word, request in itertools.product(SESSIONS, ("ask", "yes", "no"), REQUEST_IDS)]
    + [f"{one}: tool {command}" for one, command in itertools.product(SESSIONS, ("ls", "npm test"))]
    + ["disposed /code/demo"]
)  # fmt: skip
ENDS = ("complete", "perhaps_complete", "error", "stopped", "interrupted")


@settings(deadline=None, max_examples=200)
@given(st.lists(ANY_STEP, max_size=60))
@example(["b: new a", "b: busy", "a: new b"])  # each other's parent
def test_in_any_order_of_events(script: list[str]) -> None:
    """Nothing is reported twice; answers follow requests; progress comes between a beginning and an end, or while a request waits."""
    sessions = Sessions()
    changes: list[Change] = []
    for step in script:
        for change in changes_of(step, sessions):
            changes += [change]
            changes += sessions.learn(change.session_id, None) if change.kind == "unknown" else []
    once = [
        (one.kind, one.subject_id)
        for one in changes
        if one.kind in ("asked", "complete", "perhaps_complete", "error")
    ]
    assert len(once) == len(set(once))
    asked, answered, running = set(), set(), set()
    for change in changes:
        if change.kind == "asked":
            asked.add(change.subject_id)
        elif change.kind == "answered":
            assert change.subject_id in asked
            answered.add(change.subject_id)
        elif change.kind == "started":
            assert change.session_id not in running
            running.add(change.session_id)
        elif change.kind in ENDS:
            assert change.session_id in running or change.kind in ("error", "interrupted")
            running.discard(change.session_id)
        elif change.kind == "progress":
            assert change.session_id in running or asked > answered


OWN_STEP = st.sampled_from(
    ["busy", "retry", "idle", "error", "stack", "abort", "overflow", "disposed /code/demo"]
    + [f"{word} {one}" for word in ("prompt", "step", "called", "written") for one in ("m1", "m2", "m3")]
    + [f"{word} {one}" for word in ("ask", "yes", "no") for one in REQUEST_IDS]
)


@settings(deadline=None, max_examples=200)
@given(st.lists(OWN_STEP, max_size=30))
def test_whatever_came_before_a_failure_rings_once(script: list[str]) -> None:
    """Between turns, and in the next turn, and in the one after it."""
    sessions = Sessions()
    changes_of("; ".join(["new", *script, "idle"]), sessions)
    for failure in ("error; stack", "busy; error; idle; idle"):
        kinds = [change.kind for change in changes_of(failure, sessions)]
        assert [kind for kind in kinds if kind not in ("started", "progress")] == ["error"]
    assert play("busy; step m8; error; error; idle; stack; idle", sessions) == "started; error m8"
    assert play("busy; step m9; idle; idled", sessions) == "started; complete m9"


@settings(deadline=None, max_examples=60)
@given(st.lists(ANY_STEP, max_size=40), st.integers(1, 3))
def test_a_small_memory_never_breaks_the_fold(script: list[str], bound: int) -> None:
    sessions = Sessions(Runs(max_sessions=bound))
    assert all(change.session_id in SESSIONS for change in changes_of("; ".join(script), sessions))


@given(
    st.lists(
        st.tuples(st.sampled_from(SESSIONS), st.none() | st.sampled_from(SESSIONS), st.booleans()),
        max_size=30,
    )
)
@example([("a", "c", False), ("b", "a", False), ("a", "b", False)])
def test_every_chain_of_parents_has_an_end(learnt: list[tuple[str, str | None, bool]]) -> None:
    tree = SessionTree(3, TreeSession)
    for session_id, parent_id, gone in learnt:
        if gone:
            tree.delete(session_id, "evt_1")
        else:
            tree.learn(session_id, Info(id=session_id, parent_id=parent_id))
        for known, _ in tree:
            seen = [known]
            while (above := tree.get(seen[-1])) and above.parent_id:
                seen.append(above.parent_id)
                assert len(set(seen)) == len(seen)
            assert tree.root(known) == seen[-1]
