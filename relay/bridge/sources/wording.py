"""What a permission or a question asks, in a person's words, for the servers of all generations. Pure.

The first generation says `permission`, `patterns` and `tool.callID`, the second `action`, `resources` and `source.id`; the names
of the kinds are the same but for bash and shell, task and subagent. What a tool is called with is in its part, not in the
request (observed on 1.18.33 and on the second generation's beta; anomalyco/opencode#19549, #12111). What cannot be read leads
to a shorter line, never to a lost alert.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from relay.bridge.notify.redact import redact
from relay.bridge.notify.text import MAX_CARD, sentence
from relay.bridge.sources.doing import relative
from relay.text import cut


@dataclass(frozen=True, slots=True)
class Permission:
    """A request of a tool. `arguments`: what the tool is called with; `reason`: a hook's own words."""

    action: str
    resources: Sequence[str] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    directory: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """One question with the labels of its options; of `several` options more than one may be chosen."""

    text: str
    options: Sequence[str] = ()
    several: bool = False


# Permissions.

SENTENCES: dict[str, tuple[str, tuple[str, ...]]] = {
    "bash": ("bash: {}", ("command",)),
    "shell": ("shell: {}", ("command",)),
    "webfetch": ("webfetch: {}", ("url",)),
    "read": ("Read {}", ("filePath", "filepath", "path")),
    "glob": ("Look for files named {}", ("pattern",)),
    "grep": ("Search the files for {}", ("pattern",)),
    "list": ("List the folder {}", ("path",)),
    "lsp": ("Ask the language server about {}", ("filePath", "filepath", "path")),
    "websearch": ("Search the web for {}", ("query",)),
    "codesearch": ("Search the web for code: {}", ("query",)),
    "skill": ("Load the skill {}", ("name", "id")),
    "execute": ("Run code: {}", ("code", "script")),
    "todowrite": ("Change its list of things to do", ()),
    "todoread": ("Read its list of things to do", ()),
    "question": ("Ask you something", ()),
    "plan_enter": ("Make a plan before it changes anything", ()),
    "plan_exit": ("End planning and begin to change files", ()),
}
"""What bash, edit and webfetch do is said by what follows; of the others one must know what they are. By kind the sentence, and the fields of metadata or arguments that fill it, the most telling first; else the resources do."""


def permission_words(asked: Permission) -> str:
    """What is about to happen, as in "bash: npm test" or "Load the skill pdf"; "" if nothing is known."""
    if not asked.action:
        return ""
    words = SPECIAL.get(asked.action, _sentence)(asked)
    return redact(f"{words} ({asked.reason})" if asked.reason else words)


def _sentence(asked: Permission) -> str:
    if asked.action not in SENTENCES:
        return _tool(asked)
    pattern, keys = SENTENCES[asked.action]
    what = relative(
        _first(asked, keys) or _listed(asked.resources, "; " if asked.action == "shell" else ", "),
        asked.directory,
    )
    return pattern.format(what) if what or "{}" not in pattern else pattern.partition(" {}")[0].rstrip(":")


def _edit(asked: Permission) -> str:
    """Generation 2 lists the files of a patch; generation 1 names one."""
    files = [
        _text(one.get("file")) for one in _items(asked.metadata.get("files")) if isinstance(one, Mapping)
    ]
    names = list(filter(None, files)) or [_first(asked, ("filepath", "filePath", "path"))]
    names = list(filter(None, names)) or [one for one in asked.resources if one != "*"]
    return _joined("edit", ", ".join(relative(name, asked.directory) for name in names))


def _outside(asked: Permission) -> str:
    """A tool leaves the project's folder: where to, and what it does there."""
    where = _listed(asked.metadata.get("directories"), ", ") or _text(asked.metadata.get("parentDir"))
    where = where or _listed(asked.resources, ", ")
    command = _first(asked, ("command",))
    path = _first(asked, ("filepath", "filePath", "path"))
    what = f"run {command}" if command else f"use {path}" if path else "use it"
    return f"Outside the project, in {where}: {what}" if where else f"Outside the project: {what}"


def _repeated(asked: Permission) -> str:
    """The same call came three times in a row (anomalyco/opencode, doom_loop)."""
    tool = _text(asked.metadata.get("tool")) or _listed(asked.resources, ", ")
    given = asked.metadata.get("input")
    call = Permission(tool, (), {}, given if isinstance(given, Mapping) else asked.arguments, asked.directory)
    return "Go on although it does the same again and again? " + permission_words(call)


def _subagent(asked: Permission) -> str:
    who = _first(asked, ("subagent_type", "agent")) or _listed(asked.resources, ", ")
    what = _first(asked, ("description", "prompt"))
    name = f"Start the subagent {who}" if who and who != "*" else "Start a subagent"
    return f"{name}: {what}" if what else name


def _tool(asked: Permission) -> str:
    """A tool that is not OpenCode's own, such as `tracker_create_issue` of the MCP server tracker, with its arguments."""
    given = asked.arguments or asked.metadata
    resources = [one for one in asked.resources if one not in ("*", asked.action)]
    what = ", ".join(_argument(name, value) for name, value in given.items()) or _listed(resources, ", ")
    return _joined(f"Use {asked.action}", what)


def _argument(name: str, value: Any) -> str:
    """`title: "Fix it"`; redacted as JSON, where a name is known best."""
    shown = redact(f'"{name}": {json.dumps(value, ensure_ascii=False)}')
    return shown.replace(f'"{name}"', name, 1)


SPECIAL: dict[str, Callable[[Permission], str]] = {
    **dict.fromkeys(("edit", "write", "patch", "apply_patch", "multiedit"), _edit),
    "external_directory": _outside,
    "doom_loop": _repeated,
    "task": _subagent,
    "subagent": _subagent,
}
"""The kinds whose sentence needs more than one field."""


def _joined(name: str, what: str) -> str:
    return ": ".join(filter(None, (name, what)))


def _first(asked: Permission, keys: Sequence[str]) -> str:
    texts = (_text(source.get(key)) for key in keys for source in (asked.metadata, asked.arguments))
    return next(filter(None, texts), "")


def _listed(value: Any, between: str) -> str:
    return between.join(one for one in _items(value) if isinstance(one, str) and one)


def _items(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


# Questions.

MAX_QUESTIONS = 2400
"""Bytes of all questions and options of a request: what an alert of 4096 bytes has room for beside title and ids."""
_SHORTEST = 24
"""Characters of a question that are kept for what it is about, however many options it has."""


def question_words(questions: Sequence[Question]) -> str:
    """All questions with their options: "1 of 2: Which colour? (choose any: Red / Blue) · 2 of 2: Which size? (S / L)".

    If they do not fit an alert, the questions are shortened, not the options.
    """
    whole, fair = (
        (_all(questions, room)) for room in (10 * MAX_QUESTIONS, MAX_QUESTIONS // max(1, len(questions)))
    )
    return whole if _bytes(whole) <= MAX_QUESTIONS else fair


def _all(questions: Sequence[Question], room: int) -> str:
    return " · ".join(_question(questions, number, room, _bytes) for number in range(len(questions)))


def card_question(questions: Sequence[Question]) -> str:
    """The first question with its options in the few words of a card."""
    return _question(questions, 0, MAX_CARD, len) if questions else ""


def _question(questions: Sequence[Question], number: int, room: int, size: Callable[[str], int]) -> str:
    asked = questions[number]
    position = f"{number + 1} of {len(questions)}: " if len(questions) > 1 else ""
    room -= size(position)
    options = _options(asked, room - _SHORTEST, size)
    text = cut(sentence(asked.text), max(room - size(options), 0), size)
    return position + (text + options).strip()


def _options(asked: Question, room: int, size: Callable[[str], int]) -> str:
    """All labels if there is room for them; else each label as long as the others, or so many that fit."""
    labels = [label for option in asked.options if (label := sentence(option))]
    if not labels:
        return ""
    before = "choose any: " if asked.several else ""
    room -= size(f" ({before})")
    for longest in (room, *range(40, 3, -4)):
        shown = " / ".join(cut(label, longest, size) for label in labels)
        if size(shown) <= room:
            return f" ({before}{shown})"
    kept = next(
        number
        for number in range(len(labels) - 1, -1, -1)
        if number == 0 or size(_some(labels, number)) <= room
    )
    return f" ({before}{_some(labels, kept)})"


def _some(labels: Sequence[str], kept: int) -> str:
    more = f"{len(labels) - kept} options" if kept == 0 else f"{len(labels) - kept} more"
    return " / ".join([*(cut(label, 12) for label in labels[:kept]), more])


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "replace"))
