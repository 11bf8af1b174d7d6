"""After a gap in the stream: nothing that still holds is lost, nothing is told twice."""

import json
from typing import Any

import pytest

from pure.bridge.wire import created, event, status
from relay.bridge.notify.source import Change
from relay.bridge.sources.opencode1.catch_up import CatchUp, Ending, Snapshot, ending
from relay.bridge.sources.opencode1.fold import Sessions
from relay.bridge.sources.opencode1.runs import Runs
from relay.bridge.sources.opencode1.wire import Event, Info, Message, PendingRequest, RetryStatus, decode

HERE = "/code/demo"
BUSY, RETRY = RetryStatus(type="busy"), RetryStatus(type="retry", attempt=2, next=8000)
SINCE = 1000.0


def message(message_id: str, role: str = "assistant", **info: Any) -> Message:
    return decode(json.dumps({"info": {"id": message_id, "role": role} | info}).encode(), Message)


def done(message_id: str = "msg_1", at: float = SINCE) -> Message:
    return message(message_id, finish="stop", time={"completed": at})


def request(request_id: str, session: str = "ses_a") -> PendingRequest:
    return PendingRequest(id=request_id, session_id=session, permission="bash", patterns=["ls"])


def snapshot(
    statuses: dict[str, RetryStatus] | None = None, *requests: PendingRequest, directory: str = HERE
) -> Snapshot:
    return Snapshot(frozenset({directory}), statuses or {}, requests)


class World:
    """A fold and what catches it up."""

    def __init__(self) -> None:
        self.runs = Runs()
        self.sessions = Sessions(self.runs)
        self.catch_up = CatchUp(self.runs)

    def fold(self, *events: Event) -> list[str]:
        return [change.kind for one in events for change in self.sessions.fold(one)]

    def resync(self, taken: Snapshot, mark: int | None = None) -> tuple[list[str], list[str]]:
        changes, ended = self.catch_up.resync(taken, self.catch_up.mark() if mark is None else mark)
        return [change.kind for change in changes], ended

    def ended(self, newest: Message | None, session: str = "ses_a", mark: int | None = None) -> list[Change]:
        mark = self.catch_up.mark() if mark is None else mark
        return self.catch_up.ended(session, newest, mark, SINCE)


@pytest.fixture
def world() -> World:
    fresh = World()
    fresh.fold(created("ses_a"))
    return fresh


@pytest.fixture
def busy(world: World) -> World:
    assert world.fold(status("ses_a", "busy")) == ["started"]
    return world


@pytest.mark.parametrize(
    ("newest", "how"),
    [
        (None, "interrupted"),
        (message("msg_1", "user"), "interrupted"),
        (message("msg_1"), "interrupted"),
        (message("msg_1", finish="stop"), "interrupted"),
        (done(), "complete"),
        (message("msg_1", finish="length", time={"completed": 1}), "complete"),
        (message("msg_1", finish="unknown", time={"completed": 1}), "complete"),
        (message("msg_1", finish="tool-calls", time={"completed": 1}), "stopped"),
        (message("msg_1", time={"completed": 1}), "stopped"),
        (message("msg_1", error={"name": "APIError", "data": {"message": "no"}}), "error"),
        (message("msg_1", error={"name": "MessageAbortedError"}, time={"completed": 1}), "stopped"),
        (message("msg_1", error={"name": "ContextOverflowError"}), "interrupted"),
        (message("msg_1", error="odd"), "error"),
        (message("msg_1", error=None, finish="stop", time={"completed": 1}), "complete"),
    ],
)
def test_how_a_run_ended(newest: Message | None, how: Ending) -> None:
    assert ending(newest) == how


class TestRunning:
    def test_a_run_that_goes_on_is_not_told_again(self, busy: World) -> None:
        assert busy.resync(snapshot({"ses_a": BUSY})) == ([], [])
        assert busy.fold(status("ses_a", "idle")) == ["complete"]

    def test_a_run_that_began_meanwhile_begins_now(self, world: World) -> None:
        assert world.resync(snapshot({"ses_a": RETRY})) == (["started"], [])
        state = world.sessions.state("ses_a", 0.0)
        assert state is not None
        assert state.retry_info == "Retry 2 in 8s"

    def test_an_unknown_session_that_runs_is_asked_for(self, world: World) -> None:
        assert world.resync(snapshot({"ses_new": BUSY})) == (["unknown"], [])
        told = world.sessions.learn("ses_new", Info(id="ses_new"))
        assert [change.kind for change in told] == ["started"]

    @pytest.mark.parametrize("name", ["MessageAbortedError", "APIError"])
    def test_a_new_run_after_an_end_that_nobody_saw(self, busy: World, name: str) -> None:
        busy.fold(event("session.error", sessionID="ses_a", error={"name": name}))
        busy.resync(snapshot({"ses_a": BUSY}))
        assert busy.fold(status("ses_a", "idle")) == ["complete"]

    def test_the_stream_knows_better_than_an_older_snapshot(self, busy: World) -> None:
        mark = busy.catch_up.mark()
        busy.fold(status("ses_a", "idle"))
        assert busy.resync(snapshot({"ses_a": BUSY}), mark) == ([], [])
        mark = busy.catch_up.mark()
        busy.fold(status("ses_a", "busy"))
        assert busy.resync(snapshot(), mark) == ([], [])

    def test_a_deleted_session_stays_deleted(self, busy: World) -> None:
        busy.fold(event("session.deleted", info={"id": "ses_a"}))
        assert busy.resync(snapshot({"ses_a": BUSY}, request("per_1"))) == ([], [])


class TestEnded:
    @pytest.mark.parametrize(
        ("newest", "kind", "text"),
        [
            (done(), "complete", ""),
            (
                message("msg_1", error={"name": "APIError", "data": {"message": "Bad key"}}),
                "error",
                "Bad key",
            ),
            (
                message("msg_1", error={"name": "MessageAbortedError", "data": {"message": "Aborted"}}),
                "stopped",
                "",
            ),
            (
                message("msg_1", error={"name": "ContextOverflowError", "data": {"message": "Too long"}}),
                "interrupted",
                "",
            ),
            (message("msg_1"), "interrupted", ""),
        ],
    )
    def test_the_newest_message_says_how(self, busy: World, newest: Message, kind: str, text: str) -> None:
        assert busy.resync(snapshot()) == ([], ["ses_a"])
        (change,) = busy.ended(newest)
        assert (change.kind, change.session_id, change.subject_id, change.text) == (
            kind,
            "ses_a",
            "msg_1",
            text,
        )
        assert busy.ended(newest) == []
        assert busy.fold(status("ses_a", "idle")) == []

    def test_the_fact_is_the_one_that_the_stream_would_have_told(self, busy: World) -> None:
        other = World()
        other.fold(created("ses_a"), status("ses_a", "busy"))
        for one in (busy, other):
            one.fold(event("message.updated", sessionID="ses_a", info={"id": "msg_1", "role": "assistant"}))
        busy.resync(snapshot())
        assert busy.ended(done()) == other.sessions.fold(status("ses_a", "idle"))

    def test_a_run_without_any_new_message_was_interrupted(self, busy: World) -> None:
        busy.fold(event("message.updated", sessionID="ses_a", info={"id": "msg_1", "role": "assistant"}))
        busy.fold(status("ses_a", "idle"), status("ses_a", "busy"))
        (change,) = busy.ended(done())
        assert change.kind == "interrupted"

    def test_what_was_touched_since_is_left_to_the_stream(self, busy: World) -> None:
        mark = busy.catch_up.mark()
        busy.fold(status("ses_a", "busy"))
        assert busy.ended(done(), mark=mark) == []

    def test_other_directories_were_not_asked(self, busy: World) -> None:
        assert busy.resync(snapshot(directory="/code/other")) == ([], [])
        assert busy.catch_up.directories() == {HERE}

    def test_requests_of_an_ended_run_are_withdrawn(self, busy: World) -> None:
        busy.fold(event("permission.asked", id="per_1", sessionID="ses_a"))
        assert busy.resync(snapshot({}, request("per_1"))) == ([], ["ses_a"])
        assert [change.kind for change in busy.ended(message("msg_1"))] == ["answered", "interrupted"]

    def test_a_child_just_ends(self, busy: World) -> None:
        busy.fold(created("ses_b", "ses_a"), status("ses_b", "busy"))
        busy.fold(event("permission.asked", id="per_1", sessionID="ses_b"))
        assert busy.resync(snapshot({"ses_a": BUSY})) == (["answered"], [])
        assert busy.resync(snapshot({"ses_a": BUSY})) == ([], [])


class TestBlind:
    """Of a run that a gap cut, an idle does not tell how it ended: an abort, a no or an error may be in the gap."""

    @pytest.fixture
    def blind(self, busy: World) -> World:
        assert busy.fold(Event(type="server.connected")) == []
        return busy

    def test_an_idle_before_the_snapshot_waits_for_the_newest_message(self, blind: World) -> None:
        mark = blind.catch_up.mark()
        assert blind.fold(status("ses_a", "idle"), status("ses_a", "idle")) == []
        assert blind.resync(snapshot({"ses_a": BUSY}), mark) == ([], ["ses_a"])
        (change,) = blind.ended(message("msg_1", error={"name": "MessageAbortedError"}), mark=mark)
        assert change.kind == "stopped"

    def test_an_error_is_told_all_the_same(self, blind: World) -> None:
        failed = event("session.error", sessionID="ses_a", error={"name": "APIError"})
        assert blind.fold(failed, status("ses_a", "idle")) == ["error"]
        assert blind.resync(snapshot()) == ([], [])

    def test_a_run_that_the_snapshot_saw_is_seen_again(self, blind: World) -> None:
        assert blind.resync(snapshot({"ses_a": BUSY})) == ([], [])
        assert blind.fold(status("ses_a", "idle")) == ["complete"]

    def test_a_run_that_moved_since_is_seen_again(self, blind: World) -> None:
        mark = blind.catch_up.mark()
        blind.fold(status("ses_a", "busy"))
        assert blind.resync(snapshot(), mark) == ([], [])
        assert blind.fold(status("ses_a", "idle")) == ["complete"]

    def test_a_new_run_before_the_answer_is_the_one_that_counts(self, blind: World) -> None:
        mark = blind.catch_up.mark()
        blind.fold(status("ses_a", "idle"))
        assert blind.resync(snapshot(), mark) == ([], ["ses_a"])
        assert blind.fold(status("ses_a", "busy")) == ["progress"]
        assert blind.ended(done(), mark=mark) == []
        assert blind.fold(status("ses_a", "idle")) == ["complete"]

    def test_a_server_that_cannot_be_asked_is_taken_at_its_word(self, blind: World) -> None:
        blind.fold(created("ses_b"), status("ses_b", "busy"))
        blind.fold(Event(type="server.connected"), status("ses_a", "idle"))
        assert [change.kind for change in blind.catch_up.give_up()] == ["complete"]
        assert blind.fold(status("ses_b", "idle")) == ["complete"]

    def test_a_child_is_never_in_doubt(self, blind: World) -> None:
        blind.fold(created("ses_b", "ses_a"), status("ses_b", "busy"), Event(type="server.connected"))
        mark = blind.catch_up.mark()
        blind.fold(status("ses_b", "idle"))
        assert blind.resync(snapshot({"ses_a": BUSY}), mark) == ([], [])
        assert blind.resync(snapshot({"ses_a": BUSY})) == ([], [])
        assert blind.runs.tree.session("ses_b").quiet

    def test_the_newest_message_names_the_end(self, blind: World) -> None:
        assert blind.catch_up.running() == ["ses_a"]
        blind.catch_up.note("ses_a", message("msg_7"))
        blind.catch_up.note("ses_a", None)
        blind.resync(snapshot({"ses_a": BUSY}))
        assert blind.sessions.fold(status("ses_a", "idle")) == [Change("complete", "ses_a", "msg_7")]


class TestRejected:
    def test_a_no_is_remembered_while_the_turn_ends(self, busy: World) -> None:
        busy.fold(event("permission.asked", id="per_1", sessionID="ses_a"))
        busy.fold(event("permission.replied", sessionID="ses_a", requestID="per_1", reply="reject"))
        assert busy.resync(snapshot({"ses_a": BUSY})) == ([], [])
        assert busy.fold(status("ses_a", "idle")) == ["stopped"]


class TestMissed:
    """Runs that began and ended while nobody listened."""

    def test_an_end_after_the_gap_began_is_told_once(self, world: World) -> None:
        assert [change.kind for change in world.ended(done())] == ["complete"]
        assert world.ended(done()) == []

    @pytest.mark.parametrize(
        "newest",
        [
            None,
            done(at=SINCE - 1),
            message("msg_1"),
            message("msg_1", finish="tool-calls", time={"completed": SINCE}),
            message("msg_1", error={"name": "MessageAbortedError"}, time={"completed": SINCE}),
        ],
    )
    def test_what_nobody_needs_to_hear_of(self, world: World, newest: Message | None) -> None:
        assert world.ended(newest) == []

    def test_an_end_of_which_only_the_last_echo_was_heard_is_told(self, world: World) -> None:
        # A failed turn is idle twice, and its message is written in between.
        failure = {"name": "APIError", "data": {"message": "Bad key"}}
        failed = {"id": "msg_1", "role": "assistant", "error": failure, "time": {"completed": SINCE}}
        echo = [event("message.updated", sessionID="ses_a", info=failed), status("ses_a", "idle")]
        mark = world.catch_up.mark()
        assert world.fold(*echo) == []
        newest = message("msg_1", error=failure, time={"completed": SINCE})
        assert world.ended(newest, mark=mark) == [Change("error", "ses_a", "msg_1")]
        assert world.ended(newest, mark=mark) == []

    def test_an_end_that_the_stream_told_silently_is_not_told(self, busy: World) -> None:
        aborted = event("session.error", sessionID="ses_a", error={"name": "MessageAbortedError"})
        busy.fold(event("message.updated", sessionID="ses_a", info={"id": "msg_1", "role": "assistant"}))
        assert busy.fold(aborted, status("ses_a", "idle")) == ["progress", "stopped"]
        assert busy.ended(done()) == []

    def test_an_end_that_the_stream_told_without_its_message_is_not_told(self, world: World) -> None:
        world.fold(Event(type="server.connected"), status("ses_a", "busy"))
        assert world.fold(event("session.error", sessionID="ses_a", error={"name": "APIError"})) == ["error"]
        failure = {"name": "APIError", "data": {"message": "Bad key"}}
        assert world.ended(message("msg_1", error=failure, time={"completed": SINCE})) == []

    def test_what_the_stream_told_is_not_told_again(self, busy: World) -> None:
        busy.fold(event("message.updated", sessionID="ses_a", info={"id": "msg_1", "role": "assistant"}))
        assert busy.fold(status("ses_a", "idle")) == ["complete"]
        assert busy.ended(done()) == []


class TestRequests:
    def test_a_request_that_was_missed_is_told(self, busy: World) -> None:
        assert busy.resync(snapshot({"ses_a": BUSY}, request("per_1"))) == (["asked"], [])
        assert busy.resync(snapshot({"ses_a": BUSY}, request("per_1"))) == ([], [])

    def test_a_ghost_of_an_idle_session_is_not(self, world: World) -> None:
        assert world.resync(snapshot({}, request("per_1"))) == ([], [])

    def test_an_answer_that_was_missed_withdraws(self, busy: World) -> None:
        busy.fold(event("permission.asked", id="per_1", sessionID="ses_a"))
        assert busy.resync(snapshot({"ses_a": BUSY})) == (["answered"], [])

    def test_what_was_asked_since_is_not_withdrawn(self, busy: World) -> None:
        mark = busy.catch_up.mark()
        busy.fold(event("permission.asked", id="per_1", sessionID="ses_a"))
        assert busy.resync(snapshot({"ses_a": BUSY}), mark) == ([], [])
        busy.runs.tree.session("ses_a").touched = 0
        assert busy.resync(snapshot({"ses_a": BUSY}), mark) == ([], [])

    def test_what_was_answered_since_is_not_asked(self, busy: World) -> None:
        busy.fold(event("permission.replied", sessionID="ses_a", requestID="per_1", reply="once"))
        assert busy.resync(snapshot({"ses_a": BUSY}, request("per_1"))) == ([], [])

    def test_a_childs_request_counts_if_the_child_is_busy(self, busy: World) -> None:
        busy.fold(created("ses_b", "ses_a"), created("ses_c", "ses_a"))
        asked = [request("per_b", "ses_b"), request("per_c", "ses_c")]
        changes, _ = busy.catch_up.resync(snapshot({"ses_a": BUSY, "ses_b": BUSY}, *asked), 99)
        assert changes == [Change("asked", "ses_a", "per_b")]


class TestRestored:
    """A new bridge knows from the old one which sessions ran."""

    @pytest.fixture
    def restored(self) -> World:
        fresh = World()
        fresh.catch_up.restore(["ses_a"])
        return fresh

    def test_it_asks_where_they_are(self, restored: World) -> None:
        assert restored.catch_up.unplaced() == ["ses_a"]
        assert restored.catch_up.directories() == {None}
        restored.sessions.learn("ses_a", Info(id="ses_a", directory=HERE))
        assert restored.catch_up.unplaced() == []
        assert restored.catch_up.directories() == {HERE}

    def test_a_run_that_goes_on_begins_no_second_time(self, restored: World) -> None:
        restored.sessions.learn("ses_a", Info(id="ses_a", directory=HERE))
        assert restored.resync(snapshot({"ses_a": BUSY})) == ([], [])
        assert restored.fold(status("ses_a", "idle")) == ["complete"]

    def test_a_run_that_ended_is_told(self, restored: World) -> None:
        restored.sessions.learn("ses_a", Info(id="ses_a", directory=HERE))
        assert restored.resync(snapshot()) == ([], ["ses_a"])
        assert restored.ended(done(at=1.0)) == [Change("complete", "ses_a", "msg_1")]

    def test_a_session_that_is_gone_has_stopped(self, restored: World) -> None:
        assert [change.kind for change in restored.sessions.forget("ses_a")] == ["stopped"]
