"""Payloads of alerts and Live Activities: exact JSON, and never more than APNs takes, whatever the texts."""

import json
import re
import string
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from activity_values import NOW, QUESTION, activity, news, phone, pushing, state
from relay.alert_payload import MAX_PAYLOAD, alert_payload, category
from relay.apns.payload import LENGTHS, ActivityContent, activity_payload
from relay.contract import (
    ALERT_TYPES,
    EVENT_KINDS,
    ActivityFormat,
    ContentState,
    Event,
    Request,
    Status,
    session_link,
)
from relay.server.alerts import Recipient, plan
from relay.server.live_activities.activity import Activity, Kind
from relay.server.live_activities.life import opened
from relay.server.live_activities.push import push

GOLDEN = Path(__file__).parents[2] / "golden"
FORMATS: tuple[ActivityFormat, ...] = get_args(ActivityFormat)
UPDATE_TOKEN = "01" * 80


def started(activity_format: ActivityFormat) -> Activity:
    return opened(
        news("start", message="Starting..."), phone(activity_format=activity_format),
        ("5" * 64, 'ses_a/b"c'), NOW,
    )  # fmt: skip


def running(activity_format: ActivityFormat, **changes: Any) -> Activity:
    return activity(activity_format=activity_format, session_id='ses_a/b"c', due_at=NOW, **changes)


GOLDEN_ACTIVITIES: dict[str, Any] = {
    "start": started,
    "update": lambda kind: running(
        kind, state=state("retry", 'Überprüfe "main.py" 🎉', title="Fix auth bug", retry="Retry 2 in 8s")
    ),
    "permission": lambda kind: running(
        kind, state=state("permission", "Run rm -rf build?", title="Fix auth bug"), alert=QUESTION
    ),
    "end_complete": lambda kind: running(
        kind,
        state=state("complete", "All 42 tests pass", title="Fix auth bug"),
        ends=True,
        event_type="complete",
    ),
    "end_error": lambda kind: running(
        kind, state=state("error", "Rate limit", title="Fix auth bug"), ends=True, event_type="error"
    ),
}


def alert_of(event: Event) -> bytes:
    phone = Recipient("d1", "ab" * 32, "com.example.app", "production", 0)
    (delivery,) = plan(event, event_id="evt_1", secret_hash="0" * 64, recipients=[phone], now_ms=0)
    return delivery.push.payload


def event(**fields: Any) -> Event:
    return Event(**({"secret": "0123456789abcdef", "event_type": "complete", "session_id": "ses_1"} | fields))


GOLDEN_EVENTS = {
    "alert_complete": event(
        server_id="80e435bba6dc1aa1",
        title="Fix the tests",
        body='All 42 tests pass; "flaky" ones too 🎉',
        event_id="evt_1",
    ),
    "alert_permission": event(
        event_type="permission",
        session_id="ses_a/b?c",
        server_id="80e435bba6dc1aa1",
        title="Run rm -rf build?",
    ),
    "alert_error": event(event_type="error"),
}


def activity_golden(name: str, activity_format: ActivityFormat) -> bytes:
    before = GOLDEN_ACTIVITIES[name](activity_format)
    return push(before, pushing(before), UPDATE_TOKEN).payload


PAYLOADS = {name: alert_of(one) for name, one in GOLDEN_EVENTS.items()} | {
    f"activity_{name}_{activity_format}": activity_golden(name, activity_format)
    for name in GOLDEN_ACTIVITIES
    for activity_format in FORMATS
}


@pytest.mark.parametrize("name", PAYLOADS)
def test_golden(name: str) -> None:
    golden = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    assert PAYLOADS[name].decode() == json.dumps(golden, ensure_ascii=False, separators=(",", ":"))


def test_there_is_one_golden_file_for_each_payload() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(PAYLOADS)
    assert {f"alert_{kind}" for kind in ALERT_TYPES} == set(GOLDEN_EVENTS)


# Any text in any script.

PRINTABLE = st.text(
    st.sampled_from(string.digits + string.ascii_letters + string.punctuation), min_size=1, max_size=128
)
SCRIPTS = st.one_of(
    st.characters(exclude_categories=["Cs"]),
    st.sampled_from('"\\\x00\x1f\x7f\n\t\u2028\u200d'),
    st.sampled_from("😀👩‍💻🇩🇪"),
    st.sampled_from("漢字かなカナ한글"),
    st.sampled_from("العربيةעברית"),
    st.sampled_from("ไทยहिन्दी"),
)
TEXTS = st.one_of(
    st.text(SCRIPTS, max_size=60),
    st.builds(
        lambda text, times: text * times, st.text(SCRIPTS, min_size=1, max_size=20), st.integers(1, 2000)
    ),
)
STATES = st.builds(
    ContentState,
    status=st.sampled_from(get_args(Status)),
    session_title=TEXTS,
    last_message=TEXTS,
    retry_info=st.none() | TEXTS,
)
CONTENTS = st.builds(
    lambda **fields: ActivityContent(url=session_link(fields["session_id"]), **fields),
    event=st.sampled_from(get_args(Kind)),
    timestamp=st.integers(1, 2**40),
    state=STATES,
    session_id=PRINTABLE,
    alert=st.none() | st.tuples(TEXTS, TEXTS),
    quiet=st.booleans(),
    relevance_score=st.none() | st.floats(0, 100),
    stale_date=st.none() | st.integers(1, 2**40),
    dismissal_date=st.none() | st.integers(1, 2**40),
)
FIELDS = {
    "status": "status",
    "sessionTitle": "session_title",
    "lastMessage": "last_message",
    "retryInfo": "retry_info",
}


@given(CONTENTS, st.sampled_from(FORMATS))
def test_any_state_fits_and_keeps_its_structure(
    content: ActivityContent, activity_format: ActivityFormat
) -> None:
    payload = activity_payload(content, activity_format)
    assert len(payload) <= MAX_PAYLOAD
    aps = json.loads(payload)["aps"]
    shown = fields_of(aps.pop("content-state"), activity_format)
    assert set(shown) == set(FIELDS)  # Swift's decoder fails on a missing one
    assert shown["status"] == content.state.status
    for name in ("sessionTitle", "lastMessage"):
        assert is_whole_or_shortened(shown[name], getattr(content.state, FIELDS[name]))
    assert is_whole_or_shortened(shown["retryInfo"] or "", content.state.retry_info or "")
    alert = aps.pop("alert", None)
    assert (alert is None) == (content.alert is None)
    if content.alert:
        assert is_whole_or_shortened(alert["title"], content.alert[0])
        assert is_whole_or_shortened(alert["body"], content.alert[1])
    assert aps == frame_of(content, activity_format)


def fields_of(content_state: dict[str, Any], activity_format: ActivityFormat) -> dict[str, Any]:
    """The plan's four fields; an expo-widgets app finds them as a JSON string in the state of its named widget."""
    if activity_format == "flat":
        return content_state
    assert set(content_state) == {"name", "props"}
    assert content_state["name"] == "SessionActivity"
    fields: dict[str, Any] = json.loads(content_state["props"])
    return fields


def frame_of(content: ActivityContent, activity_format: ActivityFormat) -> dict[str, Any]:
    """Everything in `aps` but the texts."""
    frame: dict[str, Any] = {"timestamp": content.timestamp, "event": content.event}
    if content.event == "start":
        frame |= {
            "flat": {
                "attributes-type": "SessionActivityAttributes",
                "attributes": {"sessionId": content.session_id},
            },
            "expo-widgets": {"attributes-type": "LiveActivityAttributes", "attributes": {"url": content.url}},
        }[activity_format]
        frame["input-push-token"] = 1
    if content.alert and content.quiet:
        frame["interruption-level"] = "passive"
    numbers = {
        "relevance-score": content.relevance_score,
        "stale-date": content.stale_date,
        "dismissal-date": content.dismissal_date,
    }
    return frame | {name: number for name, number in numbers.items() if number is not None}


def is_whole_or_shortened(shown: str, text: str) -> bool:
    """Whole, or without its end, or without its middle if somebody is to decide about it."""
    if shown == text or (shown.endswith("…") and text.startswith(shown[:-1])):
        return True
    head, mark, tail = re.split(r"(\[… \d+ characters cut …\])", shown)
    return bool(mark) and text.startswith(head) and text.endswith(tail) and len(head) + len(tail) < len(text)


def test_texts_of_the_plans_length_are_whole() -> None:
    """lastMessage has about 120 characters, also where each has two bytes."""
    content = ActivityContent(
        event="update", timestamp=1, state=state("working", "ä" * 120, title="ß" * 60, retry="Retry 2 in 8s"),
        session_id="s", url="u", alert=("T" * 120, "ü" * 120),
    )  # fmt: skip
    aps = json.loads(activity_payload(content, "flat"))["aps"]
    assert aps["content-state"] == {
        "status": "working",
        "sessionTitle": "ß" * 60,
        "lastMessage": "ä" * 120,
        "retryInfo": "Retry 2 in 8s",
    }
    assert aps["alert"] == {"title": "T" * 120, "body": "ü" * 120}


@pytest.mark.parametrize("letter", ["a", "ä", "漢", "한", "ا", "ไ", "😀"])
@pytest.mark.parametrize("activity_format", FORMATS)
def test_every_script_has_the_same_room(letter: str, activity_format: ActivityFormat) -> None:
    """nextcloud/ios#3695: limits in bytes cut a Chinese title at a third."""
    content = ActivityContent(
        event="update",
        timestamp=1,
        state=state("working", letter * 500, title=letter * 500),
        session_id="s",
        url="u",
    )
    shown = fields_of(
        json.loads(activity_payload(content, activity_format))["aps"]["content-state"], activity_format
    )
    assert (shown["sessionTitle"], shown["lastMessage"]) == (letter * 119 + "…", letter * 239 + "…")


def test_only_the_text_that_does_not_fit_is_halved() -> None:
    content = ActivityContent(
        event="update", timestamp=1, state=state("working", "\x00" * 500, title="T" * 120, retry="Retry 2 in 8s"),
        session_id="s", url="u", alert=("Question", "B" * 120),
    )  # fmt: skip
    aps = json.loads(activity_payload(content, "expo-widgets"))["aps"]
    shown = fields_of(aps["content-state"], "expo-widgets")
    assert (shown["sessionTitle"], shown["retryInfo"]) == ("T" * 120, "Retry 2 in 8s")
    assert aps["alert"] == {"title": "Question", "body": "B" * 120}
    assert shown["lastMessage"].startswith("\x00" * 100)


@pytest.mark.parametrize("activity_format", FORMATS)
def test_where_the_names_leave_little_room_texts_are_halved_until_it_fits(
    activity_format: ActivityFormat,
) -> None:
    """No session id of the contract is that long; the structure would hold even then."""
    text = "T" * 9000
    content = ActivityContent(
        event="start", timestamp=1, state=state("working", text, title=text, retry=text), session_id="s" * 3300,
        url="u" * 3300, alert=(text, text), stale_date=2,
    )  # fmt: skip
    payload = activity_payload(content, activity_format)
    shown = fields_of(json.loads(payload)["aps"]["content-state"], activity_format)
    assert len(payload) <= MAX_PAYLOAD
    assert (
        0 < len(shown["lastMessage"]) <= LENGTHS["last_message"] // 2
    )  # characters, the ellipsis among them


# Alerts.


@given(
    title=TEXTS.filter(bool),
    body=TEXTS.filter(bool),
    session_id=PRINTABLE,
    server_id=st.none() | PRINTABLE,
    event_type=st.sampled_from(sorted(ALERT_TYPES)),
)
def test_any_event_fits_and_keeps_its_structure(
    title: str, body: str, session_id: str, server_id: str | None, event_type: Any
) -> None:
    payload = alert_of(
        event(title=title, body=body, session_id=session_id, server_id=server_id, event_type=event_type)
    )
    assert len(payload) <= MAX_PAYLOAD
    fields = json.loads(payload)
    alert = fields["aps"].pop("alert")
    routing = {"eventType": event_type, "sessionID": session_id, "url": fields["url"]}
    if server_id is not None:
        routing["serverID"] = server_id
    assert fields == routing | {
        "aps": {
            "sound": "alert.wav",
            "thread-id": session_id,
            "category": event_type,
            "interruption-level": EVENT_KINDS[event_type].interruption_level,
        },
        "body": routing,
    }
    assert is_whole_or_shortened(alert["title"], title)
    assert is_whole_or_shortened(alert["body"], body)


@given(st.integers(0, 3000), st.integers(0, 3000), st.sampled_from('a"ä漢😀'))
def test_texts_are_cut_only_as_far_as_they_must(title: int, body: int, letter: str) -> None:
    payload = alert_payload(
        title=letter * title, body=letter * body, event_type="error", session_id="s", server_id=None, url="u"
    )
    alert = json.loads(payload)["aps"]["alert"]
    whole = alert == {"title": letter * title, "body": letter * body}
    # One more character of up to 4 bytes would not have fitted, in the title and in the body.
    assert whole or MAX_PAYLOAD - 16 < len(payload) <= MAX_PAYLOAD


def test_a_long_body_leaves_the_title_whole() -> None:
    payload = alert_payload(
        title="T" * 500, body="B" * 9000, event_type="error", session_id="s", server_id=None, url="u"
    )
    alert = json.loads(payload)["aps"]["alert"]
    assert alert["title"] == "T" * 500
    assert alert["body"].endswith("B…")


def test_the_longest_names_leave_room_for_texts() -> None:
    """The bounds of the contract, with the characters that grow most in JSON and in the link."""
    payload = alert_of(event(title="T" * 9000, body="B" * 9000, session_id='"' * 128, server_id="\\" * 128))
    alert = json.loads(payload)["aps"]["alert"]
    assert len(alert["title"]) > 500
    assert len(alert["body"]) > 500


def test_where_there_is_no_room_at_all_the_text_is_dropped() -> None:
    payload = alert_payload(
        title="T", body="B", event_type="error", session_id="s" * 1900, server_id=None, url="u"
    )
    assert json.loads(payload)["aps"]["alert"] == {"title": "", "body": ""}


@pytest.mark.parametrize(
    ("kind", "typed", "named"),
    [
        ("permission", False, "permission.answer"),
        ("question", True, "question.answer"),
        ("question", False, "question.choose"),
    ],
)
def test_a_request_names_the_category_whose_buttons_answer_it(kind: str, typed: bool, named: str) -> None:
    asked = msgspec.convert(
        {"id": "r_1", "kind": kind, "typed": typed, "nonce": "n" * 22, "expiresAt": 1}, Request
    )
    assert category(asked) == named
