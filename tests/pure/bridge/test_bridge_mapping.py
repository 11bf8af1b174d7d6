"""What the relay gets for a change: type, title, body and an id that stays."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay import contract
from relay.bridge.events import Info, Message, Part
from relay.bridge.mapping import DEFAULT_BODIES, EVENT_TYPES, TITLE_PREFIXES, Sender, event
from relay.bridge.sessions import Change, Kind
from relay.bridge.text import units

SENDER = Sender("s3cret-s3cret-s3cret", "0123456789abcdef")


def message(role: str, *parts: Part | str) -> Message:
    pieces = [Part(type="text", text=part) if isinstance(part, str) else part for part in parts]
    return Message(info=Info(id="msg_1", role=role), parts=pieces)


def mapped(kind: Kind, title: str | None = "Fix it", *messages: Message) -> contract.Event:
    return event(Change(kind, "ses_a", "evt_1"), title, messages, SENDER)


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
def test_bodies(messages: list[Message], body: str | None) -> None:
    for kind, event_type in EVENT_TYPES.items():
        assert mapped(kind, "Fix it", *messages).body == (body or DEFAULT_BODIES[event_type])


def test_the_event_id_is_the_same_for_the_same_fact_only() -> None:
    def id_of(change: Change, sender: Sender = SENDER) -> Any:
        return event(change, "any title", [], sender).event_id

    first = Change("complete", "ses_a", "evt_1")
    assert id_of(first) == event(first, "another", [message("assistant", "x")], SENDER).event_id
    others = [
        Change("error", "ses_a", "evt_1"),
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
    assert set(TITLE_PREFIXES) == set(DEFAULT_BODIES) == set(EVENT_TYPES.values())


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(sorted(EVENT_TYPES)), st.none() | st.text(), st.lists(st.text()))
def test_titles_and_bodies_always_fit_and_are_never_empty(
    kind: Kind, title: str | None, texts: list[str]
) -> None:
    sent = mapped(kind, title, *(message("assistant", text) for text in texts))
    for text in (sent.title, sent.body):
        assert text
        assert units(text) <= 140
    assert contract.decode(contract.encode(sent), contract.Event) == sent
