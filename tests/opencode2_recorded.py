"""What a real engine of OpenCode 2 sent, as the scenarios of `simulator replay` hold it, without deltas and catalogue events.

A name is a recording's, or with `.restarted` behind it the stream of the server that was started again.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import simulator

FOLDER = Path(simulator.__file__).parent / "scenarios" / "opencode2" / "recordings"
STREAMS = {".api.ndjson": "", ".api2.ndjson": ".restarted"}
LEFT_OUT = {
    "session.usage.updated",
    "session.instructions.updated",
    "session.tool.progress",
    "filesystem.changed",
}
CATALOGUE = (
    "provider",
    "model",
    "integration",
    "agent",
    "command",
    "skill",
    "websearch",
    "reference",
    "plugin",
)
PATHS = {
    path.name.removesuffix(suffix) + part: path
    for suffix, part in STREAMS.items()
    for path in sorted(FOLDER.glob(f"*{suffix}"))
}
NAMES = tuple(PATHS)


def told(event: dict[str, Any]) -> bool:
    """Whether it says something about a session that is stored."""
    kind = event["type"]
    return kind not in LEFT_OUT and not kind.endswith(".delta") and kind.split(".")[0] not in CATALOGUE


@cache
def lines(name: str) -> tuple[str, ...]:
    """Each event as it stands on the wire."""
    recorded = map(json.loads, PATHS[name].read_text("utf-8").splitlines())
    return tuple(json.dumps(one["event"]) for one in recorded if "event" in one and told(one["event"]))


def events(name: str) -> list[dict[str, Any]]:
    """The same, new each time."""
    return [json.loads(line) for line in lines(name)]
