"""The APNs sandbox as one object: start it, point a provider at its ports and CA file, mint tokens, watch deliveries."""

from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import trustme

from simulator.apns.certificates import server_tls, write_ca
from simulator.apns.errors import SandboxNotStarted
from simulator.apns.faults import FaultTable
from simulator.apns.profile import Profile
from simulator.apns.push_service import PushService
from simulator.apns.registry import REALMS, ProviderKey, Realm, Registry
from simulator.apns.server import Listener
from simulator.clock import Clock
from simulator.journal import Journal


class Sandbox:
    """Both environments of APNs on two ports of 127.0.0.1, sharing apps and keys but not device tokens.

    `random` seeds every id, key and token. `folder` is where the CA file goes; without one it is a temporary
    folder that `close` removes. `registry`, `faults` and `profile` may be used and changed at any time.
    """

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        *,
        random: Random,
        authority: trustme.CA | None = None,
        folder: Path | None = None,
        profile: Profile | None = None,
    ) -> None:
        self.registry = Registry(random)
        self.faults = FaultTable(random)
        self.profile = profile or Profile()
        self.ports: dict[Realm, int] = {}
        self._authority = authority or trustme.CA()
        self._folder = folder
        self._temporary: TemporaryDirectory[str] | None = None
        self._ca_file: Path | None = None

        def listener(realm: Realm) -> Listener:
            service = PushService(realm, self.registry, self.profile, self.faults, clock, journal, random)
            return Listener(service, self.profile, clock, journal)

        self._listeners = {realm: listener(realm) for realm in REALMS}

    @property
    def ca_pem(self) -> str:
        """The certificate that providers must trust, as PEM."""
        return self._authority.cert_pem.bytes().decode("ascii")

    @property
    def ca_file(self) -> Path:
        """The same in a file, which exists from `start` to `close` (longer if a folder was given)."""
        if self._ca_file is None:
            raise SandboxNotStarted("ca_file is written by start()")
        return self._ca_file

    async def start(self, *, sandbox_port: int = 0, production_port: int = 0) -> None:
        """Listen; `ports` then holds the port of each realm. OSError if a port is taken; then `close` tidies up."""
        self._ca_file = write_ca(self._authority, self._folder or self._temporary_folder())
        tls = server_tls(self._authority)
        wanted: dict[Realm, int] = {"sandbox": sandbox_port, "production": production_port}
        for realm, listener in self._listeners.items():
            self.ports[realm] = await listener.start(tls, wanted[realm])

    async def close(self) -> None:
        """Say GOAWAY, close all sockets, remove the temporary CA file. Harmless when called again."""
        for listener in self._listeners.values():
            await listener.close()
        self.ports.clear()
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None

    def _temporary_folder(self) -> Path:
        self._temporary = TemporaryDirectory(prefix="apns-sandbox-")
        return Path(self._temporary.name)

    def goaway(self, reason: str = "Shutdown") -> None:
        """Send GOAWAY with this reason on every open connection; each closes once its answers are out."""
        for listener in self._listeners.values():
            for connection in tuple(listener.connections):
                connection.goaway(reason)

    def add_app(self, bundle_id: str, team_id: str | None = None) -> None:
        """Let a team (default: the sandbox's own) push to this app and its suffixed topics."""
        self.registry.add_app(bundle_id, team_id)

    def issue_key(
        self,
        team_id: str | None = None,
        *,
        realm: Realm | None = None,
        topics: frozenset[str] | None = None,
        related_to: str | None = None,
    ) -> ProviderKey:
        """A new provider key (key id, team id, private key PEM); see Registry.issue_key."""
        return self.registry.issue_key(team_id, realm=realm, topics=topics, related_to=related_to)
