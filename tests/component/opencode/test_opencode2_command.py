"""`simulator opencode --generation 2`: in this process, and as one of its own to which the real bridge listens."""

import asyncio
import contextlib
import json
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from component.bridge.fake_relay import FakeRelay
from component.bridge.running import SECRET, RunningBridge
from component.opencode.conftest import credentials
from relay.bridge.options import BridgeOptions
from simulator.clock import VirtualClock
from simulator.journal import Journal
from simulator.opencode.command import (
    Load,
    OpenCodeOptions,
    password_of,
    run_load,
    running_2,
)
from simulator.opencode.v2.server import OpenCode2Server
from simulator.opencode.writer import SCENARIOS, UNATTENDED, Writer
from simulator.process import CommandError
from waiting import PATIENCE, eventually

BASIC = credentials("secret")


async def load_of(seed: int, load: Load, scenario: str = "mixed") -> tuple[list[bytes], dict[str, int]]:
    """All that was sent while a load worked, and how many turns each session ended."""
    clock = VirtualClock()
    writer = Writer(seed, rate=50, scenario=scenario)
    server = OpenCode2Server(clock, Journal(clock), password="secret", model=writer.react)
    lines: list[bytes] = []
    server.process.streams.send = lambda frames: lines.extend(one.line for one in frames)
    people = asyncio.create_task(run_load(load, server.api, writer, clock))
    for _ in range(2000):
        if people.done():
            break
        await clock.advance(1.0)
    server.api.kill()
    return lines, await people


async def test_a_load_ends_all_its_turns() -> None:
    _, ended = await load_of(1, Load(20, turns=3, pause=2.0))
    assert list(ended.values()) == [3] * 20


@pytest.mark.parametrize("scenario", UNATTENDED)
async def test_every_scenario_ends_by_itself(scenario: str) -> None:
    _, ended = await load_of(1, Load(2, turns=1), scenario)
    assert list(ended.values()) == [1, 1]
    assert scenario in SCENARIOS


async def test_the_same_seed_gives_the_same_load() -> None:
    one, other, third = [(await load_of(seed, Load(5, turns=2)))[0] for seed in (1, 1, 2)]
    assert one == other
    assert one != third


async def test_nobody_answers_a_load_without_a_model() -> None:
    clock = VirtualClock()
    server = OpenCode2Server(clock, Journal(clock), password="secret")
    people = asyncio.create_task(run_load(Load(2, turns=1, pause=0.0), server.api, Writer(1), clock))
    await clock.advance(5)
    assert list((await people).values()) == [1, 1]


def test_which_servers_are_started() -> None:
    both = OpenCodeOptions(generation="both", flavour="2.0")
    assert [(one.generation, one.port, one.flavour) for one in both.each()] == [
        ("1", None, None),
        ("2", 4097, "2.0"),
    ]
    assert [one.port for one in OpenCodeOptions(generation="both", port=5000).each()] == [5000, 5001]
    assert [one.port for one in OpenCodeOptions(generation="both", port=0).each()] == [0, 0]
    assert [one.port for one in OpenCodeOptions(generation="both", managed=True).each()] == [None, None]
    assert [one.generation for one in OpenCodeOptions().each()] == ["1"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (OpenCodeOptions(flavour="beta"), "generation 2's"),
        (OpenCodeOptions(managed=True), "generation 2's"),
        (OpenCodeOptions(generation="2", service_file=""), "add --managed"),
    ],
)
def test_options_that_do_not_go_together(options: OpenCodeOptions, sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        options.each()


def test_where_the_password_comes_from() -> None:
    both = {"OPENCODE_PASSWORD": "one", "OPENCODE_SERVER_PASSWORD": "two"}
    assert password_of(OpenCodeOptions(password="mine"), both) == ("mine", False)
    assert password_of(OpenCodeOptions(), both) == ("one", False)
    assert password_of(OpenCodeOptions(), {"OPENCODE_SERVER_PASSWORD": "two"}) == ("two", False)
    made_up, random = password_of(OpenCodeOptions(), {})
    assert random
    assert len(made_up) == 43


async def test_another_service_is_registered_already(tmp_path: Path) -> None:
    file = tmp_path / "service.json"
    options = OpenCodeOptions(port=0, generation="2", managed=True, service_file=str(file))
    async with running_2(options, "secret"):
        with pytest.raises(CommandError, match=f"process {os.getpid()} is registered in {file}"):
            async with running_2(options, "secret"):
                pass
    assert not file.exists()
    file.write_text('{"pid": 99999999}')
    async with running_2(options, "secret") as server:
        assert json.loads(file.read_text())["url"] == server.url


@contextlib.asynccontextmanager
async def command(
    *arguments: str, **environment: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, list[str]]]:
    """The command as a process, and the lines that it says within a moment of being ready."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulator", "opencode", "--port", "0", "--rate", "500", *arguments,
        stdout=asyncio.subprocess.PIPE, env={**os.environ, **environment},
    )  # fmt: skip
    assert process.stdout is not None
    lines: list[str] = []
    try:
        async with asyncio.timeout(PATIENCE):
            while not lines or lines[-1].split()[0] not in ("ready", "registered", "server"):
                line = await process.stdout.readline()
                assert line, f"it ended before it was ready: {lines}"
                lines.append(line.decode().strip())
        yield process, lines
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def url_of(line: str) -> str:
    return line.rpartition(" ")[2]


async def prompt(http: aiohttp.ClientSession, url: str, text: str) -> str:
    """A new session and its first prompt, as a phone or a TUI does it."""
    async with http.post(f"{url}/api/session", json={"title": "Fix the parser"}, headers=BASIC) as response:
        session_id = str((await response.json())["data"]["id"])
    said = {"text": text}
    async with http.post(f"{url}/api/session/{session_id}/prompt", json=said, headers=BASIC) as response:
        assert response.status == 200
    return session_id


async def allow(http: aiohttp.ClientSession, url: str, session_id: str) -> None:
    path = f"{url}/api/session/{session_id}/permission"
    async with http.get(path, headers=BASIC) as response:
        (asked,) = (await response.json())["data"]
    async with http.post(f"{path}/{asked['id']}/reply", json={"decision": "once"}, headers=BASIC) as response:
        assert response.status == 204


async def test_the_bridge_follows_a_turn(http, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    relay = FakeRelay()
    await relay.start()
    async with command("--generation", "2", "--password", "secret") as (_, lines):
        assert len(lines) == 1
        url = url_of(lines[0])
        bridge = RunningBridge(
            BridgeOptions(
                opencode_url=url,
                relay_url=relay.url,
                relay_secret=SECRET,
                password="secret",
                permission_delay=0.0,
            )
        )
        script = '@@[{"op": "bash", "command": "git push"}, {"op": "text", "n": 3}]'
        session_id = await prompt(http, url, script)
        await eventually(lambda: relay.rang() == [("permission", session_id)])
        await allow(http, url, session_id)
        await eventually(lambda: relay.rang()[1:] == [("complete", session_id)])
        assert relay.accepted[1].title == "Fix the parser"
        await bridge.stop()
    await relay.stop()


async def test_both_generations_at_once(http) -> None:
    async with command("--generation", "both", "--password", "secret", "--flavour", "beta") as (_, lines):
        assert [line.rpartition(" ")[0] for line in lines] == [
            "opencode server listening on",
            "server listening on",
        ]
        first, second = map(url_of, lines)
        async with http.get(f"{first}/global/health", headers=BASIC) as response:
            assert (await response.json())["version"].startswith("1.")
        async with http.get(f"{second}/api/health", headers=BASIC) as response:
            assert (await response.json())["version"].startswith("0.0.0-next")


@pytest.mark.parametrize(("number", "left"), [(signal.SIGTERM, False), (signal.SIGKILL, True)])
async def test_the_service_registers_while_it_runs(
    http, tmp_path: Path, number: signal.Signals, left: bool
) -> None:
    arguments = ("--generation", "2", "--managed", "--service-file", "--password", "secret")
    file = tmp_path / "opencode" / "service.json"
    async with command(*arguments, XDG_STATE_HOME=str(tmp_path)) as (process, lines):
        await eventually(file.exists)
        said = json.loads(file.read_text())
        assert (said["pid"], said["url"], said["password"]) == (process.pid, url_of(lines[0]), "secret")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        async with http.get(f"{said['url']}/api/info", headers=BASIC) as response:
            info = await response.json()
        assert (info["pid"], info["version"]) == (said["pid"], said["version"])
        process.send_signal(number)
        await process.wait()
    assert file.exists() is left


async def test_a_password_is_made_up_and_said(http) -> None:
    nothing = {"OPENCODE_PASSWORD": "", "OPENCODE_SERVER_PASSWORD": ""}
    async with command("--generation", "2", "--sessions", "2", **nothing) as (process, lines):
        assert process.stdout is not None
        password = (await process.stdout.readline()).decode().split()[-1]
        url = url_of(lines[0])
        async with http.get(f"{url}/api/session") as response:
            assert response.status == 401
        headers = credentials(password)
        ended: list[str] = []
        async with http.get(f"{url}/api/event", headers=headers) as response:
            async for line in response.content:
                if line.startswith(b"data: "):
                    ended.append(json.loads(line.removeprefix(b"data: "))["type"])
                if "session.execution.succeeded" in ended:
                    break
        assert ended[0] == "server.connected"
