"""The bridge's log in words for the person at the terminal."""

import logging
import re
from pathlib import Path

import pytest

import relay.bridge
from relay.bridge.people import WORDS, PeopleFormatter, in_words
from relay.log import Line, line


def record(said: object, level: int = logging.INFO, **more: object) -> logging.LogRecord:
    made = logging.LogRecord("relay.bridge", level, "", 0, said, None, None)
    vars(made).update(more)
    return made


def delivered(
    kind: str, title: str | None, sent: int = 1, failed: int = 0, queued: int = 0
) -> logging.LogRecord:
    said = line(
        "delivered", eventID="e", eventType=kind, sessionID="s", sent=sent, failed=failed, queued=queued
    )
    return record(said, title=title)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (delivered("permission", "Action Needed: Fix the login"), "rang: Action Needed, Fix the login (1 phone)"),
        (delivered("complete", "Fix the login", sent=2), "rang: Done, Fix the login (2 phones)"),
        (delivered("error", "Error: Fix it", sent=1, failed=1), "rang: Error, Fix it (1 phone, 1 refused by APNs)"),
        (delivered("error", "Fix it", sent=0, failed=1), "did not ring: Error, Fix it (0 phones, 1 refused by APNs)"),
        (delivered("complete", None, sent=0, queued=1), "not yet rung: Done (0 phones, 1 still being tried)"),
        (delivered("complete", "Fix it", sent=0), "nothing rang, for no phone is paired: Done, Fix it"),
        (delivered("progress", None), ""),
        (record(line("retry", attempt=1, eventType="complete", reason="nothing listens there")),
         "the relay does not take an alert (nothing listens there): it is tried again until it does"),
        (record(line("retry", attempt=2, eventType="complete", reason="x")), ""),
        (record(line("retry", attempt=1, eventType="progress", reason="x")), ""),
        (record(line("relay away", url="http://r", reason="nothing listens there")),
         "the relay at http://r does not answer (nothing listens there): alerts wait here until it does"),
        (record(line("secret refused", url="http://r", reason="it is none", remedy="ask"), logging.ERROR), "the relay does not take the secret: it is none -> ask"),
        (record(line("secret taken", url="http://r")), "the relay takes the secret"),
        (record(line("secret refused again", reason="x")), ""),
        (record(line("day limit", reason="status 429: Too many events of this secret: 5 a day"), logging.WARNING),
         "this OpenCode has used up its events of a day at the relay: cards move more slowly, alerts may come later"),
        (record(line("phones", count=0)), "No iPhone is paired yet: scan the code with the app"),
        (record(line("phones", count=1)), "1 iPhone paired"),
        (record(line("paired", count=1)), "iPhone paired (1)"),
        (record(line("something new", url="u")), ""),
        (record(line("something bad", url="u", reason="r", remedy="do it"), logging.WARNING), "something bad: r, u -> do it"),
        (record("words of a library", logging.ERROR), "words of a library"),
        (record("words of a library"), ""),
    ],
)  # fmt: skip
def test_words(made: logging.LogRecord, words: str) -> None:
    assert in_words(made) == words


def test_the_hour_stands_before_it() -> None:
    assert re.fullmatch(
        r"\d\d:\d\d iPhone paired \(2\)", PeopleFormatter().format(record(line("paired", count=2)))
    )
    assert PeopleFormatter().format(record(line("unheard"))) == ""


def test_every_line_in_the_table_is_one_that_the_bridge_writes() -> None:
    root = Path(relay.bridge.__file__).parent
    source = "".join(path.read_text() for path in root.rglob("*.py") if path.name != "people.py")
    assert {what for what in WORDS if f'"{what}"' not in source} == set()


def test_the_title_is_in_no_log() -> None:
    said = delivered("complete", "Geheim").msg
    assert isinstance(said, Line)
    assert "Geheim" not in said
    assert "Geheim" not in str(said.fields)
