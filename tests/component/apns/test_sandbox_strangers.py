"""Clients that we did not write find an APNs: aioapns, and from npm apns2 and @parse/node-apn; h2spec where it is.

Each sends an alert and a Live Activity update, and provokes three errors. The npm packages are installed once into the
user's cache; without node, npm or the registry these tests are skipped.
"""

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path
from time import time
from typing import Any

import pytest
from aioapns import NotificationRequest, PushType

from waiting import PATIENCE

from .conftest import TOPIC, Bench, within

HERE = Path(__file__).parent / "strangers"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "opencode-push-relay" / "strangers"
PACKAGES = ("apns2@12.2.0", "@parse/node-apn@8.1.0")
INSTALL_TIMEOUT = 120  # seconds
GONE_SINCE = 1_795_000_000.0
ACTIVITY_TOPIC = f"{TOPIC}.push-type.liveactivity"
ALERT: dict[str, Any] = {"aps": {"alert": {"title": "Build", "body": "Done"}}, "session": "ses_1"}
UPDATE: dict[str, Any] = {
    "aps": {"timestamp": 1_795_226_400, "event": "update", "content-state": {"name": "Run", "props": "{}"}}
}


class Stage:
    """A bench at the machine's time, for clients sign with it; five pushes, and what they must come to."""

    def __init__(self, bench: Bench) -> None:
        bench.clock._now = time()
        self.bench = bench
        registry = bench.sandbox.registry
        self.activity = registry.mint_token(TOPIC, "sandbox", "activity")
        registry.attach(self.activity, bench.delivered.append)
        gone = registry.mint_token(TOPIC, "sandbox")
        registry.unregister(gone, GONE_SINCE)
        self.pushes = [
            self.push(bench.token, TOPIC, "alert", ALERT),
            self.push(self.activity, ACTIVITY_TOPIC, "liveactivity", UPDATE),
            self.push("ab" * 32, TOPIC, "alert", ALERT),
            self.push(gone, TOPIC, "alert", ALERT),
            self.push(self.activity, TOPIC, "alert", ALERT),
        ]

    @staticmethod
    def push(token: str, topic: str, push_type: str, payload: dict[str, Any]) -> dict[str, Any]:
        return {"token": token, "topic": topic, "type": push_type, "payload": payload}

    def check(self, outcomes: list[tuple[int, str | None]]) -> None:
        assert outcomes == [
            (200, None),
            (200, None),
            (400, "BadDeviceToken"),
            (410, "Unregistered"),
            (400, "DeviceTokenNotForTopic"),
        ]
        alert, update = self.bench.delivered
        assert (alert.payload, alert.push_type, alert.topic) == (ALERT, "alert", TOPIC)
        assert (update.payload, update.push_type, update.topic) == (UPDATE, "liveactivity", ACTIVITY_TOPIC)
        assert self.bench.journal.entries("apns", "protocol_error") == []
        assert self.bench.journal.entries("apns", "connection_crashed") == []


@pytest.fixture
def stage(bench: Bench) -> Stage:
    return Stage(bench)


async def test_aioapns(stage: Stage) -> None:
    apns = stage.bench.aioapns()
    outcomes = []
    for push in stage.pushes:
        request = NotificationRequest(
            push["token"], push["payload"], push_type=PushType(push["type"]), apns_topic=push["topic"]
        )
        result = await within(apns.send_notification(request))
        outcomes.append((int(result.status), None if result.is_successful else result.description))
        assert result.status != "410" or result.timestamp == GONE_SINCE * 1000
    stage.check(outcomes)


async def test_a_cold_burst_of_aioapns_all_arrives_once(stage: Stage) -> None:
    bench = stage.bench
    bench.sandbox.profile.device_rate = None
    apns = bench.aioapns(max_connections=1)
    requests = [NotificationRequest(bench.token, ALERT) for _ in range(300)]
    results = await within(asyncio.gather(*map(apns.send_notification, requests)))
    assert {result.status for result in results} == {"200"}
    sent = sorted(each.notification_id for each in requests)
    assert sorted(each.apns_id for each in bench.delivered) == sent


# --- npm ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def packages() -> Path:
    """The folder from which node finds the packages."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("node and npm are not on PATH")
    wanted = CACHE / "installed.json"
    if not wanted.exists() or json.loads(wanted.read_text()) != list(PACKAGES):
        _install()
        wanted.write_text(json.dumps(PACKAGES))
    return CACHE


def _install() -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    command = [
        "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(CACHE), *PACKAGES,
    ]  # fmt: skip
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=INSTALL_TIMEOUT, cwd=CACHE)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"the npm packages cannot be had: {error}")


@pytest.mark.parametrize("script", ["apns2.cjs", "node_apn.cjs"])
async def test_clients_from_npm(stage: Stage, packages: Path, script: str) -> None:
    bench = stage.bench
    wanted = {
        "packages": str(packages),
        "port": bench.sandbox.ports["sandbox"],
        "ca": bench.sandbox.ca_pem,
        "key": bench.key.private_key,
        "keyId": bench.key.key_id,
        "teamId": bench.key.team_id,
        "pushes": stage.pushes,
    }
    node = await asyncio.create_subprocess_exec(
        "node", str(HERE / script), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        out, err = await asyncio.wait_for(node.communicate(json.dumps(wanted).encode()), PATIENCE)
    finally:
        if node.returncode is None:
            node.kill()
            await node.wait()
    assert node.returncode == 0, err.decode()
    outcomes = json.loads(out)
    stage.check([(each["status"], each.get("reason")) for each in outcomes])
    assert outcomes[3]["timestamp"] == GONE_SINCE * 1000


# --- h2spec -------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not shutil.which("h2spec"), reason="h2spec is not on PATH")
async def test_h2spec(bench: Bench) -> None:
    """Requests of h2spec are no pushes, so they are answered 4xx; what is tested is the protocol."""
    bench.sandbox.profile.set({"errors_before_close": None, "first_stream_limit": 100})
    port = str(bench.sandbox.ports["sandbox"])
    h2spec = await asyncio.create_subprocess_exec(
        "h2spec", "-t", "-k", "-h", "127.0.0.1", "-p", port, "-o", "2", stdout=subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(h2spec.communicate(), 300)
    assert h2spec.returncode == 0, out.decode()[-4000:]
