"""The lock screen, as data and as text."""

import pytest

from simulator.phone.notifications import Notification
from simulator.phone.screen import Screen

NOW = 1_795_226_400.0


def notification(title: str = "Done", body: str = "", at: float = NOW, **more) -> Notification:
    return Notification(title, body, at, apns_id=title, **more)


def titles(screen: Screen) -> list[str]:
    return [held.title for held in screen.notifications]


def test_a_new_screen_is_empty() -> None:
    assert Screen().notifications == ()
    assert Screen().lines(NOW) == ["No notifications"]


def test_the_newest_is_on_top() -> None:
    screen = Screen()
    for title in ("one", "two", "three"):
        assert screen.show(notification(title)) is None
    assert titles(screen) == ["three", "two", "one"]


def test_the_same_collapse_id_takes_the_place() -> None:
    screen = Screen()
    first = notification("one", collapse_id="a")
    screen.show(first)
    screen.show(notification("two", collapse_id="b"))
    assert screen.show(notification("again", collapse_id="a")) == first
    assert titles(screen) == ["two", "again"]


def test_without_a_collapse_id_nothing_is_replaced() -> None:
    screen = Screen()
    for collapse_id in (None, None, ""):
        assert screen.show(notification("same", collapse_id=collapse_id)) is None
    assert titles(screen) == ["same", "same", "same"]


def test_what_was_removed_is_not_replaced() -> None:
    screen = Screen()
    first = notification("one", collapse_id="a")
    screen.show(first)
    screen.remove(first)
    assert screen.show(notification("two", collapse_id="a")) is None
    assert titles(screen) == ["two"]


def test_the_screen_as_text() -> None:
    screen = Screen()
    screen.show(notification("Fix the build", "All tests are green again.", NOW - 130))
    asks = notification(
        "Action Needed: deploy", "bash: git push", subtitle="build", interruption_level="time-sensitive"
    )
    screen.show(asks)
    assert screen.lines(NOW, 32) == [
        "! Action Needed: deploy      now",
        "build",
        "bash: git push",
        "",
        "Fix the build             2m ago",
        "All tests are green again.",
    ]


def test_long_texts_are_cut_to_the_width() -> None:
    screen = Screen()
    screen.show(notification("word " * 30, "many words " * 30))
    lines = screen.lines(NOW, 40)
    assert len(lines) == 3
    assert all(len(line) <= 40 for line in lines)
    assert lines[-1].endswith("…")


def test_without_a_title_the_app_is_named() -> None:
    screen = Screen()
    screen.show(notification("", "only a body"))
    assert screen.lines(NOW, 30)[0].startswith("Control")


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
    screen.show(notification(at=NOW - seconds))
    assert screen.lines(NOW)[0].endswith(f" {age}")
