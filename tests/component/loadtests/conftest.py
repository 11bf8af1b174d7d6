"""The load tests lie beside the packages and are not installed. They are run as a person runs them, with small sizes."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3]))


@pytest.fixture(autouse=True)
def _untraced_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Coverage follows none of their processes: what they run of relay and simulator, the other tests run, too."""
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
