"""Spans of OpenTelemetry: one trace from an event, or from the bridge that reported it, to APNs' answer for each phone.

Imported only where traces are exported, for it needs the packages of the extra [otel]. Spans carry ids, counts, statuses and reasons:
what a line of the log may say, and no text, no secret, and of a token only its end.
"""

import asyncio
import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, StatusCode, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from relay import __version__, traceparent
from relay.contract import EventReply
from relay.log import line
from relay.server.delivery import DeliveryResult

log = logging.getLogger("relay.server.tracing")

SERVICE: Final = "opencode-push-relay"
REMEMBERED: Final = 4096
"""Events whose trace is known; of one that is forgotten the trace is made of its id."""
CLOSE_SECONDS: Final = 5.0
"""For what is still to be exported when the relay stops."""

Attributes = dict[str, str | int | float | bool]


class EventSpan:
    """An event from its arrival to the reply. `context`: what comes of it belongs there."""

    def __init__(self, tracer: trace.Tracer, span: Span, at: float) -> None:
        self._tracer, self._span = tracer, span
        self.context = trace.set_span_in_context(span)
        self.written_at = at
        """UNIX seconds; until it is written down, when it came."""

    def step(self, name: str, began: float, ended: float, count: int) -> None:
        """A step of its own, with how many phones or deliveries it was about."""
        self.written_at = ended
        span = self._tracer.start_span(
            name, self.context, attributes={"relay.count": count}, start_time=_ns(began)
        )
        span.end(_ns(ended))

    def replied(self, reply: EventReply) -> EventReply:
        """The counts, and the reply again."""
        self._span.set_attributes(
            {"relay.sent": reply.sent, "relay.failed": reply.failed, "relay.queued": reply.queued}
        )
        return reply


class Tracing:
    """Makes the spans. `now`: UNIX seconds."""

    def __init__(self, provider: TracerProvider, now: Callable[[], float]) -> None:
        self._provider, self._now = provider, now
        self._tracer = provider.get_tracer(SERVICE, __version__)
        self._events: OrderedDict[tuple[str, str], EventSpan] = OrderedDict()
        self._read = TraceContextTextMapPropagator()

    @contextmanager
    def event(self, headers: Mapping[str, str], key: tuple[str, str], **about: str) -> Iterator[EventSpan]:
        """The span of an event while it is accepted, child of the one that its request's headers name. `key`: hash of the secret, event id."""
        at = self._now()
        span = self._tracer.start_span(
            "event received",
            self._read.extract(headers, context=Context()),
            SpanKind.SERVER,
            {f"relay.{name}": value for name, value in about.items()}
            | {"relay.event_id": key[1], "relay.secret": f"{key[0][:12]}…"},
            start_time=_ns(at),
        )
        found = self._remember(key, EventSpan(self._tracer, span, at))
        try:
            yield found
        except Exception as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(StatusCode.ERROR)
            raise
        finally:
            span.end(_ns(self._now()))

    def _remember(self, key: tuple[str, str], span: EventSpan) -> EventSpan:
        """A repeated event takes the first one's place."""
        self._events[key] = span
        self._events.move_to_end(key)
        if len(self._events) > REMEMBERED:
            self._events.popitem(last=False)
        return span

    def pushed(self, result: DeliveryResult) -> None:
        """An attempt has ended: how long it waited for its turn, and what APNs answered."""
        delivery = result.delivery
        event = self._events.get((delivery.secret_hash, delivery.event_id))
        context = event.context if event else _of_id(delivery.event_id)
        ended = result.at / 1000
        began = ended - result.latency_ms / 1000
        if delivery.past_attempts:
            waits_since = delivery.past_attempts[-1].at / 1000
        else:
            waits_since = event.written_at if event else delivery.created_at / 1000
        attempt: Attributes = {"apns.id": delivery.push.apns_id, "relay.attempt": delivery.attempts + 1}
        waiting = self._tracer.start_span(
            "waiting", context, attributes=attempt, start_time=_ns(min(waits_since, began))
        )
        waiting.end(_ns(began))
        push = self._tracer.start_span(
            "push", context, SpanKind.CLIENT, attempt | _answer(result), start_time=_ns(began)
        )
        if result.status != "sent":
            push.set_status(StatusCode.ERROR, result.outcome.reason or result.status)
        push.end(_ns(ended))

    async def close(self) -> None:
        """Export what is left, for so long at most. In a thread: exporters block."""
        thread = threading.Thread(target=self._provider.shutdown, name="traces-close", daemon=True)
        thread.start()
        await asyncio.to_thread(thread.join, CLOSE_SECONDS)


def _answer(result: DeliveryResult) -> Attributes:
    push, outcome = result.delivery.push, result.outcome
    found: dict[str, str | int | None] = {
        "apns.push_type": push.push_type,
        "apns.environment": outcome.apns_env,
        "apns.topic": push.topic,
        "apns.token": f"…{push.device_token[-8:]}",
        "apns.priority": push.priority,
        "http.response.status_code": outcome.status,
        "apns.reason": outcome.reason,
        "relay.status": result.status,
    }
    return {name: value for name, value in found.items() if value is not None}


def _of_id(event_id: str) -> Context:
    """Where an event belongs whose request this process has not seen: the trace that its bridge named."""
    parent = traceparent.of_event(event_id)
    span = SpanContext(
        parent.trace_id, parent.span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED)
    )
    return trace.set_span_in_context(NonRecordingSpan(span), Context())


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)


# Where they go.


class OnceLogged(SpanExporter):
    """Another exporter, whose failures are one line until it succeeds again. What was not exported is lost."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter, self._fails = exporter, False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Called by a thread of its own."""
        done = self._exporter.export(spans)
        failed = done is not SpanExportResult.SUCCESS
        if failed != self._fails:
            self._fails = failed
            if failed:
                log.warning(
                    line("traces not exported", remedy="is the collector of OTEL_EXPORTER_OTLP_ENDPOINT up?")
                )
            else:
                log.info(line("traces exported again"))
        return done

    def shutdown(self) -> None:
        """No more come."""
        self._exporter.shutdown()


EXPORTERS: Final[Mapping[str, Callable[[], SpanExporter]]] = {
    "otlp": OTLPSpanExporter,
    "console": ConsoleSpanExporter,
}


def exporting(now: Callable[[], float]) -> Tracing:
    """As the variables OTEL_* of this process say."""
    # Each failed attempt has a line and a traceback there; `OnceLogged` has one.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    resource = Resource.create({"service.version": __version__})
    if str(resource.attributes.get("service.name", "")).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": SERVICE}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    for name in (os.environ.get("OTEL_TRACES_EXPORTER") or "otlp").split(","):
        provider.add_span_processor(BatchSpanProcessor(OnceLogged(EXPORTERS[name.strip().lower()]())))
    return Tracing(provider, now)
