"""Where figures come from: the processor, how many of it, and the versions of what was measured."""

import os
import platform
import sqlite3
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

PACKAGES: Final = (
    "quart",
    "hypercorn",
    "tortoise-orm",
    "aiosqlite",
    "aiomysql",
    "aioapns",
    "msgspec",
    "locust",
)


def machine() -> dict[str, str]:
    """By name, in words."""
    return {
        "processor": f"{os.cpu_count()} x {_processor()}",
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        **{name: found for name in PACKAGES if (found := _version(name))},
    }


def _processor() -> str:
    """Linux tells the model in /proc; elsewhere only the architecture is known."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or "processor")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
