"""A text is cut between two visible characters, whatever is counted: code points, UTF-16 units, bytes inside JSON."""

from collections.abc import Callable

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from relay.alert_payload import cut_json
from relay.bridge.notify.redact import MAX_REDACTED, redact
from relay.bridge.notify.text import fit, shorten
from relay.text import cut, utf16_units

CLUSTERS = {
    "family": "👩‍👩‍👧",
    "skin tone": "👍🏽",
    "flag": "🇩🇪",
    "flag of flags": "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "keycap": "1\ufe0f\u20e3",
    "variation selector": "❤\ufe0f",
    "devanagari": "क्षि",
    "thai": "ก็",
    "combining marks": "e\u0301\u0323",
    "hangul letters": "\u1112\u1161\u11ab",
    "hangul syllable and letter": "\uac00\u11a8",
}
JSON_BYTES: Callable[[str], int] = lambda text: len(text.encode())  # noqa: E731 - none of these is escaped
BY_USER: dict[str, tuple[Callable[[str, int], str], Callable[[str], int]]] = {
    "card of the bridge": (fit, len),
    "notification of the bridge": (lambda text, limit: shorten(text, 99, limit), utf16_units),
    "payload of the server": (cut_json, JSON_BYTES),
}


@pytest.mark.parametrize("user", BY_USER)
@pytest.mark.parametrize("cluster", CLUSTERS)
def test_a_visible_character_is_kept_whole_or_cut_whole(cluster: str, user: str) -> None:
    shortened, size = BY_USER[user]
    character, text = CLUSTERS[cluster], "a" + CLUSTERS[cluster] * 3 + "b"
    shorter = {"a" + character * times + "…" for times in range(3)}
    cuts = [shortened(text, limit) for limit in range(size(text) + 1)]
    assert shorter <= set(cuts) <= shorter | {"", "…", text, "a" + character * 3 + "…"}
    assert all(size(short) <= limit for limit, short in enumerate(cuts))


@pytest.mark.parametrize(
    ("text", "limit", "short"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdef", 5, "abcd…"),
        ("abcdef", 1, "…"),
        ("abcdef", 0, ""),
        ("abcdef", -1, ""),
        ("ab   cdef", 5, "ab…"),
        ("   abc", 2, "…"),
        ("ä" * 4, 3, "ää…"),
        ("e" + "\u0301" * 9, 5, "…"),  # one character that is longer than the limit
        ("🇩🇪🇫🇷x", 4, "🇩🇪…"),
        ("", 0, ""),
    ],
)
def test_cut(text: str, limit: int, short: str) -> None:
    assert cut(text, limit) == short


@pytest.mark.parametrize("cluster", CLUSTERS.values(), ids=list(CLUSTERS))
def test_a_long_text_of_much_space_is_cut_between_characters(cluster: str) -> None:
    """Also where the text is so long that only its beginning and its end are read."""
    for shift in range(len(cluster) + 1):
        spaces = " " * (MAX_REDACTED - 2 - shift)
        fitted = {"a" + cluster * times + "…" * (times < 20) for times in range(21)}
        assert fit(f"{spaces}a{cluster * 20}") in fitted
        long = shorten(redact(f"a{cluster * 20}{spaces * 3}b"))
        assert long in fitted or long.startswith(f"a{cluster * 20} [… ")


@given(
    st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("a \u0301\u200d👩🇩🇪\r\n")),
    st.integers(-1, 50),
    st.sampled_from([len, utf16_units]),
)
def test_what_is_kept_is_the_longest_beginning_that_fits(
    text: str, limit: int, size: Callable[[str], int]
) -> None:
    short = cut(text, limit, size)
    characters = regex.findall(r"\X", text)
    beginnings = ["".join(characters[:number]).rstrip() + "…" for number in range(len(characters) + 1)]
    fitting = [beginning for beginning in beginnings if size(beginning) <= limit]
    assert short == (text if size(text) <= limit else fitting[-1] if fitting else "")


@given(st.text())
def test_units_are_those_of_utf_16(text: str) -> None:
    assert utf16_units(text) == len(text.encode("utf-16-le")) // 2
