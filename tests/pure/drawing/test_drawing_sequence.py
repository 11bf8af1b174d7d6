"""The sequence diagram: which entries become rows, in which order, and what is drawn of them."""

import random
from typing import Any
from xml.etree import ElementTree

import pytest

from simulator.drawing import colours
from simulator.drawing.messages import ROWS, Message, messages
from simulator.drawing.sequence_diagram import sequence_diagram
from simulator.journal import Entry

AT = 1_795_254_060.0
PUSH = {"push_type": "alert", "priority": "10", "status": 200, "reason": None}
STATE = {"status": "working", "lastMessage": "Reads", "retryInfo": None}


def entry(where: str, what: str, at: float = AT, **detail: Any) -> Entry:
    return Entry(at, where, what, detail)


def row(where: str, what: str, **detail: Any) -> tuple[str, str, str, bool]:
    (message,) = messages([entry(where, what, **detail)])
    return message.sender, message.receiver, message.text, message.refused


def texts(picture: str) -> list[str]:
    root = ElementTree.fromstring(picture)
    return ["".join(one.itertext()) for one in root.iter() if one.tag.rpartition("}")[2] == "text"]


# (where, what): the detail -> who, to whom, what the row says, whether it is a refusal
EXAMPLES: dict[tuple[str, str], tuple[dict[str, Any], tuple[str, str, str, bool]]] = {
    ("opencode", "event"): ({"type": "session.idle"}, ("opencode", "bridge", "session.idle", False)),
    ("bridge", "tells"): ({"eventType": "progress", "says": "Reads"}, ("bridge", "relay", "progress: Reads", False)),
    ("relay", "event"): ({"eventType": "complete"}, ("bridge", "relay", "complete", False)),
    ("apns", "push"): (PUSH, ("relay", "apns", "alert, priority 10: 200", False)),
    ("apns", "delivery"): ({"outcome": "stored", "why": None}, ("apns", "apns", "stored", False)),
    ("phone", "shown"): ({"title": "Done", "apnsID": "1"}, ("apns", "iPhone", "shows “Done”", False)),
    ("phone", "replaced"): ({"title": "Done", "apnsID": "1"}, ("apns", "iPhone", "shows again “Done”", False)),
    ("phone", "dropped"): (
        {"why": "it has expired", "apnsID": "1"}, ("apns", "iPhone", "drops it: it has expired", True)),
    ("phone", "started"): (
        {"contentState": STATE, "apnsID": "1"}, ("apns", "iPhone", "card starts: working, Reads", False)),
    ("phone", "updated"): (
        {"contentState": STATE | {"status": "retry", "retryInfo": "Retry 2 in 8s"}, "apnsID": "1"}, ("apns", "iPhone", "card: retry, Retry 2 in 8s", False)),
    ("phone", "deferred"): (
        {"why": "priority 5", "apnsID": "1"}, ("apns", "iPhone", "card waits: priority 5", False)),
    ("phone", "ended"): ({"contentState": STATE}, ("iPhone", "iPhone", "card ends: working, Reads", False)),
    ("phone", "stale"): ({}, ("iPhone", "iPhone", "the card is stale", False)),
    ("phone", "dismissed"): ({"why": "swiped away"}, ("iPhone", "iPhone", "the card goes: swiped away", False)),
    ("phone", "set"): ({"key": "online", "value": False}, ("iPhone", "iPhone", "online: False", False)),
    ("phone", "paired"): ({}, ("iPhone", "iPhone", "pairs", False)),
    ("phone", "token changed"): ({}, ("iPhone", "iPhone", "gets a new token", False)),
    ("phone", "push-to-start token changed"): ({}, ("iPhone", "iPhone", "gets a new push-to-start token", False)),
    ("phone", "register"): ({"outcome": "accepted"}, ("iPhone", "relay", "register", False)),
    ("phone", "unregister"): ({"outcome": "unreachable"}, ("iPhone", "relay", "unregister: unreachable", True)),
    ("phone", "activity register"): ({"outcome": "accepted"}, ("iPhone", "relay", "the card's token", False)),
    ("phone", "activity unregister"): ({"outcome": "accepted"}, ("iPhone", "relay", "the card has ended", False)),
    ("world", "relay stopped"): ({}, ("relay", "relay", "stops", False)),
    ("world", "relay started"): ({}, ("relay", "relay", "starts", False)),
}  # fmt: skip


def test_every_row_has_an_example() -> None:
    assert EXAMPLES.keys() == ROWS.keys()


@pytest.mark.parametrize(("where", "what"), EXAMPLES)
def test_what_an_entry_becomes(where: str, what: str) -> None:
    detail, expected = EXAMPLES[where, what]
    detail = detail | ({"phone": "iPhone"} if where == "phone" else {})
    assert row(where, what, **detail) == expected


@pytest.mark.parametrize(
    ("detail", "text"),
    [
        ({"status": 410, "reason": "ExpiredToken"}, "alert, priority 10: 410 ExpiredToken"),
        ({"status": None}, "alert, priority 10: no answer"),
        ({"status": 500, "priority": None}, "alert, priority 10: 500"),  # Apple's default
    ],
)
def test_a_push_that_apns_does_not_take(detail: dict[str, Any], text: str) -> None:
    assert row("apns", "push", **PUSH | detail) == ("relay", "apns", text, True)


def test_what_nobody_needs_to_see_is_no_row() -> None:
    """That a push was handed over is reported by the phone."""
    silent = [entry("opencode", "event", type="message.part.updated"), entry("apns", "connection_opened")]
    assert messages([entry("apns", "delivery", outcome="sent", why=None), *silent]) == []
    assert row("apns", "delivery", outcome="discarded", why="expired")[2:] == ("discarded: expired", True)


# Order.

STORY = [
    entry("bridge", "tells", eventType="complete"),
    entry("apns", "push", **PUSH),
    entry("phone", "shown", phone="iPhone", title="Done", apnsID="1"),
    entry("apns", "push", **PUSH | {"push_type": "liveactivity"}),
    entry("phone", "ended", phone="iPhone", contentState=STATE, apnsID="2"),
    entry("phone", "activity unregister", phone="iPhone", outcome="accepted"),
]


@pytest.mark.parametrize("seed", range(20))
def test_a_step_is_reported_in_the_order_of_cause_and_effect(seed: int) -> None:
    begun, *rest = STORY
    random.Random(seed).shuffle(rest)
    assert messages([begun, *rest]) == messages(STORY)
    assert [message.text.split(":")[0] for message in messages(STORY)] == [
        "complete", "alert, priority 10", "shows “Done”", "liveactivity, priority 10", "card ends", "the card has ended",
    ]  # fmt: skip


def test_steps_keep_their_order_also_at_one_time() -> None:
    reported = [entry("bridge", "tells", eventType=kind) for kind in ("start", "error")]
    pushed = entry("apns", "push", **PUSH)
    found = [message.text.split(",")[0] for message in messages([reported[0], pushed, reported[1], pushed])]
    assert found == ["start", "alert", "error", "alert"]


# The picture.


def test_columns_of_those_who_take_part_and_times_where_they_change() -> None:
    rows = [
        Message(AT, "bridge", "relay", "complete"),
        Message(AT, "relay", "apns", "alert"),
        Message(AT + 61, "apns", "iPhone 2", "shows"),
        Message(AT + 61, "apns", "iPhone", "shows"),
    ]
    found = texts(sequence_diagram(rows))
    assert found[:5] == ["bridge", "relay", "APNs", "iPhone", "iPhone 2"]
    assert found[5:] == ["complete", "09:41:00", "alert", "shows", "09:42:01", "shows"]
    assert texts(sequence_diagram(rows, times=False))[5:] == ["complete", "alert", "shows", "shows"]


def test_a_refusal_is_red_and_dashed_and_a_note_is_a_box() -> None:
    refused = sequence_diagram([Message(AT, "relay", "apns", "410", refused=True)])
    taken = sequence_diagram([Message(AT, "relay", "apns", "200")])
    assert colours.REFUSED in refused
    assert colours.REFUSED not in taken
    note = sequence_diagram([Message(AT, "apns", "apns", "stored")])
    assert "path" not in note


def test_a_long_text_takes_two_lines_and_more_room() -> None:
    long = sequence_diagram([Message(AT, "relay", "apns", "many words " * 20)])
    short = sequence_diagram([Message(AT, "relay", "apns", "few")])
    assert _height(long) > _height(short)
    assert texts(long)[3].endswith("…")


def _height(picture: str) -> float:
    return float(ElementTree.fromstring(picture).attrib["height"])
