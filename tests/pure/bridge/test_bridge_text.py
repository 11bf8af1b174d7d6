"""Texts that fit a notification."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.bridge.notify.text import MAX_UNITS, MAX_WORDS, fit, shorten
from relay.text import ELLIPSIS

any_text = st.text(st.characters() | st.characters(categories=["Cs"]))


def utf16_units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("", ""),
        ("  \n\t ", ""),
        ("one", "one"),
        (" one \n\n two\tthree ", "one two three"),
        (" ".join(["w"] * 18), " ".join(["w"] * 18)),
        (" ".join(["w"] * 19), " ".join(["w"] * 18) + "…"),
        ("x" * 140, "x" * 140),
        ("x" * 141, "x" * 139 + "…"),
        ("x" * 138 + " yy", "x" * 138 + "…"),
        ("🙂" * 70, "🙂" * 70),
        ("🙂" * 71, "🙂" * 69 + "…"),
        ("x" + "🙂" * 70, "x" + "🙂" * 69 + "…"),
        ("\ud83d", "\ufffd"),
        ("a\udc00b", "a\ufffdb"),
    ],
)
def test_shorten(text: str, short: str) -> None:
    assert shorten(text) == short


def test_a_cut_by_words_counts_its_ellipsis() -> None:
    words = ["wwwwwww"] * 17 + ["wwww"]  # 17 * 8 + 4 = 140 units: no room for the ellipsis
    assert utf16_units(" ".join(words)) == 140
    short = shorten(" ".join([*words, "more"]))
    assert short.endswith("www…")
    assert utf16_units(short) == 140


@settings(deadline=None, max_examples=60)
@given(any_text)
def test_never_longer_than_allowed(text: str) -> None:
    short = shorten(text)
    assert utf16_units(short) <= MAX_UNITS
    assert len(short.split()) <= MAX_WORDS


@settings(deadline=None, max_examples=60)
@given(any_text)
def test_always_one_clean_line_that_can_be_sent(text: str) -> None:
    short = shorten(text)
    assert short == " ".join(short.split())
    short.encode("utf-8")


@settings(deadline=None, max_examples=60)
@given(any_text)
def test_shortening_twice_changes_nothing(text: str) -> None:
    assert shorten(shorten(text)) == shorten(text)


@settings(deadline=None, max_examples=60)
@given(st.text())
def test_what_is_kept_is_the_beginning(text: str) -> None:
    line = " ".join(text.split())
    short = shorten(text)
    if short != line:
        assert short.endswith(ELLIPSIS)
        assert line.startswith(short.removesuffix(ELLIPSIS))


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
def test_a_cards_text_fits(text: str, fitted: str) -> None:
    assert fit(text) == fitted
