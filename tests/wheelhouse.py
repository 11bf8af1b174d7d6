"""Wheels of what is installed here, made from the installed files: an index for pip and uv that needs no network."""

import zipfile
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

OWN = "opencode-push-relay"
_INSTALLERS_OWN = ("INSTALLER", "REQUESTED", "direct_url.json")


def needed(wheel: Path, *extras: str, beside: Iterable[str] = ()) -> set[str]:
    """The distributions that pip would install with our wheel, these of its extras, and those `beside` it, as this environment has them."""
    metadata = next(name for name in zipfile.ZipFile(wheel).namelist() if name.endswith("METADATA"))
    lines = zipfile.ZipFile(wheel).read(metadata).decode().splitlines()
    own = [line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-Dist: ")]
    seen: set[tuple[str, str]] = set()
    wanted = [(OWN, extra) for extra in ("", *extras)] + [(canonicalize_name(name), "") for name in beside]
    while wanted:
        name, extra = wanted.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for one in map(Requirement, own if name == OWN else distribution(name).requires or []):
            if not one.marker or one.marker.evaluate({"extra": extra}):
                wanted += [(canonicalize_name(one.name), of) for of in ("", *one.extras)]
    return {name for name, _ in seen} - {OWN}


def fill(folder: Path, names: Iterable[str]) -> None:
    """Write a wheel of each of these distributions into the folder. Of their programs only those of entry points are in it."""
    for name in names:
        _repack(folder, distribution(name))


def _repack(folder: Path, found: Distribution) -> None:
    tag = next(line[5:] for line in (found.read_text("WHEEL") or "").splitlines() if line.startswith("Tag: "))
    name = canonicalize_name(found.metadata["Name"]).replace("-", "_")
    files = [file for file in found.files or [] if _belongs(file.parts)]
    record = next(str(file) for file in files if file.name == "RECORD")
    with zipfile.ZipFile(folder / f"{name}-{found.version}-{tag}.whl", "w") as wheel:
        for file in files:
            if file.name != "RECORD" and (path := Path(str(file.locate()))).is_file():
                wheel.write(path, str(file))
        wheel.writestr(record, "".join(f"{one},,\n" for one in [*wheel.namelist(), record]))


def _belongs(parts: tuple[str, ...]) -> bool:
    return parts[0] != ".." and "__pycache__" not in parts and parts[-1] not in _INSTALLERS_OWN
