"""No text tells anybody to open OpenCode, which is a shell, to a network without a password."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("relay", "simulator", "docs", "notebooks", "loadtests")
KINDS = {".py", ".md", ".ipynb", ".html", ".js", ".yml", ".toml", ".json", ".txt"}
TEXTS = [
    path
    for path in [*ROOT.glob("*"), *(one for name in FOLDERS for one in (ROOT / name).rglob("*"))]
    if path.suffix in KINDS and path.is_file()
]
OPENS = re.compile(r"(--hostname|set hostname|hostname:)\W{1,3}(0\.0\.0\.0|::)")
PASSWORD = re.compile(r"OPENCODE_(SERVER_)?PASSWORD|keeps its password")


def naked(text: str) -> list[str]:
    """Lines that open it, with no password in them nor in the two above."""
    lines = text.splitlines()
    return [
        line
        for number, line in enumerate(lines)
        if OPENS.search(line) and not PASSWORD.search("\n".join(lines[max(0, number - 2) : number + 1]))
    ]


def test_there_are_texts() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in TEXTS}
    assert {"README.md", "docs/opencode.md", "relay/bridge/pairing/pairing.py"} <= names


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("opencode serve --hostname 0.0.0.0", 1),
        ("opencode serve --hostname=0.0.0.0", 1),
        ("opencode service set hostname 0.0.0.0", 1),
        ("OPENCODE_SERVER_PASSWORD=x opencode serve --hostname 0.0.0.0", 0),
        ("opencode serve --hostname 127.0.0.1", 0),
    ],
)
def test_the_search_finds_what_it_should(text: str, count: int) -> None:
    assert len(naked(text)) == count


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_is_told_to_open_opencode_without_a_password(path: Path) -> None:
    if path.name == "opencode_api.json" or "recordings" in path.parts:
        return  # OpenCode's own words
    assert naked(path.read_text(encoding="utf-8", errors="replace")) == []
