"""Children are told under their root; sessions that nobody knows yet wait until they are learnt."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pure.bridge.folding import fold, learn, told
from pure.bridge.wire import asked, created, error, event, replied, status
from relay.bridge.notify.source import Change
from relay.bridge.sources.opencode1.fold import Sessions
from relay.bridge.sources.opencode1.runs import SessionTree
from relay.bridge.sources.opencode1.wire import Info


class TestChildren:
    @pytest.fixture
    def family(self, sessions: Sessions) -> Sessions:
        grown = [created("ses_b", "ses_a"), created("ses_c", "ses_b")]
        assert fold(sessions, status("ses_a", "busy"), *grown) == []
        return sessions

    @pytest.mark.parametrize("child", ["ses_b", "ses_c"])
    def test_a_child_neither_completes_nor_fails(self, family: Sessions, child: str) -> None:
        ends = [status(child, "busy"), status(child, "idle"), status(child, "busy"), error(child)]
        assert fold(family, *ends, status(child, "idle")) == []
        assert told(fold(family, status("ses_a", "idle"))) == [("complete", "ses_a")]

    @pytest.mark.parametrize("child", ["ses_b", "ses_c"])
    def test_a_childs_requests_are_the_roots(self, family: Sessions, child: str) -> None:
        changes = fold(family, status(child, "busy"), asked(child, "req_1"), replied(child, "req_1"))
        assert changes == [Change("asked", "ses_a", "req_1"), Change("answered", "ses_a", "req_1")]

    def test_a_childs_no_does_not_stop_its_parent(self, family: Sessions) -> None:
        refused = [status("ses_b", "busy"), asked("ses_b", "req_1"), replied("ses_b", "req_1", "reject")]
        fold(family, *refused, status("ses_b", "idle"))
        assert told(fold(family, status("ses_a", "idle"))) == [("complete", "ses_a")]

    def test_parents_that_point_at_each_other_do_no_harm(self) -> None:
        sessions = Sessions()
        fold(sessions, created("ses_x", "ses_y"), created("ses_y", "ses_x"), created("ses_z", "ses_z"))
        assert told(fold(sessions, asked("ses_x", "req_1"))) == [("asked", "ses_y")]
        assert told(fold(sessions, asked("ses_z", "req_2"))) == [("asked", "ses_z")]


IDS = st.sampled_from(["ses_a", "ses_b", "ses_c", "ses_d"])


@given(st.lists(st.tuples(IDS, st.none() | IDS, st.booleans()), max_size=30))
@example([("ses_a", "ses_c", False), ("ses_b", "ses_a", False), ("ses_a", "ses_b", False)])
def test_every_chain_of_parents_has_an_end(told: list[tuple[str, str | None, bool]]) -> None:
    families = SessionTree(max_sessions=3)
    for session_id, parent_id, gone in told:
        if gone:
            families.delete(session_id, "f")
        else:
            families.learn(session_id, Info(id=session_id, parent_id=parent_id))
        for known, _ in families:
            seen = [known]
            while (above := families.get(seen[-1])) and above.parent_id:
                seen.append(above.parent_id)
                assert len(set(seen)) == len(seen)
            assert families.root(known) == seen[-1]


class TestUnknownSessions:
    def test_a_session_is_asked_for_once_and_as_soon_as_it_stirs(self) -> None:
        sessions = Sessions()
        stirring = [status("ses_a", "busy"), status("ses_a", "busy"), asked("ses_a", "req_1")]
        assert fold(sessions, *stirring) == [Change("unknown", "ses_a")]

    def test_changes_wait_in_order_until_it_is_learnt(self) -> None:
        sessions = Sessions()
        idle = status("ses_a", "idle")
        waiting = [status("ses_a", "busy"), asked("ses_a", "req_1"), replied("ses_a", "req_1"), idle]
        assert told(fold(sessions, *waiting)) == [("unknown", "ses_a")]
        assert learn(sessions, "ses_a", Info(id="ses_a", title="Fix it")) == [
            Change("asked", "ses_a", "req_1"),
            Change("answered", "ses_a", "req_1"),
            Change("complete", "ses_a", idle.id or ""),
        ]
        assert sessions.title("ses_a") == "Fix it"
        assert learn(sessions, "ses_a", None) == []

    def test_what_cannot_be_learnt_counts_as_a_root(self) -> None:
        sessions = Sessions()
        fold(sessions, status("ses_a", "busy"), status("ses_a", "idle"))
        assert told(learn(sessions, "ses_a", None)) == [("complete", "ses_a")]
        assert sessions.title("ses_a") is None

    def test_a_chain_of_unknown_parents_is_learnt_upwards(self) -> None:
        sessions = Sessions()
        assert told(fold(sessions, asked("ses_c", "req_1"))) == [("unknown", "ses_c")]
        assert told(learn(sessions, "ses_c", Info(id="ses_c", parent_id="ses_b"))) == [("unknown", "ses_b")]
        assert told(learn(sessions, "ses_b", Info(id="ses_b", parent_id="ses_a"))) == [("unknown", "ses_a")]
        assert learn(sessions, "ses_a", Info(id="ses_a")) == [Change("asked", "ses_a", "req_1")]

    def test_an_unknown_child_that_ends_stays_silent(self) -> None:
        sessions = Sessions()
        fold(sessions, status("ses_b", "busy"), status("ses_b", "idle"))
        assert told(learn(sessions, "ses_b", Info(id="ses_b", parent_id="ses_a"))) == [("unknown", "ses_a")]
        assert learn(sessions, "ses_a", Info(id="ses_a")) == []

    def test_an_update_teaches_as_well_as_an_answer(self) -> None:
        sessions = Sessions()
        fold(sessions, status("ses_a", "busy"), status("ses_a", "idle"))
        update = event("session.updated", sessionID="ses_a", info={"id": "ses_a", "title": "Fix it"})
        assert told(fold(sessions, update)) == [("complete", "ses_a")]

    def test_others_do_not_wait_for_an_unknown_one(self, sessions: Sessions) -> None:
        fold(sessions, status("ses_x", "busy"), status("ses_x", "idle"))
        assert told(fold(sessions, status("ses_a", "busy"), status("ses_a", "idle"))) == [
            ("complete", "ses_a")
        ]

    def test_an_update_without_a_title_keeps_the_old_one(self, sessions: Sessions) -> None:
        fold(sessions, event("session.updated", info={"id": "ses_a"}), event("session.updated"))
        assert sessions.title("ses_a") == "Fix it"
