"""What somebody is to decide about is shown whole, or without its middle: the dangerous part may stand at either end.

Long commands are approved by their visible part (anomalyco/opencode#38526, automic-vault/automic-vault#157);
the limit of 4096 bytes is Apple's (documented: Generating a remote notification).
"""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay import contract
from relay.alert_payload import MAX_PAYLOAD, alert_payload, cut_json, cut_json_middle
from relay.bridge.notify.mapping import Sender, event
from relay.bridge.notify.source import Change
from relay.bridge.notify.text import MAX_CARD
from relay.text import cut_middle

SENDER = Sender("s3cret-s3cret-s3cret", "0123456789abcdef")
MARK = re.compile(r"\[… (\d+) characters cut …\]")

HEREDOC = "cat > deploy.sh <<'EOF'\n" + "echo step\n" * 60 + "shutdown -h now\nEOF"
LONG = "npm test && " + "echo building module && " * 400 + "rm -rf ~/projects"


def asked(text: str, title: str = "Fix it") -> contract.Event:
    return event(Change("asked", "ses_a", "per_1"), title, text, SENDER)


def payload(sent: contract.Event) -> bytes:
    return alert_payload(
        title=sent.title or "", body=sent.body or "", event_type="permission", session_id=sent.session_id,
        server_id=sent.server_id, url=contract.session_link(sent.session_id),
    )  # fmt: skip


def test_a_request_that_fits_is_whole() -> None:
    """More than 18 words and 140 characters, which is where everything else is cut."""
    body = asked(HEREDOC).body
    assert body == HEREDOC.replace("\n", " ⏎ ")
    assert body.encode() in payload(asked(HEREDOC))


def test_a_request_that_does_not_fit_shows_both_ends_and_how_much_is_missing() -> None:
    sent = asked(LONG)
    assert sent.body
    head, missing, tail = MARK.split(sent.body)
    assert LONG.startswith(head)
    assert LONG.endswith(tail)
    assert tail.endswith("rm -rf ~/projects")
    assert len(head) + int(missing) + len(tail) == len(LONG)
    assert len(head) > 1000
    assert len(tail) > 1000
    pushed = payload(sent)
    assert len(pushed) <= MAX_PAYLOAD
    assert sent.body.encode() in pushed, "the relay has nothing left to cut"


def test_the_number_is_right_however_long_the_request_is() -> None:
    text = "npm test && " + "x" * 300_000 + " && rm -rf ~/projects"
    body = asked(text).body
    assert body
    head, missing, tail = MARK.split(body)
    assert len(head) + int(missing) + len(tail) == len(text)


def test_the_card_shows_both_ends_too() -> None:
    state = asked(LONG).content_state
    assert state is not None
    assert len(state.last_message) <= MAX_CARD
    assert state.last_message.startswith("npm test && ")
    assert state.last_message.endswith("&& rm -rf ~/projects")
    assert MARK.search(state.last_message)


def test_a_relay_cuts_the_request_of_any_other_server_in_its_middle() -> None:
    pushed = alert_payload(
        title="t", body=LONG, event_type="permission", session_id="s", server_id=None, url="u"
    )
    assert len(pushed) <= MAX_PAYLOAD
    assert b"characters cut" in pushed
    assert b"rm -rf ~/projects" in pushed
    done = alert_payload(title="t", body=LONG, event_type="complete", session_id="s", server_id=None, url="u")
    assert b"rm -rf" not in done


def test_what_is_cut_twice_says_how_much_is_missing_in_all() -> None:
    once = cut_middle("a" * 500 + "b" * 500, 400)
    twice = cut_middle(once, 100)
    head, missing, tail = MARK.split(twice)
    assert (set(head), set(tail)) == ({"a"}, {"b"})
    assert len(head) + int(missing) + len(tail) == 1000


@pytest.mark.parametrize(
    ("text", "limit", "short"),
    [
        ("abc", 3, "abc"),
        ("a" * 100, 50, "a" * 13 + "[… 74 characters cut …]" + "a" * 13),
        ("a" * 100, 30, "a" * 29 + "…"),  # no room for a mark and two parts
        ("a" * 100, 0, ""),
        ("👩‍👩‍👧" * 40, 64, "👩‍👩‍👧" * 4 + "[… 32 characters cut …]" + "👩‍👩‍👧" * 4),
        ("[… 5 characters cut …]" + "b" * 100, 60, "[… 69 characters cut …]" + "b" * 36),
        ("b" * 100 + "[… 5 characters cut …]", 60, "b" * 36 + "[… 69 characters cut …]"),
    ],
)
def test_cut_in_the_middle(text: str, limit: int, short: str) -> None:
    assert cut_middle(text, limit) == short


@settings(deadline=None, max_examples=100)
@given(
    st.text(st.sampled_from('ab \n"\\é漢🇩🇪👩\u200d\u0301\t\x1b'), max_size=3000),
    st.integers(0, 200),
    st.booleans(),
)
def test_any_text_fits_and_keeps_its_ends(text: str, limit: int, in_bytes: bool) -> None:
    short = cut_json_middle(text, limit) if in_bytes else cut_middle(text, limit)
    if in_bytes:
        assert cut_json(short, limit) == short
    else:
        assert len(short) <= limit
    if MARK.search(short):
        head, _, tail = MARK.split(short)
        assert text.startswith(head)
        assert text.endswith(tail)
    else:
        assert short in ("", text) or text.startswith(short[:-1].rstrip())


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=200), st.text(st.sampled_from('a漢🙂\\" '), max_size=4000))
def test_any_request_fits_its_alert(title: str, text: str) -> None:
    sent = asked(text, title)
    assert sent.body
    assert len(payload(sent)) <= MAX_PAYLOAD
    assert contract.decode(contract.encode(sent), contract.Event) == sent
