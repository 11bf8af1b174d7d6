"""Log lines of relay and bridge read back into facts."""

import time

import pytest

from simulator.process import parse

STAMP = "2026-11-21 03:37:01,026"


def test_a_line_of_the_relay() -> None:
    line = parse(
        f"{STAMP} INFO relay.server.routes.events event event_id=e1 event_type=complete secret_hash=9f9f... deliveries=2\n"
    )
    assert line is not None
    assert line[1:4] == ("INFO", "relay.server.routes.events", "event")
    assert line.fields == {
        "event_id": "e1",
        "event_type": "complete",
        "secret_hash": "9f9f...",
        "deliveries": "2",
    }


def test_the_time_is_the_machines_local_time_to_the_millisecond() -> None:
    line = parse(f"{STAMP} INFO relay.server.serve stopped")
    assert line is not None
    assert line.at == time.mktime((2026, 11, 21, 3, 37, 1, 0, 0, -1)) + 0.026


def test_a_quoted_value_keeps_its_spaces_and_quotes() -> None:
    line = parse(f'{STAMP} WARNING relay.bridge waiting url=http://x reason="says \\"no\\" = never" tries=2')
    assert line is not None
    assert line.fields == {"url": "http://x", "reason": 'says "no" = never', "tries": "2"}


def test_what_happened_may_be_several_words() -> None:
    line = parse(f"{STAMP} ERROR relay.bridge.notify.notifier no text sessionID=ses_1")
    assert line is not None
    assert (line.what, line.fields) == ("no text", {"sessionID": "ses_1"})


def test_a_line_without_fields() -> None:
    line = parse(f"{STAMP} INFO relay.server.serve relay listening")
    assert line is not None
    assert (line.what, line.fields) == ("relay listening", {})


@pytest.mark.parametrize(
    "text", ["", "Traceback (most recent call last):", "  File x", "relay: PORT must be a number"]
)
def test_anything_else_is_no_log_line(text: str) -> None:
    assert parse(text) is None
