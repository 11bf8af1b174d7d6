"""The app's Live Activities by session: the plan's useLiveActivity. One card for each session, whoever started it."""

from collections.abc import Callable
from contextlib import suppress

from simulator.phone.activitykit.activity import Activity
from simulator.phone.app.content_state import AppKind, ContentState
from simulator.phone.live_activities import LiveActivities, NotPossible
from simulator.phone.push import session_of

OnToken = Callable[[str, str], None]
"""Called with a session id and the update token of its activity."""

IsOver = Callable[[str], bool]
"""Whether the app has seen the turn of a session end, and no other begin."""

TAKEN = "the session has a card already"
"""Why the app takes a card away in favour of another of the same session."""

LATE = "the session's turn is over"
"""Why the app takes a card away whose start was under way as the turn ended before the app's eyes."""

UNKNOWN = "no server knows the session"


class SessionActivities:
    """Starts, changes and ends activities for sessions. `on_token` is called with every token the app gets for one.

    A card that a push started while the app runs one of that session is taken away again, also if it comes too late; a
    start by the app itself takes the place of whatever there is. What has ended makes way for the next turn.
    """

    def __init__(
        self, kind: AppKind, activities: LiveActivities, *, on_token: OnToken, is_over: IsOver
    ) -> None:
        self._kind = kind
        self._activities = activities
        self._on_token = on_token
        self._is_over = is_over
        activities.on_token(self._token_came)

    @property
    def sessions(self) -> dict[str, Activity]:
        """The running activities by session id, the first started of each."""
        found: dict[str, Activity] = {}
        for activity in self._activities.active:
            session_id = session_of(activity.attributes)
            if session_id is not None:
                found.setdefault(session_id, activity)
        return found

    def start(self, session_id: str, state: ContentState) -> bool:
        """Start one in place of any other of this session; False if ActivityKit does not let it (switched off, too many)."""
        self._clear(session_id)
        try:
            self._activities.start(
                self._kind.activity_type.name,
                self._kind.attributes(session_id),
                self._kind.content_state(state),
            )
        except NotPossible:
            return False
        return True

    def show(self, session_id: str, state: ContentState) -> None:
        """Change the running card of a session, or end it with a state that ends; the card then stays for a while."""
        activity = self.sessions.get(session_id)
        if activity is None:
            return
        change = self._activities.end if state.ends else self._activities.update
        with suppress(NotPossible):  # it is about to end: ActivityKit ignores what comes then
            change(activity, self._kind.content_state(state))

    def remove(self, session_id: str, why: str) -> None:
        """Take every card of a session away."""
        self._clear(session_id, why)

    def adopt_all(self) -> None:
        """The app runs again: hand on the token of every running activity, as getInstances() gives them."""
        for session_id in self.sessions:
            self.adopt(session_id)

    def adopt(self, session_id: str) -> None:
        """Hand on the token of a session's running activity, if it has one."""
        activity = self.sessions[session_id]
        if activity.token is not None and activity.update_token_known:
            self._on_token(session_id, activity.token)

    def _token_came(self, activity: Activity, token: str) -> None:
        session_id = session_of(activity.attributes)
        if session_id is None:
            return
        kept = self.sessions[session_id]
        if kept is not activity:
            self._activities.remove(activity, TAKEN)
            self.adopt(session_id)
        elif self._is_over(session_id):
            self._activities.remove(activity, LATE)
        else:
            self._clear(session_id, keep=activity)
            self._on_token(session_id, token)

    def _clear(self, session_id: str, why: str = TAKEN, *, keep: Activity | None = None) -> None:
        left = [activity for activity in self._activities.all if activity.state != "dismissed"]
        for activity in left:
            if activity is not keep and session_of(activity.attributes) == session_id:
                self._activities.remove(activity, why)
