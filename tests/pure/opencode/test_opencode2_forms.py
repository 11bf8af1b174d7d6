"""Which answers fit a form, and which rules allow a request."""

import pytest

from simulator.opencode.shell_command import covers
from simulator.opencode.v2.forms import check_answer
from simulator.opencode.v2.requests import Refused
from simulator.opencode.v2.rules import allowed
from simulator.opencode.v2.shapes import saved_rule

OPTIONS = [{"value": "Red", "label": "Red"}, {"value": "Blue", "label": "Blue"}]
IF_RED = [{"key": "colour", "op": "eq", "value": "Red"}]
UNLESS_RED = [{"key": "colour", "op": "neq", "value": "Red"}]
FIELDS = [
    {"key": "colour", "type": "string", "options": OPTIONS, "custom": False},
    {"key": "own", "type": "string", "options": OPTIONS, "custom": True},
    {"key": "text", "type": "string"},
    {"key": "number", "type": "number"},
    {"key": "whole", "type": "integer"},
    {"key": "flag", "type": "boolean"},
    {"key": "several", "type": "multiselect", "options": OPTIONS},
    {"key": "link", "type": "external", "url": "https://example.com"},
    {"key": "shade", "type": "string", "when": IF_RED, "required": True},
    {"key": "other", "type": "string", "when": UNLESS_RED},
]
FORM = {"id": "frm_1", "fields": FIELDS}


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"colour": "Blue", "other": "sky"},
        {"colour": "Red", "shade": "dark"},
        {"own": "Green", "text": ""},
        {"number": 1.5, "whole": 2, "flag": False},
        {"number": 2, "whole": 2.0},
        {"several": ["Red", "Blue"]},
        {"several": []},
    ],
)
def test_answers_that_fit(answer) -> None:
    check_answer(FORM, answer)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"nothing": 1}, "Unknown form field: nothing"),
        ({"text": 5}, "Expected string for form field: text"),
        ({"number": "5"}, "Expected number for form field: number"),
        ({"number": True}, "Expected number for form field: number"),
        ({"whole": 1.5}, "Expected integer for form field: whole"),
        ({"flag": 0}, "Expected boolean for form field: flag"),
        ({"several": "Red"}, "Expected array of strings for form field: several"),
        ({"several": [1]}, "Expected array of strings for form field: several"),
        ({"several": ["Red", "Green"]}, "Unknown option for form field several: Green"),
        ({"colour": "Green"}, "Unknown option for form field colour: Green"),
        ({"link": "done"}, "Expected no answer for form field: link"),
        ({"shade": "dark"}, "Form field is not active: shade"),
        ({"colour": "Red", "other": "sky"}, "Form field is not active: other"),
        ({"colour": "Red"}, "Missing required form field: shade"),
        ("Red", "Expected an object of answers by field"),
        (None, "Expected an object of answers by field"),
    ],
)
def test_answers_that_do_not_fit(answer, message) -> None:
    with pytest.raises(Refused) as refused:
        check_answer(FORM, answer)
    assert refused.value.status == 400
    assert refused.value.body == {"_tag": "FormInvalidAnswerError", "id": "frm_1", "message": message}


@pytest.mark.parametrize(
    ("pattern", "resource", "fits"),
    [
        ("git push *", "git push origin", True),
        ("git push *", "git push", True),
        ("git push *", "git pull", False),
        ("git push *", "git pushes", False),
        ("*", "whatever", True),
        ("/code/*", "/code/demo/a.py", True),
    ],
)
def test_patterns(pattern, resource, fits) -> None:
    assert covers(pattern, resource) == fits


def test_rules_are_of_one_project_and_action() -> None:
    rules = [saved_rule("psv_1", "p", "shell", "ls *", 0), saved_rule("psv_2", "p", "shell", "cat *", 0)]
    for project, action, resources, expected in [
        ("p", "shell", ["ls"], True),
        ("p", "shell", ["ls -l", "cat a"], True),
        ("p", "shell", ["ls", "rm a"], False),
        ("p", "edit", ["ls"], False),
        ("q", "shell", ["ls"], False),
        ("p", "shell", [], False),
    ]:
        assert allowed(rules, project, {"action": action, "resources": resources}) == expected
