"""APNs and phones in a process of their own, so that neither relay nor generator has to do their work.

    python -m loadtests.phones

Reads one JSON object a line and answers each with one: first (unasked) what a relay needs to push here, then to
`{"pair": {"url", "secret", "phones"}}` when so many new phones are registered at the relay, and to `{"shown": FILE}`
when it has written into the file what the phones showed since it was asked last: lines of session id, phone, time.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import aiohttp

from simulator.clock import Clock, RealClock
from simulator.journal import Entry, Journal
from simulator.phone.app.app import BUNDLE_ID
from simulator.phone.notifications import Notification, Receiver, interpret
from simulator.phone.push import Push, content
from simulator.world import World

AT_ONCE: Final = 20
LINE: Final = 1 << 20

Note = Callable[[str, str, float], None]
"""Called with each alert on a screen: session id as the app reads it, phone, time (UNIX seconds)."""


class Unwritten(Journal):
    """A journal that nobody reads."""

    def record_at(self, at: float, where: str, what: str, **_: Any) -> Entry:
        """Forget it."""
        return Entry(at, where, what)


class AlertPhone:
    """A phone of which only the alerts count: it decides on each push as iOS does, and notes what it shows.

    How APNs sees it. Without screen, app and Live Activities, which cost a load test more than the decision itself. The decision
    is `simulator.phone`'s own; a push that it drops, or that shows nothing but a badge, is not noted.
    """

    online: Final = True
    asleep: Final = False

    def __init__(self, name: str, token: str, bundle_id: str, clock: Clock, note: Note) -> None:
        self.name = name
        self.token = token
        self._receiver = Receiver(tokens=frozenset({token}), bundle_id=bundle_id)
        self._clock = clock
        self._note = note

    def refuses(self, _: Push) -> None:
        """Nothing: its owner wants alerts."""

    def receive(self, push: Push) -> None:
        """Show it, if iOS would."""
        now = self._clock.now()
        if isinstance(interpret(push, self._receiver, now), Notification):
            self._note(content(push.payload).session_id or "", self.name, now)


class Phones:
    """A world whose sandbox checks what Apple checks, but lets pushes come as fast as they may, and phones that note alerts."""

    def __init__(self, world: World) -> None:
        self._world = world
        world.apns.profile.set({"device_rate": None})
        self._phones: list[AlertPhone] = []
        self._shown: list[tuple[str, str, float]] = []

    async def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        """Do what a line asks for."""
        if "pair" in order:
            await self._pair(**order["pair"])
            return {"phones": len(self._phones)}
        return {"shown": self._write(Path(order["shown"]))}

    async def _pair(self, url: str, secret: str, phones: int) -> None:
        """So many new phones register at the relay."""
        slots = asyncio.Semaphore(AT_ONCE)
        async with aiohttp.ClientSession() as http:

            async def register(phone: AlertPhone) -> None:
                body = {"secret": secret, "deviceToken": phone.token, "bundleId": BUNDLE_ID}
                async with slots, http.post(f"{url}/v1/device/register", json=body) as response:
                    response.raise_for_status()

            await asyncio.gather(*(register(self._phone()) for _ in range(phones)))

    def _phone(self) -> AlertPhone:
        registry = self._world.apns.registry
        token = registry.mint_token(BUNDLE_ID, "production")
        phone = AlertPhone(f"phone-{len(self._phones) + 1}", token, BUNDLE_ID, self._world.clock, self._saw)
        registry.attach(token, phone)
        self._phones.append(phone)
        return phone

    def _saw(self, session: str, phone: str, at: float) -> None:
        self._shown.append((session, phone, at))

    def _write(self, path: Path) -> int:
        shown, self._shown = self._shown, []
        path.write_text("".join(f"{session} {phone} {at!r}\n" for session, phone, at in shown))
        return len(shown)


async def serve() -> None:
    """Obey standard input until it ends."""
    clock = RealClock()
    async with World(clock, Unwritten(clock, size=0), seed=7) as world:
        phones = Phones(world)
        print(json.dumps(world.relay_environment), flush=True)
        reader = asyncio.StreamReader(LINE)
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
        )
        while line := await reader.readline():
            print(json.dumps(await phones.obey(json.loads(line))), flush=True)


if __name__ == "__main__":
    asyncio.run(serve())
