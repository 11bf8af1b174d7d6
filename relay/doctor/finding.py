"""What the doctor examines, what it found at one step, and how a person and a program read that. Pure."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

from relay.bridge.options import DEFAULT_PORT, BridgeOptions

Step = Literal["opencode", "bridge", "relay", "secret", "phone", "apns", "devices", "push"]
Result = Literal["ok", "fails", "skipped"]

STEPS: tuple[Step, ...] = ("opencode", "bridge", "relay", "secret", "phone", "apns", "devices", "push")
"""In the order in which they are checked."""


@dataclass(frozen=True)
class Case:
    """The bridge's options, the environment that may hold the relay's settings, whether the phones may ring, and where the bridge serves its health (0: nowhere)."""

    options: BridgeOptions
    environment: Mapping[str, str] = field(repr=False)
    push: bool = True
    bridge_port: int = DEFAULT_PORT
    clock: Callable[[], float] = time.time


@dataclass(frozen=True, slots=True)
class Finding:
    """`said` is what was seen, without secrets; `remedy` is what to do, empty if there is nothing to do."""

    step: Step
    result: Result
    said: str
    remedy: str = ""


def finding_line(finding: Finding) -> str:
    """One line for a person."""
    remedy = f" -> {finding.remedy}" if finding.remedy else ""
    return f"{finding.result:<8} {finding.step:<9} {' '.join(finding.said.split())}{remedy}"


def report(findings: Sequence[Finding], *, in_ascii: bool = False) -> str:
    """All of them as a JSON object: `{ok, steps: [{step, result, said, remedy}]}`."""
    steps = [asdict(finding) for finding in findings]
    return json.dumps({"ok": holds(findings), "steps": steps}, indent=2, ensure_ascii=in_ascii)


def holds(findings: Sequence[Finding]) -> bool:
    """Whether nothing fails."""
    return all(finding.result != "fails" for finding in findings)
