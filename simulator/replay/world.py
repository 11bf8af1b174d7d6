"""The whole chain on one machine: fakes in this process, the real relay and the real bridge as processes, wired up."""

import asyncio
from dataclasses import dataclass
from typing import Literal

from simulator.apns.registry import Realm
from simulator.opencode.playing import Played
from simulator.opencode.prompt_language import parse
from simulator.opencode.script import Reaction, Script
from simulator.opencode.v1.player import Player
from simulator.opencode.v1.server import OpenCodeServer
from simulator.opencode.v2.player import Player as Player2
from simulator.opencode.v2.server import OpenCode2Server
from simulator.phone.app.content_state import KINDS, ActivityFormat
from simulator.phone.phone import Phone
from simulator.process import Command, RelayProcess
from simulator.recording import Generation
from simulator.replay.expectations import Audience
from simulator.scenario import Scenario
from simulator.world import World

PATIENCE_SECONDS = 60.0
"""What must come and has not come after so long is taken for missing, however busy the machine is: that a process is up,
that a card which runs has ended (a relay may hold its end back for a second and needs its token first; of a server that
was killed the bridge must find out), that nothing moves any more."""

LINK = r"^mobilevoice://"

PASSWORD = "opencode-2-has-a-password"  # noqa: S105
"""Generation 2 always has one. Generation 1 has none here, and does not mind that the bridge and the app send it."""

NO_BUDGET = {"RELAY_PHONE_CARDS": "1000000", "RELAY_PHONE_STARTS": "1000000"}


@dataclass(frozen=True, slots=True)
class WorldOptions:
    """`realm` is where the phones' tokens live, `claimed_realm` what the app says of them (None: the truth).

    `database_url` is the relay's, None for a new SQLite file. `permission_delay` is the bridge's, in seconds.
    With `live_activities` the app is one that has them, of the kind `app`, and follows OpenCode while in the
    `foreground`; `phone_profile` is how strict the phones are. Of several `relays`, processes on one database, the bridge
    talks to the first and the phones to the last. `generation` is that of the OpenCode that is up first. `encrypt` is the bridge's:
    what is to be looked at on its way is not sealed. `scripted`: generation 2, too, does what prompts say; recordings are played without.
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
    generation: Generation = 1
    encrypt: Literal["auto", "require", "off"] = "off"
    scripted: bool = False


def _reaction(prompt: str) -> Reaction:
    """The model does what a prompt says in the words of simulator/opencode/prompt_language.py."""
    return Reaction(parse(prompt) or Script(), "a title")


class ReplayWorld(World):
    """`async with ReplayWorld(options) as world`: everything is up, paired and watching."""

    def __init__(self, options: WorldOptions | None = None) -> None:
        self.options = options or WorldOptions()
        super().__init__(seed=self.options.seed)

    async def _start(self) -> None:
        await super()._start()
        await self._start_opencode()
        await self._start_processes()
        for number in range(1, self.options.phones + 1):
            await self.pair("iPhone" if number == 1 else f"iPhone {number}")

    # The parts.

    @property
    def app_password(self) -> str | None:
        """What the person typed into the app for OpenCode."""
        return PASSWORD

    @property
    def bridge_environment(self) -> dict[str, str]:
        """The bridge's environment beside its arguments."""
        return {"OPENCODE_PASSWORD": PASSWORD}

    async def _start_opencode(self) -> None:
        self.opencode1 = OpenCodeServer(self.clock, self.journal, model=_reaction)
        self.opencode2 = OpenCode2Server(
            self.clock,
            self.journal,
            password=PASSWORD,
            managed=False,
            model=_reaction if self.options.scripted else None,
        )
        for server in (self.opencode1, self.opencode2):
            self._stack.push_async_callback(server.close)
        self._choose(self.options.generation)
        await self.opencode.start()

    def _choose(self, generation: Generation) -> None:
        """The server that is up from now on, and what plays recordings on it."""
        self._generation = generation
        self.opencode: OpenCodeServer | OpenCode2Server
        self.player: Player | Player2
        if generation == 1:
            self.opencode = self.opencode1
            self.player = Player(self.opencode1, self.clock, self.journal)
        else:
            self.opencode = self.opencode2
            self.player = Player2(self.opencode2, self.clock, self.journal)

    async def serve(self, generation: Generation) -> None:
        """Let OpenCode be of this generation, as after an update in place: at the same port, found again by those who listen."""
        if generation == self._generation:
            return
        before, began = self.opencode, self.clock.now()
        self._choose(generation)
        await before.close()
        await self.opencode.start(before.port)
        await self.watched(began)

    async def _start_processes(self) -> None:
        """The bridge comes up beside the first relay."""
        self.add_relays(self.options.relays, self.options.database_url)
        self.bridge = Command(
            "bridge",
            self._bridge_arguments(),
            self.journal,
            environment=self.bridge_environment,
            folder=self.folder,
        )
        self._stack.push_async_callback(self.bridge.stop)
        began = self.clock.now()
        await self.bridge.start()
        for relay in self.relays:
            await relay.start()
        await self._bridge_watches(began)

    @property
    def relay(self) -> RelayProcess:
        """The relay that the bridge talks to."""
        return self.relays[0]

    async def start_bridge(self) -> None:
        """Start the bridge again; return when it watches OpenCode."""
        began = self.clock.now()
        await self.bridge.start()
        await self._bridge_watches(began)

    async def _bridge_watches(self, since: float) -> None:
        """Return when the bridge that was started at `since` (UNIX seconds) has shown its link and watches OpenCode."""
        self.pairing_link = await self.bridge.printed(LINK, PATIENCE_SECONDS)
        await self.watched(since)

    async def watched(self, since: float) -> None:  # noqa: ARG002 - a real OpenCode does not say who listens
        """Return when the bridge listens to OpenCode, to which it has connected after `since`."""
        await self.opencode.process.streams.subscribed(PATIENCE_SECONDS)

    def _bridge_arguments(self) -> list[str]:
        return [
            "bridge",
            f"--opencode-url={self.opencode.url}",
            f"--relay-url={self.relay.url}",
            f"--secret-file={self.folder / 'relay-secret'}",
            "--port=0",
            "--print-link",
            f"--permission-delay={self.options.permission_delay}",
            # Recordings are of seconds; all that happens in them is to be seen.
            "--card-after=0",
            "--bundle=0",
            "--keep-answered",
            f"--encrypt={self.options.encrypt}",
        ]

    @property
    def relay_environment(self) -> dict[str, str]:
        """That of every world; a phone without a budget is given as many cards as there are sessions."""
        lenient = self.options.phone_profile == "lenient"
        return super().relay_environment | (NO_BUDGET if lenient else {})

    async def pair(self, name: str) -> Phone:
        """A phone with the app, as the options have it: it scans the bridge's code and registers at the last relay."""
        options = self.options
        phone = await self.add_phone(
            self.pairing_link.replace(self.relays[0].url, self.relays[-1].url),
            name,
            realm=options.realm,
            claims=options.claimed_realm,
            phone_profile=options.phone_profile,
            kind=KINDS[options.app] if options.live_activities else None,
            begins_all=True,
            password=self.app_password,
        )
        if options.foreground:
            phone.set("app", "foreground")
        return phone

    # What happens in it.

    async def play(self, scenario: Scenario, speed: float = 1.0) -> Played:
        """Let the agent do what was recorded, and wait until nothing moves any more."""
        await self.serve(scenario.recording.generation)
        await self.followed()
        played = await self.player.play(scenario.recording, speed)
        await self.over(scenario)
        return played

    async def over(self, scenario: Scenario) -> None:
        """Return when nothing moves any more of what was played last."""
        await self.still(1.0 + scenario.permission_delay)
        ends = self.clock.now() + PATIENCE_SECONDS
        while self._has_running_cards and self.clock.now() < ends:
            await self.still(1.0)

    async def followed(self) -> None:
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
                        async with asyncio.timeout(seconds):
                            await moved.wait()
                    except TimeoutError:
                        return
        finally:
            stop_listening()
