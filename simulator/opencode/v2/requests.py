"""The parts of a request that decide what it means, and the refusals. No I/O.

Error bodies `{_tag, message, ...}` as recorded; those of a server that is not ready have a `code` instead.
"""

import base64
import binascii
import json
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from simulator.opencode.script import Json

DIRECTORY_HEADER = "x-opencode-directory"
USER = "opencode"


@dataclass(frozen=True, slots=True)
class Refused(Exception):
    """A request that is answered with an error: HTTP status and JSON body; None is an empty one."""

    status: int
    body: Json | None


def not_found(kind: str, key: str, value: str) -> Refused:
    """404: no such session, permission, form, message or location."""
    words = {"Permission": "Permission request", "PermissionSaved": "Saved permission"}.get(kind, kind)
    return Refused(
        404, {"_tag": f"{kind}NotFoundError", key: value, "message": f"{words} not found: {value}"}
    )


def session_not_found(session_id: str) -> Refused:
    """Any route of a session that does not exist."""
    return not_found("Session", "sessionID", session_id)


def permission_not_found(request_id: str) -> Refused:
    """Answered already, withdrawn, never asked, or another session's."""
    return not_found("Permission", "requestID", request_id)


def form_not_found(form_id: str) -> Refused:
    """Never asked, another session's, or settled long ago."""
    return not_found("Form", "id", form_id)


def form_settled(form_id: str) -> Refused:
    """Answered or cancelled already."""
    message = f"Form already settled: {form_id}"
    return Refused(409, {"_tag": "FormAlreadySettledError", "id": form_id, "message": message})


def invalid_answer(form_id: str, message: str) -> Refused:
    """An answer that does not fit the form's fields."""
    return Refused(400, {"_tag": "FormInvalidAnswerError", "id": form_id, "message": message})


def conflict(message: str) -> Refused:
    """An identifier that is somebody else's."""
    return Refused(409, {"_tag": "ConflictError", "message": message})


def invalid(message: str, kind: str = "Payload") -> Refused:
    """A field that is missing or wrong, in the path (Params), the query or the body (Payload)."""
    return Refused(400, {"_tag": "InvalidRequestError", "message": message, "kind": kind})


def invalid_cursor() -> Refused:
    """A cursor that this server never gave, or one beside other filters."""
    return Refused(400, {"_tag": "InvalidCursorError", "message": "Invalid cursor"})


def unauthorized() -> Json:
    """The body of a 401 since 2.0.16."""
    return {"_tag": "UnauthorizedError", "message": "Authentication required"}


def missing_key(key: str) -> Refused:
    """The body lacks a field."""
    return invalid(f'Missing key\n  at ["{key}"]')


def checked_id(value: str, prefix: str, key: str, kind: str = "Params") -> str:
    """An identifier with the prefix that it must have. Raises Refused (400)."""
    if not isinstance(value, str) or not value.startswith(prefix):
        raise invalid(
            f'Expected a string starting with "{prefix}", got {json.dumps(value)}\n  at ["{key}"]', kind
        )
    return value


def directory(query: Mapping[str, str], header: str | None, default: str) -> str:
    """The location of a request: `location[directory]=`, else the header (raw or URI-encoded), else the server's own."""
    return posixpath.normpath(query.get("location[directory]") or unquote(header or "") or default)


def password_of(authorization: str | None, auth_token: str | None) -> str | None:
    """What a request gives as password, by HTTP Basic or as `auth_token=` (base64 of UTF-8); None: none for our user."""
    scheme, _, given = (authorization or "").partition(" ")
    encoded = given if scheme.lower() == "basic" else auth_token or ""
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return password if colon and user == USER else None


def number(query: Mapping[str, str], name: str, default: int, most: int | None = None) -> int:
    """A whole number above 0 of the query, and at most `most`. Raises Refused (400)."""
    text = query.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.lstrip("-").isdigit():
        raise invalid(f'Expected a number, got {json.dumps(text)}\n  at ["{name}"]', "Query")
    if int(text) <= 0:
        raise invalid(f'Expected a value greater than 0, got {int(text)}\n  at ["{name}"]', "Query")
    if most is not None and int(text) > most:
        raise invalid(
            f'Expected a value less than or equal to {most}, got {int(text)}\n  at ["{name}"]', "Query"
        )
    return int(text)


def text(body: Json, key: str) -> str:
    """A field that must be a text. Raises Refused (400)."""
    if key not in body:
        raise missing_key(key)
    if not isinstance(body[key], str):
        raise invalid(f'Expected string, got {json.dumps(body[key])}\n  at ["{key}"]')
    return str(body[key])


def choice(value: Any, key: str, choices: tuple[str, ...], name: str, kind: str = "Payload") -> str:
    """One of a few words, which the server calls `name`. Raises Refused (400)."""
    if value in choices:
        return str(value)
    raise invalid(f'Expected {name}, got {json.dumps(value)}\n  at ["{key}"]', kind)


def listing(body: Json, key: str) -> list[Any]:
    """A field that must be an array. Raises Refused (400)."""
    if key not in body:
        raise missing_key(key)
    if not isinstance(body[key], list):
        raise invalid(f'Expected array, got {json.dumps(body[key])}\n  at ["{key}"]')
    return list(body[key])


def count(body: Json, key: str) -> int:
    """A field that must be a whole number. Raises Refused (400)."""
    if key not in body:
        raise missing_key(key)
    if not isinstance(body[key], int) or isinstance(body[key], bool):
        raise invalid(f'Expected number, got {json.dumps(body[key])}\n  at ["{key}"]')
    return int(body[key])
