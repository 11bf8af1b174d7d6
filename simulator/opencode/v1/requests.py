"""The parts of a request that decide what it means: directory, credentials, numbers, bodies. No I/O.

As observed on OpenCode 1.18.33, including the exact error bodies.
"""

import base64
import hmac
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import unquote

from simulator.opencode.script import Json

DIRECTORY_HEADER = "x-opencode-directory"
Choice = TypeVar("Choice", bound=str)


@dataclass(frozen=True, slots=True)
class Refused(Exception):
    """A request that is answered with an error: HTTP status and JSON body."""

    status: int
    body: Json


def session_not_found(session_id: str) -> Refused:
    """Any route of a session that does not exist."""
    return Refused(404, {"name": "NotFoundError", "data": {"message": f"Session not found: {session_id}"}})


def permission_not_found(request_id: str) -> Refused:
    """Answered already, never asked, or asked in another directory."""
    return _request_not_found("Permission", request_id)


def question_not_found(request_id: str) -> Refused:
    """Answered already, never asked, or asked in another directory."""
    return _request_not_found("Question", request_id)


def missing_key(key: str) -> Refused:
    """The body lacks a field or has it in the wrong shape."""
    return _bad_request(f'Missing key\n  at ["{key}"]', "Payload")


def bad_prompt(why: str) -> Refused:
    """A prompt of a scripted session that holds no script."""
    return _bad_request(f'{why}\n  at ["parts"]', "Payload")


def no_answer() -> Refused:
    """A prompt that waits for its answer, on a server that only plays recordings."""
    message = "This server plays recordings: no model answers here. Use prompt_async, or a scripted server."
    return Refused(500, {"name": "UnknownError", "data": {"message": message}})


def directory(query: str | None, header: str | None, default: str) -> str:
    """The instance a request is about: `directory=`, else the header (URI-encoded), else the server's own.

    `D`, `D/` and `D/sub/..` are the same instance.
    """
    return posixpath.normpath(query or unquote(header or "") or default)


def authorized(authorization: str | None, auth_token: str | None, credentials: str | None) -> bool:
    """Whether a request carries `user:password` by HTTP Basic or as `auth_token=` (base64); None accepts all."""
    if credentials is None:
        return True
    expected = base64.b64encode(credentials.encode())
    scheme, _, given = (authorization or "").partition(" ")
    tokens = [given if scheme.lower() == "basic" else "", auth_token or ""]
    return any(hmac.compare_digest(token.encode(), expected) for token in tokens)


def number(query: Mapping[str, str], name: str, default: int | None = None) -> int | None:
    """A whole number of the query. Raises Refused (400) for anything else."""
    text = query.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit():
        raise _bad_request(f'Expected a number\n  at ["{name}"]', "Query")
    return int(text)


def flag(query: Mapping[str, str], name: str) -> bool:
    """`name=true`."""
    return query.get(name) == "true"


def choice(body: Json, key: str, choices: tuple[Choice, ...]) -> Choice:
    """A field that must be one of a few words. Raises Refused (400)."""
    for word in choices:
        if body.get(key) == word:
            return word
    raise missing_key(key)


def listing(body: Json, key: str) -> list[Any]:
    """A field that must be an array. Raises Refused (400)."""
    value = body.get(key)
    if not isinstance(value, list):
        raise missing_key(key)
    return value


def select(sessions: list[Json], query: Mapping[str, str]) -> list[Json]:
    """The sessions that `roots`, `search`, `start` (UNIX ms) and `limit` (default 100) ask for."""
    start = number(query, "start", 0) or 0
    words = query.get("search", "").lower()
    chosen = [
        info
        for info in sessions
        if not (flag(query, "roots") and "parentID" in info)
        and info["time"]["updated"] >= start
        and words in info["title"].lower()
    ]
    return chosen[: number(query, "limit", 100)]


def _request_not_found(kind: str, request_id: str) -> Refused:
    message = f"{kind} request not found: {request_id}"
    return Refused(404, {"_tag": f"{kind}NotFoundError", "requestID": request_id, "message": message})


def _bad_request(message: str, kind: str) -> Refused:
    return Refused(400, {"name": "BadRequest", "data": {"message": message, "kind": kind}})
