"""A change of a session as the event that the relay gets. Pure.

Titles, and the body of a completed session, read as in the first implementation, so that a phone shows the same whoever
sends it. Every event carries what the card shows, so that one event moves both the alert and the Live Activity.
"""

import hashlib
from dataclasses import dataclass

from relay import contract
from relay.alert_payload import room_for_body
from relay.bridge.errors import OptionError
from relay.bridge.notify.said import last_words
from relay.bridge.notify.source import Change, Kind, Retry
from relay.bridge.notify.text import (
    MAX_CARD,
    MAX_UNITS,
    MAX_WORDS,
    card_title,
    duration,
    fit,
    fit_request,
    request_in_bytes,
    sentence,
    shorten,
)
from relay.contract import ALERT_TYPES, EVENT_KINDS, FINAL_STATUSES
from relay.text import cut, utf16_units

EVENT_TYPES: dict[Kind, contract.EventType] = {
    "complete": "complete",
    "error": "error",
    "asked": "permission",
    "interrupted": "error",
}
"""The changes that ring. A question to the user rings as a permission does, and a run that nobody will ever end as one
that failed: who waits for it with the phone in the pocket has to know."""

STATUSES: dict[Kind, contract.Status] = {
    **{kind: EVENT_KINDS[event_type].status for kind, event_type in EVENT_TYPES.items()},
    "stopped": "complete",
}
"""What the card shows then. A `progress` event with status complete or error ends the card without ringing."""

DEFAULT_TEXTS: dict[Kind, str] = {
    "complete": EVENT_KINDS["complete"].message,
    "asked": EVENT_KINDS["permission"].body,
    "error": EVENT_KINDS["error"].body,
    "stopped": "Stopped",
    "interrupted": "Interrupted: OpenCode stopped before the session was done.",
}

WAITING = "The model does not answer"

_START = EVENT_KINDS["start"]


@dataclass(frozen=True, slots=True)
class Sender:
    """Who posts to the relay: the secret that phones and server share, and the server's id."""

    secret: str
    server_id: str

    def __repr__(self) -> str:
        return f"Sender(server_id={self.server_id!r})"  # never the secret


def alert_types(names: str) -> frozenset[contract.EventType]:
    """The alert types in a list like "complete,permission,error"; "" is none. Raises OptionError for other words."""
    words = {word.strip() for word in names.split(",") if word.strip()}
    if unknown := words - ALERT_TYPES:
        raise OptionError(
            f"the alerts must be among {', '.join(sorted(ALERT_TYPES))}, separated by commas, but there is "
            + ", ".join(sorted(unknown))
        )
    return frozenset(kind for kind in ALERT_TYPES if kind in words)


def start_event(
    session_id: str, state: contract.ContentState, directory: str | None, subject_id: str, sender: Sender
) -> contract.Event:
    """A run began. The directory is named if there is room for it."""
    state = _clean(state)
    body = _START.body + state.session_title
    full = f"{body} ({sentence(directory or '')})"
    room = directory and utf16_units(full) <= MAX_UNITS and len(full.split()) <= MAX_WORDS
    return contract.Event(
        secret=sender.secret,
        server_id=sender.server_id,
        event_type="start",
        session_id=session_id,
        title=_START.title,
        body=full if room else shorten(body),
        content_state=state,
        event_id=event_id(sender.server_id, session_id, "start", subject_id),
    )


def progress_event(
    session_id: str, state: contract.ContentState, subject_id: str, sender: Sender
) -> contract.Event:
    """The card shows something else; nothing rings."""
    return contract.Event(
        secret=sender.secret,
        server_id=sender.server_id,
        event_type="progress",
        session_id=session_id,
        content_state=_clean(state),
        event_id=event_id(sender.server_id, session_id, "progress", subject_id),
    )


def waiting_event(
    change: Change,
    retry: Retry,
    title: str | None,
    state: contract.ContentState,
    now_ms: float,
    sender: Sender,
) -> contract.Event:
    """A model keeps the session waiting for long. It rings as an error does, and the card goes on."""
    reason = sentence(retry.reason).rstrip(".") or WAITING
    when = f" in {duration((retry.next_ms - now_ms) / 1000)}" if retry.next_ms else ""
    again = f". Next try{when}."
    return contract.Event(
        secret=sender.secret,
        server_id=sender.server_id,
        event_type="error",
        session_id=change.session_id,
        title=shorten("Waiting: " + (sentence(title or "") or "Session")),
        body=cut(reason, MAX_UNITS - utf16_units(again), utf16_units) + again,
        content_state=_clean(state),
        event_id=event_id(
            sender.server_id, change.session_id, "retrying", str(int(retry.next_ms or retry.attempt))
        ),
    )


def _clean(state: contract.ContentState) -> contract.ContentState:
    """The state with texts that fit and may leave, whatever the source made of them."""
    fitted = fit_request if state.status == "permission" else fit
    return contract.ContentState(
        status=state.status,
        session_title=card_title(state.session_title),
        last_message=fitted(state.last_message),
        retry_info=state.retry_info and fit(state.retry_info),
    )


CONNECTION_LOST = "Connection lost"


def lost_event(
    session_id: str, title: str | None, asked: contract.ContentState | None, subject_id: str, sender: Sender
) -> contract.Event:
    """OpenCode has been away for long: the card says so, and is stale. It rings if `asked` waits for an answer.

    An error would end the card, but the run may go on as soon as OpenCode is back.
    """
    state = contract.ContentState(
        status="retry", session_title=card_title(title), last_message=CONNECTION_LOST, stale=True
    )
    return contract.Event(
        secret=sender.secret,
        server_id=sender.server_id,
        event_type="permission" if asked else "progress",
        session_id=session_id,
        title=shorten(f"{CONNECTION_LOST}: {title or 'OpenCode'}") if asked else None,
        body=shorten(f"OpenCode does not answer any more. It asked: {asked.last_message}") if asked else None,
        content_state=state,
        event_id=event_id(sender.server_id, session_id, "lost", subject_id),
    )


def event(
    change: Change,
    title: str | None,
    text: str,
    sender: Sender,
    alerts: frozenset[contract.EventType] = ALERT_TYPES,
) -> contract.Event:
    """The event for a change that rings or ends a run; one that is not among `alerts` moves the card only.

    `title` is the session's; `text` says what is asked, what went wrong, or what the assistant said last.
    """
    kind = EVENT_TYPES.get(change.kind)
    rings = kind in alerts
    ring_title = title_of(kind, title) if kind and rings else None
    return contract.Event(
        secret=sender.secret,
        server_id=sender.server_id,
        event_type=kind if kind and rings else "progress",
        session_id=change.session_id,
        title=ring_title,
        body=_body(change, ring_title, text, sender) if ring_title else None,
        content_state=contract.ContentState(
            status=STATUSES[change.kind],
            session_title=card_title(title),
            last_message=_brief(change, text) or DEFAULT_TEXTS[change.kind],
        ),
        event_id=change_id(change, sender),
    )


def _body(change: Change, title: str, text: str, sender: Sender) -> str:
    """A request whole if the alert has room for it, else without its middle; everything else in a few words."""
    if change.kind == "complete":
        return last_words(text) or DEFAULT_TEXTS["complete"]
    if change.kind != "asked":
        return shorten(text) or DEFAULT_TEXTS[change.kind]
    room = room_for_body(
        title=title, event_type="permission", session_id=change.session_id, server_id=sender.server_id
    )
    return request_in_bytes(text, room) or DEFAULT_TEXTS[change.kind]


def _brief(change: Change, text: str) -> str:
    if change.kind == "complete":
        return last_words(text, MAX_CARD)
    return fit_request(change.brief or text) if change.kind == "asked" else fit(text)


def title_of(kind: contract.EventType, session_title: str | None) -> str:
    """The session's title, else `Session <type>`, with the prefix of its kind, but never twice."""
    title = sentence(session_title or "") or f"Session {kind}"
    prefix = EVENT_KINDS[kind].title_prefix
    if title.casefold().startswith(prefix.strip().casefold()):
        prefix = ""
    return shorten(prefix + title)


def change_id(change: Change, sender: Sender) -> str:
    """The eventID of a change: the same for the same subject, also after a restart or an update of the bridge."""
    kind = EVENT_TYPES.get(change.kind, change.kind)
    return event_id(sender.server_id, change.session_id, kind, change.subject_id)


def event_id(server_id: str, session_id: str, kind: str, subject_id: str) -> str:
    """32 hex digits that are the same for the same subject, so that a resend does not ring twice."""
    return hashlib.sha256("|".join((server_id, session_id, kind, subject_id)).encode()).hexdigest()[:32]


def is_progress(event: contract.Event) -> bool:
    """Whether the event only moves a card that goes on, so that any later event of the session makes it worthless."""
    final = event.content_state is not None and event.content_state.status in FINAL_STATUSES
    says_more = event.replaces or event.withdraws
    return event.event_type == "progress" and not final and not says_more
