"""The demo's picture: every line of the timeline, both layouts, and the screen beside it."""

import pytest
from rich.console import Console

from simulator.journal import Entry
from simulator.phone.notifications import Notification
from simulator.phone.screen import Screen
from simulator.replay.view import SENTENCES, timeline_line, world_view

DETAILS = {
    "type": "session.idle", "sessionID": "ses_e042c66e1ffekMYgmfDUQ7tyOs", "url": "http://127.0.0.1:1", "token": "…abcd",
    "eventType": "complete", "deliveries": "2", "status": 200, "reason": None, "latencyMs": "7",
    "apnsID": "9c5b1a2e-0000", "push_type": "alert", "title": "Fix auth bug", "why": "expired", "version": "1.18.33",
    "delay": "0.5", "outcome": "accepted",
    "contentState": {"status": "retry", "sessionTitle": "Fix it", "lastMessage": "m", "retryInfo": "Retry 2 in 8s"},
}  # fmt: skip


def _picture(width: int, height: int, entries: list[Entry]) -> str:
    screen = Screen()
    screen.show(Notification(title="Fix auth bug", body="All 42 tests pass.", at=100.0, apns_id="a"))
    console = Console(width=width, height=height, force_terminal=False)
    view = world_view(
        screen=screen, entries=entries, playing="a_text: An answer", now=160.0, width=width, height=height
    )
    with console.capture() as capture:
        console.print(view, height=height)
    return capture.get()


@pytest.mark.parametrize(("where", "what"), SENTENCES)
def test_every_kind_of_entry_has_a_line(where: str, what: str) -> None:
    line = timeline_line(Entry(100.25, where, what, DETAILS))
    assert line is not None
    assert "None" not in line.plain
    assert len(line.plain) > 20


def test_what_a_card_says_is_on_its_line() -> None:
    line = timeline_line(Entry(100.25, "phone", "updated", DETAILS))
    assert line is not None
    assert line.plain.endswith("card “Fix it” retry: Retry 2 in 8s")
    assert timeline_line(Entry(1.0, "apns", "connection_opened", {})) is None  # nobody wants to see it
    unreadable = timeline_line(Entry(100.25, "phone", "updated", {}))
    assert unreadable is not None
    assert "card “” ?" in unreadable.plain


def test_the_phone_is_beside_the_timeline_and_the_scenario_below() -> None:
    picture = _picture(120, 20, [Entry(100.0, "relay", "register", DETAILS)])
    lines = picture.splitlines()
    assert len(lines) <= 20
    assert any("iPhone" in line and "What happens" in line for line in lines)
    assert any("Fix auth bug" in line and "1m ago" in line for line in lines)
    assert "All 42 tests pass." in picture
    assert "registered" in picture
    assert "a_text: An answer" in lines[-1]


def test_on_a_narrow_terminal_they_are_above_each_other() -> None:
    picture = _picture(80, 24, [Entry(100.0, "relay", "register", DETAILS)])
    lines = picture.splitlines()
    assert not any("iPhone" in line and "What happens" in line for line in lines)
    assert all(words in picture for words in ("iPhone", "What happens", "Fix auth bug", "registered"))


def test_late_lines_are_put_where_they_belong_and_the_newest_fit() -> None:
    entries = [Entry(float(at), "phone", "shown", {"title": f"n{at}"}) for at in (*range(1, 40), 0)]
    picture = _picture(120, 20, entries)
    assert "n39" in picture
    assert "n0" not in picture
    assert picture.index("n37") < picture.index("n38") < picture.index("n39")
