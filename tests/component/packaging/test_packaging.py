"""What people install: the built package stands alone, by pipx and by uvx, and without the server's packages."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

import wheelhouse
from component.apns.strangers.packages import STRANGERS
from simulator.lab.control import page
from simulator.scenario import scenarios

ROOT = Path(__file__).parents[3]
SHIPPED = ("pyproject.toml", "README.md", "LICENSE", "relay", "simulator")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of what the Dockerfile copies."""
    pytest.importorskip("setuptools", reason="setuptools is not installed, so no wheel can be built here")
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in SHIPPED:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, source)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(out),
        str(source),
    ]
    subprocess.run(command, check=True, timeout=120)
    return next(out.glob("*.whl"))


def test_the_wheel_holds_recordings_migrations_and_types(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"relay/py.typed", "simulator/py.typed", "relay/server/store/migrations/0001_initial.py"} <= names
    assert {"relay/server/store/migrations/0002_live_activities.py"} <= names
    assert {"relay/server/admin/style.css", "relay/server/admin/templates/page.html"} <= names
    for scenario in scenarios():
        assert f"simulator/scenarios/{scenario}.json" in names
        assert f"simulator/scenarios/recordings/{scenario}.global.ndjson" in names
    for part in page.FOLDER.iterdir():
        assert f"simulator/lab/page/{part.name}" in names
    assert not [name for name in names if name.startswith("tests/")]


def test_the_installed_commands_work_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    """Installed into a new environment that borrows only the third-party packages of this one."""
    python = _environment(tmp_path, wheel)
    site = next((tmp_path / "env" / "lib").glob("python*/site-packages"))
    borrowed = [path for path in sys.path if path.endswith("site-packages")]
    (site / "borrowed.pth").write_text("\n".join(borrowed))
    for arguments, words in (
        ("relay --version", "relay 0."),
        ("simulator replay --list", "a_text"),
        ("simulator demo a_text --once --speed 20 --control-port 0", "iPhone   rang: Fix the login"),
    ):
        done = _run(python, arguments)
        assert words in done.stdout, done.stderr


BESIDE = ("pytest", "pytest-asyncio", "aioapns")
"""What a project of somebody else's has beside our wheel."""


@pytest.fixture(scope="module")
def empty(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of somebody who has nothing but pipx and uv, and for an index what is installed here: no network."""
    folder = tmp_path_factory.mktemp("empty")
    for name in ("wheels", "home"):
        (folder / name).mkdir()
    wanted = wheelhouse.needed(wheel, "server", "simulator", beside=BESIDE)
    wheelhouse.fill(folder / "wheels", wanted)
    return {
        "HOME": str(folder / "home"),
        "PATH": "/usr/bin:/bin",
        "UV_FIND_LINKS": str(folder / "wheels"),
        "UV_OFFLINE": "1",
        "UV_NO_INDEX": "1",
        "UV_NO_CONFIG": "1",
        "UV_PYTHON": sys.executable,
        "UV_PYTHON_DOWNLOADS": "never",
    }


def _program(name: str) -> str:
    """pipx, uv or uvx of the environment of the tests."""
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip(f"NOT TESTED: {name} is not installed (pip install pipx uv)")
    return found


def test_pipx_installs_the_relay_from_the_wheel(wheel: Path, empty: dict[str, str]) -> None:
    """With the extra `server`: it makes its tables, says which settings it needs, and completes its words in a shell."""
    home = Path(empty["HOME"])
    words = (_program("pipx"), "install", "--backend", "uv", "--python", sys.executable, f"{wheel}[server]")
    assert "installed package opencode-push-relay" in _said(words, empty)
    relay = str(home / ".local" / "bin" / "relay")
    assert _said((relay, "--version"), empty).startswith("relay 0.")
    assert "_shtab_relay" in _said((relay, "completion", "bash"), empty)
    assert "APNS_TEAM_ID is missing" in _said((relay, "serve"), empty, status=1)
    assert "simulator: its packages are not installed" in _said(
        (str(home / ".local" / "bin" / "simulator"), "apns"), empty, status=2
    )


def test_uvx_runs_the_wheel_without_installing_it(wheel: Path, empty: dict[str, str]) -> None:
    """Without extras the bridge's commands, with `simulator` the rest."""
    uvx = _program("uvx")
    code = _said((uvx, "--from", str(wheel), "relay", "pair", "--relay-secret", "0123456789abcdef"), empty)
    assert "mobilevoice:///?pair=" in code
    scenarios_ = _said((uvx, "--from", f"{wheel}[simulator]", "simulator", "replay", "--list"), empty)
    assert "a_text" in scenarios_
    bash = _said((uvx, "--from", f"{wheel}[simulator]", "simulator", "--print-completion", "bash"), empty)
    assert "_shtab_simulator" in bash


NOT_FOR_THE_SANDBOX = ("tortoise-orm", "aiosqlite", "aiomysql", "prometheus-client", "faker", "rich")
"""What the relay's server, generated scenarios and the live view need, and the extra `sandbox` does not."""
MOST_PACKAGES = 45
"""With pytest, pytest-asyncio and aioapns beside the wheel; 42 on 2026-11-30."""


@pytest.fixture(scope="module")
def project(wheel: Path, empty: dict[str, str]) -> Path:
    """A folder of somebody else's project; in its `.venv` the wheel with the extra `sandbox`, pytest, pytest-asyncio and aioapns."""
    folder, uv = Path(empty["HOME"]) / "project", _program("uv")
    _said((uv, "venv", "-q", str(folder / ".venv")), empty)
    python = str(folder / ".venv" / "bin" / "python")
    _said((uv, "pip", "install", "-q", "--python", python, f"{wheel}[sandbox]", *BESIDE), empty)
    return folder


def test_a_project_elsewhere_tests_its_pushes_in_ten_lines(project: Path, empty: dict[str, str]) -> None:
    """The first example of docs/testing.md; pytest finds the plugin by itself, and only the packages of the sandbox are there."""
    page = (ROOT / "docs" / "testing.md").read_text()
    example = page.partition("```python\n# test_aioapns.py\n")[2].partition("```")[0]
    assert len([line for line in example.splitlines() if line]) <= 10
    (project / "test_aioapns.py").write_text(example)
    python = str(project / ".venv" / "bin" / "python")
    assert "1 passed" in _said((python, "-m", "pytest", "-q", str(project)), empty)
    listed = _said((_program("uv"), "pip", "list", "-q", "--python", python, "--format=freeze"), empty)
    names = {line.partition("==")[0].lower() for line in listed.splitlines()}
    assert not names & set(NOT_FOR_THE_SANDBOX)
    assert len(names) <= MOST_PACKAGES, sorted(names)


def test_a_project_in_another_language_finds_the_sandbox_by_its_ready_file(
    project: Path, empty: dict[str, str]
) -> None:
    """node:test with @parse/node-apn, as docs/testing.md has it; and `simulator push` of the same environment."""
    node_apn = next(one for one in STRANGERS if one.name == "@parse/node-apn")
    try:
        node_apn.command()
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"NOT TESTED: node-apn cannot be had: {error}")
    page = (ROOT / "docs" / "testing.md").read_text()
    example = page.partition("```js\n// rings.test.mjs\n")[2].partition("```")[0]
    folder = project / "node"
    folder.mkdir()
    pushed = """
test("a push by hand", () => {
  const said = execFileSync("simulator", ["push", "--title", "Hello", "--ready-file", "apns.json"]);
  assert.match(String(said), /shown "Hello"/);
});
"""
    (folder / "rings.test.mjs").write_text(example.replace("{ spawn }", "{ execFileSync, spawn }") + pushed)
    (folder / "node_modules").symlink_to(node_apn.folder / "node_modules")
    node = shutil.which("node")
    assert node is not None  # node-apn was installed by it
    variables = empty | {
        "HOME": str(folder),
        "PATH": f"{project / '.venv' / 'bin'}:{Path(node).parent}:/usr/bin:/bin",
    }
    said = _said((node, "--test"), variables)
    assert "# pass 2" in said
    assert not (folder / "apns.json").exists()


def _said(words: tuple[str, ...], variables: dict[str, str], status: int = 0) -> str:
    """What a command printed, in that environment and nothing of this one."""
    done = subprocess.run(
        words, env=variables, cwd=variables["HOME"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


SERVER_ONLY = (
    "prometheus_client",
    "tortoise",
    "aiosqlite",
    "aiomysql",
    "pymysql",
    "aioapns",
    "jwt",
)
"""Packages of the extra `server`. h2 is none: Hypercorn, which serves the bridge's own routes, needs it."""


@pytest.fixture(scope="module")
def lean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel and what it needs without extras, and nothing else."""
    folder = tmp_path_factory.mktemp("lean")
    python = _environment(folder, wheel)
    site = next((folder / "env" / "lib").glob("python*/site-packages"))
    for name in wheelhouse.needed(wheel):
        found = distribution(name)
        for top in {
            file.parts[0] for file in found.files or [] if file.parts[0] not in ("..", "__pycache__")
        }:
            if not (site / top).exists():
                (site / top).symlink_to(found.locate_file(top))
    return python


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("relay --version", "relay 0."),
        ("relay bridge --help", "--opencode-url"),
        ("relay pair --relay-secret 0123456789abcdef", "mobilevoice:///?pair="),
        (
            "relay doctor --opencode-url http://127.0.0.1:9 --relay-url http://127.0.0.1:9",
            "the relay's settings",
        ),
    ],
)
def test_bridge_pair_and_doctor_need_no_package_of_the_server(lean: Path, arguments: str, words: str) -> None:
    done = _run(lean, arguments)
    assert words in done.stdout, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["serve", "migrate", "phones"])
def test_the_server_says_what_is_to_be_installed(lean: Path, command: str) -> None:
    done = _run(lean, f"relay {command}")
    assert done.returncode == 1
    assert done.stderr == (
        "relay: the packages of the relay's server are not installed: pip install 'opencode-push-relay[server]'\n"
    )


def test_the_settings_are_listed_without_the_server(lean: Path) -> None:
    assert "APNS_PRIVATE_KEY_FILE" in _run(lean, "relay serve --help").stdout


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        ("demo", "simulator"),
        ("apns", "sandbox"),
        ("opencode", "simulator"),
        ("push --title Hello", "sandbox"),
        ("replay --list", "simulator"),
        ("conform cases.json", "simulator"),
    ],
)
def test_the_simulator_says_what_is_to_be_installed(lean: Path, arguments: str, extra: str) -> None:
    done = _run(lean, f"simulator {arguments}")
    assert done.returncode == 2
    assert done.stderr == (
        f"simulator: its packages are not installed: pip install 'opencode-push-relay[{extra}]'\n"
    )


def test_the_doctor_says_what_it_cannot_check(lean: Path) -> None:
    """Where the server's settings are at hand, but not its packages."""
    arguments = "relay doctor --opencode-url http://127.0.0.1:9 --relay-url http://127.0.0.1:9"
    done = _run(lean, arguments, APNS_KEY_ID="KEY1234567")
    assert "not checked: the relay's packages are not installed here" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("modules", "foreign"),
    [
        ("relay.bridge.run", SERVER_ONLY),
        ("relay.bridge.pairing.pairing, relay.doctor.command", (*SERVER_ONLY, "h2", "hypercorn", "quart")),
    ],
)
def test_a_command_imports_its_own_packages_only(modules: str, foreign: tuple[str, ...]) -> None:
    """In the environment of the tests, which has them all."""
    source = f"import sys, relay.__main__, {modules}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    imported = set(done.stdout.split())
    assert "relay.bridge.options" in imported, done.stderr
    assert not imported & {*foreign, "relay.server", "relay.apns"}


def _environment(folder: Path, wheel: Path) -> Path:
    """The Python of a new environment that has the wheel alone."""
    venv.create(folder / "env", with_pip=False)
    zipfile.ZipFile(wheel).extractall(next((folder / "env" / "lib").glob("python*/site-packages")))
    return folder / "env" / "bin" / "python"


def _run(python: Path, arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """`python -m ARGUMENTS` outside the checkout, with no settings but these variables."""
    home = {"PATH": os.environ["PATH"], "HOME": str(python.parent), "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(
        [python, "-m", *arguments.split()],
        cwd=python.parent,
        env=home | variables,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize(
    ("python", "words"),
    [("", "Python 3.11 or newer is needed, and none was found."), ("false", "false is no such Python.")],
)
def test_make_without_a_fitting_python_says_what_to_do(python: str, words: str, tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    done = subprocess.run(
        ["make", "demo", f"PYTHON={python}"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert words in done.stderr
    assert "make PYTHON=/path/to/python3.11" in done.stderr
    assert not (tmp_path / ".venv").exists()
