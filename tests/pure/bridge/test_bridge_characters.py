"""What is not seen does not hide in what somebody reads: CVE-2021-42574 and CVE-2021-42694 (https://trojansource.codes).

That people approve commands whose look is not what runs: YishenTu/claudian#923, anomalyco/opencode#38526.
"""

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.bridge.notify.mapping import Sender, event
from relay.bridge.notify.source import Change, Kind
from relay.bridge.notify.text import plain, visible

BIDI = [*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C]
ZERO_WIDTH = [
    0x200B,
    0x2060,
    0xFEFF,
    0x00AD,
    0x180E,
    0x034F,
    0x115F,
    0x3164,
    0x2063,
    0xE0041,
    0xFE0F,
    0xE0100,
    0x2800,
]
CONTROLS = [*range(0x00, 0x09), *range(0x0E, 0x20), *range(0x7F, 0xA0)]
UNSEEN = regex.compile(r"[\p{Cc}\p{Bidi_Control}\u200b\u2060\ufeff\u00ad]")
KEPT = [
    "👩‍👩‍👧",
    "👍🏽",
    "🇩🇪",
    "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "1\ufe0f\u20e3",
    "❤\ufe0f",
    "❤\ufe0f\u200d🔥",
    "क्\u200dषि",
    "می\u200cخواهم",
    "e\u0301",
    "한",
    "ไทย",
]
SENDER = Sender("s3cret-s3cret-s3cret", "0123456789abcdef")


@pytest.mark.parametrize(
    "code", [*BIDI, *ZERO_WIDTH, *(code for code in CONTROLS if code not in (0x1C, 0x1D, 0x1E, 0x1F, 0x85))]
)
def test_what_is_not_seen_is_left_out_of_sentences_and_shown_in_commands(code: int) -> None:
    assert plain(f"Fix{chr(code)} it") == "Fix it"
    shown = visible(f"rm{chr(code)} x")
    assert shown != "rm x"
    assert shown.startswith("rm")
    assert shown.endswith(" x")
    assert not UNSEEN.search(shown)


@pytest.mark.parametrize("text", KEPT)
def test_what_belongs_to_a_visible_character_is_kept(text: str) -> None:
    """Unicode Technical Standard 51 and Standard Annex 31, 2.3."""
    assert plain(f"a {text} b") == f"a {text} b"
    assert visible(f"echo {text} b") == f"echo {text} b"


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("npm test\nrm -rf /", "npm test ⏎ rm -rf /"),
        ("npm test\r\nrm -rf /\n", "npm test ⏎ rm -rf /"),
        ("a\u2028b\u2029c\x85d", "a ⏎ b ⏎ c ⏎ d"),
        ("echo ok\rrm -rf /", "echo ok␍rm -rf /"),  # a terminal writes the second over the first
        ("echo \x1b[2K\x1b[1Aok", "echo ␛[2K␛[1Aok"),
        ("a\tb", "a b"),
        ("rm -rf\u00a0/", "rm -rf[U+00A0]/"),
        ("access \u202e\u2066// if admin\u2069", "access [U+202E][U+2066]// if admin[U+2069]"),
        ("curl examp\u200ble.com", "curl examp[U+200B]le.com"),
        ("\u0441url example.com", "[U+0441]url example.com"),  # a Cyrillic letter
        ("git commit -m 'Исправил ошибку'", "git commit -m 'Исправил ошибку'"),
        ("echo 漢字，かな", "echo 漢字，かな"),
        ("cat a\u2215b", "cat a[U+2215]b"),
        ("ls  -l   x", "ls  -l   x"),
        ("  ls  ", "ls"),
        ("", ""),
    ],
)
def test_a_command_is_shown_as_it_will_run(command: str, shown: str) -> None:
    assert visible(command) == shown


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("Fix\nthe\r\nlogin", "Fix the login"),
        ("\u202eFix it\u202c", "Fix it"),
        ("a \u200b b", "a b"),
        ("a\tb\u00a0c\u3000d", "a b c d"),
        ("مرحبا \u202bworld", "مرحبا world"),
        ("half \ud83d", "half \ufffd"),
    ],
)
def test_a_title_is_one_line_of_what_is_seen(title: str, shown: str) -> None:
    assert plain(title) == shown


@settings(deadline=None, max_examples=100)
@given(
    st.sampled_from(["asked", "complete", "error", "interrupted", "stopped"]),
    st.text(st.characters() | st.sampled_from([chr(code) for code in BIDI + ZERO_WIDTH + CONTROLS])),
    st.text(st.characters() | st.sampled_from([chr(code) for code in BIDI + ZERO_WIDTH + CONTROLS])),
)
def test_nothing_that_leaves_the_bridge_holds_a_control_or_bidi_character(
    kind: Kind, title: str, text: str
) -> None:
    sent = event(Change(kind, "ses_a", "evt_1"), title, text, SENDER)
    assert sent.content_state is not None
    for one in (
        sent.title or "",
        sent.body or "",
        sent.content_state.session_title,
        sent.content_state.last_message,
    ):
        assert not UNSEEN.search(one)


@settings(deadline=None, max_examples=100)
@given(st.text(st.characters() | st.sampled_from("a\u200d\u200c\ufe0f👩🏽🏴\U000e0067\U000e007f\u094d \n")))
def test_what_was_made_visible_once_stays(text: str) -> None:
    assert visible(visible(text)) == visible(text)
    assert not UNSEEN.search(plain(text))
