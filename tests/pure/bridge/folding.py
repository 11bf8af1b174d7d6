"""Scripts of OpenCode's events, and the changes that the fold makes of them, both as text.

`play("new; busy; ask p1; no p1; idle") == "started; asked p1; answered p1; stopped"`. A step is `[session:] word
[argument]`; the session is "a" unless it is named. Ids of events are left out of the changes, and so is `progress`.
"""

from collections.abc import Callable

from pure.bridge.wire import assistant, background, created, error, event, status, text, tool
from relay.bridge.notify.source import Change
from relay.bridge.sources.opencode1.fold import Sessions
from relay.bridge.sources.opencode1.wire import Event, Info

Make = Callable[[str, str], Event]


def _replied(kind: str, **more: str | None) -> Make:
    return lambda session, request: event(kind, sessionID=session, requestID=request, **more)


WORDS: dict[str, Make] = {
    "new": lambda session, parent: created(session, parent or None),
    "unplaced": lambda session, _: created(session, directory=None),
    "updated": lambda session, title: event("session.updated", info={"id": session, "title": title or None}),
    "deleted": lambda session, _: event("session.deleted", info={"id": session}),
    "busy": lambda session, _: status(session, "busy"),
    "retry": lambda session, _: status(session, "retry"),
    "idle": lambda session, _: status(session, "idle"),
    "dreaming": lambda session, _: status(session, "dreaming"),
    "idled": lambda session, _: event("session.idle", sessionID=session),
    "error": lambda session, name: error(session, name or "APIError"),
    "stack": lambda session, _: error(
        session, "UnknownError", "UnknownError: no\n    at run (/chunk.js:1:2)"
    ),
    "nameless": lambda session, _: event("session.error", sessionID=session),
    "abort": lambda session, _: error(session, "MessageAbortedError"),
    "overflow": lambda session, _: error(session, "ContextOverflowError"),
    "prompt": lambda session, message: event(
        "message.updated", sessionID=session, info={"id": message, "role": "user"}
    ),
    "step": lambda session, message: assistant(session, message),
    "called": lambda session, message: assistant(session, message, finish="tool-calls"),
    "written": lambda session, message: assistant(session, message, time={"completed": 2}),
    "compacts": lambda session, message: assistant(session, message, mode="compaction", summary=True),
    "aborted": lambda session, message: assistant(
        session, message, time={"completed": 2}, error={"name": "MessageAbortedError", "data": {}}
    ),
    "ask": lambda session, request: event("permission.asked", id=request, sessionID=session),
    "question": lambda session, request: event("question.asked", id=request, sessionID=session),
    "yes": _replied("permission.replied", reply="once"),
    "always": _replied("permission.replied", reply="always"),
    "wordless": _replied("permission.replied", reply=None),
    "perhaps": _replied("permission.replied", reply="a new word"),
    "no": _replied("permission.replied", reply="reject"),
    "answered": _replied("question.replied"),
    "dismissed": _replied("question.rejected"),
    "background": lambda session, child: background(session, child),
    "tool": lambda session, command: tool(session, command),
    "says": lambda session, words: text(session, words),
    "disposed": lambda _, directory: event("server.instance.disposed", directory=directory),
    "connected": lambda _, __: event("server.connected"),
}


def steps(script: str) -> list[tuple[str, str, str]]:
    """(session, word, argument) of each step."""
    found = []
    for step in filter(None, map(str.strip, script.split(";"))):
        session, _, rest = step.rpartition(": ")
        word, _, argument = rest.partition(" ")
        found.append((session or "a", word, argument))
    return found


def changes_of(script: str, sessions: Sessions) -> list[Change]:
    """`learnt [parent]` and `lost` answer an `unknown`; all other words are events."""
    changes: list[Change] = []
    for session, word, argument in steps(script):
        if word == "learnt":
            changes += sessions.learn(session, Info(id=session, title="Fix it", parent_id=argument or None))
        elif word == "lost":
            changes += sessions.learn(session, None)
        else:
            changes += sessions.fold(WORDS[word](session, argument))
    return changes


def named(change: Change) -> str:
    words = [change.kind, *([change.subject_id] if not change.subject_id.startswith("evt_") else [])]
    name = " ".join(filter(None, words))
    return name if change.session_id == "a" else f"{change.session_id}: {name}"


def play(script: str, sessions: Sessions | None = None) -> str:
    changes = changes_of(script, Sessions() if sessions is None else sessions)
    return "; ".join(named(change) for change in changes if change.kind != "progress")
