"""An iPhone with the app on it: what APNs delivers to, and what a person looks at."""

import asyncio
from collections.abc import Callable
from typing import Any

from simulator.clock import Clock
from simulator.journal import Journal
from simulator.phone.app import BUNDLE_ID, App
from simulator.phone.device import Device, Realm
from simulator.phone.notifications import Dropped, Notification, Receiver, interpret
from simulator.phone.push import Push
from simulator.phone.screen import Screen

Fact = dict[str, Any]


class Phone:
    """One phone. `mint` asks APNs for a device token of the app's realm and bundle id."""

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        mint: Callable[[], str],
        *,
        name: str = "iPhone",
        os_version: str = "18.5",
        realm: Realm = "production",
        bundle_id: str = BUNDLE_ID,
    ) -> None:
        self._clock = clock
        self._journal = journal
        self.device = Device(mint, name=name, os_version=os_version)
        self.app = App(self.device, clock, journal, realm=realm, bundle_id=bundle_id)
        self.screen = Screen()
        self._showings: list[Fact] = []
        self._showed = asyncio.Event()

    @property
    def showings(self) -> list[Fact]:
        """Every time the screen showed something, oldest first:
        `{title, body, eventType, sessionID, at, replaced, serverID, knownServer}`.

        An alert that took the place of another (`replaced`) is a showing of its own. `eventType`, `sessionID` and
        `serverID` are what the app could read, None if it could not; `knownServer` whether it is paired with that
        server; `at` is UNIX seconds.
        """
        return list(self._showings)

    def receive(self, push: Push) -> None:
        """Take a push from APNs. Never raises: what cannot be shown is in the journal as dropped, with the reason."""
        try:
            outcome = interpret(push, self._receiver(), self._clock.now())
        except Exception as error:
            outcome = Dropped(f"it cannot be read: {error!r}")
        if isinstance(outcome, Dropped):
            apns_id = getattr(push, "apns_id", None)
            self._journal.record("phone", "dropped", phone=self.device.name, apnsID=apns_id, why=outcome.why)
        else:
            self._show(outcome)

    def tap(self, notification: Notification) -> str | None:
        """Open a notification: it leaves the screen and the app gets its link; None if the app finds none."""
        self.screen.remove(notification)
        url = self.app.read(notification.payload).url
        if url is not None:
            self.app.open(url)
        self._journal.record("phone", "tapped", phone=self.device.name, url=url)
        return url

    async def shown(
        self, count: int = 1, where: Callable[[Fact], bool] = lambda _: True, within: float = 5.0
    ) -> list[Fact]:
        """The showings for which `where` holds, as soon as there are `count` of them.

        Raises TimeoutError with what was shown instead, after `within` seconds of real time.
        """
        try:
            async with asyncio.timeout(within):
                while len(found := [fact for fact in self._showings if where(fact)]) < count:
                    self._showed.clear()
                    await self._showed.wait()
        except TimeoutError:
            titles = [fact["title"] for fact in self._showings]
            raise TimeoutError(f"{self.device.name} did not show {count} such alerts, but {titles}") from None
        return found

    def _receiver(self) -> Receiver:
        return Receiver(
            tokens=self.device.tokens,
            bundle_id=self.app.bundle_id,
            online=self.device.online,
            notifications_allowed=self.device.notifications_allowed,
        )

    def _show(self, notification: Notification) -> None:
        replaced = self.screen.show(notification)
        read = self.app.read(notification.payload)
        fact: Fact = {
            "title": notification.title,
            "body": notification.body,
            "eventType": read.event_type,
            "sessionID": read.session_id,
            "at": notification.at,
            "replaced": replaced is not None,
            "serverID": read.server_id,
            "knownServer": self.app.knows(read.server_id),
        }
        self._showings.append(fact)
        self._journal.record(
            "phone",
            "shown" if replaced is None else "replaced",
            phone=self.device.name,
            apnsID=notification.apns_id,
            rootAgrees=read.root_agrees,
            **{key: value for key, value in fact.items() if key not in {"at", "replaced"}},
        )
        self._showed.set()
