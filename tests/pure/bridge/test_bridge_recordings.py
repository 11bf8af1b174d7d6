"""The fold over recordings of a real OpenCode 1.18 server: few and right alerts for each scenario."""

import itertools
import json
from collections import Counter
from pathlib import Path

import pytest

from relay.bridge.notify.mapping import EVENT_TYPES
from relay.bridge.notify.source import Change
from relay.bridge.sources.opencode1.fold import Sessions
from relay.bridge.sources.opencode1.wire import parse
from relay.bridge.sources.wire import Splitter

RECORDINGS = Path(__file__).parents[3] / "simulator" / "scenarios" / "recordings"
MORE = Path(__file__).parents[2] / "recordings" / "opencode1"
"""Of the real OpenCode 1.18.33, too; only the stream."""

EXPECTED: dict[str, dict[str, int]] = {
    "a_text": {"complete": 1},
    "a_reason": {"complete": 1},
    "b_permission_once": {"permission": 1, "complete": 1},
    "b_permission_always": {"permission": 1, "complete": 1},
    "b_permission_edit": {"permission": 1, "complete": 1},
    "b_permission_webfetch": {"permission": 1, "complete": 1},
    "b_permission_external_directory": {"permission": 2, "complete": 1},
    "b_permission_reject": {"permission": 1},
    "b_permission_then_abort": {"permission": 1},
    "c_error_400": {"error": 1},
    "c_error_401": {"error": 1},
    "c_error_content_filter": {"error": 1},
    "c_error_context_overflow": {"complete": 2},
    "c_error_cut": {"complete": 1},
    "c_finish_length": {"complete": 1},
    "d_retry_429_retry_after": {"complete": 1},
    "d_retry_503_backoff": {"complete": 1},
    "d_retry_connection_refused": {},
    "e_abort": {},
    "e_abort_in_tool": {"permission": 1},
    "f_two_sessions": {"complete": 2, "permission": 1},
    "g_child_session": {"permission": 1, "complete": 1},
    "h_question": {"permission": 1, "complete": 1},
    "h_question_reject": {"permission": 1},
    "i_after_restart": {},
    "i_sigkill_while_streaming": {},
    "i_sigterm_while_streaming": {},
    "m_slow_first_token": {"complete": 1},
    "bg_subagents": {"complete": 2, "permission": 1},
    "config_change_during_run": {"error": 2},
    "doom_loop": {"permission": 1, "complete": 1},
    "error_without_idle": {"error": 7, "complete": 3},
    "helper_sessions_deleted": {"complete": 2},
    "plan_exit": {"permission": 1, "complete": 1},
    "sessionless_errors": {"permission": 1, "complete": 1},
    "shell_and_compact": {"complete": 1},
}


OUTSIDE = {"error_without_idle": ["error"], "config_change_during_run": ["interrupted"]}
"""What is reported of a session without a run: failures before one, and what the end of one turns out to be."""

RUN_KINDS = ("started", "complete", "perhaps_complete", "error", "stopped", "interrupted")

ASKED = {
    "b_permission_once": ["bash: echo hello; sleep 1; echo world"],
    "b_permission_edit": ["edit: new.txt"],
    "b_permission_webfetch": ["webfetch: http://127.0.0.1:4999/x"],
    "b_permission_external_directory": [
        "Outside the project, in /etc: run cat /etc/hostname > /dev/null",
        "bash: cat /etc/hostname > /dev/null",
    ],
    "g_child_session": ["bash: echo in child"],
    "h_question": ["Which colour do you want? (Red / Blue)"],
}

FAILED = {
    "c_error_400": "bad request: invalid parameter",
    "c_error_401": "Incorrect API key provided",
    "c_error_content_filter": "The response was blocked by the provider's content filter",
}

CARDS = {
    "d_retry_429_retry_after": [
        ("working", "Starting...", None),
        ("working", "Thinking…", None),
        ("retry", "Rate limit reached for requests", "Retry 1 in 3s"),
        ("working", "Thinking…", None),
        ("working", "word0 word1 word2 word3 word4", None),
    ],
    "g_child_session": [
        ("working", "Starting...", None),
        ("working", "Thinking…", None),
        ("working", "task: child job", None),
        ("working", "bash: echo in child", None),
        ("working", "child0 child1 child2 child3 child4 child5 child6 child7", None),
        ("working", "task: child job", None),
        ("working", "word0 word1 word2 word3 word4", None),
    ],
}


def path_of(name: str) -> Path:
    here = MORE / f"{name}.global.ndjson"
    return here if here.exists() else RECORDINGS / here.name


def wire_bytes(name: str) -> bytes:
    """What the server sent, as server-sent events."""
    lines = path_of(name).read_text(encoding="utf-8").splitlines()
    events = [entry["event"] for entry in map(json.loads, lines) if "event" in entry]
    return b"".join(f"data: {json.dumps(event, ensure_ascii=False)}\n\n".encode() for event in events)


def folded(wire: bytes, chunk_size: int) -> list[Change]:
    splitter, sessions = Splitter(), Sessions()
    changes: list[Change] = []
    for start in range(0, len(wire), chunk_size):
        for data in splitter.feed(wire[start : start + chunk_size]):
            if event := parse(data):
                changes += sessions.fold(event)
    return changes


@pytest.mark.parametrize("name", EXPECTED)
def test_a_recording_rings_as_often_as_a_person_would_want(name: str) -> None:
    """No session has to be asked for, every request is answered or withdrawn, and every run begins and ends once.

    Except where the server was killed. An ended run's subject is its newest message, the same after a restart.
    """
    changes = folded(wire_bytes(name), 65536)
    assert Counter(EVENT_TYPES[one.kind] for one in changes if one.kind in EVENT_TYPES) == EXPECTED[name]
    subjects = {
        kind: sorted(one.subject_id for one in changes if one.kind == kind) for kind in ("asked", "answered")
    }
    assert subjects["asked"] == subjects["answered"]
    assert "unknown" not in {one.kind for one in changes}
    for session in {one.session_id for one in changes}:
        own = [one for one in changes if one.session_id == session and one.kind in RUN_KINDS]
        assert without_runs(own) == OUTSIDE.get(name, [])[: len(without_runs(own))]
        assert (own[-1].kind == "started") == name.startswith("i_sig")


def without_runs(changes: list[Change]) -> list[str]:
    """The ends that belong to no run that had begun; the others are named by their newest message."""
    left, running = [], False
    for change in changes:
        if change.kind == "started":
            assert not running
        elif running:
            assert change.subject_id.startswith("msg_")
        else:
            left.append(change.kind)
        running = change.kind == "started"
    return left


@pytest.mark.parametrize("chunk_size", [1, 7, 1000])
def test_chunk_boundaries_change_nothing(chunk_size: int) -> None:
    wire = wire_bytes("g_child_session")
    assert folded(wire, chunk_size) == folded(wire, len(wire))


def test_a_childs_request_is_reported_under_its_parent() -> None:
    created = [
        event["payload"]["properties"]["info"]
        for line in (RECORDINGS / "g_child_session.global.ndjson").read_text().splitlines()
        if (event := json.loads(line).get("event")) and event["payload"]["type"] == "session.created"
    ]
    parent, child = created
    assert child["parentID"] == parent["id"]
    rung = [change for change in folded(wire_bytes("g_child_session"), 65536) if change.kind in EVENT_TYPES]
    assert [(change.kind, change.session_id) for change in rung] == [
        ("asked", parent["id"]),
        ("complete", parent["id"]),
    ]


def test_all_recordings_are_expected_somehow() -> None:
    paths = [*RECORDINGS.glob("*.global.ndjson"), *MORE.glob("*.global.ndjson")]
    assert set(EXPECTED) == {path.name.removesuffix(".global.ndjson") for path in paths}


def test_the_alert_comes_before_the_second_idle() -> None:
    changes = folded(wire_bytes("c_error_401"), 65536)
    assert [change.kind for change in changes] == ["started", "progress", "error"]


@pytest.mark.parametrize(("name", "words"), ASKED.items())
def test_a_request_says_what_is_asked(name: str, words: list[str]) -> None:
    changes = folded(wire_bytes(name), 65536)
    assert [change.text for change in changes if change.kind == "asked"] == words


@pytest.mark.parametrize(("name", "words"), FAILED.items())
def test_an_error_is_reported_in_its_own_words(name: str, words: str) -> None:
    assert [change.text for change in folded(wire_bytes(name), 65536) if change.kind == "error"] == [words]


@pytest.mark.parametrize(("name", "cards"), CARDS.items())
def test_what_the_card_shows_meanwhile(name: str, cards: list[tuple[str, str, str | None]]) -> None:
    splitter, sessions = Splitter(), Sessions()
    shown: list[tuple[str, str, str | None]] = []
    for event in filter(None, map(parse, splitter.feed(wire_bytes(name)))):
        for change in sessions.fold(event):
            state = sessions.state(change.session_id, 1795226359674.0)
            if state and change.kind in ("started", "progress"):
                shown.append((state.status, state.last_message, state.retry_info))
    assert [card for card, _ in itertools.groupby(shown)] == cards
