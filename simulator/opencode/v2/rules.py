"""What "always" stores, and what it allows afterwards. No I/O."""

from collections.abc import Callable, Iterable

from simulator.opencode.script import Json
from simulator.opencode.shell_command import covers
from simulator.opencode.v2.shapes import saved_rule


def saved_rules(new_id: Callable[[str], str], project: str, request: Json, now_ms: int) -> list[Json]:
    """A rule for each pattern of the request's `save`; none if it has nothing to save."""
    return [
        saved_rule(new_id("psv"), project, request["action"], pattern, now_ms)
        for pattern in request.get("save", ())
    ]


def allowed(rules: Iterable[Json], project: str, request: Json) -> bool:
    """Whether saved rules of the project allow every resource of a request."""
    patterns = [
        rule["resource"]
        for rule in rules
        if rule["projectID"] == project and rule["action"] == request["action"]
    ]
    return bool(request["resources"]) and all(
        any(covers(pattern, resource) for pattern in patterns) for resource in request["resources"]
    )
