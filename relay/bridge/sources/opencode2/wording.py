"""What OpenCode 2's requests and errors are called on a phone: one line for each, with nothing secret in it. Pure.

What a provider answers, and what a tool writes, is nobody's to read on a lock screen: an error is said in OpenCode's own words
or ours, and of the files that a tool changes only the names.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from relay.bridge.sources.doing import error_line
from relay.bridge.sources.opencode2.wire import Failure, Form, PermissionRequest
from relay.bridge.sources.wording import (
    SENTENCES,
    SPECIAL,
    Permission,
    Question,
    card_question,
    permission_words,
    question_words,
)

METADATA = frozenset(("url", "command", "path", "filepath", "filePath", "pattern", "query", "name", "id"))
"""The texts in a request's metadata that say what is about to happen; the rest may be whole files (`patch`, recorded)."""

OWN_WORDS = re.compile(
    r"Provider request failed with HTTP \d{3}|HTTP transport failed|Provider blocked the response"
    r"|The provider response ended unexpectedly|Model unavailable: [\w./:@+-]+"
)
"""What OpenCode itself says of a provider (recorded); after that comes what the provider answered."""

FAILURES = {
    "provider.auth": "The provider refused the key",
    "provider.quota": "The provider's quota is used up",
    "provider.rate-limit": "The provider's rate limit is reached",
    "provider.content-filter": "The provider blocked the response",
    "provider.transport": "The provider cannot be reached",
    "provider.timeout": "The provider did not answer in time",
    "provider.invalid-output": "The provider's answer cannot be read",
    "provider.invalid-request": "The provider refused the request",
    "provider.unsupported-operation": "The provider cannot do what was asked",
    "provider.no-route": "The model is unavailable",
    "compaction.interrupted": "The conversation was not compacted: it was interrupted",
    "compaction.unavailable": "The conversation cannot be compacted",
}
"""By an error's type (2.1.2)."""
GROUPS = {"provider": "The provider failed", "compaction": "The conversation could not be compacted"}
"""By the first word of all other types that a provider's answer may stand in."""


FORM_OPTIONS = {"boolean": ("Yes", "No")}
"""By type of a form's field the options that need no list."""


def asked_words(asking: PermissionRequest, arguments: Mapping[str, Any], directory: str | None) -> str:
    """What a permission asks. `arguments`: what the tool that asks is called with."""
    listed = asking.resources if isinstance(asking.resources, list) else []
    action = _text(asking.action)
    return permission_words(
        Permission(
            action,
            [one for one in listed if isinstance(one, str)],
            _metadata(action, asking.metadata if isinstance(asking.metadata, dict) else {}),
            arguments,
            directory,
            _text(asking.message),
        )
    )


def _metadata(action: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What may be said of a request's metadata; of a tool that is not OpenCode's own nobody knows what it puts there."""
    if action not in SENTENCES and action not in SPECIAL:
        return {}
    files = metadata.get("files")
    names = (
        [{"file": one.get("file")} for one in files if isinstance(one, dict)]
        if isinstance(files, list)
        else []
    )
    return {"files": names} | {name: metadata[name] for name in METADATA & metadata.keys()}


def form_words(form: Form) -> str:
    """What a form asks: all its questions with their options."""
    return question_words(_questions(form))


def form_brief(form: Form) -> str:
    """The same in the few words of a card."""
    return card_question(_questions(form))


def failure_words(failure: Failure) -> str:
    """Why a step or turn failed, without the provider's answer, addresses and credentials; may be empty."""
    if own := OWN_WORDS.search(failure.message):
        return own[0]
    group = GROUPS.get(failure.type.partition(".")[0])
    words = FAILURES.get(failure.type, group)
    if words is None:
        return error_line(failure.message)
    return f"{words} (HTTP {failure.status})" if failure.status else words


def form_questions(title: str, fields: Sequence[Any]) -> list[Question]:
    """The questions of a form: one for each field that a person sees."""
    named = [one for one in fields if isinstance(one, Mapping)]
    shown = [one for one in named if not one.get("hidden") and not one.get("when")]
    return [_field(one, title) for one in shown] or ([Question(title)] if title else [])


def _questions(form: Form) -> list[Question]:
    return form_questions(_text(form.title), form.fields if isinstance(form.fields, list) else [])


def _field(one: Mapping[str, Any], title: str) -> Question:
    kind, options = _text(one.get("type")), one.get("options")
    labels = [
        _text(option.get("label")) or _text(option.get("value"))
        for option in (options if isinstance(options, list) else [])
        if isinstance(option, Mapping)
    ]
    header, asked = _text(one.get("title")), _text(one.get("description"))
    text = ": ".join(filter(None, (header, asked if asked != header else ""))) or title
    url = _text(one.get("url")) if kind == "external" else ""
    return Question(
        " ".join(filter(None, (text, url))), labels or FORM_OPTIONS.get(kind, ()), kind == "multiselect"
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
