"""Log lines of relay and bridge read back into values."""

from calendar import timegm

import pytest

from simulator.process import parse

STAMP = "2026-11-21T03:37:01.026Z"


@pytest.mark.parametrize(
    ("text", "what", "fields"),
    [
        ("event event_id=e1 secret_hash=9f9f... deliveries=2\n", "event",
         {"event_id": "e1", "secret_hash": "9f9f...", "deliveries": "2"}),
        ('waiting url=http://x reason="says \\"no\\" = never" tries=2', "waiting",
         {"url": "http://x", "reason": 'says "no" = never', "tries": "2"}),
        ("no text sessionID=ses_1", "no text", {"sessionID": "ses_1"}),
        ("relay listening", "relay listening", {}),
    ],
)  # fmt: skip
def test_a_line_of_the_relay(text: str, what: str, fields: dict[str, str]) -> None:
    line = parse(f"{STAMP} WARNING relay.server.serve {text}")
    assert line is not None
    assert line[:4] == (
        timegm((2026, 11, 21, 3, 37, 1)) + 0.026,
        "WARNING",
        "relay.server.serve",
        what,
    )
    assert line.fields == fields


@pytest.mark.parametrize(
    "text", ["", "Traceback (most recent call last):", "  File x", "relay: PORT must be"]
)
def test_anything_else_is_no_log_line(text: str) -> None:
    assert parse(text) is None
