"""Pure: an event -> what a Live Activity learns from it."""

from dataclasses import dataclass

from relay.contract import EVENT_KINDS, FINAL_STATUSES, ContentState, Event, EventType
from relay.server.live_activities.record import Alert

DEFAULT_TITLE = "OpenCode session"

_START = EVENT_KINDS["start"]


@dataclass(frozen=True, slots=True)
class News:
    """What one event says to the activities of its session. `alert` is there where a person must decide."""

    event_id: str
    event_type: EventType
    state: ContentState
    alert: Alert | None = None

    @property
    def ends(self) -> bool:
        """Whether the session's run is over with it."""
        return self.event_type in FINAL_STATUSES or self.state.status in FINAL_STATUSES


def news_of(event: Event, event_id: str, known: ContentState | None) -> News:
    """The news in an event; `known` is the newest state of the session so far, from which an old server's gaps are filled."""
    state = event.content_state or _derived(event, known)
    return News(event_id, event.event_type, state, _question(event, state))


def _derived(event: Event, known: ContentState | None) -> ContentState:
    return ContentState(
        status=EVENT_KINDS[event.event_type].status,
        session_title=event.title or (known.session_title if known else DEFAULT_TITLE),
        last_message=event.body or EVENT_KINDS[event.event_type].message,
    )


def _question(event: Event, state: ContentState) -> Alert | None:
    if event.event_type != "permission":
        return None
    return Alert(event.title or state.session_title, event.body or EVENT_KINDS["permission"].message)


def start_alert(news: News) -> Alert:
    """The text of a start, which iOS drops without one (observed on iOS 26); the words are the plan's."""
    return news.alert or Alert(_START.title, _START.body + news.state.session_title)
