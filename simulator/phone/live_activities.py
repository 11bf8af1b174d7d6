"""The Live Activities of the app on the phone: the rules of `activitykit`, with tokens, clock, journal and log."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, NamedTuple

from simulator.clock import Clock
from simulator.journal import Journal
from simulator.phone.activitykit.activities import Activities
from simulator.phone.activitykit.activity import Activity, Happened
from simulator.phone.activitykit.attributes import ActivityType
from simulator.phone.device import Device, OnToken, UpdateTokens
from simulator.phone.profile import Budget, Profile
from simulator.phone.push import ActivityMessage, Push, expired, ids, read, session_of
from simulator.phone.screen import Widget, reads_clear

TOPIC_SUFFIX = ".push-type.liveactivity"


class NotPossible(Exception):
    """ActivityKit refused what the app asked for; the sentence says why."""


class Allowance(NamedTuple):
    """What is left `of` a budget, below zero when overdrawn, and when there is more again (UNIX seconds; None: nothing was used)."""

    left: int
    of: int
    refills_at: float | None


class LiveActivities:
    """All activities of one app on one phone. Reading never changes anything: `run_due` does what is due."""

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        device: Device,
        *,
        bundle_id: str,
        types: Sequence[ActivityType],
        profile: Profile,
        random: Random | None = None,
        widget: Widget = reads_clear,
    ) -> None:
        self._widget = widget
        self._clock = clock
        self._journal = journal
        self._device = device
        self._bundle_id = bundle_id
        self._profile = profile
        self._kit = Activities(bundle_id, types, profile, random)
        self._tokens = UpdateTokens(device, profile)
        self._tokens.listen(self._note_token)
        self.log: list[str] = []

    # What there is.

    @property
    def all(self) -> tuple[Activity, ...]:
        """Every activity there ever was, oldest first."""
        return tuple(self._kit.all)

    @property
    def types(self) -> tuple[ActivityType, ...]:
        """The types that the app knows."""
        return self._kit.types

    @property
    def active(self) -> tuple[Activity, ...]:
        """Those that are active or stale."""
        return self._kit.running

    @property
    def visible(self) -> tuple[Activity, ...]:
        """Those on the lock screen, the most relevant first, of equals the first started."""
        shown = [activity for activity in self._kit.all if activity.visible]
        return tuple(sorted(shown, key=lambda activity: -activity.relevance_score))

    @property
    def newest(self) -> Activity | None:
        """The one started last, removed ones included."""
        return self._kit.all[-1] if self._kit.all else None

    def started_since(self, at: float) -> tuple[Activity, ...]:
        """Those started at `at` (UNIX seconds) or later."""
        return tuple(activity for activity in self._kit.all if activity.started_at >= at)

    def remaining(self, kind: str) -> int:
        """What is left of the budget "start" of the app, or "update" of its newest activity. KeyError for others."""
        return self._kit.remaining(kind, self._device.conditions)

    def budgets(self) -> dict[str, Allowance]:
        """What is left of the budget for starts ("start"), and of that of every running activity, by its id."""
        profile = self._profile
        updates = profile.updates_an_hour(self._device.frequent_updates)
        found = {"start": _allowance(self._kit.starts, profile.start_capacity, profile.start_window, profile)}
        return found | {
            activity.id: _allowance(activity.budget, updates, profile.update_window, profile)
            for activity in self.active
        }

    def has_token(self, token: str) -> bool:
        """Whether a push to this token is for an activity, or starts one, or did so once."""
        starts = self._device.starts_by(token) or self._device.started_by(token)
        return starts or self._tokens.activity(token) is not None

    # What a push does.

    def receive(self, push: Push) -> None:
        """Take a push to the push-to-start token, to an update token, or of a channel."""
        now, phone = self._clock.now(), self._device.conditions
        why = self._against(push, now)
        if why is not None:
            self._write([Happened(now, "dropped", why, push=push)])
            return
        message, channel_id = read(push), getattr(push, "channel_id", None)
        if channel_id is None and self._device.starts_by(push.device_token):
            self._write(self._kit.start(message, phone, now), woken=True)
        else:
            for activity in self._meant(push, channel_id):
                self._write(self._kit.change(activity, message, phone, now))
        self.run_due()

    def _against(self, push: Push, now: float) -> str | None:
        """Why a push is dropped unread, None if it is read."""
        channel_id = getattr(push, "channel_id", None)
        activity = self._tokens.activity(push.device_token)
        replaced = activity is not None and activity.token != push.device_token
        direct = channel_id is None
        reasons = {
            "the phone is offline": not self._device.online,
            "the app is not installed": not self._device.app_installed,
            "no app has this topic": direct and push.topic != self._bundle_id + TOPIC_SUFFIX,
            "it is not a Live Activity push": push.push_type != "liveactivity",
            "it has expired": expired(push, now),
            "the activity has another token now": direct and replaced,
            "the app has another push-to-start token now": self._device.started_by(push.device_token),
            # Observed (kylebshr/luka-ios PR 146, home-assistant/iOS issue 5812): APNs goes on to answer 200.
            "the push-to-start token is stale": direct
            and self._device.starts_by(push.device_token)
            and not self._device.start_token_works,
            "no activity has this channel": not direct and not self._subscribed(channel_id),
        }
        return next((why for why, holds in reasons.items() if holds), None)

    def _meant(self, push: Push, channel_id: str | None) -> list[Activity]:
        if channel_id is not None:
            return self._subscribed(channel_id)
        activity = self._tokens.activity(push.device_token)
        assert activity is not None  # the phone takes no push to a token that it never had
        return [activity]

    def _subscribed(self, channel_id: str | None) -> list[Activity]:
        return [activity for activity in self._kit.running if activity.channel == channel_id]

    # What the app does.

    def start(
        self,
        attributes_type: str,
        attributes: dict[str, Any],
        content_state: dict[str, Any],
        *,
        stale_date: float | None = None,
        relevance_score: float = 0.0,
        channel: str | None = None,
        timestamp: float | None = None,
    ) -> Activity:
        """Start one as the app does with Activity.request, with a token, or subscribed to a channel.

        Raises NotPossible, as when the app is not in the foreground.
        """
        now = self._clock.now()
        message = ActivityMessage(
            "start",
            int(now) if timestamp is None else timestamp,
            raw_content_state=content_state,
            raw_attributes=attributes,
            attributes_type=attributes_type,
            stale_date=stale_date,
            relevance_score=relevance_score,
            input_push_token=channel is None,
            input_push_channel=channel,
        )
        self._asked(self._kit.start(message, self._device.conditions, now, "app"))
        return self._kit.all[-1]

    def update(
        self,
        activity: Activity,
        content_state: dict[str, Any],
        *,
        stale_date: float | None = None,
        relevance_score: float = 0.0,
    ) -> None:
        """Change one as the app does with Activity.update. Raises NotPossible."""
        now = self._clock.now()
        message = ActivityMessage(
            "update",
            _stamp(activity, now),
            raw_content_state=content_state,
            stale_date=stale_date,
            relevance_score=relevance_score,
        )
        self._asked(self._kit.change_by_app(activity, message, now))

    def end(
        self,
        activity: Activity,
        content_state: dict[str, Any] | None = None,
        *,
        dismissal_date: float | None = None,
    ) -> None:
        """End one as the app does with Activity.end. Raises NotPossible."""
        now = self._clock.now()
        message = ActivityMessage(
            "end", _stamp(activity, now), raw_content_state=content_state, dismissal_date=dismissal_date
        )
        self._asked(self._kit.change_by_app(activity, message, now))

    def remove(self, activity: Activity, why: str) -> None:
        """Take one off the lock screen at once, as the app does with end(dismissalPolicy: .immediate).

        Assumed: this also takes away one that has ended before and lingers.
        """
        self._write(self._kit.remove(activity, self._clock.now(), why))

    def _asked(self, happened: list[Happened]) -> None:
        if happened[0].what == "dropped":
            raise NotPossible(": ".join(filter(None, (happened[0].why, happened[0].problem))))
        self._write(happened)
        self.run_due()

    # Tokens.

    def on_token(self, callback: OnToken) -> Callable[[], None]:
        """Call `callback(activity, token)` whenever the app is handed an update token; the returned function stops it."""
        return self._tokens.listen(callback)

    def rotate(self, activity: Activity, *, expire: bool = True) -> str:
        """The system gives an activity another token; the app gets it unless it was force-quit.

        APNs answers 410 for the old one, or, unless it is to `expire`, goes on with 200. Raises NotPossible if the
        activity has ended or has no token yet.
        """
        if not activity.running or activity.token is None:
            raise NotPossible("the activity has no token that could change")
        token = self._tokens.give(activity, expire=expire)
        self.hand_over()
        return token

    def hand_over(self) -> None:
        """Hand the app every update token that is due: it runs, and the person allows it."""
        self._tokens.hand_over(self._kit.running)

    # What the person, the phone and time do.

    def run_due(self) -> None:
        """Do all that is due by now, each at its own time."""
        self._write(self._kit.run_due(self._clock.now()))

    def opened(self) -> None:
        """The app was opened: with some profiles that fills the push-to-start budget (observed, one source)."""
        if self._profile.start_refilled_by_opening:
            self._kit.starts.reset()
        self.hand_over()

    def power_changed(self) -> None:
        """The screen went on or off, or Low Power Mode did."""
        self._kit.power(self._device.conditions, self._clock.now())
        self.run_due()

    def end_all(self, why: str, *, remove: bool = False) -> None:
        """The system ends every activity; with `remove` they leave the lock screen too."""
        self._write(self._kit.end_all(self._clock.now(), why, remove=remove))

    def swipe(self, *activities: Activity) -> None:
        """The person swipes activities away, without any the newest; what is not to be seen stays as it is."""
        self._write(self._kit.swipe(self._clock.now(), *activities))

    # What is written down.

    def _write(self, happened: list[Happened], *, woken: bool = False) -> None:
        for one in happened:
            self.log += [one.log] if one.log else []
            self._record(one)
            if one.what in {"ended", "dismissed"} and one.activity is not None:
                self._tokens.expire(one.activity)
            if one.what == "started" and woken:
                self._wake()
        self._kit.share_island(self._device.conditions)
        self.hand_over()

    def _wake(self) -> None:
        """A start by push wakes the app (documented), not after force-quit (observed)."""
        if self._profile.start_wakes_app and self._device.app == "background":
            self._device.background_wakes += 1

    def _record(self, one: Happened) -> None:
        self._journal.record_at(
            one.at, "phone", one.what, phone=self._device.name, **_journal_fields(one, self._widget)
        )

    def _note_token(self, activity: Activity, token: str) -> None:
        self._journal.record(
            "phone", "activity token", phone=self._device.name, activity=activity.id, token=token[-8:]
        )


def _allowance(budget: Budget, capacity: int, window: float, profile: Profile) -> Allowance:
    return Allowance(budget.remaining(capacity), capacity, budget.refills_at(window, profile.refill))


def _stamp(activity: Activity, now: float) -> float:
    """What the app says itself is the newest, but no newer than a push of the same second: those know only seconds (assumed)."""
    return max(int(now), activity.timestamp)


def _journal_fields(one: Happened, widget: Widget) -> dict[str, Any]:
    """`apnsID`, `apnsUniqueID`, `activity`, `why`, `problem`, `until`; of what may have changed an activity also `sessionID`,
    `contentState` and `by`: "push", or "app" for what happened on the phone itself. What has no value is left out.
    """
    activity = one.activity
    found: dict[str, Any] = {
        **ids(one.push),
        "why": one.why or None,
        "problem": one.problem or None,
        "until": one.until,
    }
    if activity is not None:
        found["activity"] = activity.id
    if activity is not None and one.what in {"started", "updated", "ended"}:
        found["by"] = "app" if one.push is None else "push"
        found["sessionID"] = session_of(activity.attributes)
        found["contentState"] = widget(activity.content_state, activity)
    return {name: value for name, value in found.items() if value is not None}
