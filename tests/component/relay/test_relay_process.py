"""`relay` as people start it, and an APNs over TLS: its stop, its death and its next start with pushes in flight; its lines and exit status."""

import asyncio
import json
import os
import re
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pseudo_terminal import in_terminal
from relay import __version__
from relay.server.secret_command import revoke
from relay.server.settings import load
from simulator.loopback import free_port
from waiting import PATIENCE, eventually

SECRET = "0123456789abcdef"
TOKEN = "ab" * 32
EVENT = {"secret": SECRET, "eventType": "complete", "sessionID": "ses_1", "eventID": "evt_1"}


class Relay:
    """A relay process; what it writes is kept."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, log: Path) -> None:
        self.process, self.url, self._log = process, url, log

    @property
    def log(self) -> str:
        """Its standard error."""
        return self._log.read_text()

    @property
    def out(self) -> str:
        """Its standard output."""
        return self._log.with_suffix(".out").read_text()

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
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """`await start(variables, "serve")`: a relay process, ended with the test."""
    processes: list[asyncio.subprocess.Process] = []

    async def run(variables: dict[str, str], *arguments: str, open_files: int = 0) -> Relay:
        log = tmp_path / f"relay-{len(processes)}.log"
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("APNS_", "RELAY_"))
        }
        with log.open("wb") as err, log.with_suffix(".out").open("wb") as out:
            process = await asyncio.create_subprocess_exec(
                *(["prlimit", f"--nofile={open_files}"] if open_files else []),
                *(sys.executable, "-m", "relay", *arguments),
                env=inherited | variables | {"HOME": str(tmp_path)},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        processes.append(process)
        return Relay(process, f"http://127.0.0.1:{variables.get('PORT', 0)}", log)

    yield run
    for process in processes:
        if process.returncode is None:
            process.kill()
            await process.wait()


@asynccontextmanager
async def serving(start: Start, variables: dict[str, str], **options: Any) -> AsyncIterator[Relay]:
    relay: Relay = await start(variables, "serve", **options)
    await relay.ready()
    yield relay


def deliveries(variables: dict[str, str]) -> list[tuple[str, str]]:
    with sqlite3.connect(variables["DATABASE_URL"].removeprefix("sqlite://")) as database:
        return list(database.execute("SELECT id, status FROM delivery_log"))


async def register(relay: Relay) -> None:
    assert await relay.post("/v1/device/register", secret=SECRET, deviceToken=TOKEN) == {"ok": True}


# Life.


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_serves_until_a_signal_stops_it(
    start: Start, variables: dict[str, str], apns: Any, number: signal.Signals
) -> None:
    async with serving(start, variables) as relay:
        await register(relay)
        assert await relay.post("/v1/event", **EVENT) == {"ok": True, "sent": 1, "failed": 0, "queued": 0}
        assert await relay.get("/health") == {"ok": True}
        relay.process.send_signal(number)
        assert await relay.ended() == 0
    assert deliveries(variables) == [(apns.apns_ids[0], "sent")]
    for hidden in (SECRET, TOKEN, "PRIVATE KEY", "bearer", "Traceback"):
        assert hidden not in relay.log


@pytest.mark.parametrize("hangs_up", [False, True], ids=["the caller waits", "the caller hung up"])
async def test_a_stop_waits_for_what_is_in_flight(
    start: Start, variables: dict[str, str], apns: Any, hangs_up: bool
) -> None:
    apns.on_push = lambda request: None
    async with serving(start, variables) as relay:
        await register(relay)
        replying = asyncio.create_task(relay.post("/v1/event", **EVENT))
        await eventually(lambda: apns.requests)
        if hangs_up:
            replying.cancel()
        relay.process.terminate()
        await eventually(lambda: refuses(relay))
        apns.requests[0].answer()
        if not hangs_up:
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


# Clients that take connections and leave them.


async def test_idle_and_slow_clients_leave_room_for_the_others(
    start: Start, variables: dict[str, str], apns: Any
) -> None:
    """`ulimit -n 64`: 300 connections that never ask, and 100 whose body never comes, and the alert goes out all the same."""
    async with serving(start, variables, open_files=64) as relay:
        host, port = relay.url.removeprefix("http://").split(":")
        head = b"POST /v1/event HTTP/1.1\r\nHost: relay\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{"
        writers = []
        for number in range(400):
            _, writer = await asyncio.open_connection(host, int(port))
            if number >= 300:
                writer.write(head)
            writers.append(writer)
        await register(relay)
        assert await relay.post("/v1/event", **EVENT) == {"ok": True, "sent": 1, "failed": 0, "queued": 0}
        for writer in writers:
            writer.transport.abort()
        assert relay.log.count("too many connections") == 1
        assert "Traceback" not in relay.log
        assert len(apns.requests) == 1


# Starts that fail: exit status 1 and one line, which shows no secret.


async def fails(start: Start, variables: dict[str, str], *arguments: str) -> str:
    relay: Relay = await start(variables, *arguments or ("serve",))
    assert await relay.ended() == 1
    lines = [line for line in relay.log.splitlines() if " INFO " not in line]
    assert len(lines) == 1, relay.log
    assert lines[0].startswith("relay: ")
    assert "hunter2" not in lines[0]
    assert relay.out == ""
    return lines[0]


async def test_a_relay_that_cannot_have_the_port_leaves_the_other_one_alone(
    start: Start, variables: dict[str, str]
) -> None:
    async with serving(start, variables) as relay:
        line = await fails(start, variables)
        assert f"cannot listen on 127.0.0.1:{variables['PORT']}" in line
        assert "Is another relay running?" in line
        assert (await relay.get("/health"))["ok"]


async def test_every_wrong_setting_is_named(start: Start, variables: dict[str, str]) -> None:
    wrong = {"APNS_TEAM_ID": "", "PORT": "x", "APNS_PRIVATE_KEY": "hunter2"}
    line = await fails(start, variables | wrong)
    for name in ("APNS_TEAM_ID is missing", "PORT must", "APNS_PRIVATE_KEY must"):
        assert name in line


@pytest.mark.parametrize("command", ["serve", "migrate"])
@pytest.mark.parametrize(
    "url", ["sqlite:///no/such/folder/relay.sqlite3", "mysql://relay:hunter2@127.0.0.1:1/relay"]
)
async def test_a_database_that_cannot_be_used(
    start: Start, variables: dict[str, str], command: str, url: str
) -> None:
    line = await fails(start, variables | {"DATABASE_URL": url}, command)
    assert "cannot use the database" in line


async def test_a_file_that_is_no_database(start: Start, variables: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    file.write_text("no database\n" * 100)
    assert "not a database" in await fails(start, variables | {"DATABASE_URL": f"sqlite://{file}"})


async def test_a_file_whose_pages_are_damaged(
    start: Start, variables: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "relay.sqlite3"
    assert await output(start, variables, "migrate") == ""
    with file.open("r+b") as opened:
        opened.seek(100)  # the header is right
        opened.write(b"\xff" * (file.stat().st_size - 100))
    assert "malformed" in await fails(start, variables)


@pytest.mark.mariadb
async def test_a_wrong_password(start: Start, variables: dict[str, str], mariadb: Any) -> None:
    url = mariadb.new_database().replace("root@", "root:hunter2@")
    assert "Access denied" in await fails(start, variables | {"DATABASE_URL": url})


@pytest.mark.mariadb
async def test_a_database_that_is_not_there(start: Start, variables: dict[str, str], mariadb: Any) -> None:
    line = await fails(start, variables | {"DATABASE_URL": f"mysql://root@127.0.0.1:{mariadb.port}/nothing"})
    assert "Unknown database 'nothing'" in line


async def test_a_secret_that_is_too_short(start: Start, variables: dict[str, str]) -> None:
    assert "16" in await fails(start, variables, "bridge", "--relay-secret", "hunter2")


# A database that no waiting brings back: one line, and the end, before anything unwritten is acknowledged.


def _delete(file: Path) -> None:
    for end in ("", "-wal", "-shm"):
        Path(f"{file}{end}").unlink(missing_ok=True)


def _replace(file: Path) -> None:
    """As somebody does who copies a backup over it."""
    _delete(file)
    with sqlite3.connect(file) as other:
        other.execute("CREATE TABLE t (a)")


LOSSES: dict[str, Callable[[Path], None]] = {"deleted": _delete, "replaced": _replace}


@pytest.mark.parametrize("loss", LOSSES)
async def test_a_lost_file_ends_the_relay_with_one_line(
    start: Start, variables: dict[str, str], loss: str
) -> None:
    file = Path(variables["DATABASE_URL"].removeprefix("sqlite://"))
    async with serving(start, variables) as relay:
        await register(relay)
        assert (await relay.post("/v1/event", **EVENT))["ok"]
        LOSSES[loss](file)
        assert await relay.ended() == 1
        (line,) = [line for line in relay.log.splitlines() if line.startswith("relay: ")]
        assert f"the database {file}" in line
        assert "was deleted or replaced" in line
        assert "Traceback" not in relay.log


# The other commands.


async def output(start: Start, variables: dict[str, str], *arguments: str) -> str:
    relay: Relay = await start(variables, *arguments)
    assert (await relay.ended(), relay.log) == (0, "")
    return relay.out


async def test_migrate_makes_the_tables(start: Start, variables: dict[str, str]) -> None:
    for _ in range(2):
        assert await output(start, variables, "migrate") == ""
    assert deliveries(variables) == []


async def test_version(start: Start, variables: dict[str, str]) -> None:
    assert await output(start, variables, "--version") == f"relay {__version__}\n"


async def test_pair_prints_a_link(start: Start, variables: dict[str, str]) -> None:
    secret = {"RELAY_SECRET": SECRET}
    url = "--relay-url=https://relay.example.org"
    assert "mobilevoice:///?pair=" in await output(start, variables | secret, "pair", url)


async def test_pair_completes_in_a_shell(start: Start, variables: dict[str, str]) -> None:
    assert "--advertise-host" in await output(start, variables, "completion", "bash")


# What it says when it is up, and how its log reads.


async def test_in_a_terminal_it_begins_with_what_it_uses(variables: dict[str, str]) -> None:
    async with in_terminal("serve", environment=variables) as terminal:
        await terminal.shows("listening")
        process = terminal.process
        process.terminate()
        assert await terminal.ended() == 0
    said = terminal.text
    assert "(Ctrl-C stops)\ndatabase  SQLite, " in said
    assert "\nphones    0\nreach     this machine only; RELAY_HOST=0.0.0.0 lets others in\n" in said


async def test_without_a_terminal_it_is_one_line_of_the_log(start: Start, variables: dict[str, str]) -> None:
    async with serving(start, variables) as relay:
        assert relay.out == ""
        (listening,) = [text for text in relay.log.splitlines() if " listening " in text]
        assert re.match(
            r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO relay.server.serve listening url=", listening
        )
        assert ' phones=0 reach="this machine only' in listening


async def test_as_json(start: Start, variables: dict[str, str]) -> None:
    async with serving(start, variables | {"RELAY_LOG": "json"}) as relay:
        await register(relay)
        await eventually(lambda: '"register"' in relay.log)
        entries = [json.loads(text) for text in relay.log.splitlines()]
    assert {"at", "level", "logger", "what"} <= set.intersection(*map(set, entries))
    assert [one["phones"] for one in entries if one["what"] == "listening"] == ["0"]
    assert all(datetime.fromisoformat(one["at"]).utcoffset() == timedelta(0) for one in entries)


async def test_only_what_is_worse(start: Start, variables: dict[str, str]) -> None:
    relay: Relay = await start(variables | {"RELAY_LOG_LEVEL": "error"}, "serve")

    async def up() -> bool:
        try:
            return bool((await relay.get("/health"))["ok"])
        except aiohttp.ClientError:
            return False

    await eventually(up)
    assert relay.log == ""


@pytest.mark.parametrize(
    ("words", "said"), [("sevre", "did you mean serve?"), ("serve --prot=1", "there is no option --prot")]
)
async def test_what_it_does_not_understand(
    start: Start, variables: dict[str, str], words: str, said: str
) -> None:
    relay: Relay = await start(variables, *words.split())
    assert await relay.ended() == 2
    assert said in relay.log
    assert relay.log.count("\n") == 1


# Phones, from the database of a relay that runs.


@pytest.mark.parametrize("words", ["phones", "forget abcdef", "log", "secret revoke a"])
async def test_who_looks_where_no_database_is_learns_so(start: Start, tmp_path: Path, words: str) -> None:
    url = {"DATABASE_URL": f"sqlite://{tmp_path}/elsewhere.sqlite3"}
    relay: Relay = await start(url, *words.split())
    assert await relay.ended() == 1
    assert relay.log == (
        f"relay: there is no database {tmp_path}/elsewhere.sqlite3: DATABASE_URL says where the relay's is\n"
    )
    assert not (tmp_path / "elsewhere.sqlite3").exists()


async def test_phones_are_listed_and_forgotten(start: Start, variables: dict[str, str]) -> None:
    of_database = {"DATABASE_URL": variables["DATABASE_URL"]}  # no key is needed to look into it
    async with serving(start, variables) as relay:
        assert await output(start, of_database, "phones") == "no phone is registered\n"
        await register(relay)
        await relay.post("/v1/device/register", secret=SECRET, deviceToken="cd" * 32)
        first, second = (await output(start, of_database, "phones")).splitlines()
        assert "phone …abababab  com.example.app (" in first
        assert TOKEN not in first
        assert SECRET not in first
        assert "phone …cdcdcdcd" in second
        assert await output(start, of_database, "forget", "…abababab") == "forgot the phone …abababab\n"
        assert len((await output(start, of_database, "phones")).splitlines()) == 1
        secret = second.split()[1].rstrip("…")
        assert await output(start, of_database, "forget", secret) == "forgot the secret and its 1 phone(s)\n"
        assert await output(start, of_database, "phones") == "no phone is registered\n"
        assert await relay.post("/v1/event", **EVENT) == {"ok": True, "sent": 0, "failed": 0, "queued": 0}
        assert await output(start, variables, "log") == "no delivery is in the log\n"
        for word, said in (("ab", "at least 6 characters"), ("abababab", "nothing is called 'abababab'")):
            refused: Relay = await start(variables, "forget", word)
            assert await refused.ended() == 1
            assert said in refused.log


# Secrets that the operator knows, from the database of relays that run.


async def test_two_relays_on_one_database_take_what_the_operator_adds_and_nothing_that_is_revoked(
    start: Start, variables: dict[str, str], environment: Callable[..., dict[str, str]]
) -> None:
    known = variables | {"RELAY_REGISTRATION": "known"}
    async with serving(start, known) as one, serving(start, known | {"PORT": str(free_port())}) as other:

        async def answers(secret: str) -> list[str]:
            event = EVENT | {"secret": secret}
            return [str((await each.post("/v1/event", **event)).get("code", "ok")) for each in (one, other)]

        assert await answers(SECRET) == ["secret_unknown"] * 2
        added: Relay = await start(known, "secret", "add", "alice")
        assert await added.ended() == 0
        (secret,) = added.out.splitlines()
        assert secret not in added.log
        assert "This is the secret of alice, shown only now" in added.log
        assert await answers(secret) == ["ok"] * 2
        assert await answers(SECRET) == ["secret_unknown"] * 2
        again: Relay = await start(known, "secret", "add", "Alice")
        assert await again.ended() == 1
        assert (
            again.log
            == "relay: there is a secret called alice: relay secret list shows all, relay secret revoke takes one back\n"
        )
        assert await other.post("/v1/device/register", secret=secret, deviceToken=TOKEN) == {"ok": True}
        settings = load(environment(DATABASE_URL=variables["DATABASE_URL"]))
        assert (await revoke(settings, "alice")).result.startswith(
            "revoked alice: its 1 phone(s) are forgotten"
        )
        assert await answers(secret) == ["secret_replaced"] * 2
        for relay in (one, other):
            assert secret not in relay.log
            assert "reason=secret_unknown" in relay.log
