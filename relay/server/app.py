"""The composition root: everything that lives long opens here, and closes in reverse."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypercorn.typing import ASGIFramework
from quart import Quart

from relay.apns.gateway import ApnsGateway, Environments, Gateway, KeyPause, ProviderToken, build_gateway
from relay.clock import Clock, SystemClock
from relay.contract import ApnsEnv
from relay.http_errors import install_error_replies
from relay.http_routes import install_routes
from relay.log import line
from relay.server.addresses import Clients
from relay.server.admin.access import Failures, Sessions
from relay.server.admin.pages import Admin, AdminRoute
from relay.server.admin.reading import Reading
from relay.server.admission import Admission
from relay.server.alerts import Dispatcher
from relay.server.answers import PendingRequests
from relay.server.background import BackgroundTasks
from relay.server.engine import DeliveryEngine
from relay.server.hours import HourlyCounts
from relay.server.intake import Intake
from relay.server.limits import DAY, HOUR, MINUTE, Limit, Limits, Rate
from relay.server.live_activities.push import StartBudget
from relay.server.live_activities.registration import ActivityRegistrations
from relay.server.live_activities.sender import ActivitySender
from relay.server.metrics import Recorder
from relay.server.routes.answers import AnswerRoutes
from relay.server.routes.events import EventRoute, refusal
from relay.server.routes.limits import LimitsRoute
from relay.server.routes.metrics import Metrics, MetricsRoute, anybody, bearer, nobody
from relay.server.routes.registrations import Registrations
from relay.server.routes.table import EVENT
from relay.server.settings import Settings
from relay.server.store import devices
from relay.server.store.database import DatabaseError, close_database, open_database
from relay.server.store.shards import Presence
from relay.server.store.sql import Database, Unavailable

if TYPE_CHECKING:  # its packages are an extra
    from relay.server.tracing import Tracing

log = logging.getLogger("relay.server.app")

DATABASE_SECONDS = 10.0
STOP_SECONDS = 10.0
HOURS_SECONDS = 2.0
LONGEST_OWNER = 60
"""Characters; a claim adds thirteen, and the column has 80."""


class RelayApp(Quart):
    """The relay's HTTP app. What it still has to send can be asked of it, on its own clock."""

    def __init__(
        self, db: Database, metrics: Metrics, requests: PendingRequests, *outboxes: DeliveryEngine[Any]
    ) -> None:
        super().__init__("relay", static_folder=None)
        self.requests = requests
        self._db, self._outboxes = db, outboxes
        self.metrics_app = _metrics_app(metrics)
        """Only /metrics, for everybody: to be served where the operator says so."""
        self.limits: LimitsRoute

    async def lost(self) -> None:
        """Return when its database is lost for good."""
        await self._db.lost.wait()

    def raise_if_lost(self) -> None:
        """Raise DatabaseError if no waiting brings its database back."""
        if self._db.lost.is_set():
            raise DatabaseError(self._db.why_lost)

    async def phones(self) -> int:
        """How many are registered."""
        return await devices.count(self._db)

    @property
    def is_idle(self) -> bool:
        """Whether no push is being claimed, sent or written down."""
        return all(engine.is_idle for engine in self._outboxes)

    async def next_due_at(self) -> int | None:
        """When the next push is due or was (UTC ms); None: none waits."""
        due = [await engine.next_due_at() for engine in self._outboxes]
        return min((at for at in due if at is not None), default=None)


@asynccontextmanager
async def running_app(
    settings: Settings,
    *,
    clock: Clock | None = None,
    gateway: Gateway | None = None,
    tracing: "Tracing | None" = None,
) -> AsyncIterator[RelayApp]:
    """The relay, ready to serve. `tracing`: where its spans go, if not where the settings say. Raises DatabaseError if its database cannot
    be used.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        connection = await open_database(settings.database_url)
        stack.push_async_callback(close_database)
        recorder = Recorder()
        db = Database(connection, recorder)
        if tracing := tracing or _tracing(settings, clock):
            stack.push_async_callback(tracing.close)
            recorder.on_push.append(tracing.pushed)
        parts = await _start_parts(stack, settings, db, clock, gateway, recorder, tracing)
        yield _create_app(parts, settings, clock)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the routes work with."""

    db: Database
    dispatcher: Dispatcher
    sender: ActivitySender
    intake: Intake
    answers: AnswerRoutes
    requests: PendingRequests
    registrations: Registrations
    metrics: Metrics
    recorder: Recorder
    admin: Admin | None
    traces: bool


def _tracing(settings: Settings, clock: Clock) -> "Tracing | None":
    """Where the settings want spans exported, and their packages are there."""
    if not settings.traces:
        return None
    try:
        from relay.server.tracing import exporting
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("opentelemetry", "google"):
            raise
        log.warning(line("no traces", reason="OTEL_ variables want them, and their packages are not installed",
                         remedy="pip install 'opencode-push-relay[otel]', or OTEL_SDK_DISABLED=true"))  # fmt: skip
        return None
    return exporting(clock.now)


async def _start_parts(
    stack: AsyncExitStack,
    settings: Settings,
    db: Database,
    clock: Clock,
    gateway: Gateway | None,
    recorder: Recorder,
    tracing: "Tracing | None",
) -> _Parts:
    gateway = gateway or apns_gateway(settings, clock)
    keys = KeyPause(gateway, clock.monotonic)
    apns = Environments(keys)
    stack.push_async_callback(apns.close, STOP_SECONDS)
    hours = HourlyCounts(db, recorder, clock.now)
    stack.push_async_callback(_save_hours, hours)
    owner = lease_owner(socket.gethostname(), settings.relay_host, settings.port)
    deadline = settings.apns_push_deadline
    presence = Presence(db, owner, clock)
    stack.push_async_callback(presence.leave)
    dispatcher = Dispatcher(
        db,
        apns,
        owner=owner,
        push_deadline=deadline,
        keep_days=settings.relay_delivery_days,
        clock=clock,
        recorder=recorder,
        hours=hours,
        presence=presence,
    )
    budget = StartBudget(cards=settings.relay_phone_cards, starts=settings.relay_phone_starts)
    sender = ActivitySender(
        db,
        apns,
        owner=owner,
        push_deadline=deadline,
        clock=clock,
        budget=budget,
        recorder=recorder,
        presence=presence,
    )
    for engine in (dispatcher.engine, sender.engine):
        stack.push_async_callback(engine.stop, STOP_SECONDS)
        try:
            await engine.start()
        except Unavailable as error:
            raise DatabaseError(f"the database went away: {error}") from error
    background = BackgroundTasks(DATABASE_SECONDS)
    stack.push_async_callback(background.close)
    bundle_id = settings.apns_default_bundle_id
    served = settings.relay_bundle_ids | {bundle_id} if settings.relay_bundle_ids else frozenset()
    activities = ActivityRegistrations(db, default_bundle_id=bundle_id, now=clock.now, changed=sender.changed)
    admission = Admission(db, known_only=settings.relay_registration == "known")
    registrations = Registrations(
        db,
        activities,
        background,
        default_bundle_id=bundle_id,
        bundle_ids=served,
        now=clock.now,
        admission=admission,
        most={"phones": settings.relay_limit_phones, "activities": settings.relay_limit_activities},
        limit_hit=recorder.limit_hit,
        is_admin=bearer(settings.relay_admin_token) if settings.relay_admin_token else nobody,
    )
    requests = PendingRequests(db, clock)
    stack.push_async_callback(requests.close)
    intake = Intake(
        db,
        dispatcher,
        sender,
        deadline=settings.relay_event_deadline,
        now=clock.now,
        bundle_ids=served,
        recorder=recorder,
        admission=admission,
        tracing=tracing,
        requests=requests,
    )
    stack.push_async_callback(intake.close)
    metrics = Metrics(
        db, recorder, paused=lambda: keys.paused, connections=lambda: _connections(gateway), now=clock.now
    )
    stack.push_async_callback(metrics.close)
    reading = Reading(db, hours, dispatcher, pauses=lambda: keys.pauses, now=clock.now)
    admin = _admin(settings, reading, clock)
    if admin:
        stack.push_async_callback(admin.close)
    answers = AnswerRoutes(requests, admission, background)
    traces = tracing is not None
    return _Parts(
        db,
        dispatcher,
        sender,
        intake,
        answers,
        requests,
        registrations,
        metrics,
        recorder,
        admin,
        traces=traces,
    )


def _admin(settings: Settings, reading: Reading, clock: Clock) -> Admin | None:
    """Without the operator's token there is none."""
    if not settings.relay_admin_token:
        return None
    return Admin(
        reading,
        Sessions(settings.relay_admin_token, clock.now),
        Failures(clock.monotonic),
        address=Clients(settings.relay_trusted_proxies).name,
        about=f"key {settings.apns_key_id} of team {settings.apns_team_id}",
    )


async def _save_hours(hours: HourlyCounts) -> None:
    """When nothing is sent any more. Numbers are not worth waiting for."""
    with suppress(Unavailable, TimeoutError):
        async with asyncio.timeout(HOURS_SECONDS):
            await hours.save()


def _connections(gateway: Gateway) -> dict[ApnsEnv, int]:
    """By environment; aioapns does not say."""
    return gateway.connections if isinstance(gateway, ApnsGateway) else {}


def lease_owner(machine: str, host: str, port: int) -> str:
    """How this relay signs what it holds. Only one can listen there; of a long name the end tells relays apart."""
    return f"{machine}/{host}:{port}"[-LONGEST_OWNER:]


def apns_gateway(settings: Settings, clock: Clock | None = None) -> Gateway:
    """The way to the APNs, or the sandbox, that the settings name. Build it inside a running event loop."""
    clock = clock or SystemClock()
    token = ProviderToken(
        private_key=settings.apns_private_key, key_id=settings.apns_key_id, team_id=settings.apns_team_id
    )
    return build_gateway(
        settings.apns_transport,
        hosts=settings.apns_hosts,
        ca_file=settings.apns_ca_file,
        provider_token=token,
        deadline=settings.apns_push_deadline,
        now=clock.now,
        monotonic=clock.monotonic,
        proxies=settings.apns_proxies,
    )


def _create_app(parts: _Parts, settings: Settings, clock: Clock) -> RelayApp:
    app = RelayApp(parts.db, parts.metrics, parts.requests, parts.dispatcher.engine, parts.sender.engine)
    count = parts.recorder.request_refused
    app.url_map.merge_slashes = False  # a redirect would not be our JSON
    app.config["MAX_CONTENT_LENGTH"] = None  # the outermost layer has seen to it
    install_routes(app, "Relay", parts.registrations.handlers | parts.answers.handlers | {EVENT: None}, count)
    if settings.relay_admin_token:
        allowed = bearer(settings.relay_admin_token)
        app.asgi_app = MetricsRoute(app.asgi_app, parts.metrics, allowed)  # type: ignore[method-assign]
    if parts.admin:
        app.asgi_app = AdminRoute(app.asgi_app, parts.admin.app)  # type: ignore[method-assign]
    # Before Quart, because a busy relay spends its time there.
    app.asgi_app = EventRoute(  # type: ignore[method-assign]
        app.asgi_app, parts.intake, count=count, traces=parts.traces
    )
    app.limits = _limited(app.asgi_app, parts, settings, clock)
    app.asgi_app = app.limits  # type: ignore[method-assign]
    install_error_replies(app, refusal, count)
    return app


def _limited(app: ASGIFramework, parts: _Parts, settings: Settings, clock: Clock) -> LimitsRoute:
    """Outermost: no route is without it."""
    return LimitsRoute(
        app,
        Limits(rates(settings), now=clock.now, monotonic=clock.monotonic),
        Clients(settings.relay_trusted_proxies),
        at_once=settings.relay_limit_address_connections,
        max_body=settings.relay_limit_body,
        body_seconds=settings.relay_limit_body_seconds,
        recorder=parts.recorder,
        monotonic=clock.monotonic,
        day_limit_reached=parts.intake.say_day_limit,
    )


def rates(settings: Settings) -> dict[Limit, Rate]:
    """How often and in what time, by limit."""
    return {
        "requests": Rate(settings.relay_limit_requests, MINUTE),
        "address_registrations": Rate(settings.relay_limit_address_registrations, HOUR),
        "registrations": Rate(settings.relay_limit_registrations, MINUTE),
        "answers": Rate(settings.relay_limit_answers, MINUTE),
        "fetches": Rate(settings.relay_limit_fetches, MINUTE),
        "events_minute": Rate(settings.relay_limit_events_minute, MINUTE),
        "events_day": Rate(settings.relay_limit_events_day, DAY),
    }


def _metrics_app(metrics: Metrics) -> Quart:
    app = Quart("relay-metrics", static_folder=None)
    app.asgi_app = MetricsRoute(app.asgi_app, metrics, anybody)  # type: ignore[method-assign]
    install_error_replies(app, refusal)
    return app
