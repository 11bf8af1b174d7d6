"""Both kinds of app: what they put into an activity, and that the phone's types and the widget can read it."""

import pytest

from simulator.phone.activitykit.attributes import decode
from simulator.phone.app.content_state import KINDS, LONGEST_MESSAGE, ContentState, one_line
from simulator.phone.push import linked_session, session_link, session_of, session_props

STATE = ContentState("retry", "Fix “it”", "Reading", "Retry 2 in 8s")


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_what_it_writes_its_own_type_can_decode_and_its_widget_reads(kind) -> None:
    attributes, content_state = kind.attributes("ses_1"), kind.content_state(STATE)
    assert decode(attributes, kind.activity_type.attributes) == attributes
    assert decode(content_state, kind.activity_type.content_state) == content_state
    assert session_of(attributes) == "ses_1"
    assert session_props(content_state) == {
        "status": "retry",
        "sessionTitle": "Fix “it”",
        "lastMessage": "Reading",
        "retryInfo": "Retry 2 in 8s",
    }


@pytest.mark.parametrize("attributes", [{}, {"url": None}, {"url": "https://example.com"}, {"sessionId": 7}])
def test_attributes_without_a_session(attributes) -> None:
    assert session_of(attributes) is None


@pytest.mark.parametrize(
    ("url", "session"),
    [
        (session_link("ses_1"), "ses_1"),
        ("mobilevoice://session/", None),
        ("mobilevoice:///?pair=x", None),
        (None, None),
        (7, None),
    ],
)
def test_links(url, session) -> None:
    assert linked_session(url) == session


def test_only_complete_and_error_end() -> None:
    statuses = ("working", "retry", "permission", "complete", "error")
    assert [ContentState(status, "", "").ends for status in statuses] == [False, False, False, True, True]


def test_texts_are_one_short_line() -> None:
    assert one_line("  a\n b\t c ") == "a b c"
    assert one_line("x" * LONGEST_MESSAGE) == "x" * LONGEST_MESSAGE
    cut = one_line("word " * 100)
    assert len(cut) <= LONGEST_MESSAGE
    assert cut.endswith("word…")
