"""The code speaks the field's words: RFC 9113's, Apple's, OpenCode's, and those of messaging and asyncio.

A private dialect had grown in the names of this project; each of its words has an ordinary one, and none may come back.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("relay", "simulator", "loadtests", "notebooks/story")

PRIVATE_WORDS = frozenset(
    ["told", "tell", "tells", "hear", "hears", "heard", "settle", "settles", "look", "looks", "errand", "errands", "shelter", "courier", "couriers", "parcel", "parcels", "fate", "fates", "desk", "desks", "manners", "orders", "judged", "ruling", "rulings", "exam", "handset", "handsets", "town", "resident", "residents", "stay", "stays", "diary", "crowd", "lanes", "lane", "families", "family", "fact", "facts", "blind", "spared"]
)  # fmt: skip

ALLOWED: dict[str, str] = {
    "AddressFamily": "the name of Python's socket module",
    "family": "a parameter of Python's socket functions, and of fonts",
    "fontfamily": "an attribute of SVG",
    "CounterMetricFamily": "a class of prometheus_client",
    "GaugeMetricFamily": "a class of prometheus_client",
    "HistogramMetricFamily": "a class of prometheus_client",
    "InfoMetricFamily": "a class of prometheus_client",
}
"""Names that are not ours to choose, and whose they are."""


def words(name: str) -> Iterator[str]:
    """The words of an identifier in any case: `lastErrand_id` has last, errand and id."""
    for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name):
        yield part.lower()


def names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every identifier that the source makes or uses, with its line."""
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.alias(name=name):
                yield line, name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield line, name
            case ast.keyword(arg=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield line, name
            case ast.Global(names=several) | ast.Nonlocal(names=several):
                yield from ((line, name) for name in several)


def offenders(path: Path) -> list[str]:
    """`file:line name` of each identifier with a private word in it; line 0 is the file's own name."""
    shown = path.relative_to(ROOT)
    found = [(0, part) for part in shown.with_suffix("").parts]
    found += names(ast.parse(path.read_text(encoding="utf-8")))
    return [
        f"{shown}:{line} {name}"
        for line, name in sorted(set(found))
        if name not in ALLOWED and PRIVATE_WORDS & set(words(name))
    ]


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_name_has_a_private_word(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    assert [one for path in files for one in offenders(path)] == []


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("last_told_at", ["last", "told", "at"]),
        ("PhoneDiary", ["phone", "diary"]),
        ("HTTPErrand", ["http", "errand"]),
        ("MAX_LANES", ["max", "lanes"]),
        ("lookup", ["lookup"]),
    ],
)
def test_the_words_of_a_name(name: str, parts: list[str]) -> None:
    assert list(words(name)) == parts


def test_every_kind_of_name_is_seen() -> None:
    source = """
import a.told as b
async def told(told1, *, told2=0, **told3): pass
class Told: told: int
x.told = f(told=1)
match x:
    case [*told]: pass
    case {"k": told}: pass
"""
    assert len([name for _, name in names(ast.parse(source)) if "told" in name.lower()]) == 11
