"""Events of OpenCode's stream, as the bridge reads them."""

import itertools
import json
from typing import Any

import msgspec

from relay.bridge.sources.opencode1.wire import Event

ids = itertools.count()


def event(kind: str, /, **fields: Any) -> Event:
    """One of any type, with an id that no other has."""
    return Event(type=kind, id=f"evt_{next(ids)}", properties=msgspec.Raw(json.dumps(fields).encode()))


def created(
    session: str, parent: str | None = None, title: str = "Fix it", directory: str | None = "/code/demo"
) -> Event:
    info = {"id": session, "title": title, "parentID": parent, "directory": directory}
    return event("session.created", sessionID=session, info=info)


def status(session: str, kind: str, **more: Any) -> Event:
    return event("session.status", sessionID=session, status={"type": kind} | more)


def error(session: str | None, name: str = "APIError", message: str = "no") -> Event:
    return event("session.error", sessionID=session, error={"name": name, "data": {"message": message}})


def assistant(session: str, message: str, **info: Any) -> Event:
    return event("message.updated", sessionID=session, info={"id": message, "role": "assistant", **info})


def tool(session: str, command: str) -> Event:
    part = {"type": "tool", "tool": "bash", "messageID": "msg_1", "state": {"input": {"command": command}}}
    return event("message.part.updated", sessionID=session, part=part)


def text(session: str, words: str, message: str = "msg_1", **more: Any) -> Event:
    part = {"type": "text", "text": words, "messageID": message} | more
    return event("message.part.updated", sessionID=session, part=part)


def background(session: str, child: str) -> Event:
    """The task tool has started a subagent and does not wait for it."""
    state = {"input": {"description": "Research"}, "metadata": {"sessionId": child, "background": True}}
    part = {"type": "tool", "tool": "task", "messageID": "msg_1", "state": state}
    return event("message.part.updated", sessionID=session, part=part)
