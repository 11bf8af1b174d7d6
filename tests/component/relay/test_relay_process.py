"""A relay process and an APNs over TLS: what its stop, its death and its next start do to pushes in flight."""

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from simulator.loopback import free_port
from waiting import PATIENCE, eventually

SECRET = "0123456789abcdef"
TOKEN = "ab" * 32
EVENT = {"secret": SECRET, "eventType": "complete", "sessionID": "ses_1", "eventID": "evt_1"}


class Relay:
    """A relay process; its standard error is kept."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, log: Path) -> None:
        self.process, self.url, self._log = process, url, log

    @property
    def log(self) -> str:
        return self._log.read_text()

    async def get(self, path: str) -> dict[str, Any]:
        async with aiohttp.ClientSession() as session, session.get(self.url + path) as reply:
            found: dict[str, Any] = await reply.json()
            return found

    async def post(self, path: str, **body: Any) -> dict[str, Any]:
        async with aiohttp.ClientSession() as session, session.post(self.url + path, json=body) as reply:
            found: dict[str, Any] = await reply.json()
            return found

    async def ready(self) -> None:
        def listening() -> bool:
            assert self.process.returncode is None, self.log
            return "listening" in self.log

        await eventually(listening)

    async def ended(self) -> int:
        """Its exit status."""
        return await asyncio.wait_for(self.process.wait(), PATIENCE)


Start = Callable[..., Any]


@pytest.fixture
def variables(
    environment: Callable[..., dict[str, str]], certificates: Any, apns: Any, tmp_path: Path
) -> dict[str, str]:
    return environment(
        PORT=str(free_port()),
        DATABASE_URL=f"sqlite://{tmp_path}/relay.sqlite3",
        APNS_HOST_PRODUCTION=f"127.0.0.1:{apns.port}",
        APNS_HOST_SANDBOX=f"127.0.0.1:{apns.port}",
        APNS_CA_FILE=str(certificates.ca_file),
    )


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """`await start("serve", variables)`: a relay process, ended with the test."""
    processes: list[asyncio.subprocess.Process] = []

    async def run(command: str, variables: dict[str, str]) -> Relay:
        log = tmp_path / f"relay-{len(processes)}.log"
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("APNS_", "RELAY_"))
        }
        with log.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "relay", command, env=inherited | variables, stderr=stderr
            )
        processes.append(process)
        return Relay(process, f"http://127.0.0.1:{variables.get('PORT', 0)}", log)

    yield run
    for process in processes:
        if process.returncode is None:
            process.kill()
            await process.wait()


@asynccontextmanager
async def serving(start: Start, variables: dict[str, str]) -> AsyncIterator[Relay]:
    relay: Relay = await start("serve", variables)
    await relay.ready()
    yield relay


def deliveries(variables: dict[str, str]) -> list[tuple[str, str]]:
    with sqlite3.connect(variables["DATABASE_URL"].removeprefix("sqlite://")) as database:
        return list(database.execute("SELECT id, status FROM delivery_log"))


async def register(relay: Relay) -> None:
    assert await relay.post("/v1/device/register", secret=SECRET, deviceToken=TOKEN) == {"ok": True}


# Life.


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_serves_until_it_is_told_to_stop(
    start: Start, variables: dict[str, str], apns: Any, number: signal.Signals
) -> None:
    async with serving(start, variables) as relay:
        assert await relay.get("/health") == {"ok": True, "devices": 0, "deliveries": 0}
        await register(relay)
        assert await relay.post("/v1/event", **EVENT) == {"ok": True, "sent": 1, "failed": 0, "queued": 0}
        assert await relay.get("/health") == {"ok": True, "devices": 1, "deliveries": 1}
        relay.process.send_signal(number)
        assert await relay.ended() == 0
    assert deliveries(variables) == [(apns.apns_ids[0], "sent")]
    for hidden in (SECRET, TOKEN, "PRIVATE KEY", "bearer", "Traceback"):
        assert hidden not in relay.log


async def test_a_stop_waits_for_what_is_in_flight(start: Start, variables: dict[str, str], apns: Any) -> None:
    apns.on_push = lambda request: None
    async with serving(start, variables) as relay:
        await register(relay)
        replying = asyncio.create_task(relay.post("/v1/event", **EVENT))
        await eventually(lambda: apns.requests)
        relay.process.terminate()
        await eventually(lambda: refuses(relay))
        apns.requests[0].answer()
        assert await replying == {"ok": True, "sent": 1, "failed": 0, "queued": 0}
        assert await relay.ended() == 0
    assert deliveries(variables) == [(apns.apns_ids[0], "sent")]
    assert len(apns.requests) == 1


async def refuses(relay: Relay) -> bool:
    try:
        await relay.get("/health")
    except aiohttp.ClientError:
        return True
    return False


async def test_a_stop_waits_for_a_push_whose_caller_hung_up(
    start: Start, variables: dict[str, str], apns: Any
) -> None:
    apns.on_push = lambda request: None
    async with serving(start, variables) as relay:
        await register(relay)
        replying = asyncio.create_task(relay.post("/v1/event", **EVENT))
        await eventually(lambda: apns.requests)
        replying.cancel()
        relay.process.terminate()
        await eventually(lambda: refuses(relay))
        apns.requests[0].answer()
        assert await relay.ended() == 0
    assert deliveries(variables) == [(apns.apns_ids[0], "sent")]


async def test_a_stop_without_apns_leaves_the_rest_for_the_next_start(
    start: Start, variables: dict[str, str], apns: Any
) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    async with serving(
        start, variables | {"APNS_HOST_PRODUCTION": nowhere, "RELAY_EVENT_DEADLINE": "0.2"}
    ) as relay:
        await register(relay)
        assert (await relay.post("/v1/event", **EVENT))["queued"] == 1
        relay.process.terminate()
        assert await relay.ended() == 0
    assert [status for _, status in deliveries(variables)] == ["queued"]
    async with serving(start, variables):
        await eventually(lambda: [status for _, status in deliveries(variables)] == ["sent"])
    assert len(apns.requests) == 1


async def test_a_killed_relay_is_picked_up_by_the_next(
    start: Start, variables: dict[str, str], apns: Any
) -> None:
    apns.on_push = lambda request: None
    async with serving(start, variables) as relay:
        await register(relay)
        replying = asyncio.create_task(relay.post("/v1/event", **EVENT))
        await eventually(lambda: apns.requests)
        relay.process.kill()
        assert await relay.ended() == -signal.SIGKILL
        with pytest.raises(aiohttp.ClientError):
            await replying
    apns.on_push = lambda request: request.answer()
    async with serving(start, variables) as relay:
        await eventually(lambda: len(apns.requests) == 2)
        assert apns.apns_ids[0] == apns.apns_ids[1]
        await eventually(lambda: deliveries(variables) == [(apns.apns_ids[0], "sent")])
        assert await relay.post("/v1/event", **EVENT) == {"ok": True, "sent": 1, "failed": 0, "queued": 0}
    assert len(apns.requests) == 2


# Starts that fail: exit status 1 and one line.


async def fails(start: Start, variables: dict[str, str]) -> str:
    relay: Relay = await start("serve", variables)
    assert await relay.ended() == 1
    lines = [line for line in relay.log.splitlines() if " INFO " not in line]
    assert len(lines) == 1, relay.log
    assert lines[0].startswith("relay: ")
    return lines[0]


async def test_a_relay_that_cannot_have_the_port_leaves_the_other_one_alone(
    start: Start, variables: dict[str, str]
) -> None:
    async with serving(start, variables) as relay:
        assert "Is another relay running?" in await fails(start, variables)
        assert (await relay.get("/health"))["ok"]


@pytest.mark.mariadb
async def test_a_wrong_password(start: Start, variables: dict[str, str], mariadb: Any) -> None:
    url = mariadb.new_database().replace("root@", "root:hunter2@")
    line = await fails(start, variables | {"DATABASE_URL": url})
    assert "Access denied" in line
    assert "hunter2" not in line


@pytest.mark.mariadb
async def test_a_database_that_is_not_there(start: Start, variables: dict[str, str], mariadb: Any) -> None:
    line = await fails(start, variables | {"DATABASE_URL": f"mysql://root@127.0.0.1:{mariadb.port}/nothing"})
    assert "Unknown database 'nothing'" in line
