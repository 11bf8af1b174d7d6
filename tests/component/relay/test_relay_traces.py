"""Spans of OpenTelemetry: one trace from the bridge's event to APNs' answer, in memory and at a collector; and nothing without it."""

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from quart import Quart

from component.routes.calls import EVENT, GOOD, SECRET, TOKEN, register
from fake_gateway import FakeGateway
from loopback_server import LoopbackServer
from outcomes import answered
from relay import traceparent
from relay.server import settings, tracing
from relay.server.app import running_app
from relay.server.store import deliveries
from relay.server.tracing import OnceLogged, Tracing, exporting
from simulator.clock import VirtualClock
from waiting import eventually

Build = Callable[..., dict[str, str]]
START = {"eventType": "start", "title": "Geheim", "body": "Ganz geheim"}


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


def traced(spans: InMemorySpanExporter, clock: VirtualClock) -> Tracing:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    return Tracing(provider, clock.now)


@pytest.fixture
async def app(
    environment: Build, gateway: FakeGateway, spans: InMemorySpanExporter, tmp_path: Path
) -> AsyncIterator[Quart]:
    configured = settings.load(
        environment(DATABASE_URL=f"sqlite://{tmp_path}/relay.sqlite3", RELAY_EVENT_DEADLINE="1")
    )
    clock = VirtualClock(1_800_000_000)
    async with running_app(configured, clock=clock, gateway=gateway, tracing=traced(spans, clock)) as running:
        yield running


async def post(app: Quart, event_id: str, **fields: Any) -> int:
    """As the bridge reports it."""
    body = GOOD[EVENT] | {"eventID": event_id, "title": "Geheim", "body": "Ganz geheim"} | fields
    headers = {traceparent.HEADER: str(traceparent.of_event(event_id))}
    response = await app.test_client().post(EVENT, data=json.dumps(body), headers=headers)
    return response.status_code


def by_name(spans: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in spans.get_finished_spans()}


def said(spans: Sequence[ReadableSpan]) -> str:
    return " ".join(
        f"{span.name} {span.attributes} {span.status.description} {span.events}" for span in spans
    )


async def test_one_trace_from_the_event_to_apns_answer(app: Quart, spans: InMemorySpanExporter) -> None:
    await register(app)
    assert await post(app, "e1") == 200
    found = by_name(spans)
    assert list(found) == ["recipients looked up", "deliveries written", "waiting", "push", "event received"]
    bridge = traceparent.of_event("e1")
    assert {span.context.trace_id for span in found.values()} == {bridge.trace_id}
    event = found.pop("event received")
    assert event.parent
    assert event.parent.span_id == bridge.span_id
    assert {span.parent and span.parent.span_id for span in found.values()} == {event.context.span_id}
    assert event.attributes
    assert event.attributes["relay.sent"] == 1
    push = found["push"]
    assert push.attributes
    assert push.attributes["http.response.status_code"] == 200
    assert push.attributes["relay.status"] == "sent"
    assert push.attributes["apns.token"] == f"…{TOKEN[-8:]}"
    assert push.status.status_code is StatusCode.UNSET
    for hidden in (SECRET, TOKEN, "eheim"):
        assert hidden not in said(spans.get_finished_spans())


async def test_what_apns_refuses_and_what_the_relay_refuses(
    app: Quart, spans: InMemorySpanExporter, gateway: FakeGateway
) -> None:
    await register(app)
    gateway.answers = [answered(400, "PayloadTooLarge")]
    assert await post(app, "e1") == 200
    push = by_name(spans)["push"]
    assert (push.status.status_code, push.status.description) == (StatusCode.ERROR, "PayloadTooLarge")
    spans.clear()
    assert await app.test_client().post(
        "/v1/secret/forget", data=json.dumps({"secret": SECRET, "refuse": True})
    )
    assert await post(app, "e2") == 403
    found = by_name(spans)
    assert found["event received"].status.status_code is StatusCode.ERROR
    assert "push" not in found
    assert "SecretRefused" in said([found["event received"]])


async def test_cards_belong_to_the_event_that_they_show(
    app: Quart, spans: InMemorySpanExporter, gateway: FakeGateway
) -> None:
    await register(app, pushToStartToken="cd" * 40)
    assert await post(app, "e1", **START) == 200
    await eventually(lambda: "push" in by_name(spans))
    push = by_name(spans)["push"]
    assert push.context.trace_id == traceparent.of_event("e1").trace_id
    assert push.attributes
    assert push.attributes["apns.push_type"] == "liveactivity"
    assert "eheim" not in said(spans.get_finished_spans())


async def test_an_event_with_very_many_phones(
    app: Quart, spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "PHONES_AT_ONCE", 1)
    monkeypatch.setattr(deliveries, "PAGE", 2)
    for number in range(3):
        await register(app, f"{number:02}" * 32)
    assert await post(app, "e1") == 200
    names = [span.name for span in spans.get_finished_spans()]
    assert (names.count("push"), names.count("waiting")) == (3, 3)
    written = by_name(spans)["deliveries written"].attributes
    assert written
    assert written["relay.count"] == 3


async def test_a_relay_that_is_started_in_between_goes_on_with_the_trace(
    environment: Build, gateway: FakeGateway, spans: InMemorySpanExporter, tmp_path: Path
) -> None:
    """And the second attempt waits since the first one ended."""
    configured = settings.load(
        environment(DATABASE_URL=f"sqlite://{tmp_path}/relay.sqlite3", RELAY_EVENT_DEADLINE="0.1")
    )
    gateway.answers = [answered(503, "ServiceUnavailable")]
    clock = VirtualClock(1_800_000_000)
    async with running_app(configured, clock=clock, gateway=gateway, tracing=traced(spans, clock)) as app:
        await register(app)
        assert await post(app, "e1") == 200
    first = by_name(spans)["push"]
    assert first.end_time
    clock, spans = VirtualClock(1_800_002_000), InMemorySpanExporter()
    async with running_app(configured, clock=clock, gateway=gateway, tracing=traced(spans, clock)):
        await eventually(lambda: "push" in by_name(spans))
    found = by_name(spans)
    bridge = traceparent.of_event("e1")
    for span in found.values():
        assert span.parent
        assert (span.context.trace_id, span.parent.span_id) == (bridge.trace_id, bridge.span_id)
    assert found["push"].attributes
    assert found["push"].attributes["relay.attempt"] == 2
    assert found["waiting"].start_time == first.end_time
    assert found["waiting"].end_time == found["push"].start_time == 1_800_002_000 * 10**9


async def test_of_an_event_that_is_forgotten_the_trace_goes_on_all_the_same(
    app: Quart, spans: InMemorySpanExporter, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "REMEMBERED", 1)
    gateway.gate.clear()
    await register(app)
    posts = []
    for event_id in ("e1", "e2"):
        posts.append(asyncio.create_task(post(app, event_id)))
        await eventually(lambda: by_name(spans).get("deliveries written") is not None)
        spans.clear()
    gateway.gate.set()
    assert await asyncio.gather(*posts) == [200, 200]
    pushes = {span.context.trace_id: span for span in spans.get_finished_spans() if span.name == "push"}
    for event_id, is_known in (("e1", False), ("e2", True)):
        bridge = traceparent.of_event(event_id)
        push = pushes[bridge.trace_id]
        assert push.parent
        assert (push.parent.span_id != bridge.span_id) is is_known


def test_the_trace_of_an_event_is_always_the_same_and_as_w3c_writes_it() -> None:
    text = str(traceparent.of_event("e1"))
    assert text == str(traceparent.of_event("e1")) != str(traceparent.of_event("e2"))
    version, trace, span, flags = text.split("-")
    assert (version, len(trace), len(span), flags) == ("00", 32, 16, "01")


# Where they go.


class Collector(LoopbackServer):
    """Takes what OTLP's exporter sends over HTTP."""

    def __init__(self) -> None:
        super().__init__(web.post("/v1/traces", self._traces))
        self.requests: list[ExportTraceServiceRequest] = []

    async def _traces(self, request: web.Request) -> web.Response:
        found = ExportTraceServiceRequest()
        found.ParseFromString(await request.read())
        self.requests.append(found)
        return web.Response(content_type="application/x-protobuf")


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    collector = Collector()
    await collector.start()
    yield collector
    await collector.stop()


@pytest.fixture
def quiet() -> Any:
    yield
    logging.getLogger("opentelemetry").setLevel(logging.NOTSET)


@pytest.mark.usefixtures("quiet")
async def test_the_service_is_called_as_the_operator_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "Console")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "relay-1")
    made = exporting(lambda: 0.0)
    assert made._provider.resource.attributes["service.name"] == "relay-1"
    await made.close()


@pytest.mark.usefixtures("quiet")
async def test_a_collector_gets_them_as_opentelemetrys_variables_say(
    environment: Build, gateway: FakeGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with collecting() as collector:
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        configured = settings.load(
            environment(DATABASE_URL=f"sqlite://{tmp_path}/relay.sqlite3", **variables)
        )
        async with running_app(configured, gateway=gateway) as app:
            await register(app)
            assert await post(app, "e1") == 200
        # All of it before the relay has stopped.
        exported = [one for request in collector.requests for one in request.resource_spans]
    spans = [span for one in exported for scope in one.scope_spans for span in scope.spans]
    assert {span.name for span in spans} == {
        "event received",
        "recipients looked up",
        "deliveries written",
        "waiting",
        "push",
    }
    assert {int.from_bytes(span.trace_id) for span in spans} == {traceparent.of_event("e1").trace_id}
    about = {one.key: one.value.string_value for one in exported[0].resource.attributes}
    assert about["service.name"] == tracing.SERVICE
    assert about["deployment.environment.name"] == "test"
    for hidden in (SECRET, TOKEN, "eheim"):
        assert hidden not in str(collector.requests)


def test_a_collector_that_is_away_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(SpanExporter):
        answers = [SpanExportResult.FAILURE] * 3 + [SpanExportResult.SUCCESS] * 2

        def export(self, _: Sequence[ReadableSpan]) -> SpanExportResult:
            return self.answers.pop(0)

        def shutdown(self) -> None:
            caplog.records.clear()

    caplog.set_level(logging.INFO)
    exporter = OnceLogged(Failing())
    for _ in range(5):
        exporter.export([])
    assert [record.getMessage().partition(" remedy")[0] for record in caplog.records] == [
        "traces not exported",
        "traces exported again",
    ]
    exporter.shutdown()
    assert not caplog.records


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "console"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, False),
        ({"OTEL_SDK_DISABLED": "TRUE", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, False),
        ({"OTEL_SERVICE_NAME": "relay"}, False),
    ],
)
def test_when_spans_are_exported(environment: Build, variables: dict[str, str], wanted: bool) -> None:
    assert settings.load(environment(**variables)).traces is wanted


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER must be otlp, console or none"),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf",
        ),
    ],
)
def test_what_the_exporter_does_not_speak(environment: Build, variables: dict[str, str], why: str) -> None:
    with pytest.raises(settings.SettingsError, match=why):
        settings.load(environment(**variables))


async def test_without_the_packages_the_relay_serves_and_says_what_to_install(
    environment: Build,
    gateway: FakeGateway,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "relay.server.tracing")
    variables = {"OTEL_TRACES_EXPORTER": "otlp", "DATABASE_URL": f"sqlite://{tmp_path}/relay.sqlite3"}
    async with running_app(settings.load(environment(**variables)), gateway=gateway) as app:
        await register(app)
        assert await post(app, "e1") == 200
    assert "pip install 'opencode-push-relay[otel]'" in caplog.text


def test_nothing_of_it_is_imported_unless_spans_are_exported() -> None:
    code = (
        "import sys, relay.__main__, relay.server.serve, relay.bridge.run, relay.doctor.command;"
        "print([one for one in sys.modules if one.split('.')[0] in ('opentelemetry', 'google', 'requests')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
