"""What people install: the built package stands alone, and the container files say what they should."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

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


SERVER_ONLY = (
    "prometheus_client",
    "tortoise",
    "aiosqlite",
    "aiomysql",
    "pymysql",
    "aioapns",
    "jwt",
    "cryptography",
)
"""Packages of the extra `server`. h2 is none: Hypercorn, which serves the bridge's own routes, needs it."""


@pytest.fixture(scope="module")
def lean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel and what it needs without extras, and nothing else."""
    folder = tmp_path_factory.mktemp("lean")
    python = _environment(folder, wheel)
    site = next((folder / "env" / "lib").glob("python*/site-packages"))
    for name in _needed_without_extras(wheel):
        found = distribution(name)
        for top in {
            file.parts[0] for file in found.files or [] if file.parts[0] not in ("..", "__pycache__")
        }:
            if not (site / top).exists():
                (site / top).symlink_to(found.locate_file(top))
    return python


def _needed_without_extras(wheel: Path) -> set[str]:
    """The distributions that pip would install with the wheel, as this environment has them."""
    metadata = next(name for name in zipfile.ZipFile(wheel).namelist() if name.endswith("METADATA"))
    lines = zipfile.ZipFile(wheel).read(metadata).decode().splitlines()
    wanted = [line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-Dist: ")]
    needed: set[str] = set()
    while wanted:
        requirement = Requirement(wanted.pop())
        name = requirement.name.lower()
        if name not in needed and (not requirement.marker or requirement.marker.evaluate({"extra": ""})):
            needed.add(name)
            wanted += distribution(name).requires or []
    return needed


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


@pytest.mark.parametrize("command", ["serve", "serve --help", "migrate", "phones"])
def test_the_server_says_what_is_to_be_installed(lean: Path, command: str) -> None:
    done = _run(lean, f"relay {command}")
    assert done.returncode == 1
    assert done.stderr == (
        "relay: the packages of the relay's server are not installed: pip install 'opencode-push-relay[server]'\n"
    )


@pytest.mark.parametrize(
    "arguments",
    ["demo", "apns", "opencode", "push --title Hello", "replay --list", "conform cases.json"],
)
def test_the_simulator_says_what_is_to_be_installed(lean: Path, arguments: str) -> None:
    done = _run(lean, f"simulator {arguments}")
    assert done.returncode == 2
    assert done.stderr == (
        "simulator: its packages are not installed: pip install 'opencode-push-relay[simulator]'\n"
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


def test_compose_understands_its_file() -> None:
    compose = _compose()
    if compose is None:
        pytest.skip("neither `docker compose` nor `docker-compose` is installed")
    for profile in ([], ["--profile", "simulator"]):
        done = subprocess.run(
            [*compose, *profile, "config"], cwd=ROOT, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        assert ("simulator:" in done.stdout) == bool(profile) or "profiles" in done.stdout
        assert "service_healthy" in done.stdout


def _compose() -> list[str] | None:
    for command in (["docker", "compose"], ["docker-compose"]):
        if (
            shutil.which(command[0])
            and subprocess.run([*command, "version"], capture_output=True).returncode == 0
        ):
            return command
    return None


def test_the_container_runs_as_nobody_special_and_is_checked() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert any(line.startswith("USER ") and line != "USER root" for line in lines)
    assert any(line.startswith("HEALTHCHECK ") for line in lines)
    assert 'CMD ["relay", "serve"]' in lines
