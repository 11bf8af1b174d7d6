"""The strangers' packages, installed once into the user's cache: npm's in one folder, PyPI's in an environment each."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "opencode-push-relay" / "strangers"
INSTALL_SECONDS = 240.0


@dataclass(frozen=True)
class Stranger:
    """A push library nobody here wrote: the registry it comes from, its version, and the driver that speaks to it."""

    name: str
    version: str
    registry: str
    driver: str

    @property
    def folder(self) -> Path:
        return CACHE / f"{self.registry}-{self.name.replace('/', '-')}-{self.version}"

    def command(self) -> list[str]:
        """The process that drives it. Raises CalledProcessError, TimeoutExpired or OSError if it cannot be had."""
        program = str(HERE / self.driver)
        if self.registry == "here":
            return [sys.executable, program]
        if not self.folder.exists():
            _install(self)
        return (
            [str(self.folder / "bin" / "python"), program] if self.registry == "pypi" else ["node", program]
        )


def _install(stranger: Stranger) -> None:
    """Into a folder beside, then renamed: what was broken off half way is never taken for the whole."""
    CACHE.mkdir(parents=True, exist_ok=True)
    half = Path(tempfile.mkdtemp(prefix=f"{stranger.folder.name}-", dir=CACHE))
    try:
        for command in COMMANDS[stranger.registry](stranger, half):
            subprocess.run(command, check=True, capture_output=True, timeout=INSTALL_SECONDS, cwd=half)
        if not stranger.folder.exists():  # else another run was faster
            half.rename(stranger.folder)
    finally:
        shutil.rmtree(half, ignore_errors=True)


def _pypi(stranger: Stranger, folder: Path) -> list[list[str]]:
    # Its scripts name the folder it was made in, but only `python` is used, and that finds its packages by its own place.
    return [
        [sys.executable, "-m", "venv", str(folder)],
        [
            str(folder / "bin" / "python"),
            "-m",
            "pip",
            "install",
            "-q",
            f"{stranger.name}=={stranger.version}",
        ],
    ]


def _npm(stranger: Stranger, folder: Path) -> list[list[str]]:
    wanted = f"{stranger.name}@{stranger.version}"
    return [["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", f"--prefix={folder}", wanted]]


COMMANDS = {"pypi": _pypi, "npm": _npm}

STRANGERS = (
    Stranger("aioapns", "4.0", "here", "drive_aioapns.py"),
    Stranger("pyapns-client", "2.0.6", "pypi", "drive_pyapns_client.py"),
    Stranger("apns2", "0.7.2", "pypi", "drive_apns2.py"),
    Stranger("apns2-up", "0.9.0", "pypi", "drive_apns2.py"),
    Stranger("mopyapns", "0.8.0", "pypi", "drive_apns2.py"),
    Stranger("kalyke-apns", "1.5.0", "pypi", "drive_kalyke.py"),
    Stranger("apns2", "12.2.0", "npm", "drive_apns2.cjs"),
    Stranger("@parse/node-apn", "8.1.0", "npm", "drive_node_apn.cjs"),
    Stranger("hapns", "1.0.2", "npm", "drive_hapns.cjs"),
)


async def output(process: asyncio.subprocess.Process) -> str:
    """What it said before it ended, for a failed test."""
    assert process.stderr is not None
    return (await process.stderr.read()).decode()[-4000:]
