"""What every notebook keeps to: it says what it shows, its cells are short, and its outputs are stored and checked."""

import base64
import html
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LONGEST_CELL = 20
"""Lines of code."""
WIDEST_LINE = 118
"""Characters; what is wider is cut off where the page is narrow."""

Cell = dict[str, Any]


def cells(notebook: Path, kind: str) -> list[Cell]:
    document = json.loads(notebook.read_text(encoding="utf-8"))
    return [cell for cell in document["cells"] if cell["cell_type"] == kind]


def source(cell: Cell) -> str:
    return "".join(cell["source"])


def pictures(notebook: Path) -> list[dict[str, str]]:
    """The outputs that are pictures, by MIME type."""
    outputs = [output["data"] for cell in cells(notebook, "code") for output in cell["outputs"]]
    return [
        {kind: "".join(text) for kind, text in data.items()} for data in outputs if "image/svg+xml" in data
    ]


def test_there_are_ten_in_order() -> None:
    assert [notebook.name[:2] for notebook in NOTEBOOKS] == [
        f"{number:02}" for number in range(1, len(NOTEBOOKS) + 1)
    ]
    assert len(NOTEBOOKS) >= 10


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
class TestNotebook:
    def test_begins_with_what_it_shows(self, notebook: Path) -> None:
        first = source(cells(notebook, "markdown")[0])
        assert first.startswith(f"# {int(notebook.name[:2])} · ")
        assert "notebook shows" in first or "This notebook" in first

    def test_leads_to_notebooks_that_exist(self, notebook: Path) -> None:
        text = "".join(map(source, cells(notebook, "markdown")))
        for name in re.findall(r"\]\(([^)]+\.ipynb)\)", text):
            assert (FOLDER / name).exists(), name

    def test_has_short_cells(self, notebook: Path) -> None:
        for cell in cells(notebook, "code"):
            assert len(source(cell).splitlines()) <= LONGEST_CELL, source(cell)
            assert all(len(line) <= WIDEST_LINE for line in source(cell).splitlines()), source(cell)

    def test_was_run_from_top_to_bottom_without_an_error(self, notebook: Path) -> None:
        code = cells(notebook, "code")
        assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
        outputs = [output for cell in code for output in cell["outputs"]]
        assert {output["output_type"] for output in outputs} == {"execute_result"}

    def test_shows_pictures_or_tables(self, notebook: Path) -> None:
        data = [output["data"] for cell in cells(notebook, "code") for output in cell["outputs"]]
        assert [one for one in data if "image/svg+xml" in one or "text/html" in one]

    def test_its_pictures_can_stand_alone(self, notebook: Path) -> None:
        """nbconvert and GitHub show a picture as a file of its own, which is SVG only with its namespace."""
        for cell in cells(notebook, "code"):
            for output in cell["outputs"]:
                if svg := "".join(output["data"].get("image/svg+xml", "")):
                    assert ElementTree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"

    def test_its_pictures_are_seen_by_everybody(self, notebook: Path) -> None:
        """As an image with a text that says what is on it: Jupyter shows no SVG of a notebook that is not trusted, and SVG has no such text."""
        for data in pictures(notebook):
            found = re.fullmatch(
                r'<img alt="([^"]+)" src="data:image/svg\+xml;base64,([^"]+)">', data["text/html"]
            )
            assert found, data["text/html"][:200]
            alt, image = html.unescape(found[1]), base64.b64decode(found[2]).decode()
            assert image == data["image/svg+xml"]
            assert alt == data["text/plain"]
            assert alt.startswith(
                ("Lock screen of ", "Dynamic Island: ", "Who sent what: ", "Chart: ", "QR code of the link ")
            )
            assert len(alt) > 25

    def test_the_text_of_a_screen_is_what_is_on_it(self, notebook: Path) -> None:
        for data in pictures(notebook):
            said = re.findall(r"(?:Live Activity|notification|expanded,) ([^:;,]{1,12})", data["text/plain"])
            if not data["text/plain"].startswith("Who"):
                drawn = html.unescape(data["image/svg+xml"])
                assert [words for words in said if words not in drawn] == []

    def test_nothing_is_left_unchecked(self, notebook: Path) -> None:
        text = notebook.read_text(encoding="utf-8")
        assert "NBVAL" not in text.upper()
        assert not [cell for cell in cells(notebook, "code") if cell["metadata"]]

    def test_stops_what_it_started(self, notebook: Path) -> None:
        code = "\n".join(map(source, cells(notebook, "code")))
        assert code.count("Story.begin(") == code.count("await story.end()")

    def test_says_nothing_of_the_machine_it_ran_on(self, notebook: Path) -> None:
        text = notebook.read_text(encoding="utf-8")
        assert not re.search(r"/(home|root|work|tmp|Users)/|0x[0-9a-f]{6,}", text)


def test_the_pictures_of_the_readme_are_shown_by_a_notebook() -> None:
    shown = [
        "".join(output["data"]["image/svg+xml"])
        for notebook in NOTEBOOKS
        for cell in cells(notebook, "code")
        for output in cell["outputs"]
        if "image/svg+xml" in output["data"]
    ]
    pictures = list((FOLDER / "pictures").glob("*.svg"))
    assert len(pictures) >= 2
    for picture in pictures:
        assert picture.read_text(encoding="utf-8").rstrip() in shown, picture.name


@pytest.mark.parametrize(
    ("number", "kind", "shown"),
    [
        (
            "03",
            '"eventType": "permission"',
            ["apns-push-type: alert\n", '"interruption-level": "time-sensitive"'],
        ),
        (
            "04",
            '"event": "start"',
            ['"attributes-type": "SessionActivityAttributes"', '"input-push-token": 1'],
        ),
        ("04", '"event": "update"', ["apns-priority: 5\n", '"stale-date": ']),
        ("04", '"event": "end"', ["apns-priority: 10\n", '"dismissal-date": ']),
    ],
)
def test_each_kind_of_push_is_shown_whole_once(number: str, kind: str, shown: list[str]) -> None:
    """Its headers and its JSON, in the notebook where a reader looks for it."""
    texts = {
        notebook.name[:2]: ["".join(output["data"]["text/plain"]) for cell in cells(notebook, "code") for output in cell["outputs"]]
        for notebook in NOTEBOOKS
    }  # fmt: skip
    found = [
        (name, text)
        for name, all_texts in texts.items()
        for text in all_texts
        if text.startswith("POST ") and kind in text
    ]
    assert [name for name, _ in found] == [number]
    assert [
        words
        for words in ["apns-topic: com.", "apns-expiration: ", "authorization: ", *shown]
        if words not in found[0][1]
    ] == []


def test_a_helper_is_written_once() -> None:
    """What two notebooks need lies in `story`."""
    made = [
        name
        for notebook in NOTEBOOKS
        for cell in cells(notebook, "code")
        for name in re.findall(r"^def (\w+)", source(cell), re.MULTILINE)
    ]
    assert sorted(made) == sorted(set(made))
