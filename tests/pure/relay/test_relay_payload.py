"""Alert payloads: exact JSON, and never more than APNs takes, whatever the texts."""

import json
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.apns.payload import MAX_PAYLOAD, alert_payload
from relay.contract import ALERT_TYPES, EVENT_KINDS, Event
from relay.server.alerts.planner import Recipient, plan

GOLDEN = Path(__file__).parents[2] / "golden"
PRINTABLE = st.text(
    st.sampled_from(string.digits + string.ascii_letters + string.punctuation), min_size=1, max_size=128
)
CHARACTERS = st.characters(exclude_categories=["Cs"])
SCRIPTS = st.one_of(
    CHARACTERS,
    st.sampled_from('"\\\x00\x1f\x7f\n\t\u2028\u200d'),
    st.sampled_from("😀👩‍💻🇩🇪"),
    st.sampled_from("漢字かなカナ한글"),
    st.sampled_from("العربيةעברית"),
    st.sampled_from("ไทยहिन्दी"),
)
TEXTS = st.one_of(
    st.text(SCRIPTS, min_size=1, max_size=60),
    st.builds(
        lambda text, times: text * times, st.text(SCRIPTS, min_size=1, max_size=20), st.integers(1, 2000)
    ),
)


def payload_of(event: Event) -> bytes:
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


@pytest.mark.parametrize("name", GOLDEN_EVENTS)
def test_golden(name: str) -> None:
    payload = payload_of(GOLDEN_EVENTS[name])
    golden = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    assert payload.decode() == json.dumps(golden, ensure_ascii=False, separators=(",", ":"))


def test_there_is_one_golden_file_for_each_kind_of_alert() -> None:
    assert {f"alert_{kind}" for kind in ALERT_TYPES} == set(GOLDEN_EVENTS)


@given(
    title=TEXTS,
    body=TEXTS,
    session_id=PRINTABLE,
    server_id=st.none() | PRINTABLE,
    event_type=st.sampled_from(sorted(ALERT_TYPES)),
)
def test_any_event_fits_and_keeps_its_structure(
    title: str, body: str, session_id: str, server_id: str | None, event_type: Any
) -> None:
    payload = payload_of(
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


def is_whole_or_shortened(shown: str, text: str) -> bool:
    return shown == text or (shown.endswith("…") and text.startswith(shown[:-1]))


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
    payload = payload_of(event(title="T" * 9000, body="B" * 9000, session_id='"' * 128, server_id="\\" * 128))
    alert = json.loads(payload)["aps"]["alert"]
    assert len(alert["title"]) > 500
    assert len(alert["body"]) > 500


def test_where_there_is_no_room_at_all_the_text_is_dropped() -> None:
    payload = alert_payload(
        title="T", body="B", event_type="error", session_id="s" * 1900, server_id=None, url="u"
    )
    assert json.loads(payload)["aps"]["alert"] == {"title": "", "body": ""}
