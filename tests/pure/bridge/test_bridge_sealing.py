"""When texts leave sealed, and that a sealed event holds none in clear and always fits."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay import contract
from relay.alert_payload import MAX_PAYLOAD
from relay.apns.payload import ActivityContent, activity_payload
from relay.bridge.notify.sealing import POLICIES, Policy, Sealing, sealed
from relay.contract import EVENT_KINDS, ContentState, Event, EventType, Status
from relay.encryption import PairingKey
from relay.server.alerts import plan
from relay.server.delivery import Recipient

KEY = PairingKey(bytes(range(32)))
PHONE = Recipient(
    device_id="1", device_token="ab" * 32, bundle_id="com.example.app", apns_env="production", registered_at=0
)
STATE = ContentState(
    status="permission",
    session_title="Ship version 2.4",
    last_message="Run: git push",
    retry_info="Retry 2 in 8s",
)
ALERT = Event(
    secret="s" * 24,
    event_type="permission",
    session_id="ses_1",
    title="Action Needed: Ship version 2.4",
    body="Run: git push origin main",
    content_state=STATE,
    event_id="evt_1",
)


@pytest.mark.parametrize(
    ("policy", "said", "seals"),
    [
        ("auto", (1, 1), True), ("auto", (2, 1), False), ("auto", (2, None), False), ("auto", (None, None), False),
        ("auto", (0, 0), False), ("require", (2, 1), True), ("require", (None, None), True), ("off", (2, 2), False),
    ],
)  # fmt: skip
def test_the_policy_and_what_the_phones_have_decide(
    policy: Policy, said: tuple[int | None, int | None], seals: bool
) -> None:
    sealing = Sealing(policy, KEY)
    began = sealing.seals
    assert began is (policy == "require")
    assert sealing.learn(*said) is (seals is not began)
    assert sealing.seals is seals
    assert sealing.learn(*said) is False
    assert (sealing(ALERT) == ALERT) is not seals


@pytest.mark.parametrize("policy", POLICIES)
def test_without_a_key_nothing_is_sealed_and_no_key_is_asked_for(policy: Policy) -> None:
    sealing = Sealing(policy, None)
    sealing.learn(1, 1)
    assert (sealing.kid, sealing(ALERT)) == (None, ALERT)


def test_off_asks_for_no_key() -> None:
    assert Sealing("off", KEY).kid is None
    assert Sealing("auto", KEY).kid == KEY.kid


def test_a_sealed_event_says_what_kind_it_is_and_no_more() -> None:
    event = sealed(ALERT, KEY)
    assert (event.title, event.body, event.event_id) == (None, None, "evt_1")
    assert event.content_state
    assert (event.content_state.status, event.content_state.session_title) == (
        "permission",
        "OpenCode session",
    )
    assert (event.content_state.last_message, event.content_state.retry_info) == ("Needs your decision", None)
    wire = contract.encode(event).decode()
    for text in ("Ship", "git push", "Retry 2"):
        assert text not in wire
    assert event.enc
    assert json.loads(KEY.open(event.enc, "alert/1", ["permission", "ses_1"])) == {
        "title": ALERT.title,
        "body": ALERT.body,
    }
    assert event.content_state.enc
    assert json.loads(KEY.open(event.content_state.enc, "card/1", ["ses_1"])) == {
        "sessionTitle": STATE.session_title,
        "lastMessage": STATE.last_message,
        "retryInfo": STATE.retry_info,
    }


def test_the_alert_of_a_start_has_no_texts_for_nobody_could_open_them() -> None:
    start = msgspec.structs.replace(ALERT, event_type="start")
    assert (sealed(start, KEY).enc, sealed(start, KEY).title) == (None, None)


def test_an_event_without_texts_stays_without() -> None:
    event = Event(secret="s" * 24, event_type="progress", session_id="ses_1")
    assert sealed(event, KEY) == event


def test_an_answer_that_replaces_an_alert_does_so_sealed() -> None:
    answered = msgspec.structs.replace(ALERT, event_type="progress", replaces="evt_1", event_id="evt_2")
    (delivery,) = plan(
        sealed(answered, KEY), event_id="evt_2", secret_hash="0" * 64, recipients=[PHONE], now_ms=0
    )
    payload = json.loads(delivery.push.payload)
    assert payload["aps"]["alert"] == {"title": "Session updated", "body": "OpenCode goes on."}
    assert (payload["aps"]["mutable-content"], "sound" in payload["aps"]) == (1, False)
    assert payload["enc"]["kid"] == KEY.kid


TEXT = st.text(min_size=1, max_size=6000)


@given(
    title=TEXT,
    body=TEXT,
    event_type=st.sampled_from(["complete", "permission", "error"]),
    session_id=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=128),
)
def test_an_alert_always_fits(title: str, body: str, event_type: EventType, session_id: str) -> None:
    event = msgspec.structs.replace(
        ALERT, event_type=event_type, title=title, body=body, session_id=session_id, server_id="\\" * 128
    )
    event = contract.decode(contract.encode(sealed(event, KEY)), Event)  # the relay takes it
    (delivery,) = plan(event, event_id="e", secret_hash="0" * 64, recipients=[PHONE], now_ms=0)
    assert len(delivery.push.payload) <= MAX_PAYLOAD
    payload = json.loads(delivery.push.payload)
    kind = EVENT_KINDS[event_type]
    assert payload["aps"]["alert"] == {"title": kind.title, "body": kind.body}
    envelope = msgspec.convert(payload["enc"], contract.Envelope)
    opened = json.loads(KEY.open(envelope, "alert/1", [event_type, session_id]))
    assert title.startswith(opened["title"].removesuffix("…"))


@pytest.mark.parametrize("activity_format", ["flat", "expo-widgets"])
@pytest.mark.parametrize("status", sorted({kind.status for kind in EVENT_KINDS.values()} | {"retry"}))
def test_a_card_fits_in_both_formats(activity_format: contract.ActivityFormat, status: Status) -> None:
    state = ContentState(status=status, session_title="ü" * 120, last_message="\U0001f6a2" * 120)
    event = sealed(msgspec.structs.replace(ALERT, content_state=state), KEY)
    assert event.content_state
    content = ActivityContent(
        event="start",
        timestamp=1,
        state=event.content_state,
        session_id="s" * 128,
        url=contract.session_link("s" * 128),
    )
    payload = activity_payload(content, activity_format)
    assert len(payload) <= MAX_PAYLOAD
    assert event.content_state.enc
    assert event.content_state.enc.ct in payload.decode()
