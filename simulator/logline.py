"""Reads the key=value log lines of relay and bridge back into facts. Pure."""

import json
import re
import time
from typing import NamedTuple

_LINE = re.compile(
    r"^(?P<date>\S+ \S+),(?P<ms>\d{3}) (?P<level>[A-Z]+) (?P<logger>[\w.]+) (?P<what>[^=]*?)(?P<fields>(?: [\w-]+=.*)?)$"
)
_FIELD = re.compile(r'([\w-]+)=("(?:[^"\\]|\\.)*"|\S*)')


class LogLine(NamedTuple):
    """One line: when (UNIX seconds), its level, the part of the program, what happened, and the fields as text."""

    at: float
    level: str
    logger: str
    what: str
    fields: dict[str, str]


def parse(line: str) -> LogLine | None:
    """The parts of a log line; None for anything else, such as a traceback."""
    match = _LINE.match(line.rstrip("\n"))
    if match is None:
        return None
    fields = {name: _value(text) for name, text in _FIELD.findall(match["fields"])}
    at = time.mktime(time.strptime(match["date"], "%Y-%m-%d %H:%M:%S")) + int(match["ms"]) / 1000
    return LogLine(at, match["level"], match["logger"], match["what"].strip(), fields)


def _value(text: str) -> str:
    return str(json.loads(text)) if text.startswith('"') else text
