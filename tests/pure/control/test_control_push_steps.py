"""What became of a push, in words: every step that a phone or APNs can write, and the last one as its outcome."""

import base64
from typing import Any, get_args

import pytest

from simulator.apns.faults import rule
from simulator.apns.messages import read_request
from simulator.apns.request_log import KeptRequest
from simulator.journal import Entry
from simulator.lab.pushes import FAULTS, push_fields, steps

ANSWER = {"realm": "sandbox", "status": 200, "reason": None, "fault": None, "apns_id": "A-1"}


def kept(*later: tuple[str, str, dict[str, Any]], body: bytes = b"{}", **answer: Any) -> KeptRequest:
    request = read_request([(":method", "POST"), (":path", "/3/device/ab")], body, len(body))
    entries = [Entry(2.0, where, what, detail) for where, what, detail in later]
    return KeptRequest(1, request, Entry(1.0, "apns", "push", ANSWER | answer), 0, 1, entries)


@pytest.mark.parametrize(
    ("where", "what", "detail", "state", "text", "tone"),
    [
        ("apns", "delivery", {"device": None, "outcome": "sent"}, "sent", "sent, but the token leads to no phone here", "bad"),
        ("apns", "delivery", {"device": "iPhone", "outcome": "stored", "why": None}, "stored", "stored until iPhone can be reached", "waits"),
        ("apns", "delivery", {"device": "iPhone", "outcome": "discarded", "why": "expired"}, "discarded", "discarded: its time had passed", "bad"),
        ("apns", "delivery", {"device": "iPhone", "outcome": "discarded", "why": "odd"}, "discarded", "discarded: odd", "bad"),
        ("apns", "delivery_failed", {"error": "Broken()"}, "failed", "the phone failed: Broken()", "bad"),
        ("phone", "replaced", {"phone": "iPad", "title": "", "body": "x"}, "replaced", "shown in the place of an older one", "good"),
        ("phone", "deferred", {"phone": "iPad", "why": "priority 5"}, "deferred", "waits: the phone saves power (priority 5)", "waits"),
        ("phone", "dropped", {"phone": "iPad", "why": "it has no alert"}, "dropped", "dropped: no alert", "bad"),
        ("phone", "woken", {"phone": "iPad"}, "woken", "the app ran in the background", "good"),
        ("phone", "reloaded", {"phone": "iPad"}, "reloaded", "the app's widgets were reloaded", "good"),
        ("phone", "updated", {"phone": "iPad", "badge": 3}, "badge", "the icon's badge is 3", "good"),
        ("phone", "ended", {"phone": "iPad", "contentState": None}, "ended", "card ended", "good"),
    ],
)  # fmt: skip
def test_each_step_has_its_words(
    where: str, what: str, detail: dict[str, Any], state: str, text: str, tone: str
) -> None:
    found = push_fields(kept((where, what, detail)))
    outcome = found["outcome"]
    assert (outcome["state"], outcome["text"], outcome["tone"]) == (state, text, tone)
    assert outcome == found["steps"][-1]
    assert outcome["where"] == ("APNs" if where == "apns" else "iPad")


def test_what_is_no_step_is_left_out() -> None:
    assert [step.state for step in steps(kept(("phone", "tapped", {"phone": "iPhone"})))] == ["accepted"]


@pytest.mark.parametrize(
    ("body", "session"),
    [
        (b'{"sessionID": "ses_1"}', "ses_1"),
        (b'{"body": {"sessionID": "ses_2"}}', "ses_2"),
        (b'{"aps": {"attributes": {"sessionId": "ses_3"}}}', "ses_3"),
        (b'{"sessionID": 5, "body": [], "aps": {"attributes": []}}', None),
        (b'{"aps": 1}', None),
        (b"no JSON", None),
    ],
)
def test_the_session_is_read_where_a_payload_names_it(body: bytes, session: str | None) -> None:
    assert push_fields(kept(body=body))["session"] == session
    changed = ("phone", "updated", {"phone": "iPhone", "sessionID": "ses_9"})
    assert push_fields(kept(changed, body=body))["session"] == (session or "ses_9")


@pytest.mark.parametrize(
    ("claim", "age"), [("90", 10.0), ("true", None), ('"90"', None), ("1e99", None), ("null", None)]
)
def test_the_age_of_a_provider_token_is_known_where_it_names_a_time(claim: str, age: float | None) -> None:
    parts = [
        base64.urlsafe_b64encode(text.encode()).decode().rstrip("=") for text in ("{}", f'{{"iat": {claim}}}')
    ]
    one = kept(reason="InvalidProviderToken", why="a flaw")
    request = one.request._replace(
        headers=one.request.headers | {"authorization": f"bearer {'.'.join(parts)}.x"}
    )
    found = KeptRequest(1, request, Entry(100.0, "apns", "push", one.entry.detail), 0, 1)
    provider = push_fields(found)["provider"]
    assert (provider["age"], provider["ok"], provider["why"]) == (age, False, "a flaw")


def test_every_kind_of_fault_has_its_words() -> None:
    assert set(FAULTS) == {kind.__name__ for kind in get_args(rule.Action)}
