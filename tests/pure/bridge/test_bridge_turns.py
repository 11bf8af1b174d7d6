"""The table of a turn, walked key by key."""

import itertools

import pytest

from relay.bridge.sources.opencode1.session import PHASES, SIGNALS, TURNS, Outcome, Phase, Signal, step

ENDED: dict[Phase, Outcome | None] = {
    "unknown": None,  # one of the doubled idles of a turn before the bridge started
    "idle": None,  # the doubled idle of an error or abort
    "busy": "complete",
    "retry": None,  # the user stopped it
    "rejected": None,
    "aborted": None,
    "failed": None,  # reported already
    "recovered": "complete",
}

ERRED: dict[Phase, tuple[Phase, Outcome | None]] = {
    # Outside of a turn every error is one of its own (anomalyco/opencode 1.18.33: an agent that does not exist).
    "unknown": ("idle", "error"),
    "idle": ("idle", "error"),
    "busy": ("failed", "error"),
    "retry": ("failed", "error"),
    "rejected": ("failed", "error"),
    "aborted": ("aborted", None),
    "failed": ("failed", None),
    "recovered": ("failed", None),
}

LATER: dict[Signal, dict[Phase, Phase]] = {
    "busy": {"unknown": "busy", "idle": "busy", "retry": "busy", "rejected": "busy"},
    "retry": {"unknown": "retry", "idle": "retry", "busy": "retry", "rejected": "retry"},
    "prompt": {"failed": "idle", "aborted": "idle", "recovered": "busy"},
    "step": {"rejected": "busy", "aborted": "busy", "failed": "recovered"},
    "aborted": {
        "unknown": "aborted",
        "busy": "aborted",
        "retry": "aborted",
        "rejected": "aborted",
        "recovered": "aborted",
    },
    "overflow": {},
    "rejected": {"unknown": "rejected", "busy": "rejected", "retry": "rejected", "recovered": "rejected"},
    "approved": {"rejected": "busy"},
}
"""The phase after a signal that never reports anything; phases that are left out do not change."""


@pytest.mark.parametrize("phase", PHASES)
def test_every_phase_ends_with_an_idle(phase: Phase) -> None:
    assert step(phase, "idle") == ("idle", ENDED[phase])


@pytest.mark.parametrize("phase", PHASES)
def test_an_error_is_reported_once_a_turn_and_each_outside_of_one(phase: Phase) -> None:
    assert step(phase, "error") == ERRED[phase]


@pytest.mark.parametrize(("phase", "signal"), list(itertools.product(PHASES, LATER)))
def test_the_other_signals_move_silently(phase: Phase, signal: Signal) -> None:
    assert step(phase, signal) == (LATER[signal].get(phase, phase), None)


def test_the_tests_above_walk_every_key() -> None:
    assert set(LATER) | {"idle", "error"} == set(SIGNALS)
    assert set(ENDED) == set(ERRED) == set(PHASES)
    assert {phase for phase, _ in TURNS} | {phase for phase, _ in TURNS.values()} == set(PHASES)
    assert {signal for _, signal in TURNS} | {"overflow"} == set(SIGNALS)


def test_the_table_lists_only_what_changes_something() -> None:
    assert [key for key, (phase, outcome) in TURNS.items() if phase == key[0] and outcome is None] == []
