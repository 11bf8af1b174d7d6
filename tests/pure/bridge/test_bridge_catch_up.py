"""After a gap in the stream: nothing that still holds is lost, nothing is reported twice."""

import itertools
import json
from typing import Any

import pytest

from pure.bridge.folding import changes_of, named, play
from relay.bridge.notify.source import Change
from relay.bridge.sources.opencode1.catch_up import CatchUp, Ending, Snapshot, ending
from relay.bridge.sources.opencode1.fold import Sessions
from relay.bridge.sources.opencode1.runs import Runs
from relay.bridge.sources.opencode1.wire import Info, PendingRequest, RetryStatus, SessionMessage, decode

HERE = "/code/demo"
BUSY, RETRY = RetryStatus(type="busy"), RetryStatus(type="retry", attempt=2, next=8000)
SINCE = 1000.0


def message(message_id: str, role: str = "assistant", **info: Any) -> SessionMessage:
    return decode(json.dumps({"info": {"id": message_id, "role": role} | info}).encode(), SessionMessage)


def done(message_id: str = "m1", at: float = SINCE) -> SessionMessage:
    return message(message_id, finish="stop", time={"completed": at})


def failed(name: str, words: str = "no", **more: Any) -> SessionMessage:
    return message("m1", error={"name": name, "data": {"message": words}}, **more)


def request(request_id: str, session: str = "a") -> PendingRequest:
    return PendingRequest(id=request_id, session_id=session, permission="bash", patterns=["ls"])


class World:
    """A fold and what catches it up; changes as text, like those of `folding.play`."""

    def __init__(self, script: str = "") -> None:
        self.runs = Runs(fresh_id=map("evt_{}".format, itertools.count()).__next__)
        self.sessions = Sessions(self.runs)
        self.catch_up = CatchUp(self.runs)
        self.play(script)

    def play(self, script: str) -> str:
        return play(script, self.sessions)

    def mark(self) -> int:
        return self.catch_up.mark()

    def resync(
        self,
        busy: str = "",
        *requests: PendingRequest,
        mark: int | None = None,
        directory: str = HERE,
        status: RetryStatus = BUSY,
    ) -> str:
        """The changes by a snapshot in which these sessions are busy, and after a bar those that have ended."""
        snapshot = Snapshot(frozenset({directory}), dict.fromkeys(busy, status), requests)
        changes, ended = self.catch_up.resync(snapshot, self.mark() if mark is None else mark)
        return text(changes) + "".join(f"|{one}" for one in ended)

    def ended(self, newest: SessionMessage | None, mark: int | None = None) -> str:
        return text(self.catch_up.ended("a", newest, self.mark() if mark is None else mark, SINCE))


def text(changes: list[Change]) -> str:
    return "; ".join(named(change) for change in changes if change.kind != "progress")


@pytest.fixture
def idle() -> World:
    return World("new")


@pytest.fixture
def busy() -> World:
    return World("new; busy")


@pytest.fixture
def unobserved() -> World:
    """Of a run that a gap cut, an idle does not say how it ended: an abort, a no or an error may be in the gap."""
    return World("new; busy; connected")


ENDINGS: list[tuple[SessionMessage | None, Ending]] = [
    (None, "interrupted"),
    (message("m1", "user"), "interrupted"),
    (message("m1"), "interrupted"),
    (message("m1", finish="stop"), "interrupted"),
    (done(), "complete"),
    (message("m1", finish="length", time={"completed": 1}), "complete"),
    (message("m1", finish="unknown", time={"completed": 1}), "complete"),
    (message("m1", finish="tool-calls", time={"completed": 1}), "stopped"),
    (message("m1", time={"completed": 1}), "stopped"),
    (failed("APIError"), "error"),
    (failed("MessageAbortedError", time={"completed": 1}), "stopped"),
    (failed("ContextOverflowError"), "interrupted"),
    (message("m1", error="odd"), "error"),
    (message("m1", error=None, finish="stop", time={"completed": 1}), "complete"),
]


@pytest.mark.parametrize(("newest", "how"), ENDINGS)
def test_how_a_run_ended(newest: SessionMessage | None, how: Ending) -> None:
    assert ending(newest) == how


class TestRunning:
    def test_a_run_that_goes_on_is_not_reported_again(self, busy: World) -> None:
        assert busy.resync("a") == ""
        assert busy.play("idle") == "complete"

    def test_a_run_that_began_meanwhile_begins_now(self, idle: World) -> None:
        assert idle.resync("a", status=RETRY) == "started"
        state = idle.sessions.state("a", 0.0)
        assert state is not None
        assert state.retry_info == "Retry 2 in 8s"

    def test_an_unknown_session_that_runs_is_asked_for(self, idle: World) -> None:
        assert idle.resync("b") == "b: unknown"
        assert idle.play("b: learnt") == "b: started"

    @pytest.mark.parametrize("end", ["abort", "error"])
    def test_a_new_run_after_an_end_that_nobody_saw(self, busy: World, end: str) -> None:
        busy.play(end)
        busy.resync("a")
        assert busy.play("idle") == "complete"

    def test_the_stream_knows_better_than_an_older_snapshot(self, busy: World) -> None:
        mark = busy.mark()
        busy.play("idle")
        assert busy.resync("a", mark=mark) == ""
        mark = busy.mark()
        busy.play("busy")
        assert busy.resync(mark=mark) == ""

    def test_a_deleted_session_does_not_come_back(self, busy: World) -> None:
        busy.play("deleted")
        assert busy.resync("a", request("p1")) == ""

    def test_a_no_is_remembered_while_the_turn_ends(self, busy: World) -> None:
        busy.play("ask p1; no p1")
        assert busy.resync("a") == ""
        assert busy.play("idle") == "stopped"


class TestEnded:
    @pytest.mark.parametrize(
        ("newest", "kind", "words"),
        [
            (done(), "complete", ""),
            (failed("APIError", "Bad key"), "error", "Bad key"),
            (failed("MessageAbortedError", "Aborted"), "stopped", ""),
            (failed("ContextOverflowError", "Too long"), "interrupted", ""),
            (message("m1"), "interrupted", ""),
        ],
    )
    def test_the_newest_message_says_how(
        self, busy: World, newest: SessionMessage, kind: str, words: str
    ) -> None:
        assert busy.resync() == "|a"
        (change,) = busy.catch_up.ended("a", newest, busy.mark(), SINCE)
        assert (named(change), change.text) == (f"{kind} m1", words)
        assert busy.ended(newest) == ""
        assert busy.play("idle") == ""

    def test_the_end_has_the_subject_that_the_stream_would_have_reported(self, busy: World) -> None:
        other = World("new; busy; step m1")
        busy.play("step m1")
        busy.resync()
        assert busy.ended(done()) == other.play("idle") == "complete m1"

    def test_a_run_without_any_new_message_was_interrupted(self, busy: World) -> None:
        busy.play("step m1; idle; busy")
        (change,) = busy.catch_up.ended("a", done(), busy.mark(), SINCE)
        assert change.kind == "interrupted"

    def test_what_moved_since_is_left_to_the_stream(self, busy: World) -> None:
        mark = busy.mark()
        busy.play("busy")
        assert busy.ended(done(), mark) == ""

    def test_other_directories_were_not_asked(self, busy: World) -> None:
        assert busy.resync(directory="/code/other") == ""
        assert busy.catch_up.directories() == {HERE}

    def test_requests_of_an_ended_run_are_withdrawn(self, busy: World) -> None:
        busy.play("ask p1")
        assert busy.resync("", request("p1")) == "|a"
        assert busy.ended(message("m1")) == "answered p1; interrupted m1"

    def test_a_child_just_ends(self, busy: World) -> None:
        busy.play("b: new a; b: busy; b: ask p1")
        assert busy.resync("a") == "answered p1"
        assert busy.resync("a") == ""


class TestUnobserved:
    def test_an_idle_before_the_snapshot_waits_for_the_newest_message(self, unobserved: World) -> None:
        mark = unobserved.mark()
        assert unobserved.play("idle; idle") == ""
        assert unobserved.resync("a", mark=mark) == "|a"
        assert unobserved.ended(failed("MessageAbortedError"), mark) == "stopped m1"

    def test_an_error_is_reported_all_the_same(self, unobserved: World) -> None:
        assert unobserved.play("error; idle") == "error"
        assert unobserved.resync() == ""

    @pytest.mark.parametrize("moved", [False, True])
    def test_a_run_that_is_seen_again_is_observed(self, unobserved: World, moved: bool) -> None:
        mark = unobserved.mark()
        unobserved.play("busy" if moved else "")
        assert unobserved.resync("" if moved else "a", mark=mark) == ""
        assert unobserved.play("idle") == "complete"

    def test_a_new_run_before_the_answer_is_the_one_that_counts(self, unobserved: World) -> None:
        mark = unobserved.mark()
        unobserved.play("idle")
        assert unobserved.resync(mark=mark) == "|a"
        assert unobserved.play("busy") == ""
        assert unobserved.ended(done(), mark) == ""
        assert unobserved.play("idle") == "complete"

    def test_of_a_server_that_cannot_be_asked_the_stream_has_to_do(self, unobserved: World) -> None:
        unobserved.play("b: new; b: busy; connected; idle")
        assert [change.kind for change in unobserved.catch_up.give_up()] == ["complete"]
        assert unobserved.play("b: idle") == "b: complete"

    def test_a_child_is_never_in_doubt(self, unobserved: World) -> None:
        unobserved.play("b: new a; b: busy; connected")
        mark = unobserved.mark()
        unobserved.play("b: idle")
        assert unobserved.resync("a", mark=mark) == ""
        assert unobserved.runs.tree.session("b").quiet

    def test_the_newest_message_names_the_end(self, unobserved: World) -> None:
        assert unobserved.catch_up.running() == ["a"]
        unobserved.catch_up.note("a", message("m7"))
        unobserved.catch_up.note("a", None)
        unobserved.resync("a")
        assert unobserved.play("idle") == "complete m7"


class TestMissed:
    """Runs that began and ended in the gap."""

    def test_an_end_after_the_gap_began_is_reported_once(self, idle: World) -> None:
        assert idle.ended(done()) == "complete m1"
        assert idle.ended(done()) == ""

    @pytest.mark.parametrize(
        "newest",
        [
            None,
            done(at=SINCE - 1),
            message("m1"),
            message("m1", finish="tool-calls", time={"completed": SINCE}),
            failed("MessageAbortedError", time={"completed": SINCE}),
        ],
    )
    def test_what_nobody_needs_to_know(self, idle: World, newest: SessionMessage | None) -> None:
        assert idle.ended(newest) == ""

    def test_an_end_of_which_only_the_last_echo_came_is_reported(self, idle: World) -> None:
        # A failed turn is idle twice, and its message is written in between.
        newest = failed("APIError", "Bad key", time={"completed": SINCE})
        mark = idle.mark()
        assert idle.play("written m1; idle") == ""
        assert idle.ended(newest, mark) == "error m1"
        assert idle.ended(newest, mark) == ""

    @pytest.mark.parametrize(
        "script", ["busy; step m1; abort; idle", "busy; step m1; idle", "connected; busy; error"]
    )
    def test_what_the_stream_reported_is_not_reported_again(self, idle: World, script: str) -> None:
        idle.play(script)
        assert idle.ended(failed("APIError", time={"completed": SINCE})) == ""


class TestRequests:
    def test_a_request_that_was_missed_is_reported_once(self, busy: World) -> None:
        assert busy.resync("a", request("p1")) == "asked p1"
        assert busy.resync("a", request("p1")) == ""

    def test_a_ghost_of_an_idle_session_is_not(self, idle: World) -> None:
        assert idle.resync("", request("p1")) == ""

    def test_an_answer_that_was_missed_withdraws(self, busy: World) -> None:
        busy.play("ask p1")
        assert busy.resync("a") == "answered p1"

    def test_what_was_asked_since_is_not_withdrawn(self, busy: World) -> None:
        mark = busy.mark()
        busy.play("ask p1")
        assert busy.resync("a", mark=mark) == ""
        busy.runs.tree.session("a").touched = 0
        assert busy.resync("a", mark=mark) == ""

    def test_what_was_answered_since_is_not_asked(self, busy: World) -> None:
        busy.play("yes p1")
        assert busy.resync("a", request("p1")) == ""

    def test_a_childs_request_counts_if_the_child_is_busy(self, busy: World) -> None:
        busy.play("b: new a; c: new a")
        assert busy.resync("ab", request("p1", "b"), request("p2", "c"), mark=99) == "asked p1"


class TestRestored:
    """A new bridge knows from the old one which sessions ran."""

    @pytest.fixture
    def restored(self) -> World:
        fresh = World()
        fresh.catch_up.restore(["a"])
        assert fresh.catch_up.unplaced() == ["a"]
        assert fresh.catch_up.directories() == {None}
        fresh.sessions.learn("a", Info(id="a", directory=HERE))
        assert fresh.catch_up.unplaced() == []
        assert fresh.catch_up.directories() == {HERE}
        return fresh

    def test_a_run_that_goes_on_begins_no_second_time(self, restored: World) -> None:
        assert restored.resync("a") == ""
        assert restored.play("idle") == "complete"

    def test_a_run_that_ended_is_reported(self, restored: World) -> None:
        assert restored.resync() == "|a"
        assert restored.ended(done(at=1.0)) == "complete m1"

    def test_a_session_that_is_gone_has_stopped(self, restored: World) -> None:
        assert [change.kind for change in restored.sessions.forget("a")] == ["stopped"]
        assert changes_of("busy", restored.sessions) == []
