"""After a gap in the stream: nothing that still holds is lost, nothing is reported twice."""

import itertools
import json
from typing import Any

import pytest

from pure.bridge.folding import named, play
from relay.bridge.notify.source import Change
from relay.bridge.sources.opencode1.catch_up import CatchUp, Ending, Snapshot, ending
from relay.bridge.sources.opencode1.fold import Sessions
from relay.bridge.sources.opencode1.runs import Runs
from relay.bridge.sources.opencode1.wire import Info, PendingRequest, RetryStatus, SessionMessage, Times
from relay.bridge.sources.wire import decode

HERE = "/code/demo"
SINCE = 1000.0


def message(role: str = "assistant", completed: float | None = None, **info: Any) -> SessionMessage:
    text = json.dumps({"info": {"id": "m1", "role": role, "time": {"completed": completed}} | info})
    return decode(text.encode(), SessionMessage)


def failed(name: str, words: str = "no", completed: float | None = SINCE) -> SessionMessage:
    return message(completed=completed, error={"name": name, "data": {"message": words}})


NEWEST: dict[str, tuple[SessionMessage | None, Ending]] = {
    "none": (None, "interrupted"),
    "prompt": (message("user"), "interrupted"),
    "open": (message(), "interrupted"),
    "finished": (message(finish="stop"), "interrupted"),
    "done": (message(finish="stop", completed=SINCE), "complete"),
    "early": (message(finish="stop", completed=SINCE - 1), "complete"),
    "long": (message(finish="length", completed=1), "complete"),
    "other": (message(finish="unknown", completed=1), "complete"),
    "no error": (message(error=None, finish="stop", completed=1), "complete"),
    "called": (message(finish="tool-calls", completed=SINCE), "stopped"),
    "retried": (message(completed=1), "stopped"),
    "compacted": (message(finish="stop", completed=SINCE, summary=True), "stopped"),
    "failed": (failed("APIError", "Bad key"), "error"),
    "aborted": (failed("MessageAbortedError"), "stopped"),
    "overflow": (failed("ContextOverflowError", completed=None), "interrupted"),
    "odd": (message(error="odd"), "error"),
}


class World:
    """A fold and what catches it up, played by scripts of `folding.play` with a few words more.

    - `mark`: what follows is newer than the next answers; `sync [busy sessions] [requests, p2@b is of b]`: a snapshot,
      and after a bar the sessions that have ended; `retrying`: a snapshot in which session "a" tries again.
    - `end NAME`: session "a" is idle and its newest message is this one of NEWEST; `giveup`: nobody answers.
    """

    def __init__(self) -> None:
        self.runs = Runs(fresh_id=map("evt_{}".format, itertools.count()).__next__)
        self.sessions = Sessions(self.runs)
        self.catch_up = CatchUp(self.runs)
        self.marked: int | None = None

    def play(self, script: str) -> str:
        return "; ".join(filter(None, (self._step(step.strip()) for step in script.split(";"))))

    def resync(self, directory: str, busy: str, *requests: str, status: str = "busy") -> str:
        asked = [
            PendingRequest(id=one, session_id=session or "a", permission="bash", patterns=["ls"])
            for one, _, session in (request.partition("@") for request in requests)
        ]
        statuses = dict.fromkeys(busy.strip("-"), RetryStatus(type=status, attempt=2, next=8000))
        snapshot = Snapshot(frozenset({directory}), statuses, asked)
        changes, ended = self.catch_up.resync(snapshot, self._mark())
        return text(changes) + "".join(f"|{one}" for one in ended)

    def ended(self, newest: SessionMessage | None) -> list[Change]:
        return self.catch_up.ended("a", newest, self._mark(), SINCE)

    def _mark(self) -> int:
        return self.catch_up.mark() if self.marked is None else self.marked

    def _step(self, step: str) -> str:
        word, *rest = step.split(" ", 1)
        if word == "mark":
            self.marked = self.catch_up.mark()
        elif word == "sync":
            return self.resync(HERE, *(rest[0].split() if rest else "-"))
        elif word == "retrying":
            return self.resync(HERE, "a", status="retry")
        elif word == "end":
            return text(self.ended(NEWEST[rest[0]][0]))
        elif word == "giveup":
            return text(self.catch_up.give_up())
        else:
            return play(step, self.sessions)
        return ""


def text(changes: list[Change]) -> str:
    return "; ".join(named(change) for change in changes if change.kind != "progress")


@pytest.mark.parametrize(("newest", "how"), NEWEST.values(), ids=NEWEST)
def test_how_a_run_ended(newest: SessionMessage | None, how: Ending) -> None:
    assert ending(newest) == how


BUSY = {
    "a run that goes on is not reported again": ("sync a; idle", "complete"),
    "a new run after an abort that nobody saw": ("abort; sync a; idle", "complete"),
    "a new run after an error": ("error; sync a; idle", "error; started; complete"),
    "the stream knows better than an older snapshot": ("mark; idle; sync a", "complete"),
    "also of a run that began since": ("idle; mark; busy; sync", "complete; started"),
    "a deleted session does not come back": ("deleted; sync a p1", "stopped"),
    "a no is remembered while the turn ends": ("ask p1; no p1; sync a; idle", "asked p1; answered p1; stopped"),
    "an end is reported once": ("sync; end done; end done; idle", "|a; complete m1"),
    "an end in an error": ("sync; end failed; end failed; idle", "|a; error m1"),
    "an end by an abort": ("sync; end aborted; end aborted; idle", "|a; stopped m1"),
    "an end by an overflow": ("sync; end overflow; end overflow; idle", "|a; interrupted m1"),
    "an end without an end": ("sync; end open; end open; idle", "|a; interrupted m1"),
    "an end without a new message": ("step m1; idle; busy; end done", "complete m1; started; interrupted"),
    "its subject is that of the stream": ("step m1; sync; end done", "|a; complete m1"),
    "what moved since is left to the stream": ("mark; busy; end done", ""),
    "requests of an ended run are withdrawn": ("ask p1; sync - p1; end open", "asked p1; |a; answered p1; interrupted m1"),
    "a child just ends": ("b: new a; b: busy; b: ask p1; sync a; sync a", "asked p1; answered p1"),
    "a missed request is reported once": ("sync a p1; sync a p1", "asked p1"),
    "a missed answer withdraws": ("ask p1; sync a", "asked p1; answered p1"),
    "what was asked since is not withdrawn": ("mark; ask p1; sync a", "asked p1"),
    "what was answered since is not asked": ("yes p1; sync a p1", ""),
}  # fmt: skip
"""After "new; busy", whose start is left out."""

IDLE = {
    "a run that began meanwhile begins now": ("sync a", "started"),
    "an unknown session that runs is asked for": ("sync b; b: learnt", "b: unknown; b: started"),
    "an end after the gap began is reported once": ("end done; end done", "complete m1"),
    "an end of before": ("end early", ""),
    "no message": ("end none", ""),
    "a message that goes on": ("end open", ""),
    "a stopped run": ("end called", ""),
    "an aborted run": ("end aborted", ""),
    # A failed turn is idle twice, and its message is written in between.
    "an end of which only the last echo came": ("mark; written m1; idle; end failed; end failed", "error m1"),
    "what the stream reported as stopped": ("busy; step m1; abort; idle; end failed", "started; stopped m1"),
    "what it reported as complete": ("busy; step m1; idle; end failed", "started; complete m1"),
    "what it reported as failed": ("connected; busy; error; end failed", "started; error"),
    "a ghost of an idle session": ("sync - p1", ""),
}  # fmt: skip
"""After "new"."""

BACKGROUND = {
    "a subagent that ended in the gap": ("b: busy; idle; connected; sync", "perhaps_complete m1"),
    "one that still works": ("b: busy; idle; connected; sync b; b: idle", "perhaps_complete m1"),
    "the root's own end in the gap": ("b: busy; connected; sync b; b: idle", "perhaps_complete m1"),
    "both ends in the gap": ("b: busy; connected; sync; end done", "|a; complete m1"),
    "its own idle before the snapshot": ("b: busy; connected; mark; idle; sync b; b: idle", "perhaps_complete m1"),
    "set off again in the gap": ("b: busy; idle; connected; sync a; idle", "complete m1"),
    "a snapshot of another directory": ("b: busy; idle; connected; giveup; b: idle", "perhaps_complete m1"),
}  # fmt: skip
"""After "new; busy; step m1; b: new a; background b"."""

UNOBSERVED = {
    "an idle before the snapshot waits for the newest message": ("mark; idle; idle; sync a; end aborted", "|a; stopped m1"),
    "an error is reported all the same": ("error; idle; sync", "error"),
    "a run that is seen in the snapshot is observed": ("mark; sync a; idle", "complete"),
    "a run that moves is observed": ("mark; busy; sync; idle", "complete"),
    "a new run before the answer is the one that counts": ("mark; idle; sync; busy; end done; idle", "|a; complete"),
    "of a server that cannot be asked the stream has to do": (
        "b: new; b: busy; connected; idle; giveup; b: idle", "b: started; complete; b: complete",
    ),
    "a child is never in doubt": ("b: new a; b: busy; connected; mark; b: idle; sync a", ""),
}  # fmt: skip
"""After "new; busy; connected": an abort, a no or an error may be in the gap, so an idle does not say how the run ended."""


@pytest.mark.parametrize(("script", "changes"), BUSY.values(), ids=BUSY)
def test_a_run_that_was_known(script: str, changes: str) -> None:
    world = World()
    assert world.play("new; busy") == "started"
    assert world.play(script) == changes


@pytest.mark.parametrize(("script", "changes"), IDLE.values(), ids=IDLE)
def test_a_session_that_did_not_run(script: str, changes: str) -> None:
    assert World().play(f"new; {script}") == changes


@pytest.mark.parametrize(("script", "changes"), BACKGROUND.values(), ids=BACKGROUND)
def test_a_run_with_a_subagent_in_the_background(script: str, changes: str) -> None:
    world = World()
    world.play("new; busy; step m1; b: new a; background b")
    assert world.play(script) == changes


@pytest.mark.parametrize("restored", [False, True])
def test_a_subagent_whose_root_does_not_work_works_in_the_background(restored: bool) -> None:
    """Also one that no bridge saw begin: it is asked for before the snapshot counts."""
    world = World()
    if restored:
        world.catch_up.restore(["a"])
        snapshot = Snapshot(frozenset({HERE}), {"b": RetryStatus(type="busy")}, [])
        assert world.catch_up.strangers(snapshot) == ["b"]
        world.play("a: learnt; b: learnt a")
        assert world.catch_up.strangers(snapshot) == []
        for one in "ab":
            world.sessions.learn(one, Info(id=one, directory=HERE))
    else:
        world.play("new; busy; b: new a; b: busy; connected")
    assert world.play("sync b; b: idle") == "perhaps_complete"


@pytest.mark.parametrize(("script", "changes"), UNOBSERVED.values(), ids=UNOBSERVED)
def test_a_run_that_a_gap_cut(script: str, changes: str) -> None:
    assert World().play(f"new; busy; connected; {script}") == f"started; {changes}".removesuffix("; ")


USED: dict[str, tuple[dict[str, float], float, dict[str, float], dict[str, float]]] = {
    # What was known, the server's time now, what it lists, and what counts, each with the time after which an end is new.
    "a first bridge": ({}, 2000, {"a": 900, "b": 1500}, {"b": SINCE}),
    "nothing happened": ({"a": 900}, 2000, {"a": 900}, {}),
    "used since": ({"a": 900, "b": 950}, 2000, {"a": 1500, "b": 950}, {"a": 900}),
    "new since": ({"a": 900}, 2000, {"b": 1500, "a": 900}, {"b": 0}),
    # The clock was set back by more than the gap was long, or by less: both are told by what was known of each session.
    "used since, by a clock that was set back": ({"a": 900, "b": 700}, 500, {"a": 400, "b": 700}, {"a": 400}),
    "new since, by a clock that was set back": ({"a": 900}, 500, {"a": 900, "b": 400}, {"b": 0}),
    "more sessions than are known": ({f"s{n}": 900 for n in range(100)}, 2000, {"a": 900, "b": 1500}, {"b": SINCE}),
    "more than are known, and a clock set back": ({f"s{n}": 900 for n in range(100)}, 500, {"a": 400}, {"a": 0}),
}  # fmt: skip


@pytest.mark.parametrize(("used", "now", "listed", "news"), USED.values(), ids=USED)
def test_which_sessions_were_used_since_all_was_known(
    used: dict[str, float], now: float, listed: dict[str, float], news: dict[str, float]
) -> None:
    catch_up = CatchUp(Runs())
    catch_up.restore_used(used)
    infos = [Info(id=one, time=Times(updated=updated)) for one, updated in listed.items()]
    assert catch_up.news(infos, SINCE, now) == news


def test_the_sessions_used_last_are_remembered() -> None:
    catch_up = CatchUp(Runs())
    catch_up.used(Info(id=f"s{n}", time=Times(updated=n)) for n in range(150))
    catch_up.used([Info(id="s50", time=Times(updated=7)), Info(id="s200")])
    known = catch_up.known_sessions()
    assert (len(known), list(known)[-2:], known["s50"], known["s200"]) == (100, ["s50", "s200"], 7, 0)


def test_what_a_snapshot_says_of_a_retry_shows() -> None:
    world = World()
    assert world.play("new; retrying") == "started"
    state = world.sessions.state("a", 0.0)
    assert state is not None
    assert state.retry_info == "Retry 2 in 8s"


def test_an_error_that_was_missed_is_reported_in_its_words() -> None:
    world = World()
    world.play("new; busy; sync")
    assert [change.text for change in world.ended(failed("APIError", "Bad key"))] == ["Bad key"]


def test_only_sessions_of_directories_that_were_asked_have_ended() -> None:
    world = World()
    world.play("new; busy")
    assert world.resync("/code/other", "") == ""
    assert world.catch_up.directories() == {HERE}


def test_a_childs_request_counts_if_the_child_is_busy() -> None:
    world = World()
    world.play("new; busy; b: new a; c: new a")
    world.marked = 99
    assert world.resync(HERE, "ab", "p1@b", "p2@c") == "asked p1"


def test_a_request_keeps_its_own_time() -> None:
    world = World()
    world.play("new; busy; mark; ask p1")
    world.runs.tree.session("a").touched = 0
    assert world.play("sync a") == ""


def test_the_newest_message_of_a_running_session_names_its_end() -> None:
    world = World()
    world.play("new; busy; connected")
    assert world.catch_up.running() == ["a"]
    world.catch_up.note("a", message(id="m7"))
    world.catch_up.note("a", None)
    assert world.play("sync a; idle") == "complete m7"


@pytest.mark.parametrize(
    ("script", "changes"),
    [
        ("sync a; idle", "complete"),  # it begins no second time
        ("sync; end early", "|a; complete m1"),
    ],
)
def test_what_an_earlier_bridge_knew_to_run(script: str, changes: str) -> None:
    world = World()
    world.catch_up.restore(["a"])
    assert (world.catch_up.unplaced(), world.catch_up.directories()) == (["a"], {None})
    world.sessions.learn("a", Info(id="a", directory=HERE))
    assert (world.catch_up.unplaced(), world.catch_up.directories()) == ([], {HERE})
    assert world.play(script) == changes


def test_the_card_of_a_run_that_may_be_over_since_long_does_not_move() -> None:
    """A progress would start one on a phone; the server is asked first."""
    world = World()
    world.catch_up.restore(["a"])
    assert world.sessions.learn("a", Info(id="a", title="Fix it", directory=HERE)) == []
    snapshot = Snapshot(frozenset({HERE}), {"a": RetryStatus(type="busy")}, [])
    changes, _ = world.catch_up.resync(snapshot, world.catch_up.mark())
    assert [change.kind for change in changes] == ["progress"]


def test_a_restored_session_that_is_gone_has_stopped() -> None:
    world = World()
    world.catch_up.restore(["a"])
    assert text(world.sessions.forget("a")).startswith("stopped")
    assert world.play("busy") == ""
