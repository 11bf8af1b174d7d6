"""OpenCode 2: one that is on this machine already, else its npm package, in a cache folder outside of the checkout."""

import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from live.install import MissingError, cache_folder, fetch, version_of

PACKAGE = "@opencode/cli@2"
"""Whatever release of 2 is newest: `relay doctor --contract` is run against it, too."""


def installed2(environment: Mapping[str, str] = os.environ) -> Path:
    """The program. Raises MissingError, which says why there is none and what to do."""
    for name in (environment.get("OPENCODE_BIN"), "opencode2", "opencode"):
        found = shutil.which(name, path=environment.get("PATH", "")) if name else None
        if found and major(version_of(Path(found))) == 2:
            return Path(found)
    folder = cache_folder(environment).with_name("opencode-2")
    if not folder.exists():
        fetch(folder, PACKAGE, environment)
    for program in sorted(
        folder.glob("node_modules/@opencode/cli-*/bin/opencode"), key=lambda path: len(str(path))
    ):
        if major(version_of(program)) == 2:
            return program
    raise MissingError(f"none of the programs in {folder} runs here; remove that folder to try again")


def major(said: str | None) -> int | None:
    """The major version in what `--version` prints: `opencode v2.0.22`, or a bare `1.18.33` of generation 1."""
    version = re.search(r"(\d+)\.\d+\.\d+", said or "")
    return int(version[1]) if version else None


def banner(missing: str) -> list[str]:
    """Lines that nobody overlooks."""
    line = f"OPENCODE 2 WAS NOT TESTED: {missing}."
    return [
        "!" * 100,
        line,
        "A stand-in took its place; put an opencode of version 2 into PATH to test it.",
        "!" * 100,
    ]


if __name__ == "__main__":
    try:
        found = installed2()
        print(f"OpenCode 2 ({version_of(found)}): {found}")
    except MissingError as error:
        print("\n".join(banner(str(error))))
