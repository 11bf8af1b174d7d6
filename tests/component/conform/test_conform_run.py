"""The acceptance cases, over TLS and HTTP/2, and a runner that cannot be fooled."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from passing_time import RunningClock
from simulator.conform.cases import Case, load
from simulator.conform.checks import CHECKS
from simulator.conform.provider_tokens import VARIANTS
from simulator.conform.run import Result, run_case, run_cases, totals
from simulator.conform.states import STATES
from simulator.conform.steps import FAULTS, STEPS

CASES = load(Path(__file__).parent / "apns-cases.json")
FURTHER = load(Path(__file__).parent / "further-cases.json")
"""More of the same kinds: boundaries, combinations, every variant, state, step and assertion."""
BY_ID = {case.id: case for case in CASES}
OF_THE_SERVER = [case for case in CASES if case.group != "relay"]


@pytest.mark.parametrize("case", [*OF_THE_SERVER, *FURTHER], ids=lambda case: case.id)
async def test_acceptance_case(case: Case) -> None:
    result = await run_case(case)
    assert result.verdict != "failed", result.why
    if result.verdict == "skipped":
        pytest.skip(result.why)


WHERE_TIME_MATTERS = {"delivery", "liveactivity", "broadcast", "token", "limits", "payload", "auth"}
EXACT = {"F053", "F054"}
"""A provider token that is 3600 s old to the second is good; a moment later it is not."""


@pytest.mark.parametrize(
    "case",
    [one for one in [*OF_THE_SERVER, *FURTHER] if one.group in WHERE_TIME_MATTERS and one.id not in EXACT],
    ids=lambda case: case.id,
)
async def test_acceptance_case_while_time_passes(case: Case) -> None:
    """What holds where no time passes between a push and its delivery holds as well where it does, as on a real clock."""
    result = await run_case(case, lambda start: RunningClock(start, speed=0.05))
    assert result.verdict != "failed", result.why


async def test_the_relays_cases_are_left_out_and_said_so() -> None:
    results = await run_cases([case for case in CASES if case.group == "relay"], lambda _: None)
    assert {result.verdict for result in results} == {"skipped"}
    assert all(result.why for result in results)


WRONG: dict[str, dict[str, Any]] = {
    "status": {"status": 201},
    "reason": {"reason": "BadTopic"},
    "token_state": {"token_state": "nope"},
    "variant": {"variant": "nope"},
    "variant of a step": {"setup": ({"op": "send", "jwt": "nope", "wait": False},)},
    "a part's shape": {"broken": "setup is an array"},
    "clock that goes back": {"setup": ({"op": "advance", "seconds": -1},)},
    "option of a fault": {"setup": ({"op": "fault", "kind": "shutdown", "nope": 1},)},
    "fault without its option": {"setup": ({"op": "fault", "kind": "status"},)},
    "answer that nobody waits for": {"setup": ({"op": "send", "wait": False, "expect": {"status": 500}},)},
    "half a next request": {"asserts": ({"next_request": {"connection": "same", "status": 200}},)},
    "payload twice": {"request": BY_ID["C043"].request | {"payload_size": 4096}},
    "payload_size below the payload": {"request": BY_ID["C064"].request | {"payload_size": 9}},
    "op": {"setup": ({"op": "nope"},)},
    "option": {"setup": ({"op": "advance", "seconds": 1, "nope": 1},)},
    "fault": {"setup": ({"op": "fault", "kind": "nope"},)},
    "device key": {"setup": ({"op": "device", "set": {"nope": 1}},)},
    "profile key": {"setup": ({"op": "profile", "set": {"nope": 1}},)},
    "assertion": {"asserts": ({"nope": 1},)},
    "key of an assertion": {"asserts": ({"notifications": {"nope": 1}},)},
    "a step's expectation": {"setup": ({"op": "send", "expect": {"status": 500}},)},
    "an unknown expectation": {"setup": ({"op": "send", "expect": {"nope": 1}},)},
    "notifications": {"asserts": ({"notifications": {"count": 7}},)},
    "true for one": {"asserts": ({"notifications": {"count": True}},)},
    "headers": {"asserts": ({"response_headers": {"apns-id": "absent"}},)},
    "kind of header": {"asserts": ({"response_headers": {"apns-id": "nope"}},)},
    "body": {"asserts": ({"response_body": {"timestamp": "integer"}},)},
    "kind of body": {"asserts": ({"response_body": {"x": "nope"}},)},
    "body word": {"asserts": ({"response_body": "nope"},)},
    "settings": {"asserts": ({"settings": {"first_max_concurrent_streams": 2}},)},
    "stream": {"asserts": ({"stream": {"index": 1, "status": 403}},)},
    "stream that is not": {"asserts": ({"stream": {"index": 9, "status": 200}},)},
    "stream key": {"asserts": ({"stream": {"index": 1, "nope": 200}},)},
    "connection": {"asserts": ({"connection": {"state": "closed"}},)},
    "connection state": {"asserts": ({"connection": {"state": "nope"}},)},
    "connection key": {"asserts": ({"connection": {"nope": 1}},)},
    "goaway": {"asserts": ({"connection": {"goaway": True}},)},
    "next_request": {"asserts": ({"next_request": {"connection": "same", "status": 500, "reason": None}},)},
    "next_request key": {
        "asserts": ({"next_request": {"connection": "same", "status": 200, "reason": None, "x": 1}},)
    },
    "next_request connection": {
        "asserts": ({"next_request": {"connection": "x", "status": 200, "reason": None}},)
    },
    "log": {"asserts": ({"log_contains": "nope"},)},
    "activity": {"asserts": ({"activity": {"state": "active"}},)},
    "activities": {"asserts": ({"activities": {"started": 1}},)},
    "delivery": {"asserts": ({"delivery": {"outcome": "stored"}},)},
    "delivery key": {"asserts": ({"delivery": {"nope": 1}},)},
    "badge": {"asserts": ({"badge": 5},)},
    "wakes": {"asserts": ({"background_wakes": 5},)},
    "nse": {"asserts": ({"nse_invocations": 5},)},
    "budget": {"asserts": ({"budget": {"kind": "start", "remaining_delta": -1}},)},
    "budget kind": {"asserts": ({"budget": {"kind": "nope", "remaining_delta": 0}},)},
    "budget key": {"asserts": ({"budget": {"kind": "start", "remaining_delta": 0, "x": 1}},)},
    "devices": {"asserts": ({"devices_updated": 2},)},
}


@pytest.mark.parametrize("what", WRONG)
async def test_a_case_with_one_thing_wrong_fails(what: str) -> None:
    """Each is the case of an accepted alert with one lie in it: the runner must see it."""
    result = await run_case(replace(BY_ID["C043"], **WRONG[what]))
    assert (result.verdict, bool(result.why)) == ("failed", True)


async def test_the_same_case_without_a_lie_passes() -> None:
    assert (await run_case(BY_ID["C043"])).verdict == "passed"


def test_the_file_uses_nothing_that_the_runner_does_not_know() -> None:
    for case in OF_THE_SERVER:
        assert case.token_state in STATES
        for step in (*case.setup, *case.then):
            assert step["op"] in STEPS
            assert step["op"] != "fault" or step["kind"] in FAULTS
        for assertion in case.asserts:
            assert set(assertion) <= set(CHECKS)


def test_the_further_cases_use_everything_that_the_runner_knows() -> None:
    steps = [step for case in FURTHER for step in (*case.setup, *case.then)]
    asserts = [*(each for case in FURTHER for each in case.asserts)]
    asserts += [each for step in steps if step["op"] == "expect" for each in step["assert"]]
    assert {step["op"] for step in steps} == set(STEPS)
    assert {step["kind"] for step in steps if step["op"] == "fault"} == set(FAULTS)
    assert {name for each in asserts for name in each} == set(CHECKS)
    used = {case.variant for case in FURTHER} | {step.get("jwt", "valid") for step in steps}
    assert used >= set(VARIANTS) - USED_ELSEWHERE
    assert {case.token_state for case in FURTHER} >= set(STATES) - {"malformed"}


USED_ELSEWHERE = {"empty_bearer"}


def test_totals_by_group_and_confidence() -> None:
    results = [
        Result("1", "auth", "documented", "", "passed"),
        Result("2", "auth", "assumed", "", "failed", "why"),
        Result("3", "relay", "assumed", "", "skipped", "why"),
    ]
    assert totals(results) == {
        "auth": {"passed": 1, "failed": 1, "skipped": 0},
        "documented": {"passed": 1, "failed": 0, "skipped": 0},
        "assumed": {"passed": 0, "failed": 1, "skipped": 1},
        "relay": {"passed": 0, "failed": 0, "skipped": 1},
        "all": {"passed": 1, "failed": 1, "skipped": 1},
    }


async def test_a_case_that_fails_says_why_the_sandbox_refused() -> None:
    refused = next(case for case in CASES if case.reason == "BadTopic")
    result = await run_case(replace(refused, status=200, reason=None))
    assert result.verdict == "failed"
    assert result.why.startswith(
        "answered 400 BadTopic, expected 200: apns-topic is not a topic at all (Apple: "
    )
