"""What people install: the built package stands alone, and the container files say what they should."""

import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

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
    for scenario in scenarios():
        assert f"simulator/scenarios/{scenario}.json" in names
        assert f"simulator/scenarios/recordings/{scenario}.global.ndjson" in names
    assert not [name for name in names if name.startswith("tests/")]


def test_the_installed_commands_work_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    """Installed into a new environment that borrows only the third-party packages of this one."""
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    site = next((tmp_path / "env" / "lib").glob("python*/site-packages"))
    zipfile.ZipFile(wheel).extractall(site)
    own = next(Path(path) for path in sys.path if path.endswith("site-packages"))
    (site / "borrowed.pth").write_text(f"{own}\n")
    for arguments, words in (
        (["relay", "--version"], "relay 0."),
        (["simulator", "replay", "--list"], "a_text"),
    ):
        done = subprocess.run(
            [python, "-m", *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert words in done.stdout, done.stderr


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
