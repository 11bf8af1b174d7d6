"""The fold over sessions in any order of events, and in a small memory."""

import itertools

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pure.bridge.folding import changes_of, play
from relay.bridge.notify.source import Change
from relay.bridge.sources.opencode1.fold import Sessions
from relay.bridge.sources.opencode1.runs import Runs
from relay.bridge.sources.opencode1.wire import Info
from relay.bridge.sources.session_tree import MAX_HELD, SessionTree, TreeSession


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
