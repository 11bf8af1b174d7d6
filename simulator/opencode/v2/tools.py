"""Generation 2's tools: their names, what each asks before it runs, what it leaves. No I/O: no command is executed.

Shapes as recorded with `permissions` that ask for shell, edit, webfetch and external_directory, and never for the rest;
what the rest would ask is as its documentation has it, for scripts that say `"ask": true`.
"""

import posixpath
from collections.abc import Callable
from dataclasses import dataclass, replace

from simulator.opencode import shell_command
from simulator.opencode.scheduler import Event
from simulator.opencode.script import Json, Tool

DECLINED = "The user declined this tool call"
DISMISSED = "The user dismissed this question"
CANCELLED = "Subagent cancelled"
MULTI = "multiselect"

_NAMES = {"bash": "shell", "task": "subagent"}
_FIELDS = {"filePath": "path", "subagent_type": "agent"}
_UNKNOWN_FIELDS = {"shell": ("description",)}
"""The words of generation 1 in which scripts are kept, and fields that generation 2 has not."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a tool asks before it runs, without id and session; `save` is what "always" would store."""

    action: str
    resources: tuple[str, ...]
    save: tuple[str, ...]
    metadata: Json | None = None

    def json(self) -> Json:
        """As in `permission.asked`."""
        asked: Json = {"action": self.action, "resources": list(self.resources)}
        if self.save:
            asked["save"] = list(self.save)
        return asked if self.metadata is None else {**asked, "metadata": self.metadata}


@dataclass(frozen=True, slots=True)
class Done:
    """How a tool ends: what it answers the model, and the events and files that it leaves."""

    content: tuple[str, ...]
    metadata: Json
    events: tuple[Event, ...] = ()
    files: tuple[str, ...] = ()


def named(tool: Tool) -> tuple[str, Json]:
    """The name and input of a script's tool in the words of generation 2."""
    name = _NAMES.get(tool.name, tool.name)
    dropped = _UNKNOWN_FIELDS.get(name, ())
    given = {_FIELDS.get(key, key): value for key, value in tool.input.items() if key not in dropped}
    return name, {**given, "background": True} if tool.background else given


def requests(name: str, given: Json, directory: str) -> tuple[Request, ...]:
    """The permissions that a tool with this input asks for, one after the other."""
    outside = _outside(name, given, directory)
    return (*outside, *(_REQUESTS[name](given, directory) if name in _REQUESTS else ()))


def done(name: str, given: Json, directory: str) -> Done:
    """How a tool ends that nobody disturbed."""
    finish = _DONE.get(name)
    return Done(("ok",), {"truncated": False}) if finish is None else finish(given, directory)


def seconds(given: Json) -> float:
    """How long a command takes."""
    return sum(chunk.after for chunk in shell_command.run(given["command"]))


def form_fields(questions: list[Json]) -> list[Json]:
    """The fields of the question tool's form, one a question."""
    return [
        {
            "key": f"q{number}",
            "title": one.get("header", ""),
            "description": one["question"],
            "type": MULTI if one.get("multiple") else "string",
            "options": [{"value": option["label"], **option} for option in one.get("options", ())],
            "custom": True,
        }
        for number, one in enumerate(questions)
    ]


def chosen(questions: list[Json], answer: Json) -> list[list[str]]:
    """A form's answer as the question tool hands it to the model: a list of texts for each question."""
    values = [answer.get(f"q{number}", []) for number in range(len(questions))]
    return [value if isinstance(value, list) else [str(value)] for value in values]


def form_answer(questions: list[Json], answers: tuple[tuple[str, ...], ...]) -> Json:
    """The other way round: what a script's person fills in."""
    pairs = enumerate(zip(questions, answers, strict=False))
    return {
        f"q{number}": list(given) if one.get("multiple") else ", ".join(given)
        for number, (one, given) in pairs
    }


def answered(questions: list[Json], answers: list[list[str]]) -> str:
    """What the model is given of an answered form."""
    pairs = zip(questions, answers, strict=False)
    listed = ", ".join(f'"{one["question"]}"="{", ".join(given)}"' for one, given in pairs)
    return (
        f"User has answered your questions: {listed}. You can now continue with the user's answers in mind."
    )


def _outside(name: str, given: Json, directory: str) -> tuple[Request, ...]:
    """A path outside of the session's folder is asked for before the tool's own rule."""
    if name == "shell":
        folders = shell_command.outside(given["command"], directory)
    else:
        path = posixpath.normpath(posixpath.join(directory, str(given.get("path", ""))))
        inside = "path" not in given or f"{path}/".startswith(f"{directory}/")
        folders = () if inside else (posixpath.dirname(path),)
    patterns = tuple(f"{folder}/*" for folder in folders)
    return (Request("external_directory", patterns, patterns),) if patterns else ()


def _shell(given: Json, _directory: str) -> tuple[Request, ...]:
    """One request for all commands of a line; patterns repeat as recorded."""
    single = shell_command.commands(given["command"])
    return (Request("shell", tuple(single), tuple(map(shell_command.always, single))),)


def _edit(given: Json, directory: str) -> tuple[Request, ...]:
    metadata = {"files": [_change(given, directory)]}
    return (Request("edit", (_relative(given, directory),), ("*",), metadata),)


def _webfetch(given: Json, _directory: str) -> tuple[Request, ...]:
    metadata = {"url": given["url"], "format": given.get("format", "text")}
    return (Request("webfetch", (given["url"],), ("*",), metadata),)


def _read(given: Json, directory: str) -> tuple[Request, ...]:
    """Only files that may hold secrets are asked for."""
    path = str(given.get("path", ""))
    secret = posixpath.basename(path).endswith(".env")
    return (Request("read", (_relative(given, directory),), ("*",)),) if secret else ()


def _relative(given: Json, directory: str) -> str:
    path = posixpath.normpath(posixpath.join(directory, str(given.get("path", ""))))
    return posixpath.relpath(path, directory) if f"{path}/".startswith(f"{directory}/") else path


def _change(given: Json, directory: str) -> Json:
    """A file's change with its whole diff, as a request and the tool's end show it."""
    name = _relative(given, directory)
    old, new = str(given.get("oldString", "")).splitlines(), _lines(given)
    lines = "".join([f"-{line}\n" for line in old] + [f"+{line}\n" for line in new])
    patch = (
        f"Index: {name}\n{'=' * 67}\n--- {name}\n+++ {name}\n"
        f"@@ -{int(bool(old))},{len(old)} +1,{len(new)} @@\n{lines}"
    )
    status = "modified" if old else "added"
    return {"file": name, "patch": patch, "status": status, "additions": len(new), "deletions": len(old)}


def _lines(given: Json) -> list[str]:
    """What a `write` writes, or what an `edit` puts in."""
    return str(given.get("content", given.get("newString", ""))).splitlines()


def _shell_done(given: Json, _directory: str) -> Done:
    printed = shell_command.run(given["command"])[-1].output or "(no output)"
    return Done((printed, "Command exited with code 0."), {"truncated": False, "exit": 0})


def _write_done(given: Json, directory: str) -> Done:
    name = _relative(given, directory)
    events: tuple[Event, ...] = (("filesystem.changed", {"file": f"{directory}/{name}", "event": "add"}),)
    return Done((f"Created file successfully: {name}",), {"truncated": False}, events, (name,))


def _edit_done(given: Json, directory: str) -> Done:
    name = _relative(given, directory)
    metadata = {"files": [_change(given, directory)], "truncated": False}
    events: tuple[Event, ...] = (("filesystem.changed", {"file": f"{directory}/{name}", "event": "change"}),)
    return Done((f"Edited {name} (1 replacement)",), metadata, events, (name,))


def _webfetch_done(_given: Json, _directory: str) -> Done:
    return Done(('{"ok": true}',), {"contentType": "application/json", "truncated": False})


def _read_done(given: Json, _directory: str) -> Done:
    return Done((f"Read file {given.get('path')}, lines 1-1\n1: ok",), {"truncated": False})


_REQUESTS: dict[str, Callable[[Json, str], tuple[Request, ...]]] = {
    "shell": _shell,
    "edit": _edit,
    "write": _edit,
    "patch": _edit,
    "webfetch": _webfetch,
    "read": _read,
}

_DONE: dict[str, Callable[[Json, str], Done]] = {
    "shell": _shell_done,
    "edit": _edit_done,
    "write": _write_done,
    "patch": _edit_done,
    "webfetch": _webfetch_done,
    "read": _read_done,
}

_RESOURCE = {
    "websearch": "query",
    "glob": "pattern",
    "grep": "pattern",
    "skill": "id",
    "subagent": "agent",
    "read": "path",
}


def asked_for(name: str, given: Json, asked: tuple[Request, ...], *, keep: bool) -> tuple[Request, ...]:
    """What a tool asks where the user's rules ask for it; an MCP tool (`<server>_<tool>`) asks for `*`.

    Without `keep` there is nothing that "always" could store.
    """
    if not asked or asked[-1].action == "external_directory":
        resource = str(given.get(_RESOURCE[name], "*")) if name in _RESOURCE else "*"
        asked = (*asked, Request(name, (resource,), ("*",)))
    return asked if keep else tuple(replace(one, save=()) for one in asked)
