"""The APNs sandbox as one object: start it, point a provider at its ports and CA file, mint tokens, read the delivery log."""

from collections.abc import Iterable
from itertools import count
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import trustme

from simulator.apns.authentication import ProviderCertificate
from simulator.apns.certificates import ClientCertificate, issue_client_certificate, server_tls, write_ca
from simulator.apns.channels.registry import Channels
from simulator.apns.delivery.device import Device
from simulator.apns.delivery.service import DeliveryLog, DeliveryService
from simulator.apns.endpoints import Buckets, Environment
from simulator.apns.errors import SandboxNotStarted
from simulator.apns.faults import FaultTable
from simulator.apns.hosts import Shared, make_hosts
from simulator.apns.http2.listener import Listener
from simulator.apns.http2.policy import HeldResponses
from simulator.apns.http2.server import Port, ServerConnection
from simulator.apns.http2.sink import SinkConnection
from simulator.apns.profile import Profile
from simulator.apns.provider_token import TokenReader
from simulator.apns.registry import ProviderKey, Realm, Registry
from simulator.apns.request_log import RequestLog
from simulator.apns.token_check import CheckResult, check_provider_token
from simulator.clock import Clock
from simulator.journal import Journal


class Sandbox:
    """Both environments of APNs on ports of this machine, sharing apps and keys but not device tokens and channels.

    `random` seeds every id, key and token, but those of a `registry` that is given. `folder` is where the CA file goes; without one it is a temporary
    folder that `close` removes. `registry`, `channels`, `faults` and `profile` may be used and changed at any time; `hosts` take requests without sockets;
    `requests` has the newest of them whole.
    `sink`: every request is answered 200 unread, for load tests.
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
        sink: bool = False,
        registry: Registry | None = None,
        requests: RequestLog | None = None,
    ) -> None:
        self.registry = registry or Registry(random)
        self.faults = FaultTable(random, clock.now)
        self.profile = profile or Profile()
        self.channels = Channels(random)
        self.requests = RequestLog() if requests is None else requests
        self.ports: dict[str, int] = {}
        self._authority = authority or trustme.CA()
        self._folder = folder
        self._temporary: TemporaryDirectory[str] | None = None
        self._ca_file: Path | None = None

        self._clock, self._random = clock, random
        self._deliveries = DeliveryService(clock, journal, self.profile)
        self._buckets = Buckets()
        self.hosts = make_hosts(
            Shared(
                self.registry,
                self.channels,
                self.profile,
                self.faults,
                self._deliveries,
                clock,
                journal,
                random,
                self.requests,
                self._buckets,
            )
        )
        self._held_responses = HeldResponses()
        self._sink = sink
        numbers = count(1)
        self._listeners = {
            name: Listener(Port(host, self.profile, clock, journal, self._held_responses, numbers=numbers))
            for name, host in self.hosts.items()
        }

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

    async def start(
        self,
        *,
        sandbox_port: int = 0,
        production_port: int = 0,
        manage_sandbox_port: int = 0,
        manage_production_port: int = 0,
        host: str = "127.0.0.1",
        names: Iterable[str] = (),
    ) -> None:
        """Listen; `ports` then holds the port of each host: of "sandbox" and "production", where pushes and broadcasts go,
        and of "manage-sandbox" and "manage-production", where channels are managed. 0 = any free port.

        `host` is the address to listen on; the certificate is good for it and for `names`, too (ValueError if one is no name).
        OSError if a port is taken; then nothing was written, and `close` tidies up.
        """
        tls = server_tls(self._authority, *names)
        wanted = {
            "sandbox": sandbox_port,
            "production": production_port,
            "manage-sandbox": manage_sandbox_port,
            "manage-production": manage_production_port,
        }
        for name, listener in self._listeners.items():
            protocol = SinkConnection if self._sink else None
            self.ports[name] = await listener.start(tls, wanted[name], protocol, host)
        self._ca_file = write_ca(self._authority, self._folder or self._temporary_folder())

    async def close(self) -> None:
        """Send GOAWAY, close all sockets, remove the temporary CA file. Harmless when called again."""
        for listener in self._listeners.values():
            await listener.close()
        self.ports.clear()
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None

    def _temporary_folder(self) -> Path:
        self._temporary = TemporaryDirectory(prefix="apns-sandbox-")
        return Path(self._temporary.name)

    def goaway(self, reason: str = "Shutdown", number: int | None = None) -> None:
        """Send GOAWAY with this reason on every open connection, or on that of this number; each closes once its responses are out."""
        for _, connection in self.connections:
            if number in (None, connection.number):
                connection.goaway(reason)

    def shutdown(self) -> None:
        """Every host drains: the next request there is answered 503 Shutdown, and then its open connections end."""
        for listener in self._listeners.values():
            listener.port.draining = True

    def idle_timeout(self) -> None:
        """Treat every open connection as idle for too long; what happens then is `profile.idle`."""
        for _, connection in self.connections:
            connection.become_idle()

    def hold(self) -> None:
        """Hold back the response to the next push that is accepted, and any raise of the stream limit before it."""
        self._held_responses.hold()

    def release(self) -> int:
        """Send the responses that are held back; how many there were."""
        return self._held_responses.release()

    def lower_stream_limit(self, limit: int) -> None:
        """Announce a lower MAX_CONCURRENT_STREAMS on every open connection, until it has an accepted push."""
        for _, connection in self.connections:
            connection.lower_stream_limit(limit)

    def revoke_key(self, key_id: str) -> None:
        """The key is refused from now on, and the connections that began with it end. KeyError for an unknown id."""
        self.registry.keys[key_id].revoked = True
        for _, connection in self.connections:
            first = connection.provider.first_key
            if first is not None and first.key_id == key_id:
                connection.goaway("InvalidProviderToken")  # the reason is assumed

    @property
    def connections(self) -> list[tuple[str, ServerConnection]]:
        """The connections that are open, each with the name of its host, the first opened first."""
        found = [
            (name, connection)
            for name, listener in self._listeners.items()
            for connection in listener.port.connections
        ]
        return sorted(found, key=lambda one: one[1].number)

    def check_provider_token(self, token: str, realm: Realm) -> list[CheckResult]:
        """What an environment would say of a provider token that begins a connection, check by check."""
        environment = Environment(
            realm,
            self.registry,
            self.channels,
            self.profile,
            TokenReader(self.registry.keys),
            self._clock,
            self._random,
        )
        return check_provider_token(environment, token)

    def issue_certificate(self, bundle_id: str, *, realm: Realm | None = None) -> ClientCertificate:
        """A client certificate for this app, for one environment or both; it stands in for provider tokens."""
        return issue_client_certificate(self._authority, ProviderCertificate(bundle_id, realm))

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
        key_id: str | None = None,
    ) -> ProviderKey:
        """A new provider key (key id, team id, private key PEM); see Registry.issue_key."""
        return self.registry.issue_key(
            team_id, realm=realm, topics=topics, related_to=related_to, key_id=key_id
        )

    # --- devices and channels ---

    @property
    def delivery_log(self) -> DeliveryLog:
        """What became of each accepted push, step by step."""
        return self._deliveries.log

    def reconnected(self, device: Device) -> None:
        """A device is online again: it gets what waits for it, in order of acceptance."""
        self._deliveries.reconnected(device)

    def discard_expired(self) -> None:
        """Discard the pushes that have waited too long for a device."""
        self._deliveries.discard_expired()

    @property
    def next_expiry(self) -> float | None:
        """When the first of the pushes that wait for a device expires; None if none waits."""
        return self._deliveries.mailbox.first_expiry

    def forget_deliveries(self) -> None:
        """Nothing waits for a device any more, the delivery log is empty, and no push of before counts for a device token's rate."""
        self._deliveries.reset()
        self._buckets.clear()

    def uninstall(self, token: str) -> None:
        """The app was removed: from now on pushes are accepted and discarded, later answered 410. UnknownToken if it is not ours."""
        self.registry.uninstall(token, self._clock.now())
        self._deliveries.forget(token)

    def expire(self, token: str) -> None:
        """The token's activity is over, or has a new token: 410 ExpiredToken after the profile's grace. UnknownToken as above."""
        self.registry.expire(token, self._clock.now())

    def delete_channel(self, realm: Realm, bundle_id: str, channel_id: str) -> None:
        """As the provider may by the channel management host. UnknownChannel if the app has none of this id."""
        self.channels.delete(realm, bundle_id, channel_id)
        self._deliveries.close_channel(channel_id)

    def subscribe(self, channel_id: str, device: Device, activity: str = "") -> None:
        """Subscribe a device to a broadcast channel, once for each `activity` if it has several. UnknownChannel if there is none."""
        self.channels.subscribe(channel_id, device, activity)

    def unsubscribe(self, channel_id: str, device: Device, activity: str = "") -> None:
        """End that subscription. UnknownChannel as above."""
        self.channels.unsubscribe(channel_id, device, activity)
