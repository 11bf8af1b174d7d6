"""What a turn of the loop logs is one write, in order; nothing that matters waits."""

import asyncio
import io
import itertools
import json
import logging
from collections.abc import Iterator
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay import log as log_module
from relay.log import FORMAT, Folded, Formatter, JsonFormatter, TurnHandler, line


class Stream(io.StringIO):
    """Remembers its writes."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        self.writes.append(text)
        return len(text)


@pytest.fixture
def stream() -> Stream:
    return Stream()


@pytest.fixture
def log(stream: Stream) -> Iterator[logging.Logger]:
    logger = logging.getLogger("relay.tests.output")
    handler = TurnHandler(stream)
    logger.addHandler(handler)
    logger.propagate = False
    logger.setLevel(logging.INFO)
    yield logger
    logger.removeHandler(handler)


async def test_the_lines_of_a_turn_are_one_write(log: logging.Logger, stream: Stream) -> None:
    log.info("one")
    log.info("two")
    assert stream.writes == []
    await asyncio.sleep(0)
    log.info("three")
    await asyncio.sleep(0)
    assert stream.writes == ["one\ntwo\n", "three\n"]


async def test_what_a_format_leaves_empty_is_no_line(log: logging.Logger, stream: Stream) -> None:
    log.handlers[0].setFormatter(logging.Formatter("%(message)s"))
    log.warning("")
    log.warning("two")
    assert stream.writes == ["two\n"]


async def test_a_warning_does_not_wait_and_nothing_overtakes_another(
    log: logging.Logger, stream: Stream
) -> None:
    log.info("one")
    log.warning("two")
    log.info("three")
    assert stream.writes == ["one\ntwo\n"]
    await asyncio.sleep(0)
    assert stream.writes == ["one\ntwo\n", "three\n"]


def test_where_no_loop_runs_nothing_waits(log: logging.Logger, stream: Stream) -> None:
    log.info("one")
    assert stream.writes == ["one\n"]


def test_what_waits_when_the_loop_ends_is_written_by_the_next_line(
    log: logging.Logger, stream: Stream
) -> None:
    async def last_words() -> None:
        log.info("one")

    loop = asyncio.new_event_loop()
    loop.run_until_complete(last_words())
    loop.close()
    log.info("two")
    assert "".join(stream.writes) == "one\ntwo\n"


def test_a_line_that_cannot_be_made_is_told_and_stops_nothing(
    stream: Stream, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = TurnHandler(stream)
    for message in ("%d", "%s"):
        handler.handle(logging.LogRecord("relay", logging.INFO, "", 0, message, ("two",), None))
    assert stream.writes == ["two\n"]
    assert "Logging error" in capsys.readouterr().err


def record(said: object, at: float = 1_800_000_000.123, level: int = logging.INFO) -> logging.LogRecord:
    made = logging.LogRecord("relay.x", level, "", 0, said, None, None)
    made.created, made.msecs = at, int(at * 1000) % 1000 + 0.0
    return made


@pytest.mark.parametrize("at", [0.0, 1_800_000_000.0, 1_800_000_000.999, 1_800_000_001.5])
def test_times_are_utc_and_say_so(at: float) -> None:
    ours = Formatter(FORMAT)
    for created in (at, at + 0.0004, at + 1):
        text = ours.format(record("said", created))
        stamp, _, rest = text.partition(" ")
        assert rest == "INFO relay.x said"
        assert stamp.endswith("Z")
        assert datetime.fromisoformat(stamp).timestamp() == pytest.approx(created, abs=0.002)


class TestJson:
    def read(self, said: object) -> dict[str, object]:
        text = JsonFormatter(FORMAT).format(record(said))
        assert len(text.splitlines()) == 1
        found: dict[str, object] = json.loads(text)
        return found

    def test_a_line_with_its_fields(self) -> None:
        assert self.read(line("sent", eventID="e1", count=2, late=0.5, at="x", none=None)) == {
            "at": "2027-01-15T08:00:00.123Z", "level": "INFO", "logger": "relay.x", "what": "sent",
            "eventID": "e1", "count": 2, "late": 0.5, "at_": "x",
        }  # fmt: skip

    def test_words_of_somebody_else(self) -> None:
        assert self.read("plain\nwords")["what"] == "plain\nwords"

    def test_a_traceback_is_one_field(self) -> None:
        error = ValueError("no")
        made = record("broken")
        made.exc_info = (ValueError, error, None)
        said = json.loads(JsonFormatter(FORMAT).format(made))
        assert said["traceback"].endswith("ValueError: no")


@pytest.mark.parametrize(
    ("given", "level", "is_json"),
    [
        ({}, logging.INFO, False),
        ({"RELAY_LOG_LEVEL": " Warning ", "RELAY_LOG": "JSON"}, logging.WARNING, True),
        ({"RELAY_LOG_LEVEL": "loud", "RELAY_LOG": "xml"}, logging.INFO, False),
    ],
)
def test_what_the_environment_wants(given: dict[str, str], level: int, is_json: bool) -> None:
    assert (log_module.level_in(given, logging.INFO), log_module.is_json(given)) == (level, is_json)


def test_installed(monkeypatch: pytest.MonkeyPatch, stream: Stream) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    for name in ("_srcfile", "logThreads", "logProcesses", "logMultiprocessing"):
        monkeypatch.setattr(logging, name, getattr(logging, name))
    log_module.install(logging.INFO, stream)
    logging.getLogger("relay.tests.installed").info("said")
    (line,) = stream.writes
    assert line.endswith(" INFO relay.tests.installed said\n")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "sent"),
        ({"eventID": "ab12", "count": 2}, "sent eventID=ab12 count=2"),
        ({"reason": "no answer"}, 'sent reason="no answer"'),
        ({"reason": 'say "hi"\nnow'}, r'sent reason="say \"hi\"\nnow"'),
        ({"reason": ""}, 'sent reason=""'),
        ({"a": "x=y", "b": None, "c": False}, 'sent a="x=y" c=False'),
        ({"retry_in": 0.123456}, "sent retry_in=0.123"),
        ({"reason": "schön"}, "sent reason=schön"),
    ],
)
def test_keys_and_values(fields: dict[str, object], text: str) -> None:
    assert line("sent", **fields) == text


@settings(deadline=None, max_examples=60)
@given(st.text())
def test_a_line_is_one_line(value: str) -> None:
    assert len(line("sent", value=value).splitlines()) == 1


# Lines that come again and again.


class Minutes:
    """Lines through `Folded`, on seconds that the test moves."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        self.now, self.caplog = 0.0, caplog
        self.folded = Folded(logging.getLogger("relay.tests.folded"), lambda: self.now)

    def write(self, reason: str, level: int = logging.INFO, times: int = 1) -> None:
        for number in range(times):
            self.folded.write(level, f"failed reason={reason} number={number}", reason=reason)

    def said(self) -> list[tuple[int, str]]:
        found = [(record.levelno, record.getMessage()) for record in self.caplog.records]
        self.caplog.clear()
        return found


@pytest.fixture
def minutes(caplog: pytest.LogCaptureFixture) -> Minutes:
    return Minutes(caplog)


def test_the_first_of_a_kind_is_written_and_the_others_are_counted(minutes: Minutes) -> None:
    minutes.write("A", times=5)
    minutes.write("B")
    assert minutes.said() == [(20, "failed reason=A number=0"), (20, "failed reason=B number=0")]
    minutes.now = 59.9
    minutes.folded.flush()
    assert minutes.said() == []
    minutes.now = 60.0
    minutes.folded.flush()
    assert minutes.said() == [(20, "and more of the same lines=4 reason=A")]
    minutes.write("A")
    assert minutes.said() == [(20, "failed reason=A number=0")]


def test_a_new_minute_begins_with_a_whole_line_and_the_count_of_the_last(minutes: Minutes) -> None:
    minutes.write("A", times=3)
    minutes.said()
    minutes.now = 61.0
    minutes.write("A")
    assert minutes.said() == [(20, "and more of the same lines=2 reason=A"), (20, "failed reason=A number=0")]


def test_the_count_is_as_loud_as_the_loudest_of_its_lines(minutes: Minutes) -> None:
    minutes.write("A")
    minutes.write("A", logging.ERROR, times=2)
    minutes.said()
    minutes.folded.flush(all_of_them=True)
    assert minutes.said() == [(logging.ERROR, "and more of the same lines=2 reason=A")]
    minutes.folded.flush(all_of_them=True)
    assert minutes.said() == []


def test_kinds_without_end_are_one_kind(minutes: Minutes) -> None:
    for number in range(5000):
        minutes.write(str(number))
    assert len(minutes.said()) == Folded.MOST + 1
    minutes.folded.flush(all_of_them=True)
    ((_, text),) = minutes.said()
    assert text == f"and more of the same lines={5000 - Folded.MOST - 1}"


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ABC"), st.floats(0, 40)), max_size=60))
def test_no_line_is_lost_and_none_is_written_twice_in_a_minute(steps: list[tuple[str, float]]) -> None:
    logger, handler = logging.getLogger("relay.tests.folding"), logging.StreamHandler(io.StringIO())
    logger.propagate, logger.handlers = False, [handler]
    logger.setLevel(logging.INFO)
    now, whole = 0.0, []
    folded = Folded(logger, lambda: now)
    for kind, pause in steps:
        now += pause
        folded.write(logging.INFO, f"whole {kind} {now}", kind=kind)
    folded.flush(all_of_them=True)
    lines = handler.stream.getvalue().splitlines()
    for kind in "ABC":
        whole = [float(text.split()[2]) for text in lines if text.startswith(f"whole {kind} ")]
        more = [int(text.split("lines=")[1].split()[0]) for text in lines if text.endswith(f"kind={kind}")]
        assert len(whole) + sum(more) == sum(1 for one, _ in steps if one == kind)
        assert all(later - earlier >= Folded.SECONDS for earlier, later in itertools.pairwise(whole))
