"""Live Activities on a phone: what it shows, what its app starts and ends, and what its owner swipes away."""

from typing import Annotated, Any, Literal

import msgspec

from simulator.lab.control.route import Body, Call, Fields, Route
from simulator.lab.errors import NotNow, Unknown
from simulator.phone.activitykit.activity import Activity
from simulator.phone.activitykit.attributes import dates
from simulator.phone.live_activities import LiveActivities, NotPossible


class NewActivity(Body):
    """As the app calls Activity.request; `channel` instead of a token of its own. Times are UNIX seconds."""

    attributes_type: str
    attributes: dict[str, Any]
    content_state: dict[str, Any]
    stale_date: float | None = None
    relevance_score: float = 0.0
    channel: str | None = None


class EndActivity(Body):
    """As the app calls Activity.end; without a dismissal date it stays for 4 hours."""

    content_state: dict[str, Any] | None = None
    dismissal_date: float | None = None


def activity_fields(activity: Activity) -> Fields:
    """All that is known of it; `content_state` is what ActivityKit holds, `drawn` what the eye sees, times UNIX seconds.

    `dates` is what Swift reads from the dates in it, by path: UNIX seconds in a Date show there as a date 31 years ahead.
    """
    return {
        "id": activity.id,
        "attributes_type": activity.type.name,
        "attributes": activity.attributes,
        "state": activity.state,
        "visible": activity.visible,
        "content_state": activity.content_state,
        "drawn": activity.drawn,
        "dates": dates(activity.attributes, activity.type.attributes)
        | dates(activity.content_state, activity.type.content_state),
        "token": activity.token,
        "token_known_to_app": activity.update_token_known,
        "channel": activity.channel,
        "started_at": activity.started_at,
        "started_by": activity.started_by,
        "timestamp": activity.timestamp,
        "stale_date": activity.stale_date,
        "leaves_at": activity.leaves_at,
        "relevance_score": activity.relevance_score,
        "dynamic_island": activity.island,
        "alerts": activity.alerts,
    }


def _activities(call: Call) -> LiveActivities:
    return call.lab.device(call.path["name"]).phone.activities


async def index(call: Call) -> Fields:
    """Every activity there ever was on it, oldest first."""
    return {"activities": [activity_fields(one) for one in _activities(call).all]}


async def start(call: Call) -> Fields:
    """The app starts one, which it may only in the foreground."""
    body: NewActivity = call.body
    try:
        activity = _activities(call).start(
            body.attributes_type,
            body.attributes,
            body.content_state,
            stale_date=body.stale_date,
            relevance_score=body.relevance_score,
            channel=body.channel,
        )
    except NotPossible as error:
        raise NotNow(str(error)) from None
    return {"activity": activity_fields(activity)}


def _activity(call: Call) -> Activity:
    activities, activity_id = _activities(call), call.path["activity_id"]
    activity = next((one for one in activities.all if one.id == activity_id), None)
    if activity is None:
        raise Unknown(f"there is no activity {activity_id!r} on {call.path['name']}")
    return activity


async def end(call: Call) -> Fields:
    """The app ends one."""
    body: EndActivity = call.body
    activity = _activity(call)
    try:
        _activities(call).end(activity, body.content_state, dismissal_date=body.dismissal_date)
    except NotPossible as error:
        raise NotNow(str(error)) from None
    return {"activity": activity_fields(activity)}


class RotateActivityToken(Body):
    """What APNs does with the old token: it is `gone`, 410 ExpiredToken after the profile's `token_grace_s`, or goes on to be
    `accepted`, and reaches nobody.
    """

    old: Literal["gone", "accepted"] = "gone"


async def rotate(call: Call) -> Fields:
    """The system gives a card another update token; the app is handed it, unless it was force-quit."""
    body: RotateActivityToken = call.body
    activity = _activity(call)
    old = activity.token
    try:
        new = _activities(call).rotate(activity, expire=body.old == "gone")
    except NotPossible as error:
        raise NotNow(str(error)) from None
    return {"token": new, "old": old, "activity": activity_fields(activity)}


class Swipe(Body):
    """How many, the newest first, or "all"."""

    count: Annotated[int, msgspec.Meta(ge=1)] | Literal["all"] = 1


async def swipe(call: Call) -> Fields:
    """The person swipes the newest visible ones away; `activity` is the newest of `activities`."""
    body: Swipe = call.body
    activities = _activities(call)
    newest_first = [one for one in reversed(activities.all) if one.visible]
    if not newest_first:
        raise NotNow("there is no activity on the lock screen")
    gone = newest_first if body.count == "all" else newest_first[: body.count]
    activities.swipe(*gone)
    fields = [activity_fields(one) for one in gone]
    return {"activity": fields[0], "activities": fields}


async def swipe_one(call: Call) -> Fields:
    """The person swipes this one away."""
    activity = _activity(call)
    if not activity.visible:
        raise NotNow(f"{activity.id} is not on the lock screen")
    _activities(call).swipe(activity)
    return {"activity": activity_fields(activity)}


ROUTES = (
    Route("GET", "/control/devices/{name}/activities", "Live Activities of a phone", index),
    Route(
        "POST",
        "/control/devices/{name}/activities",
        "the app starts one: attributes_type, attributes, content_state ...",
        start,
        NewActivity,
        status=201,
    ),
    Route(
        "POST",
        "/control/devices/{name}/activities/{activity_id}/end",
        "the app ends one: content_state, dismissal_date",
        end,
        EndActivity,
    ),
    Route(
        "POST",
        "/control/devices/{name}/swipe",
        "the person swipes the newest away: count, or all",
        swipe,
        Swipe,
    ),
    Route(
        "POST",
        "/control/devices/{name}/activities/{activity_id}/swipe",
        "the person swipes this one away",
        swipe_one,
    ),
    Route(
        "POST",
        "/control/devices/{name}/activities/{activity_id}/rotate",
        "another update token; old: gone, or accepted and reaching nobody",
        rotate,
        RotateActivityToken,
    ),
)
