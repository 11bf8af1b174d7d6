"""Why a push was refused or not shown: Apple's rule, who says so, and how sure that is. One table for everybody. No I/O.

APNs and the phone say why in a few words, which the journal has; here stands the rule behind those words. Whoever shows a push
to a person (the lines of `simulator apns`, `simulator push`, the page, the control API, `simulator conform`) asks `explain`.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from simulator.apns.delivery.mailbox import BROADCAST, SENDING, STATUS
from simulator.apns.reasons import REASONS, Confidence
from simulator.journal import Entry

ALERTS: Final = "Apple: Generating a remote notification"
BACKGROUND: Final = "Apple: Pushing background updates to your app"
ACTIVITIES: Final = "Apple: Displaying live data with Live Activities"
ACTIVITY_PUSHES: Final = "Apple: Starting and updating Live Activities with ActivityKit push notifications"
WIDGETS: Final = "Apple: Updating widgets with WidgetKit push notifications"
CHANNELS: Final = "Apple: Sending broadcast push notification requests to APNs"
ERRORS: Final = "Apple: ActivityAuthorizationError"
TESTS: Final = "seen on devices"
OURS: Final = "this simulator"


class Why(NamedTuple):
    """`short` is for a line, `rule` a sentence of what Apple wants; `source` who says so, `confidence` how sure that is."""

    short: str
    rule: str
    source: str
    confidence: Confidence


NOT_SHOWN: Final[dict[str, Why]] = {
    # What APNs itself discards after its 200 (Push Notifications Console has the same outcomes).
    "unregistered": Why(
        "the app was removed", "A push for an app that is no longer on the device is discarded; later its token is answered 410.", STATUS, "documented"),
    "not_for_broadcast": Why(
        "a channel takes update and end only", "A broadcast updates or ends Live Activities; it starts none.", BROADCAST, "assumed"),
    "expired": Why(
        "its time had passed", "A push that could not be delivered before apns-expiration is discarded; with 0 there is one attempt only.", STATUS, "documented"),
    "notifications_off": Why(
        "notifications are off", "An alert for an app whose notifications the person has switched off is discarded before the device.", STATUS, "documented"),
    "replaced": Why(
        "a newer push took its place", "For a device that is offline APNs stores one push an app; a newer one takes its place.", SENDING, "documented"),
    "channel_deleted": Why(
        "its channel was deleted", "What waits for a broadcast channel goes with it.", CHANNELS, "assumed"),
    # What no app on the phone gets.
    "the phone is offline": Why("the phone is offline", "A device gets pushes over its own connection to APNs only.", SENDING, "documented"),
    "the token is not of this phone": Why("the token is not of this phone", "A device token names one app on one device.", SENDING, "documented"),
    "the app is not installed": Why("the app is not installed", "A push needs its app on the device.", STATUS, "documented"),
    "no app has this topic": Why(
        "no app has this topic", "apns-topic is the app's bundle id, with the suffix of the push type.", SENDING, "documented"),
    "the app takes no calls": Why("the app takes no calls", "A voip push is for apps that report calls to CallKit.", "Apple: Responding to VoIP Notifications from PushKit", "documented"),
    "it has expired": Why("it has expired", "What comes after its apns-expiration is not shown.", SENDING, "documented"),
    "it has no aps dictionary": Why("no aps dictionary", "The payload's key aps holds what the system reads.", ALERTS, "documented"),
    # Alerts.
    "it is not an alert push": Why(
        "not an alert push", "Only apns-push-type alert shows something to the person.", SENDING, "documented"),
    "its alert has no text": Why(
        "the alert has no text", "aps.alert is a string, or a dictionary with title, subtitle or body; without text nothing is shown.", ALERTS, "documented"),
    "notifications are off": Why("notifications are off", "The person decides in Settings whether an app's alerts are shown.", ALERTS, "documented"),
    # Background pushes and widgets.
    "it has no content-available": Why("no content-available", "A background push has content-available 1 in aps.", BACKGROUND, "documented"),
    "its priority is not 5": Why("the priority is not 5", "A background push goes with apns-priority 5.", BACKGROUND, "documented"),
    "the app was force-quit": Why("the app was force-quit", "The system does not wake an app that the person has force-quit.", BACKGROUND, "documented"),
    "it is not a widget push": Why("not a widget push", "The token of an app's widgets takes apns-push-type widgets only.", WIDGETS, "documented"),
    "it has no content-changed": Why("no content-changed", "A widget push has content-changed true in aps.", WIDGETS, "documented"),
    # Live Activities.
    "it is not a Live Activity push": Why(
        "not a Live Activity push", "A token of a Live Activity takes apns-push-type liveactivity only.", ACTIVITY_PUSHES, "documented"),
    "the activity has another token now": Why(
        "the card has another token now", "An update token changes while the activity runs; only the newest works.", ACTIVITY_PUSHES, "documented"),
    "the app has another push-to-start token now": Why(
        "the app has another push-to-start token now", "A push-to-start token changes; only the newest works.", ACTIVITY_PUSHES, "documented"),
    "the push-to-start token is stale": Why(
        "the push-to-start token is stale", "APNs may go on answering 200 for a start token that reaches nobody, until Live Activities are switched off and on.", "GitHub kylebshr/luka-ios PR 146; home-assistant/iOS issue 5812", "observed"),
    "no activity has this channel": Why("no card listens to this channel", "A broadcast reaches activities that were started on its channel.", CHANNELS, "documented"),
    "before iOS 17.2 nothing starts by push": Why("iOS is older than 17.2", "Live Activities start by push from iOS 17.2 on.", ACTIVITY_PUSHES, "documented"),
    "it came to the push-to-start token and is no start": Why(
        "no start, and it came to the push-to-start token", "The push-to-start token takes event start only; update and end go to the activity's own token.", ACTIVITY_PUSHES, "documented"),
    "it has no alert": Why(
        "no alert", "A start must have aps.alert with title and body; without it the device starts nothing and tells nobody.", ACTIVITY_PUSHES, "documented"),
    "it has no timestamp": Why("no timestamp", "aps.timestamp, in UNIX seconds, must be there.", ACTIVITY_PUSHES, "documented"),
    "before iOS 16.1 there are no Live Activities": Why("iOS is older than 16.1", "Live Activities came with iOS 16.1.", ACTIVITIES, "documented"),
    "the app is not in the foreground": Why("the app is not in the foreground", "An app starts a Live Activity itself only while it is in the foreground.", ACTIVITIES, "documented"),
    "Live Activities are off": Why("Live Activities are off", "The person can switch an app's Live Activities off.", ACTIVITIES, "documented"),
    "it has no attributes-type": Why("no attributes-type", "A start names the app's ActivityAttributes type in aps.attributes-type.", ACTIVITY_PUSHES, "documented"),
    "the app has no such attributes-type": Why(
        "the app has no such attributes-type", "attributes-type is the exact name of a Swift type in the app.", ACTIVITY_PUSHES, "documented"),
    "its attributes cannot be decoded": Why(
        "the attributes cannot be decoded", "The attributes must decode as the app's Swift type; what does not fit fails without a word.", ACTIVITY_PUSHES, "documented"),
    "its content-state cannot be decoded": Why(
        "the content-state cannot be decoded", "The content-state must decode as the app's ContentState, by the default strategies of JSONDecoder; what does not fit fails without a word.", ACTIVITY_PUSHES, "documented"),
    "before iOS 18 there is no input-push-channel": Why("iOS is older than 18", "input-push-channel came with iOS 18.", ACTIVITY_PUSHES, "documented"),
    "attributes and content-state are over 4 KB": Why("over 4 KB", "Attributes and content-state together hold 4 KB at most.", ACTIVITIES, "documented"),
    "too many activities are running": Why("too many cards are running", "The system limits how many activities run; the number is not published.", ERRORS, "assumed"),
    "it is neither update nor end": Why("neither update nor end", "aps.event of a push to an activity is update or end.", ACTIVITY_PUSHES, "documented"),
    "the activity is about to end": Why("the card is about to end", "Pushes after the end are ignored.", ACTIVITY_PUSHES, "documented"),
    "the activity has ended": Why("the card has ended", "Pushes after the end are ignored.", ACTIVITY_PUSHES, "documented"),
    "its timestamp is older than the last": Why(
        "older than the last", "The system ignores a push whose timestamp is older than that of the newest it has.", ACTIVITY_PUSHES, "documented"),
    "a newer one came first": Why("a newer one came first", "What waits for power gives way to what is newer.", ACTIVITY_PUSHES, "assumed"),
    "a newer one waits": Why("a newer one waits", "Of two updates that wait the newer is kept.", ACTIVITY_PUSHES, "assumed"),
    "the push-to-start budget is used up": Why(
        "the push-to-start budget is used up", "The system limits starts by push; about ten an hour were seen.", TESTS, "observed"),
}  # fmt: skip
"""By the words that the delivery log and the phone have for it."""

WAITS: Final[dict[str, Why]] = {
    "priority 5": Why(
        "the phone saves power (priority 5)", "With apns-priority 5 the system may wait; priority 10 is shown at once and counts against the budget.", ACTIVITY_PUSHES, "documented"),
    "the update budget is used up": Why(
        "the update budget is used up", "Too many updates of priority 10 in an hour are held back; the number is not published.", ACTIVITY_PUSHES, "documented"),
}  # fmt: skip
"""Why the phone shows an update later."""

STORED: Final = Why(
    "stored until the phone is back", "APNs stores a push for a device that it cannot reach, and delivers it when it connects.", STATUS, "documented")  # fmt: skip
UNREADABLE: Final = Why("it cannot be read", "The phone could make nothing of it.", OURS, "assumed")


def explain(entry: Entry) -> Why | None:
    """The rule behind an entry of the journal; None where nothing was refused, dropped or put off."""
    found = _EXPLAINED.get((entry.where, entry.what))
    return None if found is None else found(entry.detail)


def _refused(detail: dict[str, Any]) -> Why | None:
    """A request that was not answered 200: by the row that it failed, else by what its reason means."""
    reason = detail.get("reason")
    if reason is None:
        return None
    known = REASONS.get(reason)
    meaning = "" if known is None else known.meaning
    why = str(detail.get("why") or meaning)
    source = detail.get("source") or (OURS if known is None else known.source)
    return Why(
        why,
        f"{reason}: {meaning}." if meaning else str(reason),
        source,
        detail.get("confidence") or "documented",
    )


def _delivery(detail: dict[str, Any]) -> Why | None:
    if detail.get("outcome") == "stored":
        return STORED
    return NOT_SHOWN.get(detail.get("why") or "")


def _dropped(detail: dict[str, Any]) -> Why:
    why = str(detail.get("why"))
    found = NOT_SHOWN.get(why) or UNREADABLE._replace(short=why)
    problem = detail.get("problem")
    return found._replace(short=f"{found.short}: {problem}") if problem else found


def _deferred(detail: dict[str, Any]) -> Why | None:
    return WAITS.get(str(detail.get("why")))


_EXPLAINED: Final[dict[tuple[str, str], Callable[[dict[str, Any]], Why | None]]] = {
    ("apns", "push"): _refused,
    ("apns", "channel"): _refused,
    ("apns", "delivery"): _delivery,
    ("phone", "dropped"): _dropped,
    ("phone", "deferred"): _deferred,
}
