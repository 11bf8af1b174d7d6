"""The acceptance cases of group "relay": what a relay must do with each thing that APNs may say."""

import json
from pathlib import Path
from typing import Any

import pytest

_FILE = Path(__file__).parent.parent / "conform" / "apns-cases.json"
CASES = {
    each["id"]: each for each in json.loads(_FILE.read_text("utf-8"))["cases"] if each["group"] == "relay"
}
MINUTE, DAY = 60, 86_400
SENT, FAILED, QUEUED = (1, 0, 0), (0, 1, 0), (0, 0, 1)
"""What the relay answers to an event with an alert for one phone."""


def case_id(test: str) -> str:
    """Of a test's name; "" for what is no test of a case."""
    return test.split("_")[1] if test.startswith("test_C") else ""


def for_the_operator(caplog: pytest.LogCaptureFixture, what: str = "") -> list[str]:
    """The lines that ask a person to act."""
    lines = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    return [line for line in lines if what in line]


def state(message: str, status: str = "working") -> dict[str, Any]:
    return {"status": status, "sessionTitle": "Work", "lastMessage": message}
