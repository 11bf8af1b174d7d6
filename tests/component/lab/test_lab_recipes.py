"""The recipes of docs/testing.md, from its text: each is run as its reader would, against the real library.

A library that cannot be had (no node, no registry) is skipped with a notice, as among the strangers.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from component.apns.strangers.packages import STRANGERS, Stranger

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "testing.md").read_text()
BLOCK = re.compile(r"^```(?:python|js)\n(?:#|//) (?P<name>\S+)\n(?P<text>.*?)^```$", re.M | re.S)
RECIPES = {match["name"]: match["text"] for match in BLOCK.finditer(PAGE)}
LINES_WITH_AIOAPNS = 10
"""Of the first example, without the empty ones."""


@pytest.fixture
def commands(tmp_path: Path) -> str:
    """A folder with `simulator` of this checkout, as an installed one would be in PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "simulator"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m simulator "$@"\n')
    program.chmod(0o755)
    return str(folder)


def installed(name: str, registry: str) -> Stranger:
    """That library in its folder; the test is skipped where it cannot be had."""
    one = next(each for each in STRANGERS if (each.name, each.registry) == (name, registry))
    try:
        one.command()
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"NOT TESTED: {name} {one.version} cannot be had from {registry}: {error}")
    return one


def site_packages(one: Stranger) -> str:
    return str(next(one.folder.glob("lib/python*/site-packages")))


def run(command: list[str], folder: Path, **variables: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env=os.environ | variables, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_pytest(folder: Path, *names: str, more: str = "") -> str:
    """As somebody whose environment has the package, pytest-asyncio, and `more` packages."""
    for name in names:
        (folder / name).write_text(RECIPES[name])
    plugins = ("simulator.pytest_plugin", "pytest_asyncio.plugin")
    options = [word for name in plugins for word in ("-p", name)]
    return run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        folder,
        PYTHONPATH=f"{ROOT}:{more}",
        PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
    )


def test_all_recipes_are_run() -> None:
    """That for node by the tests of the package, in a project of its own (packaging/test_packaging.py)."""
    assert set(RECIPES) == {
        "test_aioapns.py", "test_everything.py", "conftest.py", "test_pyapns_client.py", "test_apns2.py", "rings.test.mjs",
    }  # fmt: skip
    lines = [line for line in RECIPES["test_aioapns.py"].splitlines() if line]
    assert len(lines) <= LINES_WITH_AIOAPNS


def test_aioapns_httpx_and_pyapns_client(tmp_path: Path) -> None:
    """In one process, for its start is most of the time."""
    client = installed("pyapns-client", "pypi")
    names = ("test_aioapns.py", "test_everything.py", "conftest.py", "test_pyapns_client.py")
    assert "8 passed" in run_pytest(tmp_path, *names, more=site_packages(client))


def test_apns2(tmp_path: Path, commands: str) -> None:
    """With its old h2 and PyJWT, which come first; pytest is taken from here."""
    library = installed("apns2", "pypi")
    (tmp_path / "test_apns2.py").write_text(RECIPES["test_apns2.py"])
    here = str(Path(pytest.__file__).parents[1])
    main = f"import sys; sys.path.append({here!r}); import pytest; sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider']))"
    variables = {"PATH": f"{commands}:{os.environ['PATH']}", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    assert "1 passed" in run([str(library.folder / "bin" / "python"), "-c", main], tmp_path, **variables)
