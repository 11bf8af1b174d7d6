"""A whole world on one machine: fakes in this process, the real relay and the real bridge as processes, wired up."""

import asyncio
import random
import socket
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from simulator.apns.registry import Realm
from simulator.apns.sandbox import Sandbox
from simulator.clock import RealClock
from simulator.command import Command, CommandError
from simulator.journal import Journal
from simulator.opencode.player import Played, Player
from simulator.opencode.server import OpenCodeServer
from simulator.phone.app import BUNDLE_ID
from simulator.phone.phone import Phone
from simulator.scenario import Scenario

START_SECONDS = 30.0
LINK = r"^mobilevoice://"


@dataclass(frozen=True, slots=True)
class WorldOptions:
    """`realm` is where the phones' tokens live, `claimed_realm` what the app says of them (None: the truth).

    `database_url` is the relay's, None for a new SQLite file. `permission_delay` is the bridge's, in seconds.
    """

    phones: int = 1
    permission_delay: float = 0.0
    database_url: str | None = None
    realm: Realm = "production"
    claimed_realm: Realm | None = None
    seed: int = 0


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
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop all parts, the last started first."""
        await self._stack.aclose()

    async def _start(self) -> None:
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="opencode-push-")))
        self._http = await self._stack.enter_async_context(aiohttp.ClientSession())
        await self._start_apns()
        self.opencode = OpenCodeServer(self.clock, self.journal)
        await self.opencode.start()
        self._stack.push_async_callback(self.opencode.close)
        self.player = Player(self.opencode, self.clock, self.journal)
        self.relay_url = f"http://127.0.0.1:{_free_port()}"
        self.relay = self._command("relay", ["serve"], self._relay_environment())
        self._stack.push_async_callback(self.relay.stop)
        await self.start_relay()
        self.bridge = self._command("bridge", self._bridge_arguments(), {})
        self._stack.push_async_callback(self.bridge.stop)
        await self.start_bridge()
        self.phones = [await self._pair(number) for number in range(1, self.options.phones + 1)]

    # The parts.

    async def _start_apns(self) -> None:
        self.apns = Sandbox(
            self.clock, self.journal, folder=self.folder, random=random.Random(self.options.seed)
        )
        await self.apns.start()
        self._stack.push_async_callback(self.apns.close)
        self.apns.registry.add_app(BUNDLE_ID)
        self._key = self.apns.issue_key()

    async def start_relay(self) -> None:
        """Start the relay, for the first time or again after it was killed; return when it answers."""
        await self.relay.start()
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await self._relay_answers():
                    self.relay.raise_if_ended()
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise CommandError(f"the relay does not answer at {self.relay_url}") from None

    async def start_bridge(self) -> None:
        """Start the bridge, for the first time or again; return when it watches OpenCode."""
        await self.bridge.start()
        self.pairing_link = await self.bridge.printed(LINK, START_SECONDS)
        await self.opencode.process.streams.subscribed(START_SECONDS)

    async def _relay_answers(self) -> bool:
        try:
            async with self._http.get(
                f"{self.relay_url}/health", timeout=aiohttp.ClientTimeout(total=2)
            ) as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    def _command(self, name: str, arguments: list[str], environment: dict[str, str]) -> Command:
        return Command(name, arguments, self.journal, environment=environment, folder=self.folder)

    def _relay_environment(self) -> dict[str, str]:
        return {
            "PORT": self.relay_url.rpartition(":")[2],
            "DATABASE_URL": self.options.database_url or f"sqlite://{self.folder}/relay.sqlite3",
            "APNS_TEAM_ID": self._key.team_id,
            "APNS_KEY_ID": self._key.key_id,
            "APNS_PRIVATE_KEY": self._key.private_key,
            "APNS_DEFAULT_BUNDLE_ID": BUNDLE_ID,
            "APNS_HOST_SANDBOX": f"127.0.0.1:{self.apns.ports['sandbox']}",
            "APNS_HOST_PRODUCTION": f"127.0.0.1:{self.apns.ports['production']}",
            "APNS_CA_FILE": str(self.apns.ca_file),
        }

    def _bridge_arguments(self) -> list[str]:
        return [
            "bridge",
            f"--opencode-url={self.opencode.url}",
            f"--relay-url={self.relay_url}",
            f"--secret-file={self.folder / 'relay-secret'}",
            f"--permission-delay={self.options.permission_delay}",
        ]

    async def _pair(self, number: int) -> Phone:
        """A phone with the app: it gets its token from APNs, scans the code and registers at the relay."""
        name = "iPhone" if number == 1 else f"iPhone {number}"
        tokens, realm = self.apns.registry, self.options.realm
        phone = Phone(
            self.clock,
            self.journal,
            lambda: tokens.mint_token(BUNDLE_ID, realm),
            name=name,
            realm=self.options.claimed_realm or realm,
        )
        phone.app.scan(self.pairing_link)
        tokens.attach(phone.app.token, phone.receive)
        await phone.app.register()
        return phone

    # What happens in it.

    async def play(self, scenario: Scenario, speed: float = 1.0) -> Played:
        """Let the agent do what was recorded, and wait until nothing moves any more."""
        played = await self.player.play(scenario.recording, speed)
        await self.still(1.0 + scenario.permission_delay)
        return played

    async def still(self, seconds: float, within: float = 60.0) -> None:
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
