"""The fold over recordings of a real engine of OpenCode 2: few and right alerts for each scenario.

Recorded on 2026-11-30 from a beta of August 2026, with the names of its events translated into those of 2.0.6 and later;
catalogue events and deltas are left out.
"""

import pytest

from opencode2_recorded import NAMES, lines
from relay.bridge.notify.source import Change
from relay.bridge.sources.opencode2.catch_up import CatchUp, Snapshot
from relay.bridge.sources.opencode2.fold import Sessions
from relay.bridge.sources.opencode2.runs import Runs
from relay.bridge.sources.opencode2.wire import parse

EXPECTED: dict[str, str] = {
    "a_fast": "started; complete",
    "a_first_turn_untitled": "started; complete",
    "a_reason": "started; complete",
    "a_text": "started; complete",
    "b_permission_always": "started; asked; answered; complete; b: started; b: complete",
    "b_permission_edit": "started; asked; answered; asked; answered; complete",
    "b_permission_external_directory": "started; asked; answered; complete",
    "b_permission_once": "started; asked; answered; complete",
    "b_permission_parallel": "started; asked; asked; answered; answered; complete",
    # A no ends as "interrupted by shutdown"; the next prompt is another run.
    "b_permission_reject": "started; asked; answered; stopped; started; complete",
    "b_permission_reject_message": "started; asked; answered; complete",
    "b_permission_then_interrupt": "started; asked; answered; stopped",
    "b_permission_webfetch": "started; asked; answered; complete",
    "c_error_400": "started; error",
    "c_error_401": "started; error",
    "c_error_bad_model": "started; error; b: started; b: error; c: started; c: error",
    "c_error_content_filter": "started; error",
    "c_error_context_overflow": "started; complete; started; complete",
    "c_error_cut": "started; complete",
    "c_finish_length": "started; complete",
    "d_retry_429_retry_after": "started; complete",
    "d_retry_503_backoff": "started; complete",
    "d_retry_connection_refused": "started; error",
    "e_interrupt": "started; stopped; started; complete",
    "e_interrupt_in_tool": "started; asked; answered; stopped",
    "e_second_prompt_queue": "started; complete",
    "f_two_directories": "started; asked; b: started; b: asked; answered; b: answered; b: complete; complete",
    "f_two_sessions": "started; b: started; b: complete; complete",
    "g_child_error": "started; complete",
    "g_child_permission": "started; asked; answered; complete",
    "h_form_answered": "started; asked; answered; complete",
    "h_form_cancelled": "started; asked; answered; stopped",
    "h_form_multiple": "started; asked; answered; complete",
    "i_service_stop_while_streaming": "started",
    "i_sigkill_while_streaming": "started",
    "i_sigterm_idle": "started; complete",
    "i_sigterm_permission_pending": "started; asked",
    "i_sigterm_while_streaming": "started",
    "j_auth": "",
    "j_heartbeat": "",
    "k_last_event_id": "started; complete; started; complete",
    "k_subscribe_race": "",
    "l_fork_rename": "started; complete",
    "l_wait_and_synthetic": "started; complete; started; complete",
    "m_slow_first_token": "started; complete",
    "n_chatty_tool": "started; asked; answered; complete",
}
"""What is reported, in order; the first session that something is reported of is not named."""

ASKED = {
    "b_permission_edit": ["edit: notes.txt", "edit: notes.txt"],
    "b_permission_external_directory": [
        "Outside the project, in /code/outside/*: use /code/outside/secret.txt"
    ],
    "b_permission_webfetch": ["webfetch: http://127.0.0.1:4999/v1/models"],
    "e_interrupt_in_tool": ["shell: echo start; sleep 20; echo end"],
    "f_two_directories": ["shell: echo in demo", "shell: echo in other"],
    "g_child_permission": ["shell: echo child"],
    "h_form_answered": ["Colour: Which colour do you want? (Red / Blue)"],
}

FAILED = {
    "c_error_401": ["Provider request failed with HTTP 401"],
    "c_error_bad_model": [
        "Model unavailable: fake/no-such-model", "Model unavailable: nobody/x", "Model unavailable: fake/no-such-model",
    ],
    "d_retry_connection_refused": ["HTTP transport failed"],
}  # fmt: skip


def folded(name: str, sessions: Sessions) -> list[Change]:
    return [
        change for line in lines(name) if (event := parse(line.encode())) for change in sessions.fold(event)
    ]


def reported(changes: list[Change]) -> str:
    seen: list[str] = []
    words = []
    for change in changes:
        if change.kind != "progress":
            seen += [] if change.session_id in seen else [change.session_id]
            number = seen.index(change.session_id)
            words.append(change.kind if number == 0 else f"{'abc'[number]}: {change.kind}")
    return "; ".join(words)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_recording_rings_as_often_as_a_person_would_want(name: str) -> None:
    """No session has to be asked for, and an ended run's subject is its newest message, the same after a restart."""
    changes = folded(name, Sessions())
    assert reported(changes) == EXPECTED[name]
    ends = [one.subject_id for one in changes if one.kind in ("complete", "error", "stopped")]
    assert all(one.startswith("msg_") for one in ends)
    assert len(ends) == len(set(ends))


def test_all_recordings_are_expected_somehow() -> None:
    assert {name for name in NAMES if not name.endswith(".restarted")} == set(EXPECTED)


@pytest.mark.parametrize(("name", "words"), ASKED.items())
def test_a_request_says_what_is_asked(name: str, words: list[str]) -> None:
    assert [change.text for change in folded(name, Sessions()) if change.kind == "asked"] == words


@pytest.mark.parametrize(("name", "words"), FAILED.items())
def test_an_error_is_reported_in_its_own_words(name: str, words: list[str]) -> None:
    assert [change.text for change in folded(name, Sessions()) if change.kind == "error"] == words


@pytest.mark.parametrize("name", ["i_sigterm_while_streaming", "i_sigterm_permission_pending"])
def test_a_run_that_its_restarted_server_resumes_is_the_same_run(name: str) -> None:
    """The second stream begins with a step: the start of the execution is never on the wire (recorded)."""
    runs = Runs()
    sessions, catch_up = Sessions(runs), CatchUp(runs)
    changes = folded(name, sessions)
    (running,) = [session_id for session_id, session in runs.tree if session.running]
    mark = catch_up.mark()
    again = folded(f"{name}.restarted", sessions)
    more, ended = catch_up.resync(Snapshot(frozenset({running})), mark)
    asked = "permission" in name
    assert reported(changes) == ("started; asked" if asked else "started")
    # What it asked is gone with its server; the second run is that of the next prompt.
    withdrawn = "answered; " if asked else ""
    assert reported([*again, *more]) == withdrawn + "complete; started; complete"
    assert ended == []


def test_the_card_of_a_retry_says_when() -> None:
    sessions = Sessions()
    cards = []
    for line in lines("d_retry_429_retry_after"):
        event = parse(line.encode())
        assert event
        shown = [sessions.state(one.session_id, event.created_ms or 0) for one in sessions.fold(event)]
        cards += [(one.status, one.last_message, one.retry_info) for one in shown if one]
    waits = [card for card in cards if card[0] == "retry"]
    assert waits == [("retry", "Provider request failed with HTTP 429", "Retry 1 in 4s")]
    assert [change.retry for change in folded("d_retry_429_retry_after", Sessions()) if change.retry]
