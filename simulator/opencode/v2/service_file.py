"""`service.json`: where the managed service says how it can be reached. The password stands in it, so only its owner reads it."""

import contextlib
import json
import os
import uuid
from pathlib import Path

from simulator.opencode.script import Json


class ServiceFile:
    """The registration at `path`, usually `$XDG_STATE_HOME/opencode/service.json`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, version: str, url: str, pid: int, password: str) -> Json:
        """Put it in place by a rename, so that no reader sees half of it; what it says."""
        said = {"id": str(uuid.uuid4()), "version": version, "url": url, "pid": pid, "password": password}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_name(f".{self.path.name}.{pid}")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(json.dumps(said, separators=(",", ":")))
        new.replace(self.path)
        return said

    def remove(self) -> None:
        """As an orderly stop does; a killed server leaves it behind."""
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()


def state_home(environment: dict[str, str] | os._Environ[str]) -> Path:
    """Where the service of a user registers, on every platform."""
    base = (
        environment.get("XDG_STATE_HOME")
        or Path(environment.get("HOME", "~")).expanduser() / ".local" / "state"
    )
    return Path(base) / "opencode" / "service.json"
