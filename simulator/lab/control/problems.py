"""What went wrong, as an HTTP status and a reply: `{ok: false, error, code}`. No I/O."""

from typing import NamedTuple

import msgspec
from werkzeug.exceptions import HTTPException

from simulator.apns.errors import SandboxError
from simulator.lab.errors import Impossible, LabError, NotNow, RealTime, Taken, Unknown


class Problem(NamedTuple):
    """The reply's status, its stable `code`, and one sentence."""

    status: int
    code: str
    error: str

    def fields(self) -> dict[str, object]:
        """The body of the reply."""
        return {"ok": False, "error": self.error, "code": self.code}


class Refusal(Exception):
    """A request that is refused before it reaches its route."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.error)
        self.problem = problem


FOREIGN = Problem(403, "foreign_origin", "this API answers to programs of this machine, not to web pages")
UNREADABLE = Problem(415, "unsupported_media_type", "send the body as application/json")

KINDS: tuple[tuple[type[Exception], int, str], ...] = (
    (Unknown, 404, "not_found"),
    (Taken, 409, "taken"),
    (RealTime, 409, "real_clock"),
    (NotNow, 409, "not_now"),
    (Impossible, 422, "impossible"),
    (LabError, 500, "lab_failed"),
    (msgspec.ValidationError, 400, "invalid_request"),
    (msgspec.DecodeError, 400, "invalid_json"),
    (UnicodeError, 400, "invalid_json"),
    (RecursionError, 400, "invalid_json"),
    (SandboxError, 422, "impossible"),
)
"""Exceptions that are somebody else's mistake; the first that fits counts."""

CODES = {404: "not_found", 405: "method_not_allowed", 408: "request_timeout", 413: "body_too_large"}


def problem(error: Exception) -> Problem:
    """The reply to an exception. What is in no table is our own defect: 500, and its text is told, for this is a tool."""
    if isinstance(error, Refusal):
        return error.problem
    if isinstance(error, HTTPException):
        status = error.code or 500
        return Problem(status, CODES.get(status, f"http_{status}"), error.description or error.name)
    for kind, status, code in KINDS:
        if isinstance(error, kind):
            return Problem(status, code, str(error) or kind.__name__)
    return Problem(500, "internal_error", f"{type(error).__name__}: {error}")
