"""The fold over sessions: one change for one thing that happened, whatever OpenCode repeats, doubles or forgets."""

import msgspec
import pytest

from pure.bridge.folding import play
from pure.bridge.wire import created, event, status
from relay.bridge.notify.source import Change
from relay.bridge.sources.opencode1.fold import HANDLERS, WHOLE_HANDLERS, Sessions
from relay.bridge.sources.opencode1.runs import Runs
from relay.bridge.sources.opencode1.wire import Event

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
