"""A real Prometheus scrapes a real relay, and every query of the dashboard in docs/grafana.json finds what it asks for."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from relay.server import settings
from relay.server.app import RelayApp
from relay.server.metrics import SERIES
from relay.server.serve import StartError, serve
from simulator.loopback import free_port
from unpacked import found, prometheus
from waiting import eventually

ROOT = Path(__file__).parents[3]
ADMIN = "an-admin-token-of-the-tests-of-metrics"
SECRET, TOKEN = "0123456789abcdef", "ab" * 32
EVENT = {"secret": SECRET, "eventType": "complete", "sessionID": "ses_1"}
PROCESS = {"process_cpu_seconds_total", "process_resident_memory_bytes"}
DASHBOARD = json.loads((ROOT / "docs" / "grafana.json").read_text())
QUERIES = [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]]


def named(query: str) -> set[str]:
    """The series that a query reads."""
    found = set(re.findall(r"\b(?:relay|process)_[a-z_]+", query))
    return {re.sub(r"_bucket$", "", name) for name in found}


@pytest.mark.parametrize(("title", "query"), QUERIES)
def test_a_panel_asks_for_series_and_labels_that_there_are(title: str, query: str) -> None:
    assert named(query), title
    assert named(query) <= set(SERIES) | PROCESS
    labels = {label for name in named(query) & set(SERIES) for label in SERIES[name].labels}
    grouped = {one.strip() for words in re.findall(r"by \(([^)]*)\)", query) for one in words.split(",")}
    matched = set(re.findall(r'([a-z_]+)(?:=~|!=|=)"', query))
    assert grouped <= labels | {"le"}
    assert matched <= labels | {"job", "instance"}


def test_every_series_is_on_the_dashboard() -> None:
    assert set().union(*(named(query) for _, query in QUERIES)) == set(SERIES) | PROCESS


# The relay, served.


@asynccontextmanager
async def serving(variables: dict[str, str]) -> AsyncIterator[None]:
    """`relay serve` in this process."""
    stop, started = asyncio.Event(), asyncio.Event()

    def begun(_: RelayApp) -> None:
        started.set()

    running = asyncio.create_task(serve(settings.load(variables), stop, started=begun))
    try:
        await asyncio.wait(
            [running, asyncio.create_task(started.wait())], return_when=asyncio.FIRST_COMPLETED
        )
        if running.done():
            running.result()
        yield
    finally:
        stop.set()
        await asyncio.wait([running])


async def asked(method: str, url: str, **request: Any) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.request(method, url, **request) as reply:
        return reply.status, await reply.text()


async def test_a_port_of_its_own(variables: dict[str, str]) -> None:
    """There no token is needed, and nothing else is served; the relay's port stays closed."""
    port = str(free_port())
    async with serving(variables | {"RELAY_METRICS_PORT": port}):
        status, text = await asked("GET", f"http://127.0.0.1:{port}/metrics")
        assert (status, "relay_build_info{" in text) == (200, True)
        assert (await asked("POST", f"http://127.0.0.1:{port}/v1/event", json=EVENT))[0] == 404
        assert (await asked("GET", f"http://127.0.0.1:{port}/health"))[0] == 404
        assert (await asked("GET", f"http://127.0.0.1:{variables['PORT']}/metrics"))[0] == 404
        assert (await asked("GET", f"http://127.0.0.1:{variables['PORT']}/health"))[0] == 200


async def test_a_port_that_is_taken_is_named(variables: dict[str, str]) -> None:
    with pytest.raises(
        StartError, match=r"cannot listen on 127.0.0.1:\d+: .* RELAY_METRICS_PORT chooses another"
    ):
        async with serving(variables | {"RELAY_METRICS_PORT": variables["PORT"]}):
            pass


# Prometheus.

CONFIG = """
global: {scrape_interval: 500ms, scrape_timeout: 500ms}
scrape_configs:
- job_name: token
  authorization: {credentials: ADMIN}
  static_configs: [{targets: ["127.0.0.1:PORT"]}]
- job_name: own-port
  static_configs: [{targets: ["127.0.0.1:OWN"]}]
- job_name: stranger
  static_configs: [{targets: ["127.0.0.1:PORT"]}]
"""


async def test_it_is_scraped_and_the_dashboard_is_filled(
    variables: dict[str, str], apns: Any, tmp_path: Path
) -> None:
    own = str(free_port())
    config = CONFIG.replace("ADMIN", ADMIN).replace("PORT", variables["PORT"]).replace("OWN", own)
    relay = f"http://127.0.0.1:{variables['PORT']}/v1"
    variables = variables | {"RELAY_ADMIN_TOKEN": ADMIN, "RELAY_METRICS_PORT": own}
    async with serving(variables), prometheus(tmp_path, config) as url:
        phone = {"secret": SECRET, "deviceToken": TOKEN}
        assert (await asked("POST", f"{relay}/device/register", json=phone))[0] == 200
        assert (await asked("POST", f"{relay}/event", json=EVENT))[0] == 200
        apns.on_push = lambda push: push.answer(400, b'{"reason":"PayloadTooLarge"}')
        assert (await asked("POST", f"{relay}/event", json=EVENT))[0] == 200

        async def seen() -> bool:
            up = {one["metric"]["job"]: one["value"][1] for one in await found(url, "up")}
            assert up == {"token": "1", "own-port": "1", "stranger": "0"}
            return True

        await eventually(seen)
        sent = 'relay_pushes_total{job="token", push_type="alert", status="sent"}'
        (push,) = await eventually(lambda: found(url, f"{sent} > 0"))
        assert (push["metric"]["reason"], push["value"][1]) == ("none", "1")
        for _, query in QUERIES:
            plain = (
                query.replace("$__rate_interval", "1m").replace("$job", "token").replace("$instance", ".*")
            )
            await eventually(lambda plain=plain: found(url, plain))  # type: ignore[misc]
