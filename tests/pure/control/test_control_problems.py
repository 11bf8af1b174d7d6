"""Exceptions become statuses by a table; every exception of the lab is in it."""

import msgspec
import pytest
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge

from simulator.apns.errors import BadFault, BadProfile, UnknownToken
from simulator.lab.control.route import CODES, FOREIGN, KINDS, Problem, Refusal, problem
from simulator.lab.errors import Impossible, LabError, NotNow, RealTime, StateError, Taken, Unknown

CASES = [
    (Unknown("no"), 404, "not_found"),
    (Taken("no"), 409, "taken"),
    (RealTime("no"), 409, "real_clock"),
    (NotNow("no"), 409, "not_now"),
    (Impossible("no"), 422, "impossible"),
    (StateError("no"), 500, "lab_failed"),
    (BadFault("no"), 422, "impossible"),
    (BadProfile("no"), 422, "impossible"),
    (UnknownToken("no"), 422, "impossible"),
    (msgspec.ValidationError("no"), 400, "invalid_request"),
    (msgspec.DecodeError("no"), 400, "invalid_json"),
    (RecursionError("no"), 400, "invalid_json"),
    (UnicodeDecodeError("utf-8", b"", 0, 1, "no"), 400, "invalid_json"),
    (NotFound(), 404, "not_found"),
    (MethodNotAllowed(), 405, "method_not_allowed"),
    (RequestEntityTooLarge(), 413, "body_too_large"),
    (Refusal(FOREIGN), 403, "foreign_origin"),
    (ZeroDivisionError("no"), 500, "internal_error"),
]


@pytest.mark.parametrize(("error", "status", "code"), CASES, ids=lambda one: type(one).__name__)
def test_what_an_exception_becomes(error: Exception, status: int, code: str) -> None:
    found = problem(error)
    assert (found.status, found.code) == (status, code)
    assert found.error


def test_every_exception_of_the_lab_is_somebody_elses_mistake_or_named_as_ours() -> None:
    subclasses = set(LabError.__subclasses__())
    tried = {type(error) for error, _, _ in CASES}
    assert subclasses <= tried


def test_an_exception_without_a_text_is_called_by_its_kind() -> None:
    assert problem(Unknown()).error == "Unknown"


def test_a_status_that_is_in_no_table_names_itself() -> None:
    class Teapot(HTTPException):
        code = 418
        description = "short and stout"

    assert problem(Teapot()) == Problem(418, "http_418", "short and stout")
    assert 418 not in CODES


def test_a_special_case_stands_before_the_general_one() -> None:
    kinds = [kind for kind, _, _ in KINDS]
    for place, kind in enumerate(kinds):
        assert not any(issubclass(kind, earlier) for earlier in kinds[:place])
