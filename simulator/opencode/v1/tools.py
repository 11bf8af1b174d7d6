"""OpenCode's tools: what each asks before it runs, what it prints, what it leaves. No I/O: no command is executed.

Shapes as recorded from OpenCode 1.18.33 with `permission: {bash, edit, webfetch, external_directory: "ask"}`.
"""

import posixpath
from collections.abc import Callable
from dataclasses import dataclass

from simulator.opencode.scheduler import Event
from simulator.opencode.script import Json
from simulator.opencode.shell_command import Chunk, always, commands, covers, outside, run

REJECTED = "The user rejected permission to use this specific tool call."
DISMISSED = "The user dismissed this question"
INTERRUPTED = "Tool execution aborted"


@dataclass(frozen=True, slots=True)
class Request:
    """What a tool asks before it runs, without id and session."""

    permission: str
    patterns: tuple[str, ...]
    metadata: Json
    always: tuple[str, ...]

    def json(self) -> Json:
        """As in `permission.asked`."""
        return {
            "permission": self.permission,
            "patterns": list(self.patterns),
            "metadata": self.metadata,
            "always": list(self.always),
        }

    def allowed_by(self, allowed: set[tuple[str, str]]) -> bool:
        """Whether every pattern was allowed for good before; `allowed` holds (permission, pattern)."""
        return all(
            any(kind == self.permission and covers(known, pattern) for kind, known in allowed)
            for pattern in self.patterns
        )


@dataclass(frozen=True, slots=True)
class Done:
    """The state of a tool that has run, without input and time, the events it caused and the files it changed."""

    output: str
    metadata: Json
    title: str
    events: tuple[Event, ...] = ()
    files: tuple[str, ...] = ()
    diffs: tuple[Json, ...] = ()


def requests(name: str, given: Json, directory: str) -> tuple[Request, ...]:
    """The permissions that a tool with this input asks for, one after the other."""
    ask = _REQUESTS.get(name)
    return () if ask is None else ask(given, directory)


def chunks(name: str, given: Json) -> tuple[Chunk, ...]:
    """What a tool prints while it runs; only `bash` does, and only `echo` and `sleep` do anything."""
    return run(given["command"]) if name == "bash" else ()


def done(name: str, given: Json, directory: str) -> Done:
    """How a tool ends that nobody disturbed."""
    finish = _DONE.get(name)
    return Done("", {"truncated": False}, name) if finish is None else finish(given, directory)


def interrupted(name: str, given: Json, printed: str | None) -> Json:
    """The state fields of a tool that was aborted; `printed` is None if it had not begun to run."""
    if name == "bash" and printed is not None:
        note = f"{printed}\n\n<shell_metadata>\nUser aborted the command\n</shell_metadata>"
        metadata = {"output": printed, "exit": None, "truncated": False}
        return {"status": "completed", "output": note, "metadata": metadata, "title": given["command"]}
    return {"status": "error", "error": INTERRUPTED, "metadata": {"interrupted": True}}


def answered(questions: list[Json], answers: list[list[str]]) -> tuple[str, str]:
    """The output and title of an answered question."""
    pairs = zip(questions, answers, strict=False)
    listed = ", ".join(f'"{one["question"]}"="{", ".join(chosen)}"' for one, chosen in pairs)
    output = (
        f"User has answered your questions: {listed}. You can now continue with the user's answers in mind."
    )
    return output, f"Asked {len(questions)} question{'s' if len(questions) != 1 else ''}"


def _ask_bash(given: Json, directory: str) -> tuple[Request, ...]:
    command = given["command"]
    single = commands(command)
    metadata = {"command": command}
    asked = Request("bash", tuple(single), metadata, tuple(dict.fromkeys(map(always, single))))
    folders = outside(command, directory)
    if not folders:
        return (asked,)
    patterns = tuple(f"{one}/*" for one in folders)
    metadata = {"command": command, "directories": list(folders), "patterns": list(patterns)}
    return (Request("external_directory", patterns, metadata, patterns), asked)


def _ask_edit(given: Json, directory: str) -> tuple[Request, ...]:
    path = given["filePath"]
    metadata = {"filepath": path, "diff": _diff(path, path, given)}
    return (Request("edit", (posixpath.relpath(path, directory),), metadata, ("*",)),)


def _ask_webfetch(given: Json, _directory: str) -> tuple[Request, ...]:
    metadata = {"url": given["url"], "format": given.get("format", "text")}
    return (Request("webfetch", (given["url"],), metadata, ("*",)),)


def _diff(path: str, side: str, given: Json) -> str:
    """`side` is how the two sides are called: by the path, or in the message's summary by name and tab."""
    lines = _lines(given)
    added = "".join(f"+{line}\n" for line in lines)
    return f"Index: {path}\n{'=' * 67}\n--- {side}\n+++ {side}\n@@ -0,0 +1,{len(lines)} @@\n{added}"


def _lines(given: Json) -> list[str]:
    """What a `write` writes, or what an `edit` puts in."""
    return str(given.get("content", given.get("newString", ""))).splitlines()


def _bash_done(given: Json, _directory: str) -> Done:
    printed = chunks("bash", given)[-1].output or "(no output)"
    return Done(printed, {"output": printed, "exit": 0, "truncated": False}, given["command"])


def _edit_done(given: Json, directory: str) -> Done:
    path = given["filePath"]
    metadata = {"diagnostics": {}, "filepath": path, "exists": False, "truncated": False}
    events: tuple[Event, ...] = (
        ("file.edited", {"file": path}),
        ("file.watcher.updated", {"file": path, "event": "add"}),
    )
    name = posixpath.relpath(path, directory)
    patch = {"file": name, "patch": _diff(name, f"{name}\t", given)}
    change = {**patch, "additions": len(_lines(given)), "deletions": 0, "status": "added"}
    return Done("Wrote file successfully.", metadata, name, events, (path,), (change,))


def _webfetch_done(given: Json, _directory: str) -> Done:
    return Done('{"ok": true}', {"truncated": False}, f"{given['url']} (application/json)")


_REQUESTS: dict[str, Callable[[Json, str], tuple[Request, ...]]] = {
    "bash": _ask_bash,
    "edit": _ask_edit,
    "write": _ask_edit,
    "webfetch": _ask_webfetch,
}

_DONE: dict[str, Callable[[Json, str], Done]] = {
    "bash": _bash_done,
    "edit": _edit_done,
    "write": _edit_done,
    "webfetch": _webfetch_done,
}
