"""What OpenCode 2's requests and errors are called on a phone: one line for each, with nothing secret in it. Pure."""

from collections.abc import Mapping
from typing import Any

from relay.bridge.sources.doing import error_line
from relay.bridge.sources.opencode2.wire import Failure, Form, PermissionRequest
from relay.bridge.sources.wording import (
    Permission,
    Question,
    card_question,
    form_questions,
    permission_words,
    question_words,
)


def asked_words(asking: PermissionRequest, arguments: Mapping[str, Any], directory: str | None) -> str:
    """What a permission asks. `arguments`: what the tool that asks is called with."""
    listed = asking.resources if isinstance(asking.resources, list) else []
    return permission_words(
        Permission(
            _text(asking.action),
            [one for one in listed if isinstance(one, str)],
            asking.metadata if isinstance(asking.metadata, dict) else {},
            arguments,
            directory,
            _text(asking.message),
        )
    )


def form_words(form: Form) -> str:
    """What a form asks: all its questions with their options."""
    return question_words(_questions(form))


def form_brief(form: Form) -> str:
    """The same in the few words of a card."""
    return card_question(_questions(form))


def failure_words(failure: Failure) -> str:
    """An error's own words, without addresses, credentials and the provider's answer; may be empty."""
    return error_line(failure.message)


def _questions(form: Form) -> list[Question]:
    fields = form.fields if isinstance(form.fields, list) else []
    return form_questions(_text(form.title), [one for one in fields if isinstance(one, Mapping)])


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
