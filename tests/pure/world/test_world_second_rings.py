"""The rings that the kill rounds of OpenCode 2 expect: read from events by rules of their own, and compared with the bridge's."""

import json
from collections import Counter

import pytest

from opencode2_recorded import NAMES, lines
from pure.bridge.folding import steps
from pure.bridge.opencode2_folding import WORDS
from relay.bridge.sources.opencode2.fold import Sessions
from relay.bridge.sources.opencode2.wire import parse
from world.second_rings import Ledger

WHOLE = [name for name in NAMES if not name.startswith("i_")]
KINDS = {"asked": "permission", "complete": "complete", "error": "error"}


@pytest.mark.parametrize("name", WHOLE)
def test_of_what_was_recorded_the_same_rings_by_both_readings(name: str) -> None:
    ledger, sessions, reported = Ledger(), Sessions(), Counter[tuple[str, str]]()
    for number, line in enumerate(lines(name)):
        ledger.read(float(number), json.loads(line))
        if event := parse(line.encode()):
            changes = [one for one in sessions.fold(event) if one.kind in KINDS]
            reported.update((KINDS[one.kind], one.session_id) for one in changes)
    assert Counter((ring.event_type, ring.session_id) for ring in ledger.rings) == reported
    assert not any(ring.holds for ring in ledger.rings if ring.request_id)


LIVES: dict[str, tuple[str, str]] = {
    "a request lives until its answer": ("new; starts; step m1; ask p1; yes p1; done", "permission-; complete+"),
    "or until its execution ends": ("new; starts; step m1; ask p1; stopped", "permission-"),
    "or waits": ("new; starts; step m1; form f1", "permission+"),
    "an end lives until the next one begins": ("new; starts; step m1; done; starts; step m2", "complete-"),
    "a failure": ("new; starts; failed", "error+"),
    "no step, no end": ("new; starts; done", ""),
    "a subagent ends for nobody": ("new; starts; step m1; b: new a; b: starts; b: step m2; b: failed; done", "complete+"),
    "a subagent in the background": ("new; starts; step m1; b: new a; b: starts; b: step m2; done; b: done; starts; step m3; done", "complete+"),
    "what expires": ("new; starts; step m1; ask p1; expired", "permission-; error+"),
    "what a subagent asked expires": ("new; starts; step m1; b: new a; b: starts; b: ask p1; expired", "permission+; error+"),
    "nothing expires": ("new; starts; step m1; expired", ""),
    "a deleted session": ("new; starts; step m1; done; deleted", "complete-"),
    "a killed server that goes on": ("new; starts; step m1; ask p1; killed; starts; step m2; done", "permission-; complete+"),
    "a killed server that does not": ("new; starts; step m1; ask p1; gone", "permission-; error-"),
    "a killed server with work in the background": ("new; starts; step m1; b: new a; b: starts; done; gone", "complete+"),
    "another server in between": ("new; starts; step m1; other; killed; starts; step m2; done", "error-; complete+"),
}  # fmt: skip


def test_what_expires_while_nobody_reads_may_ring() -> None:
    ledger = Ledger()
    for number, (session, word, argument) in enumerate(steps("new; starts; step m1; ask p1; expired")):
        ledger.read_by_all = word != "expired"
        event = WORDS[word](session, argument)
        ledger.read(number, {"type": event.type, "data": json.loads(bytes(event.data))})
    assert [(ring.event_type, ring.holds) for ring in ledger.rings] == [
        ("permission", False),
        ("error", False),
    ]


@pytest.mark.parametrize(("script", "rings"), LIVES.values(), ids=LIVES)
def test_how_long_a_ring_holds(script: str, rings: str) -> None:
    ledger = Ledger()
    for number, (session, word, argument) in enumerate(steps(script)):
        if word in ("killed", "gone"):
            ledger.server_ended(number, resumes=word == "killed")
        elif word == "other":
            ledger.replaced(number)
        else:
            event = WORDS[word](session, argument)
            ledger.read(number, {"type": event.type, "data": json.loads(bytes(event.data))})
    assert "; ".join(ring.event_type + ("+" if ring.holds else "-") for ring in ledger.rings) == rings
