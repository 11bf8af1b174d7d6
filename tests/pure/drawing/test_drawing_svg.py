"""SVG text: well formed whatever it is told, the same each time, and near enough in its measures."""

from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simulator.drawing import svg, typeface

ANYTHING = st.text(st.characters(codec=None))
"""Control characters and lone surrogates too: titles and messages are a model's words."""


@given(ANYTHING, ANYTHING)
def test_any_text_gives_a_document_that_can_be_read(title: str, content: str) -> None:
    line = svg.text(1, 2, content, size=10, fill="#000", class_=content)
    document = svg.picture(svg.Block(10, 10, line), title)
    root = ElementTree.fromstring(document.encode())
    assert [child.tag.rpartition("}")[2] for child in root] == ["title", "text"]


def test_names_values_and_what_is_left_out() -> None:
    assert svg.element("g", font_size=1.0, class_="a", fill=None) == '<g font-size="1" class="a"/>'
    assert svg.element("g", "<a/>", "<b/>") == "<g><a/><b/></g>"


@pytest.mark.parametrize(
    ("value", "written"), [(1, "1"), (0.5, "0.5"), (1 / 3, "0.33"), (100, "100"), (-2.999, "-3"), (0, "0")]
)
def test_numbers_are_short(value: float, written: str) -> None:
    assert svg.number(value) == written


def test_what_xml_cannot_hold_is_replaced() -> None:
    assert svg.printable("a\x00b\ud800c\td\ufffe😀") == "a\ufffdb\ufffdc\td\ufffd😀"


def test_blocks_below_one_another() -> None:
    stack = svg.stacked([svg.Block(10, 20, "<a/>"), svg.Block(30, 5, "<b/>")], 3)
    assert (stack.width, stack.height) == (30, 28)
    assert 'transform="translate(0 23)"' in stack.drawing
    assert svg.stacked([], 3) == svg.Block(0, 0, "")


# Measures.


def test_wide_letters_are_wider_and_bold_is_wider_still() -> None:
    assert typeface.width("W", 10) > typeface.width("n", 10) > typeface.width("i", 10) > 0
    assert typeface.width("n", 10, bold=True) > typeface.width("n", 10)
    assert typeface.width("世", 10) > typeface.width("n", 10)
    assert typeface.width("e\u0301", 10) == typeface.width("e", 10)
    assert typeface.width("nn", 20) == pytest.approx(4 * typeface.width("n", 10))


def test_what_fits_is_left_alone_and_what_does_not_is_cut() -> None:
    assert typeface.shortened("  a  b ", 100, 10) == "a b"
    cut = typeface.shortened("a long story about nothing", 60, 10)
    assert cut.endswith("…")
    assert typeface.width(cut, 10) <= 60
    assert typeface.shortened("nothing", 1, 10) == "…"


WORDS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), max_size=200)


@given(WORDS, st.floats(40, 400), st.integers(1, 4))
@example("0@、、", 40.0, 2)  # as many wide letters as would fit if they were of middling width
def test_lines_fit_and_lose_nothing_unless_they_say_so(content: str, most: float, lines: int) -> None:
    found = typeface.wrapped(content, most, 12, lines)
    assert len(found) <= lines
    assert all(typeface.width(line, 12) <= most for line in found)
    whole = "".join(content.split())
    if found and found[-1].endswith("…"):
        assert len("".join(found)) <= len(whole) + 1
    else:
        assert "".join("".join(found).split()) == whole


@pytest.mark.parametrize("content", ["x" * 4000, "word " * 800, "W" * 3999 + " e"])
def test_a_text_as_long_as_a_push_can_hold_is_read_a_few_times_and_no_more(
    content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = 0
    width_of = typeface._width

    def counted(letter: str) -> int:
        nonlocal read
        read += 1
        return width_of(letter)

    monkeypatch.setattr(typeface, "_width", counted)
    typeface.wrapped(content, 240, 12.5, 3)
    typeface.shortened(content, 240, 12.5)
    assert read < 6 * len(content)


def test_a_line_that_is_narrower_than_a_letter_still_takes_one() -> None:
    assert typeface.wrapped("WW", 1, 12.5, 5) == ["W", "W"]
