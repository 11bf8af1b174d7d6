"""What docker-compose.yml puts together, by the same files and without a container engine.

MariaDB, two relays, Debian's Caddy with a certificate of its own CA, Prometheus; the bridge, as its systemd unit starts it, and a phone with
its app reach the relays through Caddy and by nothing else.
"""

import json
import re
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import aiohttp.connector
import pytest

from mariadb import MariaDB
from simulator.loopback import free_port
from simulator.opencode.prompt_language import parse
from simulator.opencode.script import Reaction, Script
from simulator.opencode.v1.player import Player
from simulator.opencode.v1.server import OpenCodeServer
from simulator.phone.phone import Phone
from simulator.process import Command, RelayProcess
from simulator.scenario import load
from simulator.world import World
from unpacked import Caddy, asked, caddy, found, prometheus
from waiting import PATIENCE, eventually

DEPLOY = Path(__file__).parents[2] / "deploy"
PLAYED = "a_text"
REGISTRATIONS = 5
OWN = {
    "RELAY_LIMITS": "on",
    "RELAY_TRUSTED_PROXIES": "127.0.0.1",  # Caddy; its clients have other addresses of loopback
    "RELAY_LIMIT_ADDRESS_REGISTRATIONS": str(REGISTRATIONS),
}
"""Settings of both relays. Each counts for itself."""


@dataclass
class Stack:
    """All of it, up. `metrics` are the relays' ports for Prometheus."""

    world: World
    relays: list[RelayProcess]
    metrics: list[int]
    front: Caddy
    scraper: str
    opencode: OpenCodeServer
    bridge: Command
    phone: Phone
    trust: ssl.SSLContext

    @property
    def url(self) -> str:
        return f"https://localhost:{self.front.tls}"

    async def get(self, url: str, trust: ssl.SSLContext | None = None) -> tuple[int, str]:
        async with (
            aiohttp.ClientSession() as http,
            http.get(url, ssl=trust or self.trust, allow_redirects=False) as reply,
        ):
            return reply.status, reply.headers.get("Location") or await reply.text()

    async def register_from(self, address: str, number: int) -> tuple[int, str]:
        """The status of a phone's registration by a client at this address, who says of itself that it is another; and Retry-After."""
        phone = {"secret": f"the-secret-of-{address}", "deviceToken": f"{number:064x}"}
        connector = aiohttp.TCPConnector(local_addr=(address, 0), ssl=self.trust)
        async with (
            aiohttp.ClientSession(connector=connector) as http,
            http.post(
                f"{self.url}/v1/device/register",
                json=phone,
                headers={"X-Forwarded-For": f"192.0.2.{number}", "Forwarded": f"for=192.0.2.{number}"},
            ) as reply,
        ):
            assert (await reply.json())["ok"] == (reply.status == 200)
            return reply.status, reply.headers.get("Retry-After", "")

    async def play(self) -> None:
        """Let OpenCode do a recorded piece of work."""
        await Player(self.opencode, self.world.clock, self.world.journal).play(load(PLAYED).recording, 20.0)

    async def rung(self, count: int) -> None:
        """Return when the phone has shown so many alerts."""
        assert len(await self.phone.shown(count, within=PATIENCE)) == count


@pytest.fixture
async def stack(mariadb: MariaDB, tmp_path: Path) -> AsyncIterator[Stack]:
    url = mariadb.new_database()
    metrics = [free_port(), free_port()]
    async with World() as world, AsyncExitStack() as ends:
        relays = []
        for port in metrics:
            environment = (
                world.relay_environment | OWN | {"DATABASE_URL": url, "RELAY_METRICS_PORT": str(port)}
            )
            relay = RelayProcess(world.journal, environment=environment, folder=tmp_path)
            ends.push_async_callback(relay.stop)
            await relay.start()  # in turn, as in compose: the first one makes the tables
            relays.append(relay)
        hosts = " ".join(relay.url.removeprefix("http://") for relay in relays)
        front = await ends.enter_async_context(caddy(tmp_path, DEPLOY / "Caddyfile", RELAYS=hosts))
        scraper = await ends.enter_async_context(prometheus(tmp_path, _scraping(tmp_path, metrics)))
        opencode = OpenCodeServer(
            world.clock, world.journal, model=lambda text: Reaction(parse(text) or Script(), "a title")
        )
        ends.push_async_callback(opencode.close)
        await opencode.start()
        bridge = _bridge(world, opencode, front, tmp_path)
        ends.push_async_callback(bridge.stop)
        await bridge.start()
        link = await _link(world, front, tmp_path)
        trust = ssl.create_default_context(cafile=str(front.ca_file))
        # As the phone's owner does who installs the CA as a profile. aiohttp made its context when it was imported.
        aiohttp.connector._SSL_CONTEXT_VERIFIED.load_verify_locations(front.ca_file)
        phone = await world.add_phone(link)
        yield Stack(world, relays, metrics, front, scraper, opencode, bridge, phone, trust)
    mariadb.drop_database(url)


def _scraping(folder: Path, ports: list[int]) -> str:
    """deploy/prometheus.yml, scraping more often; beside it the file of the relays and that of the alarms."""
    shutil.copy(DEPLOY / "alerts.yml", folder)
    targets = (DEPLOY / "relays.yml").read_text()
    given = ", ".join(f'"127.0.0.1:{port}"' for port in ports)
    (folder / "relays.yml").write_text(targets.replace('"127.0.0.1:9187"', given))
    return (DEPLOY / "prometheus.yml").read_text().replace("15s", "500ms")


def _environment(front: Caddy, folder: Path) -> dict[str, str]:
    """What deploy/bridge.env says, with the relay's address, and the CA of Caddy."""
    given = dict(re.findall(r"^([A-Z_]+)=(.*)$", (DEPLOY / "bridge.env").read_text(), re.MULTILINE))
    assert given == {"RELAY_URL": "https://relay.example.com"}
    return {
        "RELAY_URL": f"https://localhost:{front.tls}",
        "SSL_CERT_FILE": str(front.ca_file),
        "HOME": str(folder),
    }


def _bridge(world: World, opencode: OpenCodeServer, front: Caddy, folder: Path) -> Command:
    """The words of the unit, and where OpenCode and the bridge's own port are here."""
    unit = (DEPLOY / "opencode-push-bridge.service").read_text()
    (words,) = re.findall(r"^ExecStart=\S+/relay (.*)$", unit, re.MULTILINE)
    arguments = [*words.split(), f"--opencode-url={opencode.url}", "--port=0", "--card-after=0", "--bundle=0"]
    return Command("bridge", arguments, world.journal, environment=_environment(front, folder), folder=folder)


async def _link(world: World, front: Caddy, folder: Path) -> str:
    """What `relay pair` prints for a program."""
    pair = Command("pair", ["pair"], world.journal, environment=_environment(front, folder), folder=folder)
    await pair.start()
    try:
        return await pair.printed("^mobilevoice://", PATIENCE)
    finally:
        await pair.stop()


async def test_the_compose_files_processes_work_together(stack: Stack) -> None:
    await stack.play()
    await stack.rung(1)

    # TLS: nothing goes in clear, and what is the operator's own is not passed on.
    assert await stack.get(f"{stack.url}/health") == (200, '{"ok":true}')
    assert (await stack.get(f"{stack.url}/metrics"))[0] == 404
    status, location = await stack.get(f"http://localhost:{stack.front.plain}/health")
    assert (status, location.startswith("https://localhost")) == (308, True)
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await stack.get(f"{stack.url}/health", trust=ssl.create_default_context())

    # Limits: they count the client whom Caddy names, and not Caddy, nor what the client says of itself.
    answers = [await stack.register_from("127.0.0.2", number) for number in range(2 * REGISTRATIONS + 1)]
    assert [status for status, _ in answers[:REGISTRATIONS]] == [200] * REGISTRATIONS
    assert answers[-1][0] == 429
    assert int(answers[-1][1]) > 0
    assert (await stack.register_from("127.0.0.3", 1))[0] == 200

    # Sight: Prometheus reads both relays and knows the alarms.
    up = 'up{job="relay"}'
    await eventually(lambda: _all(stack, up, {"1"}))
    sent = 'sum(relay_pushes_total{job="relay", push_type="alert", status="sent"})'
    await eventually(lambda: _all(stack, sent, {"1"}))
    await eventually(lambda: _alarms_work(stack))

    # One relay dies: Caddy hands on to the other what it cannot give to the first, and the phone rings.
    await stack.relays[0].kill()
    await stack.play()
    await stack.rung(2)
    await eventually(lambda: _all(stack, up, {"0", "1"}))
    down = await eventually(lambda: found(stack.scraper, 'ALERTS{alertname="RelayDown"}'))
    assert [one["metric"]["instance"] for one in down] == [f"127.0.0.1:{stack.metrics[0]}"]

    # Without any relay, too, a program is answered as by one.
    await stack.relays[1].kill()

    async def refused() -> bool:
        status, text = await stack.get(f"{stack.url}/health")
        return status == 503 and json.loads(text)["code"] == "unavailable"

    await eventually(refused)

    # Nothing secret is in what the bridge's unit would leave in the journal.
    assert any("To pair a phone" in line for line in stack.bridge.output)
    written = "\n".join([*stack.bridge.output, *stack.bridge.log])
    assert "mobilevoice:" not in written
    assert stack.phone.app.pairings[0].relay_secret not in written


async def _alarms_work(stack: Stack) -> bool:
    rules = await asked(f"{stack.scraper}/api/v1/rules")
    assert rules is not None
    health = {rule["name"]: rule["health"] for group in rules["groups"] for rule in group["rules"]}
    names = ("RelayDown", "RelayAlertsWait", "RelayKeyPaused", "RelayDatabaseErrors")
    assert health == dict.fromkeys(names, "ok")
    return True


async def _all(stack: Stack, query: str, values: set[str]) -> bool:
    assert {one["value"][1] for one in await found(stack.scraper, query)} == values
    return True
