"""A change of a session as the event that the relay gets. Pure.

Title and body read as in the first implementation, so that a phone shows the same whoever sends it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from relay import contract
from relay.bridge.events import Message
from relay.bridge.sessions import Change, Kind
from relay.bridge.text import shorten

EVENT_TYPES: dict[Kind, contract.EventType] = {
    "complete": "complete",
    "error": "error",
    "asked": "permission",
}
"""The changes that become events. A question to the user rings as a permission does."""

TITLE_PREFIXES: dict[contract.EventType, str] = {
    "complete": "",
    "permission": "Action Needed: ",
    "error": "Error: ",
}

DEFAULT_BODIES: dict[contract.EventType, str] = {
    "complete": "Session complete.",
    "permission": "OpenCode needs your permission decision.",
    "error": "OpenCode reported an error for your session.",
}


@dataclass(frozen=True, slots=True)
class Sender:
    """Who tells the relay: the secret that phones and server share, and the server's id."""

    secret: str
    server_id: str

    def __repr__(self) -> str:
        return f"Sender(server_id={self.server_id!r})"  # never the secret


def event(change: Change, title: str | None, messages: Sequence[Message], sender: Sender) -> contract.Event:
    """The event for a `complete`, `error` or `asked` change of the session with this title and newest messages.

    `messages` are in OpenCode's order, oldest first.
    """
    kind = EVENT_TYPES[change.kind]
    return contract.Event(
        secret=sender.secret,
        server_id=sender.server_id,
        event_type=kind,
        session_id=change.session_id,
        title=title_of(kind, title),
        body=body_of(kind, messages),
        event_id=event_id(sender.server_id, change.session_id, kind, change.fact),
    )


def title_of(kind: contract.EventType, session_title: str | None) -> str:
    """The session's title, else `Session <type>`, with the prefix of its kind, but never twice."""
    title = (session_title or "").strip() or f"Session {kind}"
    prefix = TITLE_PREFIXES[kind]
    if title.casefold().startswith(prefix.strip().casefold()):
        prefix = ""
    return shorten(prefix + title)


def body_of(kind: contract.EventType, messages: Sequence[Message]) -> str:
    """The newest text of the assistant, else the newest text of the user, else a sentence of its kind."""
    for role in ("assistant", "user"):
        for message in reversed(messages):
            if message.info.role == role and (text := shorten(_text(message))):
                return text
    return DEFAULT_BODIES[kind]


def event_id(server_id: str, session_id: str, kind: contract.EventType, fact: str) -> str:
    """32 hex digits that are the same for the same fact, so that a resend does not ring twice."""
    return hashlib.sha256("|".join((server_id, session_id, kind, fact)).encode()).hexdigest()[:32]


def _text(message: Message) -> str:
    texts = [
        part.text
        for part in message.parts
        if part.type == "text" and part.text and not part.ignored and not part.synthetic
    ]
    return "\n".join(texts)
