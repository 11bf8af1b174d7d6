"""What `simulator push` makes of its command line, and how it says what became of a push."""

import json
from typing import Any

import pytest

from simulator.journal import Entry
from simulator.process import CommandError
from simulator.push.command import Result, fields, lines
from simulator.push.message import Message, PushOptions, message

TOKENS = {"alert": "aa", "voip": "bb", "push-to-start": "cc", "widgets": "ee"}
CARD = {"state": "active", "token": "dd", "content_state": {"status": "working", "sessionTitle": "Build", "lastMessage": "m"}}  # fmt: skip
NOW = 1_796_000_000.5


def _message(cards: list[dict[str, Any]] | None = None, without: str = "", **options: Any) -> Message:
    tokens = {kind: token for kind, token in TOKENS.items() if kind != without}
    phone = {"bundle_id": "com.app", "tokens": tokens, "activities": cards or []}
    return message(PushOptions(**options), phone, NOW)


@pytest.mark.parametrize(
    ("aps", "push_type", "topic", "priority", "token"),
    [
        ({"alert": "Hi"}, "alert", "com.app", "10", "aa"),
        ({"badge": 1, "content-available": 1}, "alert", "com.app", "10", "aa"),
        ({"content-available": 1}, "background", "com.app", "5", "aa"),
        ({"content-changed": True}, "widgets", "com.app.push-type.widgets", "10", "ee"),
        ({"event": "start"}, "liveactivity", "com.app.push-type.liveactivity", "10", "cc"),
        ({"event": "update"}, "liveactivity", "com.app.push-type.liveactivity", "10", "dd"),
        ("no object", "alert", "com.app", "10", "aa"),
    ],
)
def test_the_payload_says_what_it_is(aps: Any, push_type: str, topic: str, priority: str, token: str) -> None:
    found = _message([CARD], payload={"aps": aps, "Simulator Target Bundle": "com.app"})
    assert found.token == token
    assert found.headers == {"apns-topic": topic, "apns-push-type": push_type, "apns-priority": priority}
    assert json.loads(found.payload) == {"aps": aps}


def test_what_is_named_goes_before_what_is_found() -> None:
    found = _message(title="x", token="ee", topic="com.t", push_type="voip", priority=5, collapse_id="c", expiration=0)  # fmt: skip
    assert found.token == "ee"
    assert found.headers == {"apns-topic": "com.t", "apns-push-type": "voip", "apns-priority": "5", "apns-collapse-id": "c", "apns-expiration": "0"}  # fmt: skip
    assert json.loads(found.payload)["aps"] == {"alert": {"title": "x"}, "sound": "default"}
    assert _message(title="x", push_type="voip").token == "bb"


def test_a_card_of_ones_own_app() -> None:
    found = _message(
        card="start", attributes_type="Pizza", attributes={"shop": "s"}, content_state={"eta": 1}
    )
    aps = json.loads(found.payload)["aps"]
    assert (aps["attributes-type"], aps["attributes"], aps["content-state"]) == ("Pizza", {"shop": "s"}, {"eta": 1})  # fmt: skip
    assert aps["alert"]["title"]
    assert aps["timestamp"] == int(NOW)


def test_an_update_keeps_what_it_does_not_say() -> None:
    state = json.loads(_message([CARD], card="update", status="retry").payload)["aps"]["content-state"]
    assert state == {"status": "retry", "sessionTitle": "Build", "lastMessage": "m", "retryInfo": None}
    ended = json.loads(_message([CARD], card="end", title="Build it", content_state={"extra": 1}).payload)
    assert ended["aps"]["event"] == "end"
    assert ended["aps"]["content-state"]["extra"] == 1
    new = json.loads(_message(card="update", token="ff", body="Hi").payload)["aps"]["content-state"]
    assert (new["sessionTitle"], new["lastMessage"]) == ("OpenCode", "Hi")


@pytest.mark.parametrize(
    ("cards", "options", "words"),
    [
        ([], {}, "what is to be pushed"),
        ([CARD | {"state": "ended"}], {"card": "end"}, "no card runs"),
        ([CARD | {"token": None}], {"card": "end"}, "started without input-push-token"),
        ([], {"title": "x", "push_type": "widgets", "without": "widgets"}, "no token of the kind widgets"),
    ],
)
def test_what_is_missing_is_said(cards: Any, options: Any, words: str) -> None:
    with pytest.raises(CommandError, match=words):
        _message(cards, **options)


def _delivery(**detail: object) -> Entry:
    return Entry(1.0, "apns", "delivery", {"outcome": "sent", "why": None, "device": "iPhone"} | detail)


def test_what_waits_is_well_and_what_reaches_nobody_is_not() -> None:
    waits = Result(200, None, "A", later=[_delivery(outcome="stored")])
    assert waits.ok
    assert lines(waits)[1] == "APNs    stored until the phone is back"
    for later in (_delivery(outcome="discarded", why="notifications_off"), _delivery(device=None)):
        assert not Result(200, None, "A", later=[later]).ok
    dropped = Entry(1.0, "phone", "dropped", {"phone": "iPhone", "why": "it has no alert"})
    beside = Entry(1.0, "phone", "set", {"phone": "iPhone"})
    result = Result(200, None, None, later=[_delivery(), dropped, beside])
    assert not result.ok
    assert lines(result)[:2] == ["APNs    200 accepted", "iPhone  dropped: no alert"]
    assert fields(result)["became"][1]["why"]["short"] == "no alert"
    assert lines(Result(None, None, None)) == ["APNs    gave no answer"]
    assert fields(Result(None, None, None))["why"] is None
