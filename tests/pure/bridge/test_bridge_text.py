"""Texts that fit a notification or a card, and hold no secrets."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.bridge.notify.redact import MAX_REDACTED, redact, redact_addresses
from relay.bridge.notify.text import MAX_UNITS, MAX_WORDS, card_title, fit, shorten

ANY_TEXT = st.text(st.characters() | st.characters(categories=["Cs"]))


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("  \n\t ", ""),
        (" one \n\n two\tthree ", "one two three"),
        (" ".join(["w"] * 18), " ".join(["w"] * 18)),
        (" ".join(["w"] * 19), " ".join(["w"] * 18) + "…"),
        ("x" * 140, "x" * 140),
        ("x" * 141, "x" * 139 + "…"),
        ("x" * 138 + " yy", "x" * 138 + "…"),
        ("🙂" * 70, "🙂" * 70),
        ("🙂" * 71, "🙂" * 69 + "…"),
        ("x" + "🙂" * 70, "x" + "🙂" * 69 + "…"),
        ("a\udc00b", "a\ufffdb"),
        (" ".join([*["wwwwwww"] * 17, "wwww", "more"]), " ".join([*["wwwwwww"] * 17, "www"]) + "…"),
    ],
)
def test_a_text_for_a_notification(text: str, short: str) -> None:
    assert shorten(text) == short


@settings(deadline=None, max_examples=100)
@given(ANY_TEXT)
def test_any_text_becomes_one_line_that_fits_and_can_be_sent(text: str) -> None:
    short = shorten(text)
    assert len(short.encode("utf-16-le")) // 2 <= MAX_UNITS
    assert len(short.split()) <= MAX_WORDS
    assert short == " ".join(short.split()) == shorten(short)


@pytest.mark.parametrize(
    ("text", "fitted"),
    [
        (" two\n lines ", "two lines"),
        ("x" * 120, "x" * 120),
        ("x" * 121, "x" * 119 + "…"),
        ("x" * 118 + "👍🏽" * 3, "x" * 118 + "…"),
        ("x" * 118 + " " + "y" * 9, "x" * 118 + "…"),
        ("half \ud83d", "half \ufffd"),
    ],
)
def test_a_text_for_a_card(text: str, fitted: str) -> None:
    assert fit(text) == fitted


def test_the_title_of_a_card() -> None:
    assert [card_title(title) for title in ("Fix\nit", " ", None)] == [
        "Fix it",
        "OpenCode session",
        "OpenCode session",
    ]


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-AbCd1234efgh5678",
        "ghp_abcdefghijklmnop1234",
        "github_pat_11ABCDEFG0abcdef",
        "xoxb-123456789-abcdefgh",
        "AKIAIOSFODNN7EXAMPLE",
        "AIzaSyA1234567890abcdefgh",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "hf_abcdefghijklmnop",
        "aB3" * 12,
        "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----",
    ],
)
def test_keys_are_masked_by_their_shape(secret: str) -> None:
    masked = redact(f"before {secret} after")
    assert secret not in masked
    assert masked.startswith("before ")
    assert masked.endswith("after")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("api_key=hunter2", "api_key=***"),
        ('{"token": "hunter2"}', '{"token": ***}'),
        ("OPENAI_API_KEY='two words'", "OPENAI_API_KEY=***"),
        ("x-api-key: hunter2, next", "x-api-key: ***, next"),
        ("password: hunter2", "password: ***"),
        ("Authorization: Basic aHVudGVyMg==", "Authorization: *** ***"),
        ("postgres://me:hunter2@db/x", "postgres://***@db/x"),
        ("max_tokens: 4096 are fine", "max_tokens: 4096 are fine"),
        ("git show 45a8658666813b49e67f025f87d963632dcd50b5", "git show 45a8658666813b49e67f025f87d963632dcd50b5"),
        ("a risk-averse basic idea", "a risk-averse basic idea"),
    ],
)  # fmt: skip
def test_values_are_masked_by_their_names(text: str, masked: str) -> None:
    assert redact(text) == masked


def test_a_very_long_text_is_cut_before_it_is_searched() -> None:
    """Its end is read as well as its beginning: what is to be decided may be dangerous only there."""
    long = redact("first " + "word " * 10_000 + "last")
    assert long.startswith("first ")
    assert long.endswith(" last")
    assert len(long) <= 2 * MAX_REDACTED + 40
    assert len(redact_addresses("a." * 100_000)) <= 2 * MAX_REDACTED + 40
