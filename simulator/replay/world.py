"""A whole world on one machine: fakes in this process, the real relay and the real bridge as processes, wired up."""

import asyncio
import contextlib
import random
import socket
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote

import aiohttp

from simulator.apns.registry import Realm
from simulator.apns.sandbox import Sandbox
from simulator.clock import RealClock
from simulator.journal import Journal
from simulator.lab.issuer import Issuer
from simulator.opencode.v1.player import Played, Player
from simulator.opencode.v1.server import OpenCodeServer
from simulator.phone.app.app import BUNDLE_ID
from simulator.phone.app.content_state import KINDS, ActivityFormat
from simulator.phone.phone import Phone
from simulator.phone.profile import profile
from simulator.process import Command, CommandError
from simulator.replay.activity_expectations import Audience
from simulator.replay.relay_environment import relay_environment
from simulator.scenario import Scenario

PATIENCE_SECONDS = 60.0
"""What must come and has not come after so long is taken for missing, however busy the machine is: that a process is up,
that a card which runs has ended (a relay may hold its end back for a second and needs its token first; of a server that
was killed the bridge must find out), that nothing moves any more."""
TICK_SECONDS = 0.2

LINK = r"^mobilevoice://"


@dataclass(frozen=True, slots=True)
class WorldOptions:
    """`realm` is where the phones' tokens live, `claimed_realm` what the app says of them (None: the truth).

    `database_url` is the relay's, None for a new SQLite file. `permission_delay` is the bridge's, in seconds.
    With `live_activities` the app is one that has them, of the kind `app`, and follows OpenCode while in the
    `foreground`; `phone_profile` is how strict the phones are. Of several `relays`, processes on one database, the bridge
    talks to the first and the phones to the last.
    """

    phones: int = 1
    permission_delay: float = 0.0
    database_url: str | None = None
    realm: Realm = "production"
    claimed_realm: Realm | None = None
    seed: int = 0
    live_activities: bool = False
    app: ActivityFormat = "flat"
    foreground: bool = False
    phone_profile: str = "default"
    relays: int = 1


class World:
    """`async with World(options) as world`: everything is up, paired and watching; afterwards all of it is gone."""

    def __init__(self, options: WorldOptions | None = None) -> None:
        self.options = options or WorldOptions()
        self.clock = RealClock()
        self.journal = Journal(self.clock)
        self._stack = AsyncExitStack()
        self._http: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        """Start all parts. Whatever fails, those already started are stopped again."""
        async with self._stack:
            await self._start()
            self._stack = self._stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop all parts, the last started first."""
        await self._stack.aclose()

    async def _start(self) -> None:
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="opencode-push-")))
        self._http = await self._stack.enter_async_context(aiohttp.ClientSession())
        await self._start_apns()
        await self._start_opencode()
        await self._start_processes()
        self.phones = [await self._pair(number) for number in range(1, self.options.phones + 1)]
        self._ticking = asyncio.create_task(self._tick(), name="world-tick")
        self._stack.push_async_callback(self._stop_ticking)

    # The parts.

    def new_opencode(self) -> OpenCodeServer:
        """The OpenCode of this world; a subclass may have one with a mind of its own."""
        return OpenCodeServer(self.clock, self.journal)

    @property
    def bridge_environment(self) -> dict[str, str]:
        """What the bridge is told beside its arguments; nothing, unless OpenCode wants a password."""
        return {}

    async def _start_opencode(self) -> None:
        self.opencode = self.new_opencode()
        await self.opencode.start()
        self._stack.push_async_callback(self.opencode.close)
        self.player = Player(self.opencode, self.clock, self.journal)

    async def _start_apns(self) -> None:
        self.apns = Sandbox(
            self.clock, self.journal, folder=self.folder, random=random.Random(self.options.seed)
        )
        await self.apns.start()
        self._stack.push_async_callback(self.apns.close)
        self.apns.registry.add_app(BUNDLE_ID)
        self._key = self.apns.issue_key()

    async def _start_processes(self) -> None:
        """The bridge comes up beside the first relay; the relays come one after the other, for the first makes the tables."""
        self.relay_urls = [f"http://127.0.0.1:{_free_port()}" for _ in range(self.options.relays)]
        self.relays = [
            self._command("relay", ["serve"], self._relay_environment(url)) for url in self.relay_urls
        ]
        self.bridge = self._command("bridge", self._bridge_arguments(), self.bridge_environment)
        for command in (*self.relays, self.bridge):
            self._stack.push_async_callback(command.stop)
        began = self.clock.now()
        await self.bridge.start()
        for number in range(self.options.relays):
            await self.start_relay(number)
        await self._bridge_watches(began)

    @property
    def relay(self) -> Command:
        """The relay that the bridge talks to."""
        return self.relays[0]

    async def start_relay(self, number: int = 0) -> None:
        """Start a relay, for the first time or again after it was killed; return when it answers."""
        relay, url = self.relays[number], self.relay_urls[number]
        await relay.start()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not await self._answers(url):
                    relay.raise_if_ended()
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise CommandError(f"the relay does not answer at {url}") from None

    async def start_bridge(self) -> None:
        """Start the bridge again; return when it watches OpenCode."""
        began = self.clock.now()
        await self.bridge.start()
        await self._bridge_watches(began)

    async def _bridge_watches(self, since: float) -> None:
        """Return when the bridge that was started at `since` (UNIX seconds) has shown its link and watches OpenCode."""
        self.pairing_link = await self.bridge.printed(LINK, PATIENCE_SECONDS)
        await self.watched(since)

    async def watched(self, since: float) -> None:  # noqa: ARG002 - a real OpenCode does not tell who listens
        """Return when the bridge listens to OpenCode, to which it has connected after `since`."""
        await self.opencode.process.streams.subscribed(PATIENCE_SECONDS)

    async def _answers(self, relay_url: str) -> bool:
        timeout = aiohttp.ClientTimeout(total=2)
        try:
            async with self._http.get(f"{relay_url}/health", timeout=timeout) as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    def _command(self, name: str, arguments: list[str], environment: dict[str, str]) -> Command:
        return Command(name, arguments, self.journal, environment=environment, folder=self.folder)

    def _relay_environment(self, url: str) -> dict[str, str]:
        return {
            "PORT": url.rpartition(":")[2],
            "DATABASE_URL": self.options.database_url or f"sqlite://{self.folder}/relay.sqlite3",
            **relay_environment(self.apns, self._key, BUNDLE_ID),
        }

    def _bridge_arguments(self) -> list[str]:
        return [
            "bridge",
            f"--opencode-url={self.opencode.url}",
            f"--relay-url={self.relay_urls[0]}",
            f"--secret-file={self.folder / 'relay-secret'}",
            "--port=0",
            f"--permission-delay={self.options.permission_delay}",
        ]

    async def _pair(self, number: int) -> Phone:
        """A phone with the app: it gets its tokens from APNs, scans the code and registers at the relay."""
        options = self.options
        issuer = Issuer(self.apns.registry, self.clock, BUNDLE_ID, options.realm)
        phone = Phone(
            self.clock,
            self.journal,
            issuer,
            name="iPhone" if number == 1 else f"iPhone {number}",
            realm=options.claimed_realm or options.realm,
            kind=KINDS[options.app] if options.live_activities else None,
            begins_all=True,
            profile=profile(options.phone_profile),
        )
        self._stack.push_async_callback(phone.app.close)
        issuer.lead_to(phone)
        phone.app.scan(self._link_for_phones())
        await phone.app.register()
        if options.foreground:
            phone.set("app", "foreground")
        return phone

    def _link_for_phones(self) -> str:
        """The bridge's pairing link, with the relay that the phones talk to."""
        bridges, phones = (quote(url, safe="") for url in (self.relay_urls[0], self.relay_urls[-1]))
        return self.pairing_link.replace(bridges, phones)

    async def _tick(self) -> None:
        """Real time passes by itself: do what is due at APNs and on every phone."""
        while True:
            await self.clock.sleep(TICK_SECONDS)
            self.apns.discard_expired()
            for phone in self.phones:
                phone.run_due()

    async def _stop_ticking(self) -> None:
        self._ticking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._ticking

    # What happens in it.

    async def play(self, scenario: Scenario, speed: float = 1.0) -> Played:
        """Let the agent do what was recorded, and wait until nothing moves any more."""
        await self._watched()
        played = await self.player.play(scenario.recording, speed)
        await self.still(1.0 + scenario.permission_delay)
        ends = self.clock.now() + PATIENCE_SECONDS
        while self._has_running_cards and self.clock.now() < ends:
            await self.still(1.0)
        return played

    async def _watched(self) -> None:
        """Return when every app in the foreground reads OpenCode's stream. Raises TimeoutError if one does not."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            for phone in self.phones:
                if phone.app.live_sessions is not None and phone.device.app == "foreground":
                    await phone.app.live_sessions.followed()

    @property
    def _has_running_cards(self) -> bool:
        return any(phone.activities.active for phone in self.phones)

    def audience(self, speed: float) -> Audience | None:
        """Who looks at the cards of a play at this speed; None if the app has none."""
        names = tuple(phone.name for phone in self.phones)
        return Audience(names, speed, self.options.foreground) if self.options.live_activities else None

    async def still(self, seconds: float, within: float = PATIENCE_SECONDS) -> None:
        """Return when nothing was written into the journal for so long; TimeoutError if that never happens."""
        moved = asyncio.Event()
        stop_listening = self.journal.listen(lambda _: moved.set())
        try:
            async with asyncio.timeout(within):
                while True:
                    moved.clear()
                    try:
                        await asyncio.wait_for(moved.wait(), seconds)
                    except TimeoutError:
                        return
        finally:
            stop_listening()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
