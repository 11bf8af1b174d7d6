"""What the journal keeps of a Live Activity: the names of its fields, and their values. No I/O."""

from typing import Any

from simulator.phone.activitykit.happened import Happened
from simulator.phone.app.app_kind import session_of
from simulator.phone.app.slots import session_props
from simulator.phone.push import ids

_SAYS = frozenset({"started", "updated", "ended"})
"""After these the activity may say something else than before."""


def facts(one: Happened) -> dict[str, Any]:
    """`apnsID`, `apnsUniqueID`, `activity`, `why`, `until`; of what changed an activity also `sessionID`, `contentState`
    and `by`: "push", or "app" for what happened on the phone itself. What has no value is left out.
    """
    activity = one.activity
    found: dict[str, Any] = {**ids(one.push), "why": one.why or None, "until": one.until}
    if activity is not None:
        found["activity"] = activity.id
    if activity is not None and one.what in _SAYS:
        found["by"] = "app" if one.push is None else "push"
        found["sessionID"] = session_of(activity.attributes)
        found["contentState"] = session_props(activity.content_state)
    return {name: value for name, value in found.items() if value is not None}
