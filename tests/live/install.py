"""OpenCode itself, from its npm package, in a cache folder outside of the checkout: 350 MB, fetched once.

Run as a program it fetches it now, and says so in one line if that cannot be: the live tests are skipped then.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

VERSION = "1.18.33"
"""The release whose events were recorded; another one may word and order them differently."""
PACKAGE = f"opencode-ai@{VERSION}"
INSTALL_SECONDS = 300.0
ANSWER_SECONDS = 30.0


class MissingError(Exception):
    """This machine has no OpenCode, and npm could not fetch it; the text says why, and what to do."""


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Where the package lives: below $XDG_CACHE_HOME, else below ~/.cache."""
    cache = environment.get("XDG_CACHE_HOME") or str(
        Path(environment.get("HOME", "~")).expanduser() / ".cache"
    )
    return Path(cache) / "opencode-push-relay" / f"opencode-{VERSION}"


def installed(environment: Mapping[str, str] = os.environ) -> Path:
    """The program, fetched if it is not there yet. Raises MissingError."""
    folder = cache_folder(environment)
    if not folder.exists():
        fetch(folder, PACKAGE, environment)
    return _program(folder)


def fetch(folder: Path, package: str, environment: Mapping[str, str]) -> None:
    """Fetch an npm package into a folder beside, and rename: what was broken off half way is never taken for the whole.

    Raises MissingError.
    """
    npm = shutil.which("npm", path=environment.get("PATH", ""))
    if npm is None:
        raise MissingError("npm is not installed (Debian: npm), so OpenCode cannot be fetched")
    folder.parent.mkdir(parents=True, exist_ok=True)
    half = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=folder.parent))
    try:
        _install(npm, half, package, environment)
        if not folder.exists():  # else another run was faster
            half.rename(folder)
    finally:
        shutil.rmtree(half, ignore_errors=True)


def _install(npm: str, folder: Path, package: str, environment: Mapping[str, str]) -> None:
    # Without scripts: that of the package only links the platform's program, which is run directly here.
    command = [npm, "install", f"--prefix={folder}", "--ignore-scripts", "--no-audit", "--no-fund", package]
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=dict(environment),
                              stdin=subprocess.DEVNULL, timeout=INSTALL_SECONDS)  # fmt: skip
    except subprocess.TimeoutExpired:
        raise MissingError(f"npm did not install {package} within {INSTALL_SECONDS:g} s") from None
    if done.returncode:
        reasons = [line for line in done.stderr.splitlines() if line.startswith(("npm error", "npm ERR"))]
        raise MissingError(f"npm could not install {package}: {reasons[0] if reasons else done.returncode}")


def _program(folder: Path) -> Path:
    """The program of the platform: npm may install several (glibc or musl, with AVX2 or without), not all of which run."""
    found = sorted(folder.glob("node_modules/opencode-*/bin/opencode"), key=lambda path: len(str(path)))
    for program in found:
        if version_of(program) == VERSION:
            return program
    raise MissingError(
        f"none of the {len(found)} programs in {folder} runs here; remove that folder to try again"
    )


def version_of(program: Path) -> str | None:
    """What its `--version` prints, on either stream; None if it does not run."""
    with tempfile.TemporaryDirectory(prefix="opencode-version-") as home:
        try:
            done = subprocess.run([program, "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  env={"HOME": home, "PATH": os.environ.get("PATH", "")},
                                  stdin=subprocess.DEVNULL, timeout=ANSWER_SECONDS)  # fmt: skip
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip()


if __name__ == "__main__":
    try:
        print(f"OpenCode {VERSION}: {installed()}")
    except MissingError as error:
        print(f"NOTICE: the live tests will be skipped: {error}.")
