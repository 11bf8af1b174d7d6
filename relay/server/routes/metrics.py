"""GET /metrics, for Prometheus. Closed unless the operator opens it: with the admin token, or on a port of its own.

Counters are read from memory; what the database knows is asked when somebody reads, one bounded statement for each. While the
database is away these gauges are missing, and everything else is there: that is when it is wanted most.
"""

import hmac
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast

from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendCallable, Scope
from prometheus_client.process_collector import ProcessCollector

from relay.contract import ApnsEnv
from relay.log import line
from relay.server import metrics
from relay.server.background import BackgroundTasks
from relay.server.metrics import MOST_COUNTED, PUSH_TYPES, Gauges, Recorder, Values
from relay.server.store import activities, deliveries, devices
from relay.server.store.sql import Database, Refused, Unavailable

log = logging.getLogger("relay.server.routes.metrics")

PATH: Final = "/metrics"
GAUGES_SECONDS: Final = 3.0
"""For all statements of one reading. Prometheus gives up after 10 s."""
ENVIRONMENTS: Final[tuple[ApnsEnv, ...]] = ("production", "sandbox")

Headers = Iterable[tuple[bytes, bytes]]


class Metrics:
    """Reads everything. `paused`: environments whose key is paused; `connections`: how many are open to each."""

    def __init__(
        self,
        db: Database,
        recorder: Recorder,
        *,
        paused: Callable[[], Iterable[ApnsEnv]],
        connections: Callable[[], Mapping[ApnsEnv, int]],
        now: Callable[[], float],
    ) -> None:
        self._db, self._recorder, self._now = db, recorder, now
        self._paused, self._connections = paused, connections
        self._process = ProcessCollector(registry=None)
        self._background = BackgroundTasks(GAUGES_SECONDS)

    async def read(self, accept: str) -> tuple[bytes, str]:
        """The page in a format that `accept` names, and its content type."""
        gauges = self._apns() | dict(await self._stored())
        found = [*metrics.collected(self._recorder, gauges), *self._process.collect()]
        return metrics.exposition(found, accept)

    async def close(self) -> None:
        """Wait for what is being read."""
        await self._background.close()

    def _apns(self) -> dict[str, Values]:
        paused = set(self._paused())
        return {
            "relay_apns_key_paused": {(env,): float(env in paused) for env in ENVIRONMENTS},
            "relay_apns_connections": {(env,): float(count) for env, count in self._connections().items()},
        }

    async def _stored(self) -> Gauges:
        try:
            return await self._background.run(self._ask())
        except (Unavailable, Refused, TimeoutError) as error:
            log.warning(line("metrics without the database", error=str(error) or "no answer in time"))
            return {}

    async def _ask(self) -> Gauges:
        now_ms = int(self._now() * 1000)
        alerts = await deliveries.waiting(self._db, limit=MOST_COUNTED)
        cards = await activities.waiting(self._db, limit=MOST_COUNTED)
        queues = dict(zip(PUSH_TYPES, (alerts, cards), strict=True))
        return {
            "relay_queue_length": {(name,): float(count) for name, (count, _) in queues.items()},
            "relay_queue_oldest_seconds": {
                (name,): max(0.0, (now_ms - (now_ms if since is None else since)) / 1000)
                for name, (_, since) in queues.items()
            },
            "relay_phones": {(): float(await devices.count_up_to(self._db, MOST_COUNTED))},
            "relay_live_activities": {(): float(await activities.count_up_to(self._db, MOST_COUNTED))},
        }


def anybody(_: Headers) -> bool:
    """Of a port of its own, which only those reach whom the operator lets."""
    return True


def nobody(_: Headers) -> bool:
    """Where the operator has set no admin token."""
    return False


def bearer(token: str) -> Callable[[Headers], bool]:
    """Whether a request has `Authorization: Bearer TOKEN`; compared in a time that does not depend on what was given."""
    wanted = token.encode()

    def holds(headers: Headers) -> bool:
        given = [value for name, value in headers if name == b"authorization"]
        scheme, _, credentials = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
        return hmac.compare_digest(credentials.strip(), wanted) and scheme.lower() == b"bearer"

    return holds


class MetricsRoute:
    """ASGI middleware. Whoever is not allowed is passed on, and is told what every unknown path is told: 404."""

    def __init__(self, app: ASGIFramework, metrics: Metrics, allowed: Callable[[Headers], bool]) -> None:
        self._app, self._metrics, self._allowed = app, metrics, allowed

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Answer a reader, or pass on."""
        wanted = scope["type"] == "http" and scope["path"] == PATH and scope["method"] in ("GET", "HEAD")
        if wanted and self._allowed(cast(dict[str, Any], scope)["headers"]):
            await self._respond(cast(dict[str, Any], scope), send)
        else:
            await self._app(scope, receive, send)

    async def _respond(self, scope: dict[str, Any], send: ASGISendCallable) -> None:
        accept = b",".join(value for name, value in scope["headers"] if name == b"accept")
        body, content_type = await self._metrics.read(accept.decode("latin-1"))
        headers = [
            (b"content-type", content_type.encode()),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        sent = b"" if scope["method"] == "HEAD" else body
        await send({"type": "http.response.body", "body": sent, "more_body": False})
