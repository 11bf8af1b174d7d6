"""Credentials are masked in every text that leaves the bridge, and texts that speak of them are not.

Kinds: detect-secrets' plugins and gitleaks' rules. That agents' notifications show them on lock screens:
Hy4ri/hermes-mobile#262, manaflow-ai/cmux#7336.
"""

import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pure.bridge.secret_lines import HARMLESS_LINES, SECRET_LINES, lines
from relay.bridge.notify.credentials import ANY_SHAPE, SHAPES
from relay.bridge.notify.mapping import Sender, event, progress_event, start_event
from relay.bridge.notify.redact import redact
from relay.bridge.notify.secret_names import MASK
from relay.bridge.notify.source import Change, Kind
from relay.contract import ContentState, Event

SENDER = Sender("s3cret-s3cret-s3cret", "0123456789abcdef")
SECRET = re.compile("«(.*?)»")
MARKED = lines(SECRET_LINES)
HARMLESS = lines(HARMLESS_LINES)


def unmarked(line: str) -> tuple[str, str]:
    """The line as it would be written, and the secret in it."""
    found = SECRET.search(line)
    assert found
    return line.replace("«", "").replace("»", ""), found[1]


def test_both_tables_are_long() -> None:
    assert len(MARKED) >= 100
    assert len(HARMLESS) >= 100


@pytest.mark.parametrize("line", MARKED)
def test_a_secret_is_masked(line: str) -> None:
    text, secret = unmarked(line)
    masked = redact(text)
    assert secret not in masked
    assert MASK in masked
    assert redact(masked) == masked


@pytest.mark.parametrize("line", HARMLESS)
def test_a_text_that_speaks_of_secrets_is_not_touched(line: str) -> None:
    assert redact(line) == line


def sent_texts(sent: Event) -> list[str]:
    state = sent.content_state
    assert state
    return [
        sent.title or "",
        sent.body or "",
        state.session_title,
        state.last_message,
        state.retry_info or "",
    ]


def asked_with(kind: Kind) -> Callable[[str], Event]:
    return lambda text: event(Change(kind, "ses_a", "evt_1"), text, text, SENDER)


def shown(text: str) -> ContentState:
    return ContentState(status="working", session_title=text, last_message=text, retry_info=text)


DOORS: dict[str, Callable[[str], Event]] = {
    **{kind: asked_with(kind) for kind in ("asked", "complete", "error", "interrupted", "stopped")},
    "start": lambda text: start_event("ses_a", shown(text), text, "evt_1", SENDER),
    "progress": lambda text: progress_event("ses_a", shown(text), "evt_1", SENDER),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("line", MARKED[::9])
def test_no_text_leaves_with_a_secret(line: str, door: str) -> None:
    text, secret = unmarked(line)
    assert not [one for one in sent_texts(DOORS[door](text)) if secret in one]


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(MARKED),
    st.text(st.sampled_from("ab \n.,ä漢👩\u200d\u0301"), max_size=400),
    st.text(st.sampled_from("ab \n.,ä漢👩\u200d\u0301"), max_size=400),
    st.sampled_from(["asked", "complete", "progress"]),
)
def test_a_secret_anywhere_in_any_text_is_masked(line: str, before: str, after: str, door: str) -> None:
    text, secret = unmarked(line)
    assert secret not in redact(f"{before}\n{text}\n{after}")
    for one in sent_texts(DOORS[door](f"{before}\n{text}\n{after}")):
        assert secret not in one


@settings(deadline=None, max_examples=5)
@given(st.sampled_from(MARKED), st.integers(0, 30))
def test_a_secret_at_the_place_where_a_long_text_is_cut_is_masked(line: str, shift: int) -> None:
    text, secret = unmarked(line)
    for length in (1500, 3990, 4400):
        whole = "word " * (length // 5) + "w" * shift + " " + text + " " + "word " * 4000
        for one in sent_texts(DOORS["asked"](whole)):
            assert secret not in one


@settings(deadline=None, max_examples=60)
@given(st.text())
def test_what_is_masked_stays_as_it_is(text: str) -> None:
    assert redact(redact(text)) == redact(text)


def test_a_secret_that_something_invisible_takes_apart_is_masked_as_well() -> None:
    sent = DOORS["asked"](
        "git clone https://joe:hun\u200bter2@example.com; export TOKEN=gh\u2060p_abcdefgh12345678"
    )
    assert sent.body
    assert "ter2" not in sent.body
    assert "abcdefgh12345678" not in sent.body


def test_every_shape_has_a_source_and_a_line() -> None:
    assert len({shape.name for shape in SHAPES}) == len(SHAPES)
    assert all(shape.source for shape in SHAPES)
    assert ANY_SHAPE.groups
