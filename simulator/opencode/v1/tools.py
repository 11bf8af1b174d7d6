"""OpenCode's tools: what each asks before it runs, what it prints, what it leaves. No I/O: no command is executed.

Shapes as recorded from OpenCode 1.18.33 with `permission: {bash, edit, webfetch, external_directory: "ask"}`.
"""

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from simulator.opencode.scheduler import Event
from simulator.opencode.script import Json

REJECTED = "The user rejected permission to use this specific tool call."
DISMISSED = "The user dismissed this question"
INTERRUPTED = "Tool execution aborted"

_TWO_WORDS = frozenset({"git", "npm", "docker", "cargo", "make"})
"""Commands whose second word belongs to the pattern that "always" allows: `git status *`."""


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
            any(kind == self.permission and _covers(known, pattern) for kind, known in allowed)
            for pattern in self.patterns
        )


@dataclass(frozen=True, slots=True)
class Chunk:
    """A command printed something: seconds after what came before, and all it has printed so far."""

    after: float
    output: str


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
    if name != "bash":
        return ()
    printed, after, found = "", 0.0, [Chunk(0.0, "")]
    for command in _commands(given["command"]):
        word, _, rest = command.partition(" ")
        if word == "sleep":
            after += _seconds(rest)
        elif word == "echo":
            printed += f"{rest}\n"
            found.append(Chunk(after, printed))
            after = 0.0
    return (*found, Chunk(after, printed)) if after else tuple(found)


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


def _seconds(text: str) -> float:
    """`sleep`'s operand; anything else takes no time."""
    try:
        return float(text)
    except ValueError:
        return 0.0


def _covers(known: str, pattern: str) -> bool:
    """`git status *` allows `git status` too (read in OpenCode's code)."""
    return pattern == known.removesuffix(" *") or fnmatchcase(pattern, known)


def _commands(line: str) -> list[str]:
    return [command.strip() for command in re.split(r";|&&|\|\|", line) if command.strip()]


def _ask_bash(given: Json, directory: str) -> tuple[Request, ...]:
    command = given["command"]
    commands = _commands(command)
    metadata = {"command": command}
    asked = Request("bash", tuple(commands), metadata, tuple(dict.fromkeys(map(_always, commands))))
    outside = _outside(command, directory)
    if not outside:
        return (asked,)
    patterns = tuple(f"{one}/*" for one in outside)
    metadata = {"command": command, "directories": list(outside), "patterns": list(patterns)}
    return (Request("external_directory", patterns, metadata, patterns), asked)


def _always(command: str) -> str:
    words = command.split()
    return " ".join([*words[: 2 if words[0] in _TWO_WORDS else 1], "*"])


def _outside(command: str, directory: str) -> tuple[str, ...]:
    """The folders outside of the session's own that a command names."""
    paths = [word for word in command.split() if word.startswith("/") and not word.startswith("/dev/")]
    folders = dict.fromkeys(posixpath.dirname(path) for path in paths)
    return tuple(one for one in folders if not f"{one}/".startswith(f"{directory}/"))


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
