"""What the relay gets for a change: type, title, body, card, and an id that never changes."""

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
from relay.bridge.sources.opencode1.wire import Info, Part, SessionMessage
from relay.contract import ALERT_TYPES
from relay.text import utf16_units

SENDER = Sender("s3cret-s3cret-s3cret", "0123456789abcdef")
WORKING = contract.ContentState(status="working", session_title="Fix it", last_message="Starting...")

Alerts = frozenset[contract.EventType]


def mapped(
    kind: Kind, title: str | None = "Fix it", text: str = "", alerts: Alerts = ALERT_TYPES
) -> contract.Event:
    return event(Change(kind, "ses_a", "evt_1"), title, text, SENDER, alerts)


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_what_rings_has_title_body_card_and_sender(kind: Kind) -> None:
    sent = mapped(kind, "Fix it", "bash: npm test")
    assert (sent.event_type, sent.session_id, sent.body) == (EVENT_TYPES[kind], "ses_a", "bash: npm test")
    assert (sent.server_id, sent.secret) == (SENDER.server_id, SENDER.secret)
    assert contract.decode(contract.encode(sent), contract.Event) == sent
    assert mapped(kind).body == DEFAULT_TEXTS[kind]


@pytest.mark.parametrize("kind", STATUSES)
@pytest.mark.parametrize(
    ("title", "text", "card_title", "card_text"),
    [("Fix it", "bash: npm test", "Fix it", "bash: npm test"), (None, " ", "OpenCode session", None)],
)
def test_the_card(kind: Kind, title: str | None, text: str, card_title: str, card_text: str | None) -> None:
    assert mapped(kind, title, text).content_state == contract.ContentState(
        status=STATUSES[kind], session_title=card_title, last_message=card_text or DEFAULT_TEXTS[kind]
    )


@pytest.mark.parametrize(
    ("kind", "session_title", "title"),
    [
        ("complete", "Fix it", "Fix it"),
        ("asked", "Fix it", "Action Needed: Fix it"),
        ("error", "Fix it", "Error: Fix it"),
        ("interrupted", "Fix it", "Error: Fix it"),
        ("complete", None, "Session complete"),
        ("asked", None, "Action Needed: Session permission"),
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
    ("kind", "alerts"),
    [(kind, ALERT_TYPES - {event_type}) for kind, event_type in EVENT_TYPES.items()] + [("stopped", ALERT_TYPES)],
)  # fmt: skip
def test_what_does_not_ring_moves_the_card_only(kind: Kind, alerts: Alerts) -> None:
    sent = mapped(kind, "Fix it", "words", alerts)
    assert (sent.event_type, sent.title, sent.body) == ("progress", None, None)
    assert sent.content_state == mapped(kind, "Fix it", "words").content_state
    assert is_progress(sent) == (kind == "asked")


def test_credentials_are_masked_wherever_they_come_from() -> None:
    sent = mapped("complete", "Fix it", "your key is sk-abcdefgh12345678")
    assert sent.body == "your key is ***"
    assert sent.content_state is not None
    assert sent.content_state.last_message == "your key is ***"
    assert SENDER.secret not in repr(SENDER)


@pytest.mark.parametrize(
    ("directory", "more"),
    [
        ("/code/demo", " (/code/demo)"),
        (None, ""),
        ("/" + "x" * (140 - 34), " (/" + "x" * 106 + ")"),  # all 140 units
        ("/" + "x" * 107, ""),
        ("/a b c d e f g h i j k l", " (/a b c d e f g h i j k l)"),  # all 18 words
        ("/a b c d e f g h i j k l m", ""),
    ],
)
def test_a_start_names_title_and_directory_if_there_is_room(directory: str | None, more: str) -> None:
    sent = start_event("ses_a", WORKING, directory, "evt_1", SENDER)
    assert (sent.event_type, sent.title, sent.content_state) == ("start", "Session Started", WORKING)
    assert sent.body == f"OpenCode is working on: Fix it{more}"
    assert not is_progress(sent)


def test_progress_carries_the_card_alone() -> None:
    sent = progress_event("ses_a", WORKING, "evt_1", SENDER)
    assert (sent.event_type, sent.title, sent.body, sent.content_state) == ("progress", None, None, WORKING)
    assert is_progress(sent)
    assert not is_progress(contract.Event(secret=SENDER.secret, event_type="complete", session_id="ses_a"))


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


def test_event_ids_are_the_same_in_every_version() -> None:
    """They are written here as they were: another hash would ring again for what was sent before an update."""
    ids = {
        mapped("complete"): "bdd4ea19eb9077d9e491c59ccd0d0043",
        mapped("complete", "another title", "another text", frozenset()): "bdd4ea19eb9077d9e491c59ccd0d0043",
        mapped("asked"): "f94e32d3f0294184a2d1b3c86a0b52f4",
        mapped("interrupted"): "a108a68195dbf6b61e9d373f7b92fd75",
        mapped("error"): "a108a68195dbf6b61e9d373f7b92fd75",
        mapped("stopped"): "2c09b3ab2087e35db0f45cc271795d8a",
        start_event("ses_a", WORKING, None, "evt_1", SENDER): "aceb0296ca9b0d74fddc39120753a39f",
        progress_event("ses_a", WORKING, "evt_1", SENDER): "87582907cf6e1d03c7d8b51db678a567",
        event(Change("complete", "ses_b", "evt_1"), None, "", SENDER): "84b99e25c2c8f731c897719f64487280",
        event(Change("complete", "ses_a", "evt_2"), None, "", SENDER): "cf1c3e2ec7fb7f2065dbaab6460476a8",
        event(
            Change("complete", "ses_a", "evt_1"), None, "", Sender(SENDER.secret, "other")
        ): "5cda1491618a4b3f7cc3b0d86ef7ea90",
    }
    assert {sent.event_id: known for sent, known in ids.items()} == {known: known for known in ids.values()}


def test_every_kind_has_its_texts() -> None:
    assert set(EVENT_TYPES.values()) == ALERT_TYPES
    assert set(STATUSES) == set(DEFAULT_TEXTS) >= set(EVENT_TYPES)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(sorted(EVENT_TYPES)), st.none() | st.text(), st.text())
def test_titles_and_bodies_always_fit_and_are_never_empty(kind: Kind, title: str | None, text: str) -> None:
    sent = mapped(kind, title, text)
    assert sent.title
    assert sent.body
    assert utf16_units(sent.title) <= 140
    # A request may have as much as an alert has room for, the agent's last words as much as one sees without scrolling.
    assert kind == "asked" or utf16_units(sent.body) <= (800 if kind == "complete" else 140)
    assert sent.content_state is not None
    assert 0 < len(sent.content_state.last_message) <= 120
    assert sent.content_state.session_title
    assert contract.decode(contract.encode(sent), contract.Event) == sent


def message(role: str, *parts: Part | str, message_id: str = "msg_1") -> SessionMessage:
    pieces = [Part(type="text", text=part) if isinstance(part, str) else part for part in parts]
    return SessionMessage(info=Info(id=message_id, role=role), parts=pieces)


SYNTHETIC = Part(type="text", text="x", synthetic=True)
IGNORED = Part(type="text", text="x", ignored=True)
TOOL = Part(type="tool")


@pytest.mark.parametrize(
    ("messages", "body"),
    [
        ([], ""),
        ([message("user", "please fix")], ""),
        ([message("user", "please fix"), message("assistant", "done")], "done"),
        ([message("assistant", "old"), message("user", "more"), message("assistant", "new")], "new"),
        ([message("assistant", "old"), message("user", "more")], "old"),
        ([message("assistant", "old"), message("user", "more"), message("assistant", "")], ""),
        ([message("user", "a"), message("assistant", "old"), message("user", SYNTHETIC), message("assistant", TOOL)], ""),
        ([message("assistant", "said"), message("assistant", TOOL)], "said"),
        ([message("assistant", "one", Part(type="reasoning", text="hm"), "two")], "one\ntwo"),
        ([message("assistant", "said"), message("assistant", IGNORED)], "said"),
        ([message("user", "hi", SYNTHETIC)], ""),
        ([message("user", "hi"), message("assistant", " \n ")], ""),
        ([message("assistant", Part(type="text"))], ""),
        ([message("system", "x")], ""),
    ],
)  # fmt: skip
def test_the_newest_text_of_messages(messages: list[SessionMessage], body: str) -> None:
    assert newest_text(messages) == body


@pytest.mark.parametrize(
    ("last_id", "text"),
    [("msg_2", "first"), ("msg_3", "first"), ("msg_4", "second"), ("evt_9", "second"), ("", "second")],
)
def test_the_text_of_a_run_is_not_that_of_the_next(last_id: str, text: str) -> None:
    said = [("user", "1"), ("assistant", "first"), ("user", "2"), ("assistant", "second")]
    messages = [
        message(role, words, message_id=f"msg_{number}") for number, (role, words) in enumerate(said, 1)
    ]
    assert newest_text(messages, last_id) == text
