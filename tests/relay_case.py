"""A whole relay on a virtual clock, asked over its routes, whose pushes go over TLS to the APNs sandbox; each that comes there is noted."""

import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from tortoise.connection import get_connection

from relay.apns.gateway import ApnsGateway
from relay.apns.push import Push
from relay.server import settings
from relay.server.app import apns_gateway, running_app
from simulator.apns.authentication import ProviderState
from simulator.apns.delivery.device import Delivery
from simulator.apns.hosts import Decision, Host
from simulator.apns.http2.server import ServerConnection
from simulator.apns.messages import Request
from simulator.apns.registry import Kind, Realm
from simulator.clock import VirtualClock
from simulator.world import World
from waiting import eventually

SECRET = "a-secret-of-the-acceptance-cases"
BUNDLE_ID = "com.example.app"

LOOPS = 4
"""Tasks of the relay that sleep when it has nothing to do: polls and sweeps of the two engines."""


class Arrival(NamedTuple):
    """A request that came to the sandbox. `status` None: nothing was answered. Requests of one connection share its provider state."""

    at: float
    realm: str
    provider: ProviderState
    request: Request
    status: int | None
    reason: str | None

    @property
    def apns_id(self) -> str:
        return self.request.headers["apns-id"]

    @property
    def authorization(self) -> str:
        """The provider token, as it was sent."""
        return self.request.headers["authorization"]

    @property
    def issued_at(self) -> int:
        """When the provider token was signed, as it says; UNIX seconds."""
        claims = jwt.decode(self.authorization.removeprefix("bearer "), options={"verify_signature": False})
        return int(claims["iat"])

    @property
    def payload(self) -> dict[str, Any]:
        payload: dict[str, Any] = json.loads(self.request.body)
        return payload

    @property
    def message(self) -> str:
        """What a Live Activity's push says."""
        message: str = self.payload["aps"]["content-state"]["lastMessage"]
        return message


class RelaysClock:
    """The clock of the relay's machine. `ahead`: by how many seconds it is wrong."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.ahead = 0.0

    def now(self) -> float:
        return self._clock.now() + self.ahead

    def monotonic(self) -> float:
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)


class RelayCase:
    """The relay, the sandbox, and the one hand that turns their clock."""

    def __init__(self, world: World, clock: VirtualClock) -> None:
        self.clock, self.journal, self.sandbox = clock, world.journal, world.apns
        self.relays_clock = RelaysClock(clock)
        self.arrivals: list[Arrival] = []
        self.received: list[Delivery] = []
        """What reached the phones."""
        for host in world.apns.hosts.values():
            self._watch(host)

    @asynccontextmanager
    async def running(self, world: World, **variables: str) -> AsyncIterator[None]:
        """The relay serves, and knows one key. `variables`: settings of its own."""
        configured = settings.load(world.relay_environment | variables)
        self.key = self.sandbox.registry.keys[world.key.key_id]
        """The relay's key as the sandbox knows it."""
        gateway = apns_gateway(configured, self.relays_clock)
        assert isinstance(gateway, ApnsGateway)  # the relay's own transport
        self.gateway = gateway
        async with running_app(configured, clock=self.relays_clock, gateway=gateway) as self._app:
            yield

    def _watch(self, host: Host) -> None:
        handle = host.handle

        def watched(request: Request, provider: ProviderState) -> Decision:
            decision = handle(request, provider)
            response = decision.response
            said = (None, None) if response is None else (response.status, response.reason)
            self.arrivals.append(Arrival(self.clock.now(), host.realm, provider, request, *said))
            return decision

        host.handle = watched  # type: ignore[method-assign]

    # What happens.

    async def post(self, path: str, **fields: Any) -> dict[str, Any]:
        body = json.dumps({"secret": SECRET} | fields, ensure_ascii=False)
        response = await self._app.test_client().post(f"/v1/{path}", data=body)
        said: dict[str, Any] = json.loads(await response.get_data())
        assert response.status_code == 200, said
        return said

    async def answer(self, method: str, path: str, **request: Any) -> tuple[int, str]:
        """The status and the text of what the relay answers to any request."""
        response = await self._app.test_client().open(path, method=method, **request)
        return response.status_code, (await response.get_data()).decode()

    def token(self, realm: Realm = "sandbox", kind: Kind = "alert") -> str:
        """A token that leads to a phone."""
        token = self.sandbox.registry.mint_token(BUNDLE_ID, realm, kind)
        self.sandbox.registry.attach(token, self.received.append)
        return token

    async def phone(self, realm: Realm = "sandbox", **fields: Any) -> str:
        """The token of a phone that has registered with the relay."""
        token = self.token(realm)
        await self.post("device/register", **{"deviceToken": token, "apnsEnv": realm} | fields)
        return token

    async def phones(self, count: int) -> list[str]:
        return [await self.phone() for _ in range(count)]

    async def event(self, event_type: str = "complete", **fields: Any) -> tuple[int, int, int]:
        """Something happened in a session; how many pushes were sent, failed, and are queued."""
        said = await self.post("event", **{"eventType": event_type, "sessionID": "ses_1"} | fields)
        return said["sent"], said["failed"], said["queued"]

    def push(self, token: str, *, size: int) -> Push:
        """An alert whose payload has so many bytes."""
        empty = '{"aps":{"alert":{"title":"T","body":"B"}},"pad":""}'
        return Push(
            apns_id=str(uuid.uuid4()),
            device_token=token,
            apns_env="sandbox",
            topic=BUNDLE_ID,
            push_type="alert",
            priority=10,
            expiration=int(self.clock.now()) + 86_400,
            collapse_id="",
            payload=empty.replace(':""', f':"{"x" * (size - len(empty))}"').encode(),
        )

    def refuse_key(self) -> ec.EllipticCurvePublicKey:
        """From now on the relay's signatures are wrong; returns the key by which they are right."""
        good, self.key.public_key = self.key.public_key, ec.generate_private_key(ec.SECP256R1()).public_key()
        return good

    async def turn(self, seconds: float) -> None:
        """Let time pass: from one push that is due to the next, each finished before the clock goes on."""
        ends = self.clock.now() + seconds
        while (left := ends - self.clock.now()) > 0:
            await self.clock.advance(min(left, await self._until_due()))
            await eventually(self._quiet)

    async def _until_due(self) -> float:
        """Seconds until a push is due; where one is already, the second in which the relay polls again."""
        due_at = await self._app.next_due_at()
        return float("inf") if due_at is None else max(1.0, due_at / 1000 - self.relays_clock.now())

    def _quiet(self) -> bool:
        return self.clock.sleepers >= LOOPS and self._app.is_idle

    # What there is to see.

    async def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        _, rows = await get_connection("default").execute_query(sql, list(values))
        return [dict(row) for row in rows]

    async def device_tokens(self) -> set[str]:
        """Those that the relay knows."""
        return {
            row["device_token"] for row in await self.rows("SELECT device_token FROM device_registration")
        }

    @property
    def connected(self) -> list[ServerConnection]:
        """The sandbox's ends of the connections that are open now."""
        return [connection for _, connection in self.sandbox.connections]

    def statuses(self) -> list[int | None]:
        return [each.status for each in self.arrivals]


@asynccontextmanager
async def relay_case(**variables: str) -> AsyncIterator[RelayCase]:
    """A relay and a sandbox that have only just met: no phone is registered, no connection open."""
    clock = VirtualClock()
    async with World(clock, seed=150, bundle_id=BUNDLE_ID) as world:
        case = RelayCase(world, clock)
        async with case.running(world, **variables):
            yield case
