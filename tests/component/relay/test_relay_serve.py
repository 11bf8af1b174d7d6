"""`relay` as people start it: a process, its exit status and its lines; nothing from inside."""

import asyncio
import json
import os
import signal
import socket
import sqlite3
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from relay import __version__
from simulator.loopback import free_port
from waiting import PATIENCE, eventually

SECRET = "s" * 24
Build = Callable[..., dict[str, str]]


class Relay:
    """A process, and what it has said on stderr when it has ended."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process, self.port = process, port

    async def ended(self) -> tuple[int, str, str]:
        out, err = await asyncio.wait_for(self.process.communicate(), PATIENCE)
        assert self.process.returncode is not None
        return self.process.returncode, out.decode(), err.decode()

    async def ask(self, path: str, **fields: Any) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(url, json.dumps(fields).encode() if fields else None)
        return await asyncio.to_thread(_read, request)

    async def is_up(self) -> bool:
        assert self.process.returncode is None
        try:
            return bool((await self.ask("/health"))["ok"])
        except (urllib.error.URLError, ConnectionError):
            return False


def _read(request: urllib.request.Request) -> dict[str, Any]:
    with urllib.request.urlopen(request, timeout=10) as response:
        return dict(json.load(response))


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def variables(environment: Build, tmp_path: Path, port: int) -> dict[str, str]:
    """Of a relay whose APNs is a closed port."""
    return environment(
        PORT=str(port),
        DATABASE_URL=f"sqlite://{tmp_path}/relay.sqlite3",
        APNS_HOST_SANDBOX="127.0.0.1:1",
        APNS_HOST_PRODUCTION="127.0.0.1:1",
        RELAY_EVENT_DEADLINE="2",
    )


Run = Callable[..., Awaitable[Relay]]


@pytest.fixture
async def run(variables: dict[str, str], tmp_path: Path) -> AsyncIterator[Run]:
    """`await run("serve", PORT="1")`: a process with the variables above and those given; None takes one away."""
    started: list[asyncio.subprocess.Process] = []

    async def start(*arguments: str, **changes: str | None) -> Relay:
        chosen: dict[str, str | None] = {**os.environ, **variables, **changes, "HOME": str(tmp_path)}
        env = {name: value for name, value in chosen.items() if value is not None}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "relay", *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=env,
        )
        started.append(process)
        return Relay(process, int(env["PORT"]) if env["PORT"].isdigit() else 0)

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def refused(relay: Relay) -> str:
    """The one line of a relay that could not start."""
    status, out, err = await relay.ended()
    assert status == 1, err
    assert out == ""
    assert len(err.splitlines()) == 1, err
    assert err.startswith("relay: ")
    return err


class TestStart:
    async def test_it_serves_until_it_is_told_to_stop(self, run: Run) -> None:
        relay = await run("serve")
        await eventually(relay.is_up)
        assert await relay.ask("/health") == {"ok": True, "devices": 0, "deliveries": 0}
        relay.process.send_signal(signal.SIGTERM)
        status, _, err = await relay.ended()
        assert status == 0, err
        assert "Traceback" not in err

    async def test_every_wrong_setting_is_named_in_one_line(self, run: Run) -> None:
        said = await refused(await run("serve", APNS_TEAM_ID=None, PORT="x", APNS_PRIVATE_KEY="geheim"))
        for name in ("APNS_TEAM_ID is missing", "PORT must", "APNS_PRIVATE_KEY must"):
            assert name in said
        assert "geheim" not in said

    async def test_a_taken_port(self, run: Run, port: int) -> None:
        with socket.create_server(("127.0.0.1", port)):
            said = await refused(await run("serve"))
        assert f"cannot listen on 127.0.0.1:{port}" in said

    @pytest.mark.parametrize("command", ["serve", "migrate"])
    @pytest.mark.parametrize(
        "url", ["sqlite:///no/such/folder/relay.sqlite3", "mysql://relay:geheim@127.0.0.1:1/relay"]
    )
    async def test_a_database_that_cannot_be_used(self, run: Run, command: str, url: str) -> None:
        said = await refused(await run(command, DATABASE_URL=url))
        assert "cannot use the database" in said
        assert "geheim" not in said

    async def test_a_file_that_is_no_database(self, run: Run, tmp_path: Path) -> None:
        file = tmp_path / "text.txt"
        file.write_text("no database\n" * 100)
        assert "not a database" in await refused(await run("serve", DATABASE_URL=f"sqlite://{file}"))

    async def test_killed_and_started_again_it_goes_on(self, run: Run, tmp_path: Path) -> None:
        first = await run("serve")
        await eventually(first.is_up)
        await first.ask("/v1/device/register", secret=SECRET, deviceToken="ab" * 32)
        event = {"secret": SECRET, "eventType": "complete", "sessionID": "ses_1", "eventID": "e1"}
        assert (await first.ask("/v1/event", **event))["queued"] == 1
        first.process.kill()
        await first.ended()
        tries = attempts(tmp_path)
        second = await run("serve")
        await eventually(second.is_up)
        await eventually(lambda: attempts(tmp_path) > tries)
        assert (await second.ask("/v1/event", **event))["queued"] == 1
        second.process.terminate()
        assert (await second.ended())[0] == 0


def attempts(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "relay.sqlite3")) as connection:
        return int(connection.execute("SELECT attempts FROM delivery_log").fetchone()[0])


class TestCommands:
    async def test_migrate_makes_the_tables(self, run: Run, tmp_path: Path) -> None:
        for _ in range(2):
            assert await (await run("migrate")).ended() == (0, "", "")
        with closing(sqlite3.connect(tmp_path / "relay.sqlite3")) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        assert {"device_registration", "delivery_log"} <= tables

    async def test_version(self, run: Run) -> None:
        assert await (await run("--version")).ended() == (0, f"relay {__version__}\n", "")

    async def test_pair_prints_a_link(self, run: Run) -> None:
        status, out, err = await (await run("pair", RELAY_SECRET=SECRET)).ended()
        assert (status, err) == (0, "")
        assert "mobilevoice:///?pair=" in out

    async def test_a_short_secret_is_one_line(self, run: Run) -> None:
        said = await refused(await run("bridge", "--relay-secret", "geheim"))
        assert "16" in said
        assert "geheim" not in said
