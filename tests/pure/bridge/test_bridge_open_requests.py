"""What a phone may answer, and which answers are right: bound to their request, in time, proved by the pairing's key."""

import json
from typing import Any

import msgspec
import pytest

from relay.answers import FetchedAnswer, Outcome, parts_of
from relay.bridge.notify.open_requests import LASTS_SECONDS, MOST, OpenRequests
from relay.bridge.notify.source import Change
from relay.encryption import PairingKey

NOW = 1_790_000_000.0
KEY = PairingKey(bytes(range(32)))
SECRET = "s" * 24


def asked(request_id: str = "per_1", text: str = "Run: git push") -> Change:
    return Change("asked", "ses_root", request_id, text, permission_of="ses_child")


def answer_to(requests: OpenRequests, key: PairingKey | None = None, **fields: Any) -> FetchedAnswer:
    request = requests.ask(asked(), NOW)
    assert request is not None
    given = {
        "request_id": request.id,
        "nonce": request.nonce,
        "expires_at": request.expires_at,
        "decision": "once",
    }
    answer = FetchedAnswer(**given | fields)
    return msgspec.structs.replace(answer, proof=key.proof(parts_of(answer))) if key else answer


def test_a_permission_is_asked_with_its_choices_and_for_an_hour() -> None:
    called = []
    requests = OpenRequests(SECRET, KEY, asked=lambda: called.append(1))
    assert not requests.any_waits
    request = requests.ask(asked(), NOW)
    assert request is not None
    assert (request.id, request.expires_at, request.kid) == ("per_1", NOW + LASTS_SECONDS, KEY.kid)
    assert [(one.value, one.label) for one in request.choices] == [("once", "Allow"), ("reject", "Deny")]
    assert (called, requests.any_waits) == ([1], True)
    found = requests.find("per_1")
    assert found is not None
    assert found.session_id == "ses_child", "OpenCode wants to know who asks"


def test_what_is_no_permission_is_answered_at_the_computer() -> None:
    assert OpenRequests(SECRET, None).ask(Change("asked", "ses_1", "que_1", "Which?"), NOW) is None


@pytest.mark.parametrize(
    ("text", "may_always", "choices"),
    [
        ("git status", True, ["once", "always", "reject"]),
        ("x" * 301, True, ["reject"]),
        ("rm a\nrm b", False, ["reject"]),
    ],
)
def test_what_a_person_cannot_read_whole_can_only_be_denied(
    text: str, may_always: bool, choices: list[str]
) -> None:
    request = OpenRequests(SECRET, None, may_always=may_always).ask(asked(text=text), NOW)
    assert request is not None
    assert [one.value for one in request.choices] == choices


def test_a_bridge_that_was_restarted_knows_the_nonce() -> None:
    nonces = {
        (key, secret): OpenRequests(secret, key).ask(asked(), NOW)
        for key in (KEY, None)
        for secret in (SECRET, "another-secret-of-24-chars")
    }
    found = [request.nonce for request in nonces.values() if request]
    assert found == [
        request.nonce for (key, secret) in nonces if (request := OpenRequests(secret, key).ask(asked(), NOW))
    ]
    assert len(set(found)) == 3, "of the key where there is one"
    other = OpenRequests(SECRET, KEY).ask(asked("per_2"), NOW)
    assert other is not None
    assert other.nonce not in found


def test_so_many_wait_and_no_more_but_one_that_waits_may_say_more() -> None:
    requests = OpenRequests(SECRET, None)
    assert all(requests.ask(asked(f"per_{number}"), NOW) for number in range(MOST))
    assert requests.ask(asked("per_new"), NOW) is None
    assert requests.ask(asked("per_1", text="Run: git push --force"), NOW)
    assert requests.close("per_1")
    assert not requests.close("per_1")
    assert requests.ask(asked("per_new"), NOW)


@pytest.mark.parametrize("key", [KEY, None], ids=["with a key", "without"])
@pytest.mark.parametrize(
    ("fields", "later", "outcome"),
    [
        ({}, 0, None),
        ({"decision": "reject"}, 0, None),
        ({"decision": "always"}, 0, "refused"),
        ({"decision": None, "text": "yes"}, 0, "refused"),
        ({"nonce": "n" * 32}, 0, "refused"),
        ({"request_id": "per_9"}, 0, "refused"),
        ({}, LASTS_SECONDS, "gone"),
    ],
)
def test_an_answer_is_bound_to_its_request_and_its_time(
    key: PairingKey | None, fields: dict[str, Any], later: int, outcome: Outcome | None
) -> None:
    requests = OpenRequests(SECRET, key)
    assert requests.judge(answer_to(requests, key, **fields), NOW + later) == outcome


def test_an_answer_to_what_does_not_wait_any_more_is_gone() -> None:
    requests = OpenRequests(SECRET, KEY)
    answer = answer_to(requests, KEY)
    requests.close("per_1")
    assert requests.judge(answer, NOW) == "gone"


@pytest.mark.parametrize(
    "lie",
    [
        {"proof": None},
        {"proof": ""},
        {"proof": "A" * 43},
        {"proof": "ä"},
        {"decision": "reject"},
        {"expires_at": int(NOW) + 10**6},
    ],
    ids=json.dumps,
)
def test_whoever_has_not_the_key_answers_nothing(lie: dict[str, Any]) -> None:
    """The relay has the secret, the nonce and the answer; it can neither invent, nor turn round, nor prolong one."""
    requests = OpenRequests(SECRET, KEY)
    answer = msgspec.structs.replace(answer_to(requests, KEY), **lie)
    assert requests.judge(answer, NOW) == "refused"
    wrong = answer_to(requests, PairingKey(b"x" * 32))
    assert requests.judge(wrong, NOW) == "refused"
