"""What OpenCode's requests, errors and tools are called on a phone: one line for each, with nothing secret in it. Pure.

OpenCode sends no titles for them, only types, metadata and inputs (observed on 1.18), and those change between
releases: what cannot be read leads to a shorter line, never to a lost alert.
"""

import json
import math
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from relay.bridge.notify.text import redact, redact_addresses
from relay.bridge.sources.opencode1.wire import PendingRequest, Question, RetryStatus, SessionError, Tool

PERMISSION_KEYS: dict[str, str] = {
    "bash": "command",
    "edit": "filepath",
    "webfetch": "url",
    "external_directory": "directories",
}
"""By permission the field of its metadata that says what is asked; the patterns say it of all others."""

INPUT_KEYS = ("command", "filePath", "path", "url", "pattern", "query", "description", "name")
"""The fields of a tool's input that say what it works on, the most telling first."""

_BODY_STARTS = ('{"', "<html", "<!doctype", "<HTML", "<!DOCTYPE")
"""Where a provider's answer begins inside of an error's message."""


def asked(asking: PendingRequest, directory: str | None) -> str:
    """What a permission or question asks, as in "bash: npm test" or "Which colour? (Red / Blue)"; "" if it is not known."""
    if asking.questions:
        more = f" (+{len(asking.questions) - 1} more)" if len(asking.questions) > 1 else ""
        return redact(_question(asking.questions[0]) + more)
    what = _words(asking.metadata.get(PERMISSION_KEYS.get(asking.permission, ""))) or _words(asking.patterns)
    return redact(_joined(asking.permission, _relative(what, directory)))


def failed(failing: SessionError) -> str:
    """The error's own words: its first line, without addresses, credentials and the provider's answer; may be empty."""
    return _words_of_error(_words(failing.error.data.get("message")))


def _words_of_error(message: str) -> str:
    message = _message_in_json(message.strip()) or message
    ends = [at for start in _BODY_STARTS if (at := message.find(start)) >= 0]
    line = message[: min(ends, default=None)].strip().partition("\n")[0]
    return redact_addresses(line).strip(" :-")


def tool_line(tool: Tool, directory: str | None) -> str:
    """What a tool does, as in "bash: npm test"; "" while that is not known yet."""
    words = next((text for key in INPUT_KEYS if (text := _words(tool.state.input.get(key)))), "")
    words = words or _words(tool.state.title)
    return redact(_joined(tool.tool, _relative(words, directory))) if words else ""


def last_line(text: str) -> str:
    """The last line of the assistant's text that says something."""
    lines = text[-2000:].strip().splitlines()
    return redact(next((line.strip() for line in reversed(lines) if any(map(str.isalnum, line))), ""))


def retry_words(status: RetryStatus) -> str:
    """Why OpenCode tries again; may be empty."""
    return _words_of_error(status.message)


def retry_info(attempt: int, next_ms: float | None, now_ms: float) -> str:
    """ "Retry 2 in 8s"; without a known time "Retry 2"."""
    if next_ms is None:
        return f"Retry {attempt}"
    return f"Retry {attempt} in {max(0, math.ceil((next_ms - now_ms) / 1000))}s"


def _question(question: Question) -> str:
    labels = [_words(option.get("label")) for option in question.options if isinstance(option, Mapping)]
    options = " / ".join(filter(None, labels))
    return f"{_words(question.question)} ({options})" if options else _words(question.question)


def _words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(one for one in value if isinstance(one, str))
    return value if isinstance(value, str) else ""


def _joined(name: str, what: str) -> str:
    return ": ".join(filter(None, (name, what)))


def _relative(words: str, directory: str | None) -> str:
    """A path inside the session's directory without that directory; everything else as it is."""
    if not directory or not words.startswith("/") or not PurePosixPath(words).is_relative_to(directory):
        return words
    return str(PurePosixPath(words).relative_to(directory))


def _message_in_json(message: str) -> str:
    """The message inside of a provider's JSON answer, which OpenCode sometimes gives as the error's message."""
    if not message.startswith("{"):
        return ""
    try:
        said = json.loads(message)
    except (ValueError, RecursionError):
        return ""
    inner = said.get("error", said)
    return _words(inner.get("message") if isinstance(inner, dict) else inner)
