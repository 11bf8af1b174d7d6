"""A world on one machine: an APNs sandbox with phones in this process, and beside it what is wanted of the product.

Replays, the demo, the notebooks, the load tests and the tests build theirs from this one. A relay is a process here; who
has one in the same process gives it `relay_environment` and lets `enter` close it.
"""

import tempfile
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any, Self, TypeVar

from simulator.apns.registry import Realm
from simulator.apns.sandbox import Sandbox
from simulator.clock import Clock, RealClock
from simulator.journal import Journal
from simulator.lab.control.app import ControlServer, create_app
from simulator.lab.device import DeviceSpec
from simulator.lab.lab import Lab
from simulator.phone.app.app import BUNDLE_ID
from simulator.phone.phone import Phone
from simulator.process import RelayProcess

T = TypeVar("T")


class World:
    """`async with World() as world`: APNs is up and knows one app and one key; afterwards all of it is gone.

    `clock` is the machine's unless another is given; on a virtual one time stands still until somebody turns it. The same
    `seed` gives the same tokens.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        journal: Journal | None = None,
        *,
        seed: int = 1,
        bundle_id: str = BUNDLE_ID,
    ) -> None:
        self.clock = clock or RealClock()
        self.journal = journal or Journal(self.clock)
        self.bundle_id = bundle_id
        self.phones: list[Phone] = []
        self.relays: list[RelayProcess] = []
        self._random = Random(seed)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Start all parts. Whatever fails, those already started are stopped again."""
        async with self._stack:
            await self._start()
            self.lab.start()
            self._stack.push_async_callback(self.lab.close)
            self._stack = self._stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop all parts, the last started first."""
        await self._stack.aclose()

    async def _start(self) -> None:
        """The parts, one after the other; a subclass adds its own."""
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="opencode-push-")))
        self.apns = Sandbox(self.clock, self.journal, random=self._random, folder=self.folder)
        await self.apns.start()
        self._stack.push_async_callback(self.apns.close)
        self.apns.add_app(self.bundle_id)
        self.lab = Lab(self.clock, self.journal, self.apns)
        self.key = self.lab.issue_key()

    async def enter(self, part: AbstractAsyncContextManager[T]) -> T:
        """Open a part that is closed when the world ends, before all that were opened earlier."""
        return await self._stack.enter_async_context(part)

    @property
    def relay_environment(self) -> dict[str, str]:
        """The environment of a relay of this world: its APNs, a database in the world's folder, and no limits: a day passes in seconds."""
        return {
            "DATABASE_URL": f"sqlite://{self.folder}/relay.sqlite3",
            "APNS_TEAM_ID": self.key.team_id,
            "APNS_KEY_ID": self.key.key_id,
            "APNS_PRIVATE_KEY": self.key.private_key,
            "APNS_DEFAULT_BUNDLE_ID": self.bundle_id,
            "APNS_HOST_SANDBOX": f"127.0.0.1:{self.apns.ports['sandbox']}",
            "APNS_HOST_PRODUCTION": f"127.0.0.1:{self.apns.ports['production']}",
            "APNS_CA_FILE": str(self.apns.ca_file),
            "RELAY_LIMITS": "off",
        }

    async def serve_page(self, port: int = 0) -> str:
        """Serve the control API and the page on this port, or on a free one if it is taken or 0; the page's address."""
        control = ControlServer(create_app(self.lab))
        try:
            await control.start(port)
        except OSError:
            await control.start()
        self._stack.push_async_callback(control.close)
        self._stack.callback(self.lab.feed.close)  # streams that are still read would hold the server up
        return control.page_url

    def add_relays(self, count: int = 1, database_url: str | None = None) -> None:
        """So many `relays` on one database (None: a new SQLite file), to be started in turn: the first makes the tables."""
        environment = self.relay_environment
        if database_url is not None:
            environment["DATABASE_URL"] = database_url
        for _ in range(count):
            relay = RelayProcess(self.journal, environment=environment, folder=self.folder)
            self._stack.push_async_callback(relay.stop)
            self.relays.append(relay)

    async def add_phone(
        self,
        link: str,
        name: str = "iPhone",
        *,
        realm: Realm = "production",
        claims: Realm | None = None,
        phone_profile: str = "default",
        **options: Any,
    ) -> Phone:
        """A phone whose app scans a pairing link and registers at the relay in it.

        `realm` is the environment of APNs that the app's build belongs to, `claims` what it says if that is another;
        `options` are further ones of a Phone, such as the `kind` of its app.
        """
        spec = DeviceSpec(name, self.bundle_id, realm, phone_profile=phone_profile)
        options["realm"] = claims or realm
        phone = self.lab.add_device(spec, **options).phone
        self._stack.push_async_callback(phone.app.close)
        phone.app.scan(link)
        await phone.app.register()
        self.phones.append(phone)
        return phone
