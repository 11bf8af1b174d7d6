"""GET /openapi.json: the document of the routes that there are, and of the types of events. No I/O.

It is made from the routes themselves, so that it names nothing that is not there.
"""

import re
from collections.abc import Iterable

from simulator.opencode.script import Json
from simulator.opencode.v2.wire import Flavour

_TYPES = {
    "agent": "updated",
    "command": "updated",
    "config": "updated",
    "credential": "switched updated",
    "filesystem": "changed",
    "form": "cancelled created replied",
    "installation": "update-available updated",
    "integration": "updated",
    "location": "shutdown",
    "mcp": "resources.changed status.changed",
    "model": "updated",
    "models-dev": "refreshed",
    "permission": "asked replied",
    "persistent-pty": "added removed",
    "plugin": "updated",
    "project": "updated",
    "provider": "updated",
    "pty": "created deleted exited updated",
    "reference": "updated",
    "server": "connected",
    "session": (
        "agent.selected archived compaction.delta compaction.ended compaction.failed compaction.started "
        "created deleted execution.failed execution.interrupted execution.started execution.succeeded "
        "forked idle inbox.cancelled inbox.delivered inbox.delivery.changed inbox.enqueued "
        "instructions.updated metadata.updated model.selected moved permissions "
        "reasoning.delta reasoning.ended reasoning.started renamed retry.scheduled revert.cleared "
        "revert.committed revert.staged shell.ended shell.started skill.activated status step.ended step.failed "
        "step.started step.streamed synthetic text.delta text.ended text.started tool.called tool.failed "
        "tool.input.delta tool.input.ended tool.input.started tool.progress tool.success unarchived "
        "usage.updated viewed"
    ),
    "shell": "created deleted exited",
    "skill": "updated",
    "tui": "command.execute prompt.append session.select toast.show",
    "vcs": "branch.updated",
    "websearch": "updated",
    "worktree": "resolved updated",
}
"""The types of 2.1.2 by their first word."""
_ONLY_BETA = "catalog.updated integration.connection.updated plugin.added project.directories.updated question.asked question.rejected question.replied session.compaction.admitted session.input.admitted session.input.promoted"
_NOT_BETA = """
credential.switched credential.updated location.shutdown model.updated persistent-pty.added
persistent-pty.removed project.updated provider.updated session.archived session.inbox.cancelled
session.inbox.delivered session.inbox.delivery.changed session.inbox.enqueued session.metadata.updated session.permissions session.step.streamed session.unarchived session.viewed worktree.resolved worktree.updated
"""
_NAMES = {"item_id": "inboxID", "rule_id": "id"}


def event_types(flavour: Flavour) -> list[str]:
    """Every type of event that a version declares."""
    newest = {f"{first}.{rest}" for first, several in _TYPES.items() for rest in several.split()}
    if flavour.beta:
        newest = newest - set(_NOT_BETA.split()) | set(_ONLY_BETA.split())
    return sorted(newest - flavour.unsent)


def document(flavour: Flavour, version: str, routes: Iterable[tuple[str, str]]) -> Json:
    """The document of `routes`: methods and paths as Quart writes them, `/api/session/<session_id>`."""
    paths: dict[str, Json] = {}
    for method, rule in sorted(routes, key=lambda one: one[::-1]):
        paths.setdefault(spelled_path(rule), {})[method.lower()] = _operation(method, rule)
    schemas = {kind: _event(kind) for kind in event_types(flavour)}
    schemas["V2Event"] = {"anyOf": [{"$ref": f"#/components/schemas/{kind}"} for kind in schemas]}
    info = {"title": "opencode HttpApi", "version": version}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": {"schemas": schemas}}


def spelled_path(rule: str) -> str:
    """`/api/session/{sessionID}`, as the server's own document names its parameters."""
    return re.sub(r"<(\w+)>", lambda found: f"{{{_parameter(found[1])}}}", rule)


def _parameter(name: str) -> str:
    return _NAMES.get(name) or name.replace("_id", "ID")


def _operation(method: str, rule: str) -> Json:
    parameters = [
        {"name": _parameter(name), "in": "path", "schema": {"type": "string"}, "required": True}
        for name in re.findall(r"<(\w+)>", rule)
    ]
    words = re.findall(r"\w+", re.sub(r"<\w+>", "", rule.removeprefix("/api")))
    responses = {"default": {"description": "Success, or an error with its _tag"}}
    return {
        "operationId": ".".join(["v2", *words, method.lower()]),
        "parameters": parameters,
        "responses": responses,
    }


def _event(kind: str) -> Json:
    properties = {
        "id": {"type": "string"},
        "created": {"type": "number"},
        "metadata": {"type": "object"},
        "location": {"type": "object"},
        "type": {"type": "string", "enum": [kind]},
        "data": {"type": "object"},
    }
    return {"type": "object", "properties": properties, "required": ["id", "type", "data"]}
