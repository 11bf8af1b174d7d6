"""The lock screen, as data and as text: its notifications, and what the widget shows of a Live Activity in each slot."""

import json
from typing import Any

import pytest

from phone_pushes import FLAT, T0
from simulator.phone.activitykit.activity import Activity
from simulator.phone.activitykit.attributes import EXPO_WIDGETS, SESSION
from simulator.phone.notifications import Notification
from simulator.phone.push import session_props
from simulator.phone.screen import STATUS, Screen, Slots, elapsed, slots


def activity(content_state: dict[str, Any] = FLAT, **more: Any) -> Activity:
    known = EXPO_WIDGETS if "props" in content_state else SESSION
    return Activity("a", known, {}, content_state, started_at=T0, timestamp=T0, **more)


def test_every_slot_as_text() -> None:
    state = {**FLAT, "status": "retry", "retryInfo": "Retry 2/5 in 8s"}
    shown = Screen(lambda: [activity(state)]).slots(T0 + 65)
    assert shown["a"].lines() == [
        "banner: Fix it · Retrying · Reading · Retry 2/5 in 8s",
        "compact leading: OC",
        "compact trailing: Retrying",
        "minimal: ↻",
        "expanded leading: Fix it · Retrying",
        "expanded trailing: 1:05",
        "expanded bottom: Reading · Retry 2/5 in 8s",
    ]


def test_every_status_has_a_word_and_a_mark() -> None:
    for status, (word, mark) in {**STATUS, "dancing": ("", "·")}.items():
        held = activity({**FLAT, "status": status})
        assert (slots(held, T0).compact_trailing, slots(held, T0).minimal) == (word, mark)
        held.state, held.content_state = "stale", {**FLAT, "lastMessage": "newer"}
        assert slots(held, T0).compact_trailing == f"{word}?", "what is stale is doubtful"
        assert slots(held, T0).expanded_bottom == ("Reading",), "what was drawn counts"


@pytest.mark.parametrize(
    "content_state",
    [
        {"name": "Run", "props": "{}"},
        {"name": "SessionActivity", "props": "not JSON"},
        {"name": "SessionActivity", "props": "[]"},
        {"name": "SessionActivity", "props": None},
        {"phase": "x"},
    ],
)
def test_what_the_widget_cannot_read(content_state: dict[str, Any]) -> None:
    assert session_props(content_state) is None
    assert slots(activity(content_state), T0) == Slots()
    assert Screen(lambda: [activity(content_state)]).lines(T0, 20) == ["· OpenCode          "]


def test_props_of_another_kind_are_left_out() -> None:
    props = json.dumps({"status": "working", "sessionTitle": 7, "lastMessage": "x"})
    assert slots(activity({"name": "SessionActivity", "props": props}), T0).banner == ("", "Working", "x")


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "0:00"), (0, "0:00"), (59, "0:59"), (3_599, "59:59"), (3_661, "1:01:01")]
)
def test_elapsed(seconds: float, text: str) -> None:
    assert elapsed(seconds) == text


def test_the_lock_screen_shows_activities_first() -> None:
    screen = Screen(lambda: [activity()])
    screen.show(Notification("Done", "All green.", T0, apns_id="x"))
    assert screen.lines(T0, 24) == [
        "● Fix it         Working",
        "Reading",
        "",
        "Done                 now",
        "All green.",
    ]


@pytest.mark.parametrize(
    ("shown", "places", "arrivals"),
    [
        ({"one": None, "two": None, "three": ""}, "three two one", "three two one"),
        ({"one": "", "two": ""}, "two one", "two one"),
        ({"one": "a", "two": "b", "again": "a"}, "two again", "again two"),
        ({"one": "a", "-": None, "two": "a"}, "two", "two"),
    ],
)
def test_the_same_collapse_id_takes_the_place(
    shown: dict[str, str | None], places: str, arrivals: str
) -> None:
    """ "-" takes away what arrived last; the newest is on top."""
    screen = Screen()
    for title, collapse_id in shown.items():
        if title == "-":
            screen.remove(screen.newest_first[0])
            continue
        replaced = screen.show(notification(title, collapse_id=collapse_id))
        assert (replaced is not None) == (title == "again")
    assert " ".join(held.title for held in screen.notifications) == places
    assert " ".join(held.title for held in screen.newest_first) == arrivals
    screen.clear()
    assert (screen.newest_first, screen.notifications) == ([], ())


# Notifications.


def notification(title: str = "Done", body: str = "", at: float = T0, **more) -> Notification:
    return Notification(title, body, at, apns_id=title, **more)


def test_long_texts_are_cut_to_the_width() -> None:
    long = activity({**FLAT, "sessionTitle": "word " * 20, "lastMessage": "many " * 40})
    screen = Screen(lambda: [long])
    screen.show(notification("word " * 30, "many words " * 30))
    lines = screen.lines(T0, 30)
    assert (len(lines), max(len(line) for line in lines)) == (7, 30)
    assert (lines[0][-8:], lines[3], lines[-1][-1]) == (" Working", "", "…")


def test_the_screen_as_text() -> None:
    screen = Screen()
    assert screen.lines(T0) == ["No notifications"]
    screen.show(notification("", "only a body"))
    assert screen.lines(T0, 30)[0].startswith("Control")
    screen.clear()
    screen.show(notification("Fix the build", "All tests are green again.", T0 - 130))
    asks = notification(
        "Action Needed: deploy", "bash: git push", subtitle="build", interruption_level="time-sensitive"
    )
    screen.show(asks)
    assert screen.lines(T0, 32) == [
        "! Action Needed: deploy      now",
        "build",
        "bash: git push",
        "",
        "Fix the build             2m ago",
        "All tests are green again.",
    ]


@pytest.mark.parametrize(
    ("seconds", "age"),
    [
        (-5, "now"),
        (0, "now"),
        (59, "now"),
        (60, "1m ago"),
        (3_599, "59m ago"),
        (3_600, "1h ago"),
        (200_000, "2d ago"),
    ],
)
def test_ages(seconds: float, age: str) -> None:
    screen = Screen()
    screen.show(notification(at=T0 - seconds))
    assert screen.lines(T0)[0].endswith(f" {age}")
