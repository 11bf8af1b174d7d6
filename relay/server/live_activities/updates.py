"""Pure: an event -> what a Live Activity learns from it."""

from dataclasses import dataclass

from relay.contract import ContentState, Event, EventType, Status
from relay.server.live_activities.record import Alert

ENDINGS: frozenset[Status] = frozenset({"complete", "error"})
"""A state with one of these is the last of its run, also when it comes as progress: then it ends without an alert."""

DEFAULT_TITLE = "OpenCode session"

_STATUS: dict[EventType, Status] = {
    "start": "working",
    "progress": "working",
    "permission": "permission",
    "complete": "complete",
    "error": "error",
}
_MESSAGE: dict[EventType, str] = {
    "start": "Starting...",
    "progress": "Working...",
    "permission": "Needs your decision",
    "complete": "Done",
    "error": "Failed",
}
"""What an old server's event without a content state and without a body says on the card."""


@dataclass(frozen=True, slots=True)
class News:
    """What one event says to the activities of its session. `alert` is there where a person must look."""

    event_id: str
    event_type: EventType
    state: ContentState
    alert: Alert | None = None

    @property
    def ends(self) -> bool:
        """Whether the session's run is over with it."""
        return self.event_type in ENDINGS or self.state.status in ENDINGS


def news(event: Event, event_id: str, known: ContentState | None) -> News:
    """The news in an event; `known` is the newest state of the session so far, from which an old server's gaps are filled."""
    state = event.content_state or _derived(event, known)
    return News(event_id, event.event_type, state, _question(event, state))


def _derived(event: Event, known: ContentState | None) -> ContentState:
    return ContentState(
        status=_STATUS[event.event_type],
        session_title=event.title or (known.session_title if known else DEFAULT_TITLE),
        last_message=event.body or _MESSAGE[event.event_type],
    )


def _question(event: Event, state: ContentState) -> Alert | None:
    if event.event_type != "permission":
        return None
    return Alert(event.title or state.session_title, event.body or _MESSAGE["permission"])


def start_alert(told: News) -> Alert:
    """The text of a start, which iOS drops without one (observed on iOS 26); the words are the plan's."""
    return told.alert or Alert("Session Started", f"OpenCode is working on: {told.state.session_title}")
