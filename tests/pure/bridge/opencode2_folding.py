"""Scripts of OpenCode 2's events, and the changes that the fold makes of them, both as text.

`play("new; starts; step m1; ask p1; no p1; shutdown") == "started; asked p1; answered p1; stopped m1"`. A step is
`[session:] word [argument]`; the session is "a" unless it is named. Ids of events are left out, and so is `progress`.
"""

import itertools
import json
from collections.abc import Callable
from typing import Any

from pure.bridge.folding import named, steps
from relay.bridge.notify.source import Change
from relay.bridge.sources.opencode2.fold import Sessions
from relay.bridge.sources.opencode2.wire import Event, Info, parse

HERE = "/code/demo"
_ids = itertools.count(1)


def event(kind: str, /, **data: Any) -> Event:
    body = {"id": f"evt_{next(_ids)}", "created": 1000 + next(_ids), "type": kind, "data": data}
    if not kind.startswith("session.execution."):
        body["location"] = {"directory": HERE}  # never on those (recorded)
    parsed = parse(json.dumps(body).encode())
    assert parsed
    return parsed


def _of_session(kind: str, **more: Any) -> Callable[[str, str], Event]:
    return lambda session, _: event(f"session.{kind}", sessionID=session, **more)


def _of_message(kind: str, **more: Any) -> Callable[[str, str], Event]:
    return lambda session, message: event(
        f"session.{kind}", sessionID=session, assistantMessageID=message, **more
    )


def _inbox(kind: str) -> Callable[[str, str], Event]:
    return lambda session, item: event(
        "session.inbox.enqueued",
        sessionID=session,
        inboxID=item,
        item={"type": kind, "payload": {"text": "Fix it"}},
    )


def _replied(reply: str) -> Callable[[str, str], Event]:
    return lambda session, request: event(
        "permission.replied", sessionID=session, requestID=request, reply=reply
    )


FAILURE = {"type": "provider.auth", "message": "Bad key"}

WORDS: dict[str, Callable[[str, str], Event]] = {
    "new": lambda session, parent: event(
        "session.created",
        sessionID=session,
        location={"directory": HERE},
        **({"parentID": parent} if parent else {}),
    ),
    "renamed": lambda session, title: event("session.renamed", sessionID=session, title=title),
    "moved": lambda session, where: event("session.moved", sessionID=session, location={"directory": where}),
    "deleted": _of_session("deleted"),
    "prompt": _inbox("user"),
    "told": _inbox("synthetic"),
    "compact": _inbox("compaction"),
    "delivered": lambda session, item: event("session.inbox.delivered", sessionID=session, inboxID=item),
    "starts": _of_session("execution.started"),
    "step": _of_message("step.started"),
    "stepfails": _of_message("step.failed", error=FAILURE),
    "thinks": _of_session("reasoning.started"),
    "says": lambda session, words: event("session.text.ended", sessionID=session, text=words),
    "tool": lambda session, call: event(
        "session.tool.input.started", sessionID=session, id=call, name="shell"
    ),
    "called": lambda session, call: event(
        "session.tool.called", sessionID=session, id=call, input={"command": "npm test"}
    ),
    "retry": lambda session, attempt: event(
        "session.retry.scheduled",
        sessionID=session,
        attempt=int(attempt or 2),
        at=9000 + int(attempt or 2),
        error=FAILURE,
    ),
    "compacts": _of_session("compaction.started"),
    "compacted": _of_session("compaction.ended"),
    "done": _of_session("execution.succeeded"),
    "failed": _of_session("execution.failed", error=FAILURE),
    "stopped": _of_session("execution.interrupted", reason="user"),
    "shutdown": _of_session("execution.interrupted", reason="shutdown"),
    "expired": _of_session("execution.interrupted", reason="inactivity"),
    "odd": _of_session("execution.interrupted", reason="a new word"),
    "wordless": _of_session("execution.interrupted", reason=7),
    "ask": lambda session, request: event(
        "permission.asked", id=request, sessionID=session, action="shell", resources=["npm test"]
    ),
    "yes": _replied("once"),
    "no": _replied("reject"),
    "form": lambda session, request: event(
        "form.created",
        form={
            "id": request,
            "sessionID": session,
            "title": "Questions",
            "fields": [{"description": "Which?"}],
        },
    ),
    "filled": lambda session, request: event("form.replied", id=request, sessionID=session),
    "dismissed": lambda session, request: event("form.cancelled", id=request, sessionID=session),
    "closed": lambda _, __: event("location.shutdown"),
    "connected": lambda _, __: event("server.connected"),
    "strange": lambda session, kind: event(kind or "session.dreamt", sessionID=session),
}


def changes_of(script: str, sessions: Sessions) -> list[Change]:
    """`learnt [parent]` and `lost` answer an `unknown`; `tick` is a look at the runs; all other words are events."""
    changes: list[Change] = []
    for session, word, argument in steps(script):
        if word == "learnt":
            changes += sessions.learn(session, Info(id=session, parent_id=argument or None))
        elif word == "lost":
            changes += sessions.learn(session, None)
        elif word == "tick":
            changes += sessions.check()
        else:
            changes += sessions.fold(WORDS[word](session, argument))
    return changes


def play(script: str, sessions: Sessions | None = None) -> str:
    changes = changes_of(script, Sessions() if sessions is None else sessions)
    return "; ".join(named(change) for change in changes if change.kind != "progress")
