"""What requests, errors and tools are called, without anything secret."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.bridge.sources.doing import last_line, retry_info
from relay.bridge.sources.opencode1 import session as wording
from relay.bridge.sources.opencode1.wire import PartUpdated, PendingRequest, SessionError, StatusChanged
from relay.bridge.sources.wire import details


def asking(**properties: Any) -> PendingRequest:
    return details(json.dumps(properties).encode(), PendingRequest)


def failing(message: Any, **data: Any) -> SessionError:
    error = {"name": "APIError", "data": {"message": message, **data}}
    return details(json.dumps({"sessionID": "ses_a", "error": error}).encode(), SessionError)


def doing(**part: Any) -> PartUpdated:
    return details(json.dumps({"sessionID": "ses_a", "part": part}).encode(), PartUpdated)


def question(text: str, *labels: str) -> dict[str, Any]:
    return {"question": text, "header": "x", "options": [{"label": label} for label in labels]}


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({"permission": "bash", "metadata": {"command": "npm test"}, "patterns": ["npm *"]}, "bash: npm test"),
        ({"permission": "edit", "metadata": {"filepath": "/code/demo/src/a.py"}}, "edit: src/a.py"),
        ({"permission": "edit", "metadata": {"filepath": "/etc/hosts"}}, "edit: /etc/hosts"),
        ({"permission": "edit", "metadata": {"filepath": "/code/demolition/x"}}, "edit: /code/demolition/x"),
        ({"permission": "webfetch", "metadata": {"url": "https://example.org/x"}}, "webfetch: https://example.org/x"),
        (
            {"permission": "external_directory", "metadata": {"directories": ["/etc", "/opt"]}},
            "Outside the project, in /etc, /opt: use it",
        ),
        ({"permission": "doom_loop", "patterns": ["bash"]}, "Go on although it does the same again and again? bash"),
        ({"permission": "bash", "patterns": ["npm *", "ls"]}, "bash: npm *, ls"),
        ({"permission": "bash", "metadata": {"command": 7}, "patterns": ["ls", 7]}, "bash: ls"),
        ({"permission": "bash"}, "bash"),
        ({"permission": 7}, ""),
        ({}, ""),
        ({"permission": "bash", "metadata": {"command": "curl -H 'Authorization: Bearer abcdefgh123' x"}},
         "bash: curl -H 'Authorization: *** ***' x"),
        ({"questions": [question("Which colour?", "Red", "Blue")]}, "Which colour? (Red / Blue)"),
        ({"questions": [question("Why?")]}, "Why?"),
        ({"questions": [question("Why?", "A"), question("How?")]}, "1 of 2: Why? (A) · 2 of 2: How?"),
        ({"questions": [{"question": "Why?", "options": ["odd", {"label": 7}]}]}, "Why?"),
    ],
)  # fmt: skip
def test_what_is_asked(properties: dict[str, Any], words: str) -> None:
    assert wording.request_words(asking(**properties), "/code/demo") == words


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("Incorrect API key provided", "Incorrect API key provided"),
        ("Model not found: fake/x.\n    at resolve (/home/me/a.js:1)", "Model not found: fake/x."),
        ('{"error": {"message": "overloaded", "type": "x"}}', "overloaded"),
        ('{"message": "no"}', "no"),
        ('{"error": "plain"}', "plain"),
        ('{"error": 7}', ""),
        ('{"broken', ""),
        ('Bad request: {"error": {"prompt": "all of it"}}', "Bad request"),
        ("502 - <html><body>proxy</body>", "502"),
        ("cannot reach https://api.provider.example/v1?key=1 now", "cannot reach [address] now"),
        ("connect ECONNREFUSED 10.1.2.3:8080", "connect ECONNREFUSED [address]"),
        ("getaddrinfo ENOTFOUND llm.corp.internal", "getaddrinfo ENOTFOUND [address]"),
        ("no route to llm.corp.internal:443", "no route to [address]"),
        ("bad key sk-proj-abcdefgh12345678", "bad key ***"),
        ("", ""),
        (7, ""),
        (None, ""),
    ],
)
def test_an_errors_own_words(message: Any, words: str) -> None:
    assert wording.error_words(failing(message, responseBody="canary", metadata={"url": "canary"})) == words


def test_an_error_of_another_shape_has_no_words() -> None:
    assert wording.error_words(details(b'{"error": "odd"}', SessionError)) == ""
    assert wording.error_words(details(b"[]", SessionError)) == ""


@pytest.mark.parametrize(
    ("state", "line"),
    [
        ({"input": {"command": "npm test", "description": "Runs tests"}}, "bash: npm test"),
        ({"input": {"filePath": "/code/demo/a.py", "content": "x"}}, "bash: a.py"),
        ({"input": {"description": "child job", "prompt": "long"}}, "bash: child job"),
        ({"input": {}, "title": "done it"}, "bash: done it"),
        ({"input": {}}, ""),
        ({"input": {"command": 7}}, ""),
        ({"input": {"command": "curl https://me:pw@host"}}, "bash: curl https://***@host"),
        ("odd", ""),
    ],
)
def test_what_a_tool_does(state: Any, line: str) -> None:
    assert wording.tool_line(doing(type="tool", tool="bash", state=state).part, "/code/demo") == line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("one line", "one line"),
        ("first\n\nlast  \n\n", "last"),
        ("Look:\n```\nx = 1\n```", "x = 1"),
        ("I will **fix** `a.py`:", "I will fix a.py:"),
        ("## Plan\n- first", "- first"),
        ("Reading it.\n<think>but why", "Reading it."),
        ("---", ""),
        ("", ""),
        ("x" * 5000, "x" * 2000),
    ],
)
def test_the_last_line_of_a_text(text: str, line: str) -> None:
    assert last_line(text) == line


def test_why_and_when_it_is_tried_again() -> None:
    properties = b'{"status":{"type":"retry","attempt":2,"message":"Rate limit at http://x","next":8000}}'
    status = details(properties, StatusChanged).status
    assert wording.retry_words(status) == "Rate limit at [address]"
    assert retry_info(status.attempt, status.next, 0.0) == "Retry 2 in 8s"
    assert retry_info(2, 8000, 7001.0) == "Retry 2 in 1s"
    assert retry_info(2, 8000, 9999.0) == "Retry 2 in 0s"
    assert retry_info(3, None, 0.0) == "Retry 3"


@settings(deadline=None, max_examples=60)
@given(st.recursive(st.none() | st.booleans() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8))  # fmt: skip
def test_no_shape_breaks_the_words(odd: Any) -> None:
    for properties in (odd, {"error": odd}, {"error": {"data": odd}}, {"metadata": odd, "questions": [odd]}):
        raw = json.dumps(properties).encode()
        assert isinstance(wording.error_words(details(raw, SessionError)), str)
        assert isinstance(wording.request_words(details(raw, PendingRequest), None), str)
    assert isinstance(wording.tool_line(doing(tool=odd, state={"input": {"command": odd}}).part, "/x"), str)
