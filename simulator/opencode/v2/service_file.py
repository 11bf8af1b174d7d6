"""`service.json`: where the managed service says how it can be reached. The password stands in it, so only its owner reads it."""

import contextlib
import json
import os
import secrets
import uuid
from collections.abc import Mapping
from pathlib import Path

from simulator.opencode.script import Json


class ServiceFile:
    """The registration at `path`, usually `$XDG_STATE_HOME/opencode/service.json`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, version: str, url: str, pid: int, password: str) -> Json:
        """Register; what the registration says."""
        said = {"id": str(uuid.uuid4()), "version": version, "url": url, "pid": pid, "password": password}
        _put(self.path, said)
        return said

    def remove(self) -> None:
        """As an orderly stop does; a killed server leaves it behind."""
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()


def registered(path: Path) -> int | None:
    """The process that a registration names, if that process lives; a killed server leaves its registration behind."""
    try:
        pid = int(json.loads(path.read_text("utf-8"))["pid"])
        os.kill(pid, 0)
    except PermissionError:
        return pid  # somebody else's, but alive
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return pid


def state_home(environment: Mapping[str, str]) -> Path:
    """Where the service of a user registers, on every platform."""
    return _home(environment, "XDG_STATE_HOME", ".local/state")


def config_home(environment: Mapping[str, str]) -> Path:
    """Where the service keeps its settings, the password among them."""
    return _home(environment, "XDG_CONFIG_HOME", ".config")


def service_password(config: Path) -> str:
    """The password in the service's settings; one is made and kept there if there is none."""
    settings: Json = json.loads(config.read_text("utf-8")) if config.exists() else {}
    if "password" not in settings:
        settings["password"] = secrets.token_urlsafe(32)
        _put(config, settings)
    return str(settings["password"])


def _home(environment: Mapping[str, str], name: str, usual: str) -> Path:
    base = environment.get(name) or Path(environment.get("HOME", "~")).expanduser() / usual
    return Path(base) / "opencode" / "service.json"


def _put(path: Path, value: Json) -> None:
    """A file that only its owner reads, in place by a rename, so that no reader sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(json.dumps(value, separators=(",", ":"), ensure_ascii=False))
    new.replace(path)
