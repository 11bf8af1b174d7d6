"""What the relay gets for a change: type, title, body and an id that stays."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay import contract
from relay.bridge.errors import OptionError
from relay.bridge.notify.mapping import (
    DEFAULT_TEXTS,
    EVENT_TYPES,
    STATUSES,
    Sender,
    alert_types,
    event,
    is_progress,
    progress_event,
    start_event,
)
from relay.bridge.notify.source import Change, Kind
from relay.bridge.sources.opencode1.client import newest_text
from relay.bridge.sources.opencode1.wire import Info, Message, Part
from relay.contract import ALERT_TYPES
from relay.text import utf16_units

SENDER = Sender("s3cret-s3cret-s3cret", "0123456789abcdef")
WORKING = contract.ContentState(status="working", session_title="Fix it", last_message="Starting...")


def message(role: str, *parts: Part | str) -> Message:
    pieces = [Part(type="text", text=part) if isinstance(part, str) else part for part in parts]
    return Message(info=Info(id="msg_1", role=role), parts=pieces)


def mapped(
    kind: Kind,
    title: str | None = "Fix it",
    text: str = "",
    alerts: frozenset[contract.EventType] = ALERT_TYPES,
) -> contract.Event:
    return event(Change(kind, "ses_a", "evt_1"), title, text, SENDER, alerts)


@pytest.mark.parametrize(("kind", "event_type"), EVENT_TYPES.items())
def test_the_event_names_type_session_server_and_secret(kind: Kind, event_type: str) -> None:
    sent = mapped(kind)
    assert (sent.event_type, sent.session_id) == (event_type, "ses_a")
    assert (sent.server_id, sent.secret) == (SENDER.server_id, SENDER.secret)
    assert contract.decode(contract.encode(sent), contract.Event) == sent


@pytest.mark.parametrize(
    ("kind", "session_title", "title"),
    [
        ("complete", "Fix it", "Fix it"),
        ("asked", "Fix it", "Action Needed: Fix it"),
        ("error", "Fix it", "Error: Fix it"),
        ("complete", None, "Session complete"),
        ("asked", None, "Action Needed: Session permission"),
        ("error", "", "Error: Session error"),
        ("error", "  \n", "Error: Session error"),
        ("error", "error: disk full", "error: disk full"),
        ("asked", "ACTION NEEDED: choose", "ACTION NEEDED: choose"),
        ("error", "Errors in the log", "Error: Errors in the log"),
        ("asked", "Error: x", "Action Needed: Error: x"),
        ("complete", " two\nlines ", "two lines"),
    ],
)
def test_titles(kind: Kind, session_title: str | None, title: str) -> None:
    assert mapped(kind, session_title).title == title


@pytest.mark.parametrize(
    ("messages", "body"),
    [
        ([], None),
        ([message("user", "please fix")], "please fix"),
        ([message("user", "please fix"), message("assistant", "done")], "done"),
        ([message("assistant", "old"), message("user", "more"), message("assistant", "new")], "new"),
        ([message("assistant", "old"), message("user", "more")], "old"),
        ([message("assistant", "old"), message("user", "more"), message("assistant", "")], "more"),
        (
            [
                message("user", "a"),
                message("assistant", "old"),
                message("user", Part(type="text", text="ran", synthetic=True)),
                message("assistant", Part(type="tool")),
            ],
            None,
        ),
        ([message("assistant", "said"), message("assistant", Part(type="tool"))], "said"),
        ([message("assistant", "one", Part(type="reasoning", text="hm"), "two")], "one two"),
        (
            [message("assistant", "said"), message("assistant", Part(type="text", text="x", ignored=True))],
            "said",
        ),
        ([message("user", "hi", Part(type="text", text="x", synthetic=True))], "hi"),
        ([message("user", "hi"), message("assistant", " \n ")], "hi"),
        ([message("assistant", Part(type="text"))], None),
        ([message("system", "x")], None),
    ],
)
def test_the_newest_text_of_messages(messages: list[Message], body: str | None) -> None:
    assert " ".join(newest_text(messages).split()) == (body or "")


@pytest.mark.parametrize(
    ("last_id", "text"),
    [("msg_2", "first"), ("msg_3", "first"), ("msg_4", "second"), ("evt_9", "second"), ("", "second")],
)
def test_the_text_of_a_run_is_not_that_of_the_next(last_id: str, text: str) -> None:
    said = [("user", "1"), ("assistant", "first"), ("user", "2"), ("assistant", "second")]
    messages = [
        Message(info=Info(id=f"msg_{number}", role=role), parts=[Part(type="text", text=words)])
        for number, (role, words) in enumerate(said, 1)
    ]
    assert newest_text(messages, last_id) == text


@pytest.mark.parametrize("kind", STATUSES)
def test_text_and_status_reach_the_card(kind: Kind) -> None:
    state = mapped(kind, "Fix it", "bash: npm test").content_state
    assert state == contract.ContentState(
        status=STATUSES[kind], session_title="Fix it", last_message="bash: npm test"
    )
    empty = mapped(kind, None, " ").content_state
    assert empty == contract.ContentState(
        status=STATUSES[kind], session_title="OpenCode session", last_message=DEFAULT_TEXTS[kind]
    )


def test_an_interrupted_run_rings_as_one_that_failed_in_its_own_words() -> None:
    sent = mapped("interrupted", "Fix it")
    assert (sent.event_type, sent.title, sent.body) == (
        "error",
        "Error: Fix it",
        "Interrupted: OpenCode stopped before the session was done.",
    )


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_what_rings_has_title_and_body(kind: Kind) -> None:
    assert mapped(kind, "Fix it", "bash: npm test").body == "bash: npm test"
    assert mapped(kind).body == DEFAULT_TEXTS[kind]


@pytest.mark.parametrize(
    ("kind", "alerts"),
    [(kind, ALERT_TYPES - {event_type}) for kind, event_type in EVENT_TYPES.items()]
    + [("stopped", ALERT_TYPES)],
)
def test_what_does_not_ring_moves_the_card_only(kind: Kind, alerts: frozenset[contract.EventType]) -> None:
    sent = mapped(kind, "Fix it", "words", alerts)
    assert (sent.event_type, sent.title, sent.body) == ("progress", None, None)
    assert sent.content_state == mapped(kind, "Fix it", "words").content_state
    assert is_progress(sent) == (kind == "asked")


def test_credentials_are_masked_wherever_they_come_from() -> None:
    sent = mapped("complete", "Fix it", "your key is sk-abcdefgh12345678")
    assert sent.body == "your key is ***"
    assert sent.content_state is not None
    assert sent.content_state.last_message == "your key is ***"


@pytest.mark.parametrize(
    ("directory", "body"),
    [
        ("/code/demo", "OpenCode is working on: Fix it (/code/demo)"),
        (None, "OpenCode is working on: Fix it"),
        ("/" + "x" * 120, "OpenCode is working on: Fix it"),
        ("/a b c d e f g h i j k l m", "OpenCode is working on: Fix it"),
    ],
)
def test_a_start_names_title_and_directory(directory: str | None, body: str) -> None:
    sent = start_event("ses_a", WORKING, directory, "evt_1", SENDER)
    assert (sent.event_type, sent.title, sent.body) == ("start", "Session Started", body)
    assert sent.content_state == WORKING
    assert contract.decode(contract.encode(sent), contract.Event) == sent


def test_progress_has_a_state_and_no_words_for_an_alert() -> None:
    sent = progress_event("ses_a", WORKING, "evt_1", SENDER)
    assert (sent.event_type, sent.title, sent.body) == ("progress", None, None)
    assert sent.content_state == WORKING
    assert is_progress(sent)
    assert not is_progress(start_event("ses_a", WORKING, None, "evt_1", SENDER))
    assert sent.event_id != start_event("ses_a", WORKING, None, "evt_1", SENDER).event_id


@pytest.mark.parametrize(
    ("names", "types"),
    [
        ("complete,permission,error", {"complete", "permission", "error"}),
        (" permission , error,", {"permission", "error"}),
        ("", set()),
    ],
)
def test_alert_types(names: str, types: set[str]) -> None:
    assert alert_types(names) == types


def test_an_unknown_alert_type_is_one_sentence() -> None:
    with pytest.raises(OptionError, match=r"among complete, error, permission.* but there is done, progress"):
        alert_types("complete,progress,done")


def test_the_event_id_is_the_same_for_the_same_fact_only() -> None:
    def id_of(change: Change, sender: Sender = SENDER) -> Any:
        return event(change, "any title", "", sender).event_id

    first = Change("complete", "ses_a", "evt_1")
    assert id_of(first) == event(first, "another", "x", SENDER, frozenset()).event_id
    others = [
        Change("error", "ses_a", "evt_1"),
        Change("stopped", "ses_a", "evt_1"),
        Change("complete", "ses_b", "evt_1"),
        Change("complete", "ses_a", "evt_2"),
    ]
    ids = [id_of(change) for change in (first, *others)] + [id_of(first, Sender(SENDER.secret, "other"))]
    assert len(set(ids)) == len(ids)
    assert all(len(one) == 32 and int(one, 16) for one in ids)


def test_the_repr_of_a_sender_hides_the_secret() -> None:
    assert SENDER.secret not in repr(SENDER)
    assert SENDER.server_id in repr(SENDER)


def test_every_type_has_its_texts() -> None:
    assert set(EVENT_TYPES.values()) == ALERT_TYPES
    assert set(STATUSES) == set(DEFAULT_TEXTS) >= set(EVENT_TYPES)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(sorted(EVENT_TYPES)), st.none() | st.text(), st.text())
def test_titles_and_bodies_always_fit_and_are_never_empty(kind: Kind, title: str | None, text: str) -> None:
    sent = mapped(kind, title, text)
    for words in (sent.title, sent.body):
        assert words
        assert utf16_units(words) <= 140
    assert sent.content_state is not None
    assert 0 < len(sent.content_state.last_message) <= 120
    assert sent.content_state.session_title
    assert contract.decode(contract.encode(sent), contract.Event) == sent
