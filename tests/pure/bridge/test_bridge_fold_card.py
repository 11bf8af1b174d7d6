"""The fold over sessions: what the card of a session shows while it runs."""

import pytest

from pure.bridge.folding import changes_of, play
from pure.bridge.wire import event, status, text, tool
from relay.bridge.sources.opencode1.fold import Sessions
from relay.bridge.sources.opencode1.wire import Event


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
