"""What the card shows: a run's beginning, its progress, and every end that does not ring."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pure.bridge.wire import assistant, created, error, event, status, text, tool
from relay import contract
from relay.bridge.notify.source import Change
from relay.bridge.sources.opencode1.fold import Sessions
from relay.bridge.sources.opencode1.runs import MAX_HELD
from relay.bridge.sources.opencode1.wire import Event, Info
from relay.bridge.state_file import OpenRuns


def kinds(sessions: Sessions, *events: Event) -> list[str]:
    return [change.kind for one in events for change in sessions.fold(one)]


def last_message(sessions: Sessions) -> str | None:
    state = sessions.state("ses_a", 0.0)
    return state.last_message if state else None


@pytest.fixture
def sessions() -> Sessions:
    fresh = Sessions()
    assert kinds(fresh, created("ses_a"), status("ses_a", "busy")) == ["started"]
    return fresh


class TestBeginningAndEnd:
    def test_a_run_begins_once_however_often_it_is_busy(self, sessions: Sessions) -> None:
        assert kinds(sessions, status("ses_a", "busy"), status("ses_a", "busy")) == []

    def test_every_run_begins_anew(self, sessions: Sessions) -> None:
        turn = [status("ses_a", "idle"), status("ses_a", "busy"), error("ses_a"), status("ses_a", "idle")]
        assert kinds(sessions, *turn) == ["complete", "started", "error"]
        assert kinds(sessions, status("ses_a", "busy")) == ["started"]

    @pytest.mark.parametrize(
        "end",
        [
            [error("ses_a", "MessageAbortedError"), status("ses_a", "idle"), status("ses_a", "idle")],
            [status("ses_a", "retry"), status("ses_a", "idle")],
            [event("session.deleted", info={"id": "ses_a"}), status("ses_a", "idle")],
            [event("server.instance.disposed", directory="/code/demo"), status("ses_a", "idle")],
        ],
    )
    def test_an_end_that_does_not_ring_is_one_all_the_same(
        self, sessions: Sessions, end: list[Event]
    ) -> None:
        assert [kind for kind in kinds(sessions, *end) if kind != "progress"] == ["stopped"]
        assert sessions.state("ses_a", 0.0) is None

    def test_another_directory_is_disposed(self, sessions: Sessions) -> None:
        odd = [event("server.instance.disposed", directory="/code/other"), event("server.instance.disposed")]
        assert kinds(sessions, *odd, status("ses_a", "idle")) == ["complete"]

    def test_a_disposed_instance_withdraws_what_it_asked(self, sessions: Sessions) -> None:
        asks = event("permission.asked", id="per_1", sessionID="ses_a")
        end = event("server.instance.disposed", directory="/code/demo")
        assert kinds(sessions, asks, end) == ["asked", "progress", "answered", "stopped"]

    def test_after_an_error_the_model_may_be_called_again(self, sessions: Sessions) -> None:
        again = [error("ses_a"), assistant("ses_a", "msg_2"), status("ses_a", "idle")]
        assert kinds(sessions, *again) == ["error", "started", "complete"]

    def test_a_child_neither_begins_nor_ends(self, sessions: Sessions) -> None:
        child = [created("ses_b", "ses_a"), status("ses_b", "busy"), status("ses_b", "idle")]
        assert set(kinds(sessions, *child)) <= {"progress"}
        assert kinds(sessions, event("session.deleted", info={"id": "ses_b"})) == []

    def test_the_end_is_named_by_the_newest_message(self, sessions: Sessions) -> None:
        messages = [assistant("ses_a", "msg_1"), assistant("ses_a", "msg_2"), assistant("ses_a", "msg_1")]
        kinds(sessions, *messages)
        idle = status("ses_a", "idle")
        assert sessions.fold(idle) == [Change("complete", "ses_a", "msg_2")]
        nothing_new = status("ses_a", "idle")
        sessions.fold(status("ses_a", "busy"))
        assert sessions.fold(nothing_new) == [Change("complete", "ses_a", nothing_new.id or "")]


class TestProgress:
    def test_tools_and_texts_are_what_it_does(self, sessions: Sessions) -> None:
        assert last_message(sessions) == "Starting..."
        assert kinds(sessions, assistant("ses_a", "msg_1"), tool("ses_a", "npm test")) == ["progress"]
        assert last_message(sessions) == "bash: npm test"
        assert kinds(sessions, text("ses_a", "All\nis well.")) == ["progress"]
        assert last_message(sessions) == "is well."

    def test_the_same_again_is_no_progress(self, sessions: Sessions) -> None:
        assert kinds(sessions, tool("ses_a", "npm test"), tool("ses_a", "npm test")) == ["progress"]

    @pytest.mark.parametrize(
        "odd",
        [
            text("ses_a", "a prompt", "msg_of_the_user"),
            text("ses_a", "nobody wrote this", synthetic=True),
            text("ses_a", "thinking", type="reasoning"),
            text("ses_a", ""),
            text("ses_other", "x"),
            event("message.part.updated", sessionID="ses_a"),
            event("message.part.delta", sessionID="ses_a", delta="word"),
        ],
    )
    def test_what_is_no_progress(self, sessions: Sessions, odd: Event) -> None:
        kinds(sessions, assistant("ses_a", "msg_1"))
        assert kinds(sessions, odd) == []

    def test_a_childs_work_shows_on_the_roots_card(self, sessions: Sessions) -> None:
        kinds(sessions, created("ses_b", "ses_a"), created("ses_c", "ses_b"), status("ses_c", "busy"))
        assert sessions.fold(tool("ses_c", "ls"))[0].session_id == "ses_a"
        assert last_message(sessions) == "bash: ls"

    def test_a_retry_says_which_and_when(self, sessions: Sessions) -> None:
        again = status("ses_a", "retry", attempt=2, message="Overloaded", next=8000)
        assert kinds(sessions, again) == ["progress"]
        state = sessions.state("ses_a", 500.0)
        assert state is not None
        assert (state.status, state.last_message, state.retry_info) == (
            "retry",
            "Overloaded",
            "Retry 2 in 8s",
        )
        assert kinds(sessions, status("ses_a", "retry", attempt=3)) == ["progress"]
        assert kinds(sessions, status("ses_a", "busy")) == ["progress"]
        assert last_message(sessions) == "Starting..."

    def test_a_retry_of_another_shape_is_one_all_the_same(self, sessions: Sessions) -> None:
        assert kinds(sessions, status("ses_a", "retry", attempt="two", next="soon")) == ["progress"]
        state = sessions.state("ses_a", 0.0)
        assert state is not None
        assert (state.status, state.retry_info) == ("retry", "Retry 1")

    def test_a_new_title_shows(self, sessions: Sessions) -> None:
        renamed = event("session.updated", info={"id": "ses_a", "title": "Fix the parser"})
        assert kinds(sessions, renamed, renamed) == ["progress"]
        state = sessions.state("ses_a", 0.0)
        assert state is not None
        assert state.session_title == "Fix the parser"

    def test_a_session_that_does_not_run_makes_no_progress(self, sessions: Sessions) -> None:
        kinds(sessions, status("ses_a", "idle"))
        late = [tool("ses_a", "ls"), event("session.updated", info={"id": "ses_a", "title": "Later"})]
        assert kinds(sessions, *late) == []

    def test_a_new_run_starts_over(self, sessions: Sessions) -> None:
        kinds(sessions, tool("ses_a", "ls"), status("ses_a", "idle"), status("ses_a", "busy"))
        assert last_message(sessions) == "Starting..."

    def test_where_it_works(self, sessions: Sessions) -> None:
        assert sessions.directory("ses_a") == "/code/demo"
        assert sessions.directory("ses_b") is None


def test_what_waits_for_an_unknown_root_is_bounded() -> None:
    sessions = Sessions()
    for number in range(3 * MAX_HELD):
        kinds(sessions, event("permission.asked", id=f"per_{number}", sessionID="ses_a"))
    told = sessions.learn("ses_a", Info(id="ses_a"))
    assert [change.subject_id for change in told] == [
        f"per_{number}" for number in range(2 * MAX_HELD, 3 * MAX_HELD)
    ]


def test_a_session_that_the_server_does_not_know_is_over(sessions: Sessions) -> None:
    assert [change.kind for change in sessions.forget("ses_a")] == ["stopped"]
    assert sessions.forget("ses_b") == []
    assert len(sessions) == 0


session_ids = st.sampled_from(["ses_a", "ses_b", "ses_c"])
any_event = st.one_of(
    st.builds(created, session_ids, st.none() | session_ids),
    st.builds(status, session_ids, st.sampled_from(["busy", "retry", "idle"])),
    st.builds(error, session_ids, st.sampled_from(["APIError", "MessageAbortedError"])),
    st.builds(assistant, session_ids, st.sampled_from(["msg_1", "msg_2"])),
    st.builds(tool, session_ids, st.sampled_from(["ls", "npm test"])),
    st.builds(lambda session: event("session.deleted", info={"id": session}), session_ids),
    st.builds(
        lambda directory: event("server.instance.disposed", directory=directory), st.just("/code/demo")
    ),
)
ENDS = ("complete", "error", "stopped", "interrupted")


@settings(deadline=None, max_examples=200)
@given(st.lists(any_event, max_size=60))
@example(
    [created("ses_b", "ses_a"), status("ses_b", "busy"), created("ses_a", "ses_b")]
)  # each other's parent
def test_progress_comes_only_between_a_beginning_and_an_end(events: list[Event]) -> None:
    sessions = Sessions()
    running: dict[str, bool] = {}
    for one in events:
        changes = sessions.fold(one)
        changes += [more for change in changes if change.kind == "unknown" for more in sessions.learn(change.session_id, None)]  # fmt: skip
        for change in changes:
            if change.kind == "started":
                assert not running.get(change.session_id)
                running[change.session_id] = True
            elif change.kind in ENDS:
                assert running.get(change.session_id) or change.kind == "error"
                running[change.session_id] = False
            elif change.kind == "progress":
                assert running.get(change.session_id)


def sent(session_id: str, event_id: str | None) -> contract.Event:
    return contract.Event(secret="s" * 16, event_type="complete", session_id=session_id, event_id=event_id)


class TestOpenRuns:
    @pytest.fixture
    def changes(self) -> list[str]:
        return []

    @pytest.fixture
    def runs(self, changes: list[str]) -> OpenRuns:
        return OpenRuns(["ses_a"], lambda: changes.append("changed"))

    def test_a_run_is_open_until_the_relay_has_its_end(self, runs: OpenRuns, changes: list[str]) -> None:
        runs.begin("ses_b")
        runs.end("ses_b", "end-1")
        assert runs.ids() == ["ses_a", "ses_b"]
        runs.done(sent("ses_b", "another"))
        runs.done(sent("ses_b", None))
        runs.done(sent("ses_c", "end-1"))
        assert runs.ids() == ["ses_a", "ses_b"]
        runs.done(sent("ses_b", "end-1"))
        assert runs.ids() == ["ses_a"]
        assert changes == ["changed"] * 2

    def test_a_new_run_is_not_closed_by_the_end_of_the_one_before(self, runs: OpenRuns) -> None:
        runs.end("ses_a", "end-1")
        runs.begin("ses_a")
        runs.done(sent("ses_a", "end-1"))
        assert runs.ids() == ["ses_a"]

    def test_a_run_whose_end_is_on_its_way_is_over(self, runs: OpenRuns) -> None:
        assert (runs.open("ses_a"), runs.open("ses_b")) == (True, False)
        runs.end("ses_a", "end-1")
        assert not runs.open("ses_a")

    def test_an_end_without_a_beginning_is_kept_too(self, runs: OpenRuns, changes: list[str]) -> None:
        runs.end("ses_b", "end-1")
        assert (runs.ids(), changes) == (["ses_a", "ses_b"], ["changed"])
