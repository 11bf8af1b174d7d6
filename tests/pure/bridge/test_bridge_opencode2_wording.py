"""What OpenCode 2's errors and requests are called: no provider's answer and no file's content is among the words.

Messages: recordings of a real engine (c_error_401, c_error_bad_model, d_retry_connection_refused); types: the contract of 2.1.2.
"""

from typing import Any

import pytest

from relay.bridge.sources.opencode2.wire import Failure, PermissionRequest
from relay.bridge.sources.opencode2.wording import FAILURES, asked_words, failure_words

ANSWER = "canary-of-the-provider"

ERRORS: dict[str, tuple[Failure, str]] = {
    "JSON after OpenCode's own words": (
        Failure(type="provider.auth", message=f'Provider request failed with HTTP 401: {{"error": "{ANSWER}"}}', status=401),
        "Provider request failed with HTTP 401",
    ),
    "plain text after them": (
        Failure(type="provider.internal", message=f"Provider request failed with HTTP 502: {ANSWER}", status=502),
        "Provider request failed with HTTP 502",
    ),
    "a tool's name before them": (
        Failure(type="provider.auth", message=f"RequestExecutor.execute: Provider request failed with HTTP 401: [{ANSWER}]"),
        "Provider request failed with HTTP 401",
    ),
    "a model": (
        Failure(type="provider.no-route", message="Model unavailable: fake/no-such-model"),
        "Model unavailable: fake/no-such-model",
    ),
    "the provider's own text": (
        Failure(type="provider.quota", message=ANSWER, status=402), "The provider's quota is used up (HTTP 402)",
    ),
    "the same, of no status": (Failure(type="provider.unknown", message=ANSWER), "The provider failed"),
    "a type of a later release": (Failure(type="provider.dreamt", message=ANSWER), "The provider failed"),
    "no words at all": (Failure(type="provider.timeout"), "The provider did not answer in time"),
    "a compaction": (Failure(type="compaction.failed", message=ANSWER), "The conversation could not be compacted"),
    "OpenCode's own": (
        Failure(type="aborted", message="The turn was interrupted repeatedly and will not be resumed automatically"),
        "The turn was interrupted repeatedly and will not be resumed automatically",
    ),
    "nothing is known": (Failure(), ""),
}  # fmt: skip


@pytest.mark.parametrize(("failure", "words"), ERRORS.values(), ids=ERRORS)
def test_an_error_is_told_without_what_the_provider_answered(failure: Failure, words: str) -> None:
    assert failure_words(failure) == words


@pytest.mark.parametrize("kind", FAILURES)
def test_every_known_type_has_words_of_our_own(kind: str) -> None:
    assert failure_words(Failure(type=kind, message=ANSWER)) == FAILURES[kind]


FILES = [{"file": "src/a.py", "patch": ANSWER, "status": "modified"}, {"file": 7, "patch": ANSWER}, ANSWER]

METADATA: dict[str, tuple[str, Any, str]] = {
    "a diff": ("edit", {"files": FILES, "patch": ANSWER, "diff": ANSWER}, "edit: src/a.py"),
    "files that are none": ("edit", {"files": ANSWER}, "edit: here.txt"),
    "an address": (
        "webfetch",
        {"url": "https://example.com/a", "format": ANSWER},
        "webfetch: https://example.com/a",
    ),
    "a tool of a plugin": ("tracker_create", {"files": FILES, "url": ANSWER}, "Use tracker_create: here.txt"),
    "a command with its output": ("shell", {"output": ANSWER}, "shell: here.txt"),
}


@pytest.mark.parametrize(("action", "metadata", "words"), METADATA.values(), ids=METADATA)
def test_a_request_names_what_it_is_about_and_never_its_content(
    action: str, metadata: Any, words: str
) -> None:
    asked = PermissionRequest(
        id="per_1", session_id="ses_a", action=action, resources=["here.txt"], metadata=metadata
    )
    assert asked_words(asked, {}, None) == words
