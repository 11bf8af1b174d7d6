"""The strongest test of the fold: after so many recorded events it must say what the real engine said by REST.

The engine was a beta behind a front with the released names (simulator/scenarios/opencode2), which knew no idle messages and
no `time.streamed`, and not always outcomes; what a compaction has seen is not on the stream.
"""

import json
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from opencode2_recorded import events
from simulator.opencode.script import Json
from simulator.opencode.v2 import shapes
from simulator.opencode.v2.paging import asked, page
from simulator.opencode.v2.session_routes import wanted
from simulator.opencode.v2.state import State, requests_of
from simulator.opencode.v2.wire import FLAVOURS

RECORDED = json.loads((Path(__file__).parents[2] / "recordings" / "opencode2-rest.json").read_text("utf-8"))
DEMO = "/code/demo"
NOT_ON_THE_STREAM = {("a_reason", "state"), ("c_error_context_overflow", "recent")}
"""What the engine's own messages hold besides."""


def folded(scenario: str, count: int) -> State:
    state = State()
    for event in events(scenario)[:count]:
        known = state.directory_of(event["data"].get("sessionID", ""))
        state.fold((event.get("location") or {}).get("directory") or known or DEMO, event)
    return state


def answer(state: State, target: str):
    url = urlsplit(target)
    query = dict(parse_qsl(url.query))
    here = query.get("location[directory]")
    match url.path.split("/")[2:]:
        case ["session", "active"]:
            return state.active
        case ["session"]:
            newest = sorted(state.sessions.values(), key=lambda info: info["time"]["updated"], reverse=True)
            names = "search", "parentID", "directory", "project", "archived"
            return page(newest, asked(query, names), lambda info: wanted(info, query))["data"]
        case ["session", session_id]:
            return state.sessions[session_id]
        case ["session", session_id, "message"]:
            return page(state.newest_messages(session_id), asked(query, ()), lambda _: True)["data"]
        case ["session", session_id, "permission"]:
            return requests_of(session_id, state.permissions)
        case ["session", session_id, "form"]:
            return [form.info for form in state.pending_forms() if form.session_id == session_id]
        case ["session", session_id, "inbox"]:
            return state.inbox(session_id)
        case ["session", session_id, "pending"]:
            return [shapes.shown_item(item, FLAVOURS["beta"]) for item in state.inbox(session_id)]
        case ["session", _, "permission", request_id]:
            return state.permissions[request_id].request
        case ["session", _, "form", form_id]:
            return {**state.forms[form_id].info, "state": state.forms[form_id].state}
        case ["permission", "request"]:
            return [one.request for one in state.permissions.values() if one.directory == here]
        case ["form"] | ["form", "request"]:
            return [form.info for form in state.pending_forms() if form.directory == here]
    raise AssertionError(f"no answer for {target}")


def comparable(value, scenario: str, *, outcomes: bool):
    """Without what the recorded engine could not say."""
    if isinstance(value, list):
        kept = [one for one in value if not (isinstance(one, dict) and one.get("type") == "idle")]
        return [comparable(one, scenario, outcomes=outcomes) for one in kept]
    if not isinstance(value, dict):
        return value
    left_out = {key for name, key in NOT_ON_THE_STREAM if name == scenario} | {"streamed"}
    left_out |= set() if outcomes else {"outcome", "idle"}
    left_out |= {"tokens"} if "projectID" in value else set()  # these files leave usage and deltas out
    return {
        key: comparable(one, scenario, outcomes=outcomes) for key, one in value.items() if key not in left_out
    }


def ended_as_shutdown(scenario: str) -> bool:
    """A declined or dismissed turn: the front made an outcome of it, where released versions write none."""
    return scenario in ("b_permission_reject", "h_form_cancelled")


def sessions_of_the_recording(found: list[Json], state: State) -> list[Json]:
    """A list also names sessions of earlier recordings on the same engine."""
    return [one for one in found if one["id"] in state.sessions]


@pytest.mark.parametrize(
    "one", RECORDED, ids=[f"{one['scenario']} {one['after']} {one['request'][:60]}" for one in RECORDED]
)
def test_the_fold_answers_as_the_real_engine_did(one: Json) -> None:
    scenario = one["scenario"]
    state = folded(scenario, one["after"])
    said = one["data"]
    if one["request"].startswith("/api/session?"):
        said = sessions_of_the_recording(said, state)
    outcomes = "outcome" in json.dumps(said) and not ended_as_shutdown(scenario)
    expected = comparable(said, scenario, outcomes=outcomes)
    assert comparable(answer(state, one["request"]), scenario, outcomes=outcomes) == expected


def ended(scenario: str) -> State:
    """After the first end of an execution."""
    kinds = [event["type"].removeprefix("session.execution.") for event in events(scenario)]
    first = next(
        number for number, kind in enumerate(kinds) if kind in ("succeeded", "failed", "interrupted")
    )
    return folded(scenario, first + 1)


@pytest.mark.parametrize("scenario", ["b_permission_reject", "h_form_cancelled"])
def test_a_refusal_leaves_no_outcome_and_keeps_the_claim(scenario: str) -> None:
    """It ends as by a shutdown: the managed service takes the turn up again when it starts next."""
    state = ended(scenario)
    (session,) = state.sessions.values()
    assert "outcome" not in session
    assert "idle" not in session["time"]
    assert state.claims == {session["id"]}
    assert not state.active
    assert not state.permissions
    assert not state.pending_forms()


@pytest.mark.parametrize(
    ("scenario", "outcome"),
    [("a_text", "succeeded"), ("c_error_401", "failed"), ("e_interrupt", "interrupted")],
)
def test_every_other_end_is_remembered(scenario: str, outcome: str) -> None:
    state = ended(scenario)
    (session,) = state.sessions.values()
    newest = state.newest_messages(session["id"])[0]
    assert session["outcome"] == outcome
    assert (newest["type"], newest["outcome"], "error" in newest) == ("idle", outcome, outcome == "failed")
    assert newest["time"]["created"] == session["time"]["idle"]
    assert not state.claims
