"""Lock screen and Dynamic Island: what is to be read on them, in which colour, and what has no place."""

from itertools import pairwise
from xml.etree import ElementTree

import pytest

from simulator.drawing import colours, svg
from simulator.drawing import lock_screen as picture
from simulator.drawing.cards import UNREADABLE, activity_card, notification_card
from simulator.drawing.dynamic_island import dynamic_island
from simulator.drawing.lock_screen import lock_screen
from simulator.phone.activitykit.activity import Activity
from simulator.phone.activitykit.attributes import SESSION
from simulator.phone.notifications import Notification
from simulator.phone.screen import STATUS, Slots, slots

NOW = 1_795_254_060.0
"""Saturday, 21 November 2026, 09:41 UTC."""


def shown(
    status: str = "working", message: str = "Reads", retry: str | None = None, title: str = "Fix it"
) -> Slots:
    state = {"status": status, "sessionTitle": title, "lastMessage": message, "retryInfo": retry}
    activity = Activity("activity-1", SESSION, {"sessionId": "ses_1"}, state, NOW - 75, NOW - 75)
    return slots(activity, NOW)


def notification(title: str = "Session complete", body: str = "Done", **more: object) -> Notification:
    return Notification(title, body, more.pop("at", NOW), "id", **more)  # type: ignore[arg-type]


def texts(drawing: str) -> list[str]:
    """All texts of a picture or a piece of one, from top to bottom as drawn."""
    root = ElementTree.fromstring(drawing if drawing.startswith("<svg") else f"<g>{drawing}</g>")
    return ["".join(one.itertext()) for one in root.iter() if one.tag.rpartition("}")[2] == "text"]


# The lock screen.


def test_time_cards_and_notifications_from_top_to_bottom() -> None:
    screen = lock_screen([notification()], [shown()], NOW)
    assert texts(screen) == [
        "Saturday, 21 November", "09:41", "OC", "Fix it", "Working", "Reads", "OC", "Session complete", "now", "Done",
    ]  # fmt: skip
    assert "<title>iPhone: 1 Live Activities, 1 notifications</title>" in screen


@pytest.mark.parametrize("count", [1, 4, 5, 6, 30])
def test_what_has_no_place_is_counted(count: int) -> None:
    found = texts(lock_screen([notification(f"Title {number}") for number in range(count)], [], NOW))
    titles = [text for text in found if text.startswith("Title")]
    assert titles == [f"Title {number}" for number in range(len(titles))]
    more = count - len(titles)
    assert found[-1] == (f"{more} more" if more else "Done")
    assert len(titles) == min(count, 5)


def test_only_what_is_shown_is_drawn_and_each_has_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []

    def counted(one: Notification, now: float, width: float) -> svg.Block:
        drawn.append(one.title)
        return notification_card(one, now, width)

    monkeypatch.setattr(picture, "notification_card", counted)
    many = [notification(f"Title {number}") for number in range(500)]
    found = picture.places(many, [shown()], NOW)
    assert len(drawn) == len(found)  # one more than there is room for, one less for the activity
    assert [place.x for place in found] == [found[0].x] * len(found)
    assert all(below.y == above.y + above.height + picture.GAP for above, below in pairwise(found))
    assert found[-1].y + found[-1].height <= picture.TOP + picture.ROOM


# A notification.


@pytest.mark.parametrize(
    ("seconds", "age"), [(0, "now"), (59, "now"), (60, "1m ago"), (7_300, "2h ago"), (200_000, "2d ago")]
)
def test_the_age_of_a_notification(seconds: float, age: str) -> None:
    assert age in texts(notification_card(notification(at=NOW - seconds), NOW, 290).drawing)


@pytest.mark.parametrize(
    ("level", "said"),
    [("time-sensitive", "TIME SENSITIVE"), ("critical", "CRITICAL"), ("active", None), ("passive", None)],
)
def test_only_a_level_that_breaks_through_is_named(level: str, said: str | None) -> None:
    found = texts(notification_card(notification(interruption_level=level), NOW, 290).drawing)
    assert (said in found) if said else ("SENSITIVE" not in " ".join(found))


def test_a_notification_without_title_stands_under_the_name_of_the_app() -> None:
    card = notification_card(notification("", "Text", subtitle="Sub"), NOW, 290)
    assert texts(card.drawing) == ["OC", "Control", "now", "Sub", "Text"]


# A Live Activity.


@pytest.mark.parametrize("status", STATUS)
def test_every_status_has_its_word_and_colour(status: str) -> None:
    drawing = activity_card(shown(status), 290).drawing
    assert STATUS[status][0] in texts(drawing)
    assert colours.STATUS[status] in drawing
    others = set(colours.STATUS.values()) - {colours.STATUS[status]}
    assert not [other for other in others if other in drawing]


def test_a_retry_says_when() -> None:
    assert texts(activity_card(shown("retry", "Busy", "Retry 2 in 8s"), 290).drawing)[-2:] == [
        "Busy",
        "Retry 2 in 8s",
    ]


def test_a_stale_card_is_paler() -> None:
    fresh = Slots(("T", "Working"), "OC", "Working", "●")
    stale = Slots(("T", "Working?"), "OC", "Working?", "●")
    assert 'opacity="0.6"' in activity_card(stale, 290).drawing
    assert 'opacity="0.6"' not in activity_card(fresh, 290).drawing


def test_a_card_that_cannot_be_read_says_so() -> None:
    assert "OpenCode" in texts(dynamic_island([Slots()]))
    assert colours.GREY in activity_card(shown("dreaming"), 290).drawing
    drawing = activity_card(Slots(), 290).drawing
    assert " ".join(texts(drawing)[1:]) == f"OpenCode {UNREADABLE}"
    assert colours.GREY in drawing


# The Dynamic Island.


def test_one_activity_is_compact_and_expanded() -> None:
    assert texts(dynamic_island([])) == ["no Live Activity"]
    assert texts(lock_screen([], [], NOW))[-1] == "No notifications"
    assert texts(dynamic_island([shown()])) == [
        "OC", "Working", "compact", "Fix it", "Working", "1:15", "Reads", "expanded",
    ]  # fmt: skip


def test_of_several_two_are_minimal_and_the_first_can_be_expanded() -> None:
    picture = dynamic_island([shown("permission"), shown("retry", title="Other"), shown("error")])
    assert texts(picture) == ["minimal", "Fix it", "Needs input", "1:15", "Reads", "expanded"]
    assert colours.STATUS["retry"] in picture
    assert colours.STATUS["error"] not in picture
