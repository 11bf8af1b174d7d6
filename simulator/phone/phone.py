"""An iPhone with the app on it: what APNs delivers to, and what a person sees and does."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from simulator.clock import Clock
from simulator.journal import Journal
from simulator.phone.activitykit.activity import Activity
from simulator.phone.activitykit.attributes import APP_TYPES, ActivityType
from simulator.phone.app.app import BUNDLE_ID, App
from simulator.phone.app.content_state import AppKind
from simulator.phone.app.encryption import KeyRing, Unreadable
from simulator.phone.app.relay_client import Reply
from simulator.phone.device import Device, OnToken, Realm, TokenIssuer
from simulator.phone.live_activities import LiveActivities
from simulator.phone.notifications import (
    ENTITLED_LEVELS,
    Badge,
    Dropped,
    Notification,
    Receiver,
    against_reload,
    against_waking,
    interpret,
)
from simulator.phone.profile import Profile
from simulator.phone.push import Push, ids, session_link, session_of, session_props
from simulator.phone.screen import Screen
from simulator.phone.settings import Settings

Showing = dict[str, Any]


class Phone:
    """One phone. `issuer` is APNs for the app's realm and bundle id, or a function that asks it for a device token.

    `kind` is how its app builds Live Activities and lives with them; without it the app takes no part in what pushes do to
    activities of `types` (default: those of both kinds). `profile` says how strict the phone is (it may be changed at any
    time), `random` draws delays; without it they are the usual ones. `begins_all`: see Monitoring,
    `password`: see App.
    """

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        issuer: TokenIssuer | Callable[[], str],
        *,
        name: str = "iPhone",
        os_version: str = "18.5",
        realm: Realm = "production",
        bundle_id: str = BUNDLE_ID,
        dynamic_island: bool = True,
        types: Sequence[ActivityType] | None = None,
        kind: AppKind | None = None,
        begins_all: bool = False,
        password: str | None = None,
        profile: Profile | None = None,
        random: Random | None = None,
    ) -> None:
        self._clock = clock
        self._journal = journal
        self.profile = profile or Profile()
        self.device = Device(issuer, name=name, os_version=os_version, dynamic_island=dynamic_island)
        self.key_ring = KeyRing(lambda: self.device.first_unlock)
        self.activities = LiveActivities(
            clock,
            journal,
            self.device,
            bundle_id=bundle_id,
            types=types or ((kind.activity_type,) if kind else APP_TYPES),
            profile=self.profile,
            random=random,
            widget=self._widget,
        )
        self.app = App(
            self.device,
            self.activities,
            clock,
            journal,
            self.key_ring,
            realm=realm,
            bundle_id=bundle_id,
            kind=kind,
            begins_all=begins_all,
            password=password,
        )
        self.screen = Screen(lambda: self.activities.visible, self._widget)
        self._settings = Settings(self.device, self.activities, self.app, self.screen)
        self.widget_reloads: list[float] = []
        """When a push reloaded the timelines of the app's widgets, UNIX seconds."""
        self._showings: list[Showing] = []
        self._showed = asyncio.Event()

    # How APNs sees it.

    @property
    def name(self) -> str:
        """The device's name."""
        return self.device.name

    @property
    def online(self) -> bool:
        """Whether APNs can reach it."""
        return self.device.online

    @property
    def asleep(self) -> bool:
        """Whether a push that puts power first must wait."""
        return self.device.screen == "off" or self.device.low_power

    def refuses(self, push: Push) -> str | None:
        """Why APNs need not even deliver: "notifications_off" for alerts the person does not want (documented)."""
        unwanted = push.push_type == "alert" and not self.device.notifications_allowed
        return "notifications_off" if unwanted else None

    # How a person or a test sees it.

    def set(self, key: str, value: Any) -> None:
        """Do to the phone what a person can do, at once; `settings.SETTINGS` has the keys. Raises SettingError."""
        self.run_due()
        self._settings.change(key, value)
        self._journal.record("phone", "set", phone=self.name, key=key, value=value)

    def run_due(self) -> None:
        """Do all that is due by now. Nothing on a phone happens by itself: `receive` and `set` call this first."""
        self.activities.run_due()

    @property
    def notifications(self) -> list[Notification]:
        """The notifications in the notification centre, the newest first."""
        return self.screen.newest_first

    @property
    def badge(self) -> int:
        """The number on the app's icon."""
        return self.device.badge

    @property
    def background_wakes(self) -> int:
        """How often a push let the app run in the background."""
        return self.device.background_wakes

    @property
    def nse_invocations(self) -> int:
        """How often the notification service extension ran."""
        return self.device.nse_invocations

    @property
    def log(self) -> list[str]:
        """The lines of the system's log on Live Activities, oldest first, in the words iOS uses."""
        return self.activities.log

    def on_activity_token(self, callback: OnToken) -> Callable[[], None]:
        """Call `callback(activity, token)` for every update token the app gets; the returned function stops it."""
        return self.activities.on_token(callback)

    @property
    def showings(self) -> list[Showing]:
        """Every time the screen showed something, oldest first:
        `{title, body, eventType, sessionID, at, replaced, serverID, knownServer}`.

        An alert that took the place of another (`replaced`) is a showing of its own. `eventType`, `sessionID` and
        `serverID` are what the app could read, None if it could not; `knownServer` whether it is paired with that
        server; `at` is UNIX seconds.
        """
        return list(self._showings)

    def receive(self, push: Push) -> None:
        """Take a push from APNs. Never raises: what cannot be shown is in the journal as dropped, with the reason."""
        self.run_due()
        try:
            self._take(push)
        except Exception as error:
            apns_id = getattr(push, "apns_id", None)
            why = f"it cannot be read: {error!r}"
            self._journal.record("phone", "dropped", phone=self.name, apnsID=apns_id, why=why)

    def _take(self, push: Push) -> None:
        """Hand a push to what it is for, by its token first."""
        channel_id = getattr(push, "channel_id", None)
        if channel_id is not None or self.activities.has_token(push.device_token):
            self.activities.receive(push)
        elif self.device.calls_by(push.device_token):
            self._record("dropped", push, why="the app takes no calls")
        elif self.device.reloads_by(push.device_token):
            self._reload_widgets(push)
        elif push.push_type == "background":
            self._wake(push)
        else:
            self._alert(push)

    def _alert(self, push: Push) -> None:
        outcome = interpret(push, self._receiver(), self._clock.now())
        if isinstance(outcome, Dropped):
            self._record("dropped", push, why=outcome.why)
        elif isinstance(outcome, Badge):
            self.device.badge = outcome.number
            self._record("updated", push, why="it only sets the badge", badge=outcome.number)
        else:
            self.device.badge = self.device.badge if outcome.badge is None else outcome.badge
            self._show(self._extended(outcome, push), push)

    def _extended(self, notification: Notification, push: Push) -> Notification:
        """What the app's notification service extension makes of it; iOS shows the original where it makes nothing (documented)."""
        if not notification.mutable:
            return notification
        self.device.nse_invocations += 1
        try:
            opened = self.key_ring.alert(push.payload)
        except Unreadable as error:
            self._record("sealed", push, why=str(error))
            return notification
        return notification if opened is None else replace(notification, title=opened[0], body=opened[1])

    def _widget(self, content_state: dict[str, Any], activity: Activity) -> dict[str, Any] | None:
        props = session_props(content_state)
        return None if props is None else self.key_ring.card(props, session_of(activity.attributes))

    def _wake(self, push: Push) -> None:
        why = against_waking(push, self._receiver(), self._clock.now())
        if why is not None:
            self._record("dropped", push, why=why)
            return
        self.device.background_wakes += self.device.app == "background"
        self._record("woken", push)

    def _reload_widgets(self, push: Push) -> None:
        why = against_reload(push, self._receiver(), self._clock.now())
        if why is not None:
            self._record("dropped", push, why=why)
            return
        self.widget_reloads.append(self._clock.now())
        self._record("reloaded", push, why="its widgets have new content")

    def tap(self, notification: Notification) -> str | None:
        """Open a notification: it leaves the screen and the app gets its link; None if the app finds none."""
        self.screen.remove(notification)
        url = self.app.read(notification.payload).url
        if url is not None:
            self.app.open(url)
        self._journal.record("phone", "tapped", phone=self.device.name, url=url)
        return url

    async def answer(
        self, notification: Notification, decision: str, *, authenticated: bool = False
    ) -> Reply | None:
        """Press a button of the notification. Every answer needs the person's face or code on a locked phone
        (Apple, UNNotificationActionOptions.authenticationRequired: documented): None without. Raises ValueError as the app does.
        """
        if self.device.locked and not authenticated:
            self._journal.record("phone", "not answered", phone=self.name, why="the phone is locked")
            return None
        reply = await self.app.answer(notification.payload, decision)
        request = notification.payload["request"]["id"]
        self._journal.record(
            "phone", "answered", phone=self.name, requestID=request, decision=decision, status=reply.status,
            error=reply.error,
        )  # fmt: skip
        return reply

    def tap_activity(self, activity: Activity) -> str | None:
        """Tap a Live Activity: the app comes to the foreground with the link to the session; None if it names none.

        Raises ValueError if the activity is not to be seen.
        """
        if not activity.visible:
            raise ValueError(f"{activity.id} is not on the screen")
        session_id = session_of(activity.attributes)
        url = None if session_id is None else session_link(session_id)
        self._journal.record("phone", "tapped", phone=self.device.name, url=url)
        self.set("app", "foreground")
        if url is not None:
            self.app.open(url)
        return url

    async def shown(
        self, count: int = 1, where: Callable[[Showing], bool] = lambda _: True, within: float = 5.0
    ) -> list[Showing]:
        """The showings for which `where` holds, as soon as there are `count` of them.

        Raises TimeoutError with what was shown instead, after `within` seconds of real time.
        """
        try:
            async with asyncio.timeout(within):
                while len(found := [showing for showing in self._showings if where(showing)]) < count:
                    self._showed.clear()
                    await self._showed.wait()
        except TimeoutError:
            titles = [showing["title"] for showing in self._showings]
            raise TimeoutError(f"{self.device.name} did not show {count} such alerts, but {titles}") from None
        return found

    def _receiver(self) -> Receiver:
        return Receiver(
            tokens=self.device.tokens,
            bundle_id=self.app.bundle_id,
            online=self.device.online,
            notifications_allowed=self.device.notifications_allowed,
            entitled_levels=ENTITLED_LEVELS
            if self.device.time_sensitive_entitlement
            else ENTITLED_LEVELS - {"time-sensitive"},
            app_installed=self.device.app_installed,
            force_quit=self.device.app == "force_quit",
        )

    def _record(self, what: str, push: Push, **detail: Any) -> None:
        self._journal.record("phone", what, phone=self.name, **ids(push), **detail)

    def _show(self, notification: Notification, push: Push) -> None:
        replaced = self.screen.show(notification)
        read = self.app.read(notification.payload)
        showing: Showing = {
            "title": notification.title,
            "body": notification.body,
            "eventType": read.event_type,
            "sessionID": read.session_id,
            "at": notification.at,
            "replaced": replaced is not None,
            "serverID": read.server_id,
            "knownServer": self.app.knows(read.server_id),
        }
        self._showings.append(showing)
        self._record(
            "shown" if replaced is None else "replaced",
            push,
            rootAgrees=read.root_agrees,
            **{key: value for key, value in showing.items() if key not in {"at", "replaced"}},
        )
        self._showed.set()
