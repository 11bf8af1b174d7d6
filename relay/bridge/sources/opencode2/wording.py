"""What OpenCode 2's requests, errors and tools are called on a phone: one line for each, with nothing secret in it. Pure."""

from typing import Any

from relay.bridge.sources.opencode1.session import error_words, last_line, request_words, tool_line
from relay.bridge.sources.opencode1.wire import (
    FailureData,
    PendingRequest,
    Question,
    SessionError,
    Tool,
    ToolState,
)
from relay.bridge.sources.opencode2.wire import Failure, Form, PermissionRequest

__all__ = ["failure_words", "form_words", "last_line", "permission_words", "tool_words"]


def permission_words(asking: PermissionRequest, directory: str | None) -> str:
    """What a permission asks."""
    return request_words(PendingRequest(permission=asking.action, patterns=list(asking.resources)), directory)


def form_words(form: Form) -> str:
    """What a form asks: its first question with the options."""
    questions = [
        Question(
            question=one.description or one.title,
            options=[{"label": option.label or option.value} for option in one.options],
        )
        for one in form.fields
    ]
    return request_words(PendingRequest(questions=questions), None)


def failure_words(failure: Failure) -> str:
    """An error's own words, without addresses, credentials and the provider's answer; may be empty."""
    return error_words(SessionError(error=FailureData(name=failure.type, data={"message": failure.message})))


def tool_words(name: str, arguments: dict[str, Any], directory: str | None) -> str:
    """What a tool does, as in "shell: npm test"; "" if that is not known."""
    return tool_line(Tool(type="tool", tool=name, state=ToolState(input=arguments)), directory)
