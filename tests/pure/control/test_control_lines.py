"""A line for every push: what APNs answered, what became of it and why; and a line for what comes later."""

import time

import pytest

from simulator.journal import Entry
from simulator.lab.lines import Lines, line, printable
from simulator.output import Output, fitted

AT = time.mktime((2026, 11, 30, 4, 29, 14, 0, 0, -1))
CARD = {"sessionTitle": "Fix the login", "status": "working"}


def _push(status: int | None = 200, reason: str | None = None, **detail: object) -> Entry:
    return Entry(AT, "apns", "push", {"push_type": "alert", "status": status, "reason": reason, "fault": None} | detail)  # fmt: skip


def _delivery(outcome: str, why: str | None = None, device: str | None = "iPhone") -> Entry:
    return Entry(AT, "apns", "delivery", {"outcome": outcome, "why": why, "device": device})


def _phone(what: str, **detail: object) -> Entry:
    return Entry(AT, "phone", what, {"phone": "iPhone"} | detail)


def _channel(status: int, reason: str | None = None, **detail: object) -> Entry:
    return Entry(AT, "apns", "channel", {"status": status, "reason": reason, "push_type": None} | detail)


SENT = _delivery("sent")
LINES: tuple[tuple[list[Entry], str], ...] = (
    ([_push(), SENT, _phone("shown", title="Fix the login")], 'alert 200 shown "Fix the login"'),
    ([_push(), SENT, _phone("shown", title="", body="Hi")], 'alert 200 shown "Hi"'),
    ([_push(), SENT, _phone("replaced", title="Done")], 'alert 200 shown "Done" in the place of an older one'),
    ([_push(push_type=None), SENT, _phone("updated", badge=3)], "alert 200 set the badge to 3"),
    ([_push(push_type="background"), SENT, _phone("woken")], "background 200 woke the app"),
    ([_push(push_type="widgets"), SENT, _phone("reloaded")], "widgets 200 reloaded the widgets"),
    ([_push(push_type="liveactivity"), SENT, _phone("dropped", why="it has no alert")], "liveactivity 200 dropped: no alert"),
    ([_push(push_type="liveactivity"), SENT, _phone("started", contentState=CARD)], 'liveactivity 200 card started "Fix the login" working'),
    ([_push(push_type="liveactivity"), SENT, _phone("updated", activity="activity-2")], "liveactivity 200 card updated activity-2"),
    ([_push(push_type="liveactivity"), SENT, _phone("deferred", why="priority 5")], "liveactivity 200 waits: the phone saves power (priority 5)"),
    ([_push(), SENT, _phone("dropped", why="it cannot be read: KeyError()")], "alert 200 dropped: it cannot be read: KeyError()"),
    ([_push(), _delivery("stored")], "alert 200 stored until the phone is back"),
    ([_push(), _delivery("discarded", "notifications_off")], "alert 200 discarded: notifications are off"),
    ([_push(), _delivery("discarded", "a new word")], "alert 200 discarded: a new word"),
    ([_push(), _delivery("sent", device=None)], "alert 200 sent, and the token leads to no phone"),
    ([_push(), SENT], "alert 200 sent"),
    ([_push()], "alert 200"),
    ([_push(400, "TopicDisallowed", why="no app here has the topic 'x'")], "alert 400 TopicDisallowed: no app here has the topic 'x'"),
    ([_push(400, "NewReason")], "alert 400 NewReason"),
    ([_push(429, "TooManyRequests", fault="AnswerWith")], "alert 429 (a fault rule) TooManyRequests"),
    ([_push(None, fault="Stall")], "alert no answer (a fault rule)"),
    ([_channel(201, method="POST", channel_id="abc=")], "channel 201 POST abc="),
    ([_channel(400, "BadChannelId")], "channel 400 BadChannelId: apns-channel-id is not base64"),
    ([_delivery("discarded", "expired")], "push discarded: its time had passed"),
    ([_phone("shown", title="Later")], 'iPhone shown "Later"'),
    ([Entry(AT, "apns", "stream_reset", {"code": 1, "why": "no :path"})], "a request was reset: 1, no :path"),
    ([Entry(AT, "apns", "protocol_error", {"code": 1, "message": "m"})], "a connection ended: 1, m"),
    ([Entry(AT, "apns", "connection_crashed", {"error": "e"})], "a connection crashed: e"),
)  # fmt: skip


@pytest.mark.parametrize(("entries", "words"), LINES, ids=lambda one: one if isinstance(one, str) else "")
def test_each_outcome_has_its_line(entries: list[Entry], words: str) -> None:
    assert line(entries) == f"04:29:14 {words}"


@pytest.mark.parametrize(
    "entry",
    [SENT, _phone("set", key="online"), Entry(AT, "apns", "connection_opened"), Entry(AT, "world", "x")],
)
def test_what_says_nothing_new_has_none(entry: Entry) -> None:
    assert line([entry]) is None


def test_the_words_of_a_provider_cannot_command_the_terminal() -> None:
    found = line([_push(), SENT, _phone("shown", title="a\x1b[31m\r\nb\tc\u202e")])
    assert found == '04:29:14 alert 200 shown "a\ufffd[31m b c\ufffd"'
    assert printable("ok — “yes”") == "ok — “yes”"


def test_entries_are_put_together_push_by_push() -> None:
    shown: list[str] = []
    lines = Lines(shown.append)
    lines.flush()
    for entry in (_push(), SENT, _phone("shown", title="1"), _push(), SENT, _phone("shown", title="2")):
        lines.take(entry)
    assert shown == ['04:29:14 alert 200 shown "1"']
    lines.flush()
    lines.take(_phone("shown", title="3"))
    lines.take(_phone("set", key="online"))
    assert shown[1:] == ['04:29:14 alert 200 shown "2"', '04:29:14 iPhone shown "3"']


def test_a_reader_that_is_too_slow_misses_lines_and_is_told_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output, room = Output(), [True, False, False, True]
    monkeypatch.setattr("simulator.output._has_room", lambda: room.pop(0))
    for text in "abcd":
        output.write(text)
    assert capsys.readouterr().out.splitlines() == ["a", "(2 lines were not read in time)", "d"]


def test_without_a_reader_nothing_is_printed_and_nothing_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object, **__: object) -> None:
        raise BrokenPipeError

    output = Output()
    monkeypatch.setattr("builtins.print", gone)
    output.write("a")
    monkeypatch.undo()
    output.write("b")  # and stays silent


def test_a_long_line_is_broken_between_words_on_a_narrow_terminal() -> None:
    text = "04:29:14 alert 400 TopicDisallowed: no app here has the topic 'com.example.other'"
    assert fitted(text, None) == fitted(text, 100) == text
    broken = fitted(text, 60).splitlines()
    assert [len(one) <= 60 for one in broken] == [True, True]
    assert broken[1].startswith(" " * 9 + "topic")
