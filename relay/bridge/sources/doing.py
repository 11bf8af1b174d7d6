"""What a session is doing, why it failed, and what it waits for, in a person's words, for the servers of all generations. Pure.

What cannot be read leads to a shorter line, never to a lost alert.
"""

import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from relay.bridge.notify import said
from relay.bridge.notify.redact import redact, redact_addresses
from relay.bridge.notify.text import duration

INPUT_KEYS = ("command", "filePath", "path", "url", "pattern", "query", "description", "name")
"""The fields of a tool's input that say what it works on, the most telling first."""

_BODY_STARTS = ('{"', "<html", "<!doctype", "<HTML", "<!DOCTYPE")
"""Where a provider's answer begins inside of an error's message."""


def tool_words(name: str, arguments: Mapping[str, Any], title: str, directory: str | None) -> str:
    """What a tool does, as in "bash: npm test"; "" if neither its arguments nor its title say that."""
    words = next((text for key in INPUT_KEYS if (text := _text(arguments.get(key)))), title)
    return redact(": ".join(filter(None, (name, relative(words, directory))))) if words else ""


def last_line(text: str) -> str:
    """The last line of the assistant's text that says something."""
    return redact(said.last_line(text))


def error_line(message: str) -> str:
    """An error's own words: its first line, without addresses, credentials and the provider's answer; may be empty."""
    message = _message_in_json(message.strip()) or message
    ends = [at for start in _BODY_STARTS if (at := message.find(start)) >= 0]
    line = message[: min(ends, default=None)].strip().partition("\n")[0]
    return redact_addresses(line).strip(" :-")


def retry_info(attempt: int, next_ms: float | None, now_ms: float) -> str:
    """ "Retry 2 in 8s", "Retry 1 in 2 h"; without a known time "Retry 2"."""
    if next_ms is None:
        return f"Retry {attempt}"
    return f"Retry {attempt} in {duration((next_ms - now_ms) / 1000)}"


def relative(words: str, directory: str | None) -> str:
    """A path inside the session's directory without that directory; everything else as it is."""
    if not directory or not words.startswith("/") or not PurePosixPath(words).is_relative_to(directory):
        return words
    return str(PurePosixPath(words).relative_to(directory))


def _message_in_json(message: str) -> str:
    """The message inside of a provider's JSON answer, which OpenCode sometimes gives as the error's message."""
    if not message.startswith("{"):
        return ""
    try:
        answer = json.loads(message)
    except (ValueError, RecursionError):
        return ""
    inner = answer.get("error", answer)
    return _text(inner.get("message") if isinstance(inner, dict) else inner)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
