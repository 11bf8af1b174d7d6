"""After a gap in the stream of OpenCode 2: nothing that still holds is lost, nothing is reported twice.

Sources: a real engine's answers (recorded 2026-11-30), and for `outcome`, `time.idle` and messages of type idle the contract
of 2.1.2 (opencode-python-sdk 0.2.3).
"""

import itertools
import json
from typing import Any

import pytest

from pure.bridge.folding import named
from pure.bridge.opencode2_folding import HERE, changes_of
from relay.bridge.notify.source import Change
from relay.bridge.sources.opencode2.catch_up import MAX_ENDS, CatchUp, OpenRequest, Snapshot, last_turn
from relay.bridge.sources.opencode2.client import newest_text
from relay.bridge.sources.opencode2.fold import Sessions
from relay.bridge.sources.opencode2.runs import Runs
from relay.bridge.sources.opencode2.wire import Info, Message
from relay.bridge.sources.wire import decode

SINCE = 10_000.0


def messages(*said: dict[str, Any]) -> list[Message]:
    """Oldest first, as one reads them; the server's list is newest first."""
    return [decode(json.dumps(one).encode(), Message) for one in reversed(said)]


USER = {"id": "m1", "type": "user"}
SAID = {
    "id": "m2",
    "type": "assistant",
    "content": [{"type": "text", "text": "Well"}],
    "time": {"completed": 1},
}
OPEN = {"id": "m2", "type": "assistant"}
BAD_KEY = {"type": "provider.auth", "message": "Bad key"}


def idle(outcome: str, **more: Any) -> dict[str, Any]:
    return {"id": "m3", "type": "idle", "outcome": outcome} | more


TURNS: dict[str, tuple[list[dict[str, Any]], str | None, str | None]] = {
    "nothing was said": ([], None, None),
    "only the user's shell command": ([{"id": "m0", "type": "shell"}, idle("succeeded")], None, None),
    "succeeded": ([USER, SAID, idle("succeeded")], "succeeded", "succeeded m2"),
    "succeeded without a word": ([USER, idle("succeeded")], "succeeded", "other m1"),
    "failed": ([USER, SAID, idle("failed", error=BAD_KEY)], "failed", "failed m2 Bad key"),
    "failed, before 2.0.23": ([USER, SAID | {"error": BAD_KEY}, idle("failed")], "failed", "failed m2 Bad key"),
    "interrupted": ([USER, SAID, idle("interrupted")], "interrupted", "user m2"),
    "an outcome that nobody knows": ([USER, SAID, idle("dreamt")], "dreamt", "other m2"),
    "declined": ([USER, SAID], "succeeded", "shutdown m2"),
    "a shell command after a turn": ([USER, SAID, {"type": "shell"}, idle("succeeded")], "succeeded", "shutdown m2"),
    "no outcome: said": ([USER, SAID | {"finish": "stop"}], None, "succeeded m2"),
    "no outcome: waiting for a tool": ([USER, SAID | {"finish": "tool-calls"}], None, "shutdown m2"),
    "no outcome: failed": ([USER, SAID | {"error": BAD_KEY}], None, "failed m2 Bad key"),
    "no outcome: stopped while a failed step waited to be made again": (
        [USER, SAID | {"error": BAD_KEY, "finish": "error", "retry": {"attempt": 2}}], None, "shutdown m2",
    ),
    "no outcome: aborted": ([USER, SAID | {"error": {"type": "aborted"}}], None, "shutdown m2"),
    "killed": ([USER, OPEN], "succeeded", "killed m2"),
    "stopped while it waited for its provider": ([USER, OPEN | {"retry": {"attempt": 2}}], "succeeded", "shutdown m2"),
    "no outcome: never answered": ([USER], None, "shutdown m1"),
    "a shell command long after a turn": (
        [USER, SAID, idle("succeeded", time={"created": 1.0}), {"type": "shell"}, idle("succeeded", time={"created": SINCE + 4999})],
        "succeeded", "succeeded m2",
    ),
    "a compaction long after a turn": (
        [USER, SAID, idle("succeeded", time={"created": 1.0}), {"type": "compaction"}, idle("succeeded", time={"created": SINCE + 4999})],
        "succeeded", "succeeded m2",
    ),
    "succeeded at its time": ([USER, SAID, idle("succeeded", time={"created": SINCE + 4900})], "succeeded", "succeeded m2"),
    "a kind that nobody knows": ([USER, SAID, {"type": "dream"}, idle("succeeded")], "succeeded", "succeeded m2"),
}  # fmt: skip


@pytest.mark.parametrize(("said", "outcome", "expected"), TURNS.values(), ids=TURNS)
def test_how_the_newest_turn_ended(
    said: list[dict[str, Any]], outcome: str | None, expected: str | None
) -> None:
    turn = last_turn(messages(*said), outcome)
    words = turn and " ".join(filter(None, (turn.end, turn.message_id, turn.failure.message)))
    assert words == expected


class World:
    """A fold and what catches it up. Scripts are of `opencode2_folding` with a few words more.

    - `mark`: what follows is newer than the next answers; `sync [executing sessions] [requests, p2@b is of b]`: a snapshot, and
      after a bar the sessions that have ended; `end NAME`: session "a" is idle, and its transcript is this one of TURNS;
      `long NAME`: the same, and it ended before SINCE.
    """

    def __init__(self) -> None:
        self.runs = Runs(fresh_id=map("evt_{}".format, itertools.count()).__next__)
        self.sessions, self.catch_up = Sessions(self.runs), CatchUp(self.runs)
        self.mark = 0
        self.unanswered: frozenset[str] = frozenset()

    def play(self, script: str) -> str:
        return "; ".join(filter(None, (self._step(step.strip()) for step in script.split(";"))))

    def _step(self, step: str) -> str:
        word, _, rest = step.partition(" ")
        if word == "mark":
            self.mark = self.catch_up.mark()
            return ""
        if word == "restore":
            self.catch_up.restore(rest.split())
            return ""
        if word == "sync":
            return self._sync(rest.split())
        if word in ("end", "long"):
            said, outcome, _ = TURNS[rest]
            info = decode(
                json.dumps(
                    {"id": "a", "outcome": outcome, "time": {"idle": SINCE + 5000 * (word == "end") - 1}}
                ).encode(),
                Info,
            )
            return told(self.catch_up.ended("a", info, messages(*said), self.mark, SINCE))
        return told(changes_of(step, self.sessions))

    def _sync(self, words: list[str]) -> str:
        active = frozenset(word for word in words if word in "abcd")
        requests = [
            OpenRequest(word.partition("@")[2] or "a", word.partition("@")[0], "shell: npm test")
            for word in words
            if word not in active
        ]
        changes, ended = self.catch_up.resync(Snapshot(active, requests, self.unanswered), self.mark)
        return " | ".join(filter(None, (told(changes), " ".join(ended))))


def told(changes: list[Change]) -> str:
    return "; ".join(named(change) for change in changes if change.kind != "progress")


GAPS: dict[str, tuple[str, str]] = {
    "done meanwhile": (
        "new; starts; step m1; connected; mark; sync; end succeeded", "started; a; complete m2",
    ),
    "and reported once": (
        "new; starts; step m1; connected; mark; sync; end succeeded; connected; mark; sync; end succeeded", "started; a; complete m2",
    ),
    "failed meanwhile": ("new; starts; step m1; connected; mark; sync; end failed", "started; a; error m2"),
    "stopped meanwhile": ("new; starts; step m1; connected; mark; sync; end interrupted", "started; a; stopped m2"),
    "declined meanwhile": ("new; starts; step m1; connected; mark; sync; end declined", "started; a; stopped m2"),
    "its server was killed": ("new; starts; step m1; connected; mark; sync; end killed", "started; a; interrupted m2"),
    "a killed turn of which nothing was known": ("new; connected; mark; sync; end killed", ""),
    "nothing is left of it": ("new; starts; step m1; connected; mark; sync; end nothing was said", "started; a; stopped m1"),
    "still running": ("new; starts; step m1; connected; mark; sync a; step m2; done", "started; complete m2"),
    "it runs since then": ("new; connected; mark; sync a; step m2; done", "started; complete m2"),
    "it runs since then, and nobody knows it": ("connected; mark; sync a; learnt; step m2; done", "unknown; started; complete m2"),
    "the stream knows better": ("new; starts; step m1; connected; mark; step m2; done; sync a; end succeeded", "started; complete m2"),
    "begun after the question": ("new; connected; mark; starts; step m2; sync; end succeeded; done", "started; complete m2"),
    "deleted after the question": ("new; starts; step m1; mark; deleted; sync a", "started; stopped m1"),
    "asked meanwhile": ("new; connected; mark; sync a p1; yes p1", "started; asked p1; answered p1"),
    "asked while nothing runs": ("new; connected; mark; sync p1", "asked p1"),
    "answered meanwhile": ("new; starts; step m1; ask p1; connected; mark; sync a", "started; asked p1; answered p1"),
    "withdrawn meanwhile": ("new; ask p1; connected; mark; sync", "asked p1; answered p1"),
    "still waiting": ("new; ask p1; connected; mark; sync p1", "asked p1"),
    "asked after the question": ("new; connected; mark; ask p1; sync", "asked p1"),
    "a whole turn meanwhile": ("new; connected; mark; sync; end succeeded", "complete m2"),
    "a whole turn long ago": ("new; connected; mark; sync; long succeeded", ""),
    "a whole turn that a person stopped ends the card that a killed bridge had begun": (
        "new; connected; mark; sync; end interrupted", "stopped m2",
    ),
    "an execution before its first step": ("new; starts; connected; mark; sync; long succeeded", "a; complete m2"),
    "a start that came before the connection": ("new; starts; connected; done; mark; sync; end only the user's shell command", "a"),
    "a child": ("new; starts; step m1; b: new a; b: starts; connected; mark; sync a; done", "started; complete m1"),
    "a child works on": ("new; starts; step m1; b: new a; b: starts; done; connected; mark; sync b; b: done; tick; tick", "started; complete m1"),
    "an end that overtakes the answers": (
        "new; connected; mark; done; sync a; mark; sync; end succeeded", "a; complete m2",
    ),
    "a failure whose event comes after the answers": (
        "new; starts; step m1; connected; mark; sync; end failed; failed; mark; sync; end failed", "started; a; error m2; a",
    ),
    "a success whose event comes after the answers": (
        "new; starts; step m1; connected; mark; sync; end succeeded; done; mark; sync; end succeeded", "started; a; complete m2; a",
    ),
    "what a client asked before a run that began meanwhile": (
        "new; ask p1; connected; mark; sync a p1; step m2; done; yes p1", "asked p1; started; complete m2; answered p1",
    ),
    "what a run asked that goes on": (
        "new; starts; step m1; ask p1; connected; mark; sync a p1; done", "started; asked p1; answered p1; complete m1",
    ),
    "a shell command meanwhile": ("new; connected; mark; sync; end a shell command long after a turn", ""),
    "a compaction by hand meanwhile": ("new; connected; mark; sync; end a compaction long after a turn", ""),
    "a shell command across the connection": (
        "new; starts; connected; done; mark; sync; end a shell command long after a turn", "a",
    ),
    "a run that ended, and a shell command after it": (
        "new; starts; step m1; connected; mark; sync; end a shell command long after a turn", "started; a; complete m2",
    ),
    "a turn meanwhile, with its time": ("new; connected; mark; sync; end succeeded at its time", "complete m2"),
    "a bridge that starts again": ("restore a; connected; mark; sync; end succeeded", "a; complete m2"),
    "and the run goes on": ("restore a; connected; mark; sync a; step m2; done", "complete m2"),
}  # fmt: skip


@pytest.mark.parametrize(("script", "expected"), GAPS.values(), ids=GAPS)
def test_nothing_is_lost_and_nothing_comes_twice(script: str, expected: str) -> None:
    assert World().play(script) == expected


def test_a_folder_that_does_not_answer_keeps_its_requests() -> None:
    world = World()
    world.unanswered = frozenset({HERE})
    assert world.play("new; ask p1; connected; mark; sync") == "asked p1"


def test_who_has_to_be_asked_for() -> None:
    world = World()
    world.play("new; b: starts; c: new; restore d")
    assert set(world.catch_up.unplaced(Snapshot(frozenset("abe")))) == {"b", "d", "e"}


def test_the_transcript_of_a_run_names_its_message_and_its_wait() -> None:
    world = World()
    world.play("new; starts; step m1; connected; mark; sync a")
    retrying = OPEN | {
        "retry": {"attempt": 3, "at": 9000, "error": BAD_KEY},
        "content": [{"type": "text", "text": "So far"}],
    }
    world.catch_up.note("a", messages(USER, retrying), world.mark)
    state = world.sessions.state("a", 5000.0)
    assert state
    shown = (state.status, state.last_message, state.retry_info)
    assert shown == ("retry", "The provider refused the key", "Retry 2 in 4s")
    world.catch_up.note("a", messages(USER, retrying), world.mark)
    world.catch_up.note("a", [], world.mark)
    assert world.play("done") == "complete m2"


def test_a_wait_that_is_over_is_not_shown_any_more() -> None:
    world = World()
    world.play("new; starts; step m1; retry 2; connected; mark; sync a")
    world.catch_up.note(
        "a", messages(USER, OPEN | {"content": [{"type": "text", "text": "So far"}]}), world.mark
    )
    state = world.sessions.state("a", 5000.0)
    assert state
    assert (state.status, state.last_message) == ("working", "So far")


def test_a_transcript_of_before_changes_nothing_newer() -> None:
    world = World()
    world.play("new; starts; step m1; connected; mark; sync a; step m5; retry 3")
    world.catch_up.note("a", messages(USER, OPEN), world.mark)
    state = world.sessions.state("a", 5000.0)
    assert state
    assert state.status == "retry"
    assert world.play("done") == "complete m5"


def ended_at(idle_ms: float | None, session_id: str = "a") -> Info:
    return decode(json.dumps({"id": session_id, "time": {"idle": idle_ms}}).encode(), Info)


MISSED = [
    # known, idle, whether it was missed
    (None, None, False),
    (None, SINCE, True),
    (None, SINCE - 1, False),
    (SINCE - 5000, SINCE - 4500, False),
    (SINCE - 5000, SINCE - 3000, True),
    (SINCE - 5000, SINCE - 8000, False),
    (SINCE + 9000, SINCE - 500, True),  # the server's clock was set back
]


@pytest.mark.parametrize(("known", "idle_ms", "missed"), MISSED)
def test_which_ends_were_missed(known: float | None, idle_ms: float | None, missed: bool) -> None:
    catch_up = CatchUp(Runs())
    catch_up.know_end("a", known)
    assert catch_up.missed(ended_at(idle_ms), SINCE) is missed


def test_what_is_known_of_ends_is_bounded_and_survives() -> None:
    world = World()
    world.play("new; b: new a")
    world.catch_up.know_end("b", 5.0)  # a child's
    for number in range(MAX_ENDS + 1):
        world.catch_up.know_end(f"ses_{number}", float(number))
    ends = world.catch_up.known_ends()
    assert (len(ends), "ses_0" in ends, "b" in ends) == (MAX_ENDS, False, False)
    again = CatchUp(Runs())
    again.restore_ends(ends)
    assert again.known_ends() == ends


TEXTS: dict[str, tuple[list[dict[str, Any]], str, str]] = {
    "said": ([USER, SAID], "", "Well"),
    "nothing": ([], "", ""),
    "nothing since the prompt": ([SAID, USER], "", ""),
    "a later run does not count": ([USER, SAID, {"id": "m4", "type": "user"}], "m2", "Well"),
    "the message is not there any more": ([USER, SAID], "m9", "Well"),
    "a message without words": ([USER, SAID, OPEN | {"id": "m3", "content": [{"type": "text", "text": " "}]}], "", "Well"),
    "what it thought": ([USER, OPEN | {"content": [{"type": "reasoning", "text": "Hm"}]}], "", ""),
}  # fmt: skip


@pytest.mark.parametrize(("said", "last_id", "text"), TEXTS.values(), ids=TEXTS)
def test_what_was_said_last(said: list[dict[str, Any]], last_id: str, text: str) -> None:
    assert newest_text(messages(*said), last_id) == text
