"""Whether an answer fits a form's fields. No I/O."""

from collections.abc import Callable
from typing import Any

from simulator.opencode.script import Json
from simulator.opencode.v2.requests import invalid_answer


def check_answer(form: Json, answer: Any) -> None:
    """Raises Refused (400) for an answer with unknown keys, wrong types, choices that there are not, or gaps."""
    if not isinstance(answer, dict):
        raise invalid_answer(form["id"], "Expected an object of answers by field")
    fields = {field["key"]: field for field in form["fields"]}
    for key, value in answer.items():
        if key not in fields:
            raise invalid_answer(form["id"], f"Unknown form field: {key}")
        _check_field(form["id"], fields[key], value, answer)
    for key, field in fields.items():
        if field.get("required") and key not in answer and active(field, answer):
            raise invalid_answer(form["id"], f"Missing required form field: {key}")


def active(field: Json, answer: Json) -> bool:
    """Whether all that the field depends on is answered so."""
    return all(
        (answer.get(when["key"]) == when["value"]) == (when["op"] == "eq") for when in field.get("when", ())
    )


def _check_field(form_id: str, field: Json, value: Any, answer: Json) -> None:
    key, kind = field["key"], field["type"]
    word, fits = _KINDS.get(kind, ("no answer", lambda _: False))
    if not fits(value):
        raise invalid_answer(form_id, f"Expected {word} for form field: {key}")
    if not active(field, answer):
        raise invalid_answer(form_id, f"Form field is not active: {key}")
    if (wrong := _unknown_choice(field, value)) is not None:
        raise invalid_answer(form_id, f"Unknown option for form field {key}: {wrong}")


def _unknown_choice(field: Json, value: Any) -> str | None:
    """A chosen value that is none of the options, where no own text is allowed."""
    if field.get("custom") or "options" not in field:
        return None
    options = {option["value"] for option in field["options"]}
    chosen = value if isinstance(value, list) else [value]
    return next((one for one in chosen if one not in options), None)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "string": ("string", lambda value: isinstance(value, str)),
    "number": ("number", _number),
    "integer": ("integer", lambda value: _number(value) and float(value).is_integer()),
    "boolean": ("boolean", lambda value: isinstance(value, bool)),
    "multiselect": (
        "array of strings",
        lambda value: isinstance(value, list) and all(isinstance(one, str) for one in value),
    ),
}
