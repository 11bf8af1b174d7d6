"""The demo's picture at the sizes that terminals have: the newest alert is always to be seen, one line for each event."""

import pytest
from rich.console import Console

from simulator.journal import Entry
from simulator.phone.notifications import Notification
from simulator.phone.screen import Screen
from simulator.replay.view import (
    HOPS,
    OPENCODE,
    SENTENCES,
    fitting,
    is_too_small,
    timeline_line,
    world_view,
)

DETAILS = {
    "type": "session.idle", "sessionID": "ses_e042c66e1ffekMYgmfDUQ7tyOs", "url": "http://127.0.0.1:1", "token": "abcd",
    "eventType": "complete", "deliveries": "2", "status": 400, "reason": "BadTopic", "latencyMs": "7", "outcome": "stored",
    "apnsID": "9c5b1a2e-0000", "push_type": "alert", "title": "Fix the login", "body": "All 214 tests pass.",
    "why": "it has no alert", "version": "1.18.33", "delay": "0.5",
    "contentState": {"status": "retry", "sessionTitle": "Fix the login", "lastMessage": "m", "retryInfo": "Retry 2 in 8s"},
}  # fmt: skip


def _screen(alerts: int = 1) -> Screen:
    screen = Screen()
    for number in range(alerts):
        screen.show(Notification(title=f"Fix the login {number}", body="All 214 tests pass.", at=100.0, apns_id="a"))  # fmt: skip
    return screen


def _picture(width: int, height: int, entries: list[Entry], encoding: str = "utf-8", alerts: int = 1) -> str:
    console = Console(width=width, height=height + 1, force_terminal=False)
    view = world_view(
        screen=_screen(alerts),
        entries=entries,
        playing="Two sessions at work at once; one of them asks for permission.",
        footer="http://127.0.0.1:8901/  Ctrl-C stops",
        now=160.0,
        width=width,
        height=height,
        encoding=encoding,
    )
    with console.capture() as capture:
        console.print(view)
    return capture.get()


def _line(where: str, what: str, every_hop: bool = False, **detail: object) -> str | None:
    line = timeline_line(Entry(100.25, where, what, DETAILS | detail), every_hop=every_hop)
    return None if line is None else line.plain[9:]


@pytest.mark.parametrize(("where", "what"), [*SENTENCES, *HOPS])
@pytest.mark.parametrize("every_hop", [False, True])
def test_every_kind_of_entry_has_a_line(where: str, what: str, every_hop: bool) -> None:
    line = _line(where, what, every_hop)
    assert (line is None) is (not every_hop and (where, what) not in SENTENCES)
    assert line is None or "None" not in line


@pytest.mark.parametrize("event_type", OPENCODE)
def test_events_of_both_generations_are_said_in_words(event_type: str) -> None:
    assert _line("opencode", "event", type=event_type) == f"OpenCode {OPENCODE[event_type]}"
    inside = _line("opencode", "event", type=event_type, root="ses_root")
    assert (inside is None) is event_type.startswith("session.")


def test_a_line_says_what_a_person_would() -> None:
    assert _line("phone", "shown") == "iPhone   rang: Fix the login: All 214 tests pass."
    assert _line("phone", "shown", body="") == "iPhone   rang: Fix the login"
    assert _line("phone", "updated") == "iPhone   card: Fix the login, Retrying, Retry 2 in 8s"
    assert _line("phone", "updated", contentState=None) is None  # a badge
    assert _line("phone", "started", contentState={}) == "iPhone   card: a session"
    assert _line("phone", "dropped") == "iPhone   dropped a push: no alert"
    assert (
        _line("apns", "push", why=None)
        == "APNs     refuses a push: 400 BadTopic, apns-topic is not a topic at all"
    )
    assert _line("apns", "push", status=None, reason=None, why=None) == "APNs     refuses a push: no answer"
    assert _line("apns", "push", status=200, reason=None) is None
    assert _line("apns", "push", True, status=200, reason=None) == "APNs     200 alert ...abcd"
    assert _line("apns", "delivery") == "APNs     a push is stored until the phone is back"
    assert (
        _line("apns", "delivery", outcome="discarded", why="a new word")
        == "APNs     a push is discarded: a new word"
    )
    assert _line("apns", "delivery", outcome="sent") is None
    assert _line("opencode", "event", type="message.updated") is None
    assert _line("apns", "connection_opened") is None
    started = "bridge   has started OpenCode at http://127.0.0.1:4096"
    assert _line("bridge", "started", port="4096", generation="2") == started
    assert (
        _line("bridge", "started", port="4096", generation="1")
        == f"{started}: opencode attach http://127.0.0.1:4096"
    )
    assert _line("relay", "event") is None
    assert _line("phone", "shown", title="a\x1b[2J", body="") == "iPhone   rang: a\ufffd[2J"


@pytest.mark.parametrize(("width", "height"), [(80, 23), (60, 23), (120, 36), (44, 14), (76, 20)])
def test_the_picture_fits_and_shows_alert_event_and_page(width: int, height: int) -> None:
    entries = [Entry(float(at), "phone", "shown", {"title": f"n{at}"}) for at in range(60)]
    lines = _picture(width, height, entries, alerts=30).splitlines()
    assert len(lines) == height
    assert all(len(line) <= width for line in lines)
    assert any("iPhone" in line for line in lines)
    assert (any("iPhone" in line and "What happens" in line for line in lines)) is (width >= 76)
    text = "\n".join(lines)
    assert "Fix the login 29" in text  # the newest
    assert "rang: n59" in text
    assert "http://127.0.0.1:8901/" in lines[-1]
    assert "Two sessions at work" in lines[-2]


def test_times_beside_the_phone_have_seconds_where_there_is_room() -> None:
    entries = [Entry(100.0, "relay", "register", {})]
    assert ":40 relay" in _picture(120, 23, entries)
    assert ":40 relay" in _picture(60, 23, entries)
    assert ":40 relay" not in _picture(80, 23, entries)
    assert "knows the phone" in _picture(80, 23, entries)


def test_in_ascii_everything_has_its_place() -> None:
    entries = [Entry(100.0, "phone", "shown", {"title": "“Done” …"})]
    picture = _picture(80, 23, entries, encoding="ascii")
    assert '"Done" ...' in picture
    assert "…" not in picture.replace("─", "")


def test_cards_and_older_alerts_give_way_to_the_newest_alert() -> None:
    card, alert = ["card", "text"], ["alert", "text"]
    assert fitting([card, card, card], [alert, ["old"]], 5) == [card, alert]
    assert fitting([card], [alert, ["old"]], 20) == [card, alert, ["old"]]
    assert fitting([card, card], [], 5) == [card, card]
    assert fitting([card], [alert], 2) == [alert]
    assert "No notifications" in _picture(80, 23, [], alerts=0)


@pytest.mark.parametrize(("size", "small"), [((43, 24), True), ((80, 13), True), ((44, 14), False)])
def test_a_terminal_may_be_too_small(size: tuple[int, int], small: bool) -> None:
    assert is_too_small(*size) is small


@pytest.mark.parametrize(("width", "height"), [(20, 5), (44, 6), (10, 3), (200, 4)])
def test_a_terminal_that_is_made_tiny_meanwhile_breaks_nothing(width: int, height: int) -> None:
    entries = [Entry(100.0, "phone", "shown", {"title": "x"})]
    assert len(_picture(width, height, entries, alerts=3).splitlines()) <= height
