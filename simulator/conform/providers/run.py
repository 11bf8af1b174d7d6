"""One case: a fresh sandbox with its faults, the provider as a process, its reports, and the verdict."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from simulator.conform.providers.cases import Case, GoAway, Idle, Pushes
from simulator.conform.providers.verdict import KEY, Evidence, Verdict, findings
from simulator.lab import AsyncApnsSandbox

Json = dict[str, Any]

KEPT: Final = 50_000
START_SECONDS: Final = 20.0
"""Until it connects: an interpreter may have to start."""
END_SECONDS: Final = 15.0
AT_ONCE: Final = 3
"""Cases side by side: most of their time is waiting."""
LINE_LIMIT: Final = 1 << 20
BESIDE: Final[Json] = {"device_rate": None, "first_stream_limit": 100}
"""Where a case says nothing else: one phone takes all pushes, and a connection is warm, so that each case is about one thing."""


class Provider:
    """The process: it is given pushes as JSON lines on standard input, and reports on each by one on standard output."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.reports: dict[str, Json] = {}
        self._reported = asyncio.Event()
        self._tasks = [
            asyncio.create_task(self._read(), name="provider-reports"),
            asyncio.create_task(self._listen(), name="provider-errors"),
        ]
        self._last_words = ""

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            with contextlib.suppress(ValueError):
                report = json.loads(line)
                if isinstance(report, dict) and "id" in report:
                    self.reports.setdefault(str(report["id"]), report)
            self._reported.set()
        self._reported.set()

    async def _listen(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self._last_words = line.decode(errors="replace").strip() or self._last_words

    @property
    def died(self) -> str:
        """Its last words, if it ended by itself."""
        status = self._process.returncode
        return "" if status is None else f"status {status}, {self._last_words or 'without a word'}"

    @property
    def has_spoken(self) -> bool:
        """Whether it has reported on anything, or has ended."""
        return bool(self.reports) or self._tasks[0].done()

    async def push(self, lines: Sequence[Json]) -> None:
        """Hand over pushes, all at once."""
        assert self._process.stdin is not None
        with contextlib.suppress(ConnectionError):
            self._process.stdin.write("".join(json.dumps(line) + "\n" for line in lines).encode())
            await self._process.stdin.drain()

    async def until_reported(self, ids: Sequence[str], seconds: float) -> None:
        """Return when it has reported on all of these, has ended, or the time is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not all(one in self.reports for one in ids) and not self._tasks[0].done():
                    self._reported.clear()
                    await self._reported.wait()

    async def end(self) -> None:
        """Its input ends, and so should it; else it is killed, with what it started."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(END_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self.kill()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._process.wait()

    def kill(self) -> None:
        """At once, the shell and its children."""
        with contextlib.suppress(ProcessLookupError):
            if sys.platform == "win32":
                self._process.kill()
            else:
                os.killpg(self._process.pid, signal.SIGKILL)


def environment(apns: AsyncApnsSandbox, port: int) -> dict[str, str]:
    """What the provider is given beside the variables of this process."""
    return {
        "APNS_HOST": apns.host,
        "APNS_PORT": str(port),
        "APNS_CA_FILE": str(apns.ca_file),
        "APNS_KEY_FILE": str(apns.key_file),
        "APNS_KEY_ID": apns.key_id,
        "APNS_TEAM_ID": apns.team_id,
        "APNS_TOPIC": apns.bundle_id,
        "APNS_CONNECT_PROXY": apns.proxy_url or "",
    }


@asynccontextmanager
async def started(command: str, variables: Mapping[str, str]) -> AsyncIterator[Provider]:
    """The provider as a process of a shell, in a group of its own."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_shell(
        command, stdin=pipe, stdout=pipe, stderr=pipe, env=os.environ | variables, limit=LINE_LIMIT, start_new_session=True
    )  # fmt: skip
    provider = Provider(process)
    try:
        yield provider
    finally:
        if process.returncode is None:
            provider.kill()
            await process.wait()


@asynccontextmanager
async def black_hole() -> AsyncIterator[int]:
    """The port of a server that takes connections and says nothing."""
    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: writers.append(writer), "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for writer in writers:
            writer.close()


async def run_case(case: Case, command: str) -> Verdict:
    """Put the provider through a case."""
    began = time.monotonic()
    async with AsyncApnsSandbox(proxy_port=0, keep=KEPT) as apns, black_hole() as hole:
        apns.change_profile(**BESIDE | case.profile)
        apns.faults.load(case.rules)
        port = hole if case.black_hole else apns.port
        ids: list[str] = []
        async with started(command, environment(apns, port)) as provider:
            await _play(case, apns, provider, ids)
            died, in_time = provider.died, dict(provider.reports)
            await provider.end()
        await _until_closed(apns)
        reports = provider.reports if case.ends_at_once else in_time
        evidence = _evidence(apns, ids, reports, died)
    return Verdict(
        case.name, case.about, len(ids), round(time.monotonic() - began, 1), findings(case, evidence)
    )


async def _play(case: Case, apns: AsyncApnsSandbox, provider: Provider, ids: list[str]) -> None:
    last = len(case.steps) - 1
    for number, step in enumerate(case.steps):
        if isinstance(step, Idle):
            apns._lab.sandbox.idle_timeout()
            await asyncio.sleep(step.seconds)
        elif isinstance(step, GoAway):
            await _until_all_came(apns, ids)
            apns.goaway()
        else:
            lines = [_line(apns, str(len(ids) + n), step) for n in range(step.count)]
            ids += [line["id"] for line in lines]
            await provider.push(lines)
        if number == last and case.ends_at_once:
            await _until_all_came(apns, ids)
        elif number == last or not isinstance(case.steps[number + 1], GoAway):
            if number == 0 and not case.black_hole:
                await _until_it_is_up(apns, provider)
            await provider.until_reported(ids, case.seconds)
            if not provider.reports.keys() >= set(ids):
                return  # what hangs now hangs for good


async def _until_it_is_up(apns: AsyncApnsSandbox, provider: Provider) -> None:
    """It has connected, reported or ended; an interpreter takes its time to start."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(START_SECONDS):
            while not apns._lab.journal.entries("apns", "connection_opened") and not provider.has_spoken:  # noqa: ASYNC110
                await asyncio.sleep(0.02)


async def _until_all_came(apns: AsyncApnsSandbox, ids: Sequence[str]) -> None:
    with contextlib.suppress(TimeoutError):
        await apns.wait_for_pushes(len(ids), timeout=START_SECONDS)


async def _until_closed(apns: AsyncApnsSandbox) -> None:
    """The sandbox has seen that the provider's sockets are gone."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(END_SECONDS):
            while apns._lab.sandbox.connections:  # noqa: ASYNC110 - sockets that close set no event
                await asyncio.sleep(0.01)


def _line(apns: AsyncApnsSandbox, number: str, step: Pushes) -> Json:
    """One push as the provider is given it."""
    payload = {"aps": {"alert": {"title": f"Push {number}"}}, KEY: number}
    return {
        "id": number,
        "token": apns.device.token,
        "topic": apns.bundle_id,
        "push_type": "alert",
        "priority": 10,
        "payload": payload | ({"text": "x" * step.size} if step.size else {}),
    } | ({} if step.apns_id is None else {"apns_id": step.apns_id})


def _evidence(apns: AsyncApnsSandbox, ids: Sequence[str], reports: Mapping[str, Json], died: str) -> Evidence:
    journal = apns._lab.journal
    opened = journal.entries("apns", "connection_opened")
    broken = [*journal.entries("apns", "protocol_error"), *journal.entries("apns", "stream_reset")]
    return Evidence(
        pushes=tuple(ids),
        reports=dict(reports),
        shown=Counter(str(one.payload.get(KEY)) for one in apns.device.notifications),
        requests=apns.sent,
        without_alpn=sum(entry.detail["alpn"] != "h2" for entry in opened),
        unfinished=sum(entry.detail["unfinished"] for entry in journal.entries("apns", "connection_closed")),
        errors=[str(entry.detail.get("message") or entry.detail.get("why")) for entry in broken],
        died=died,
    )


async def run_cases(
    cases: Sequence[Case], command: str, report: Callable[[Verdict], object] = lambda _: None
) -> list[Verdict]:
    """All of them, some side by side; `report` is called as soon as one is known, the list is in the order of the cases."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(case: Case) -> Verdict:
        async with places:
            verdict = await run_case(case, command)
        report(verdict)
        return verdict

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(case), name=f"case {case.name}") for case in cases]
    return [task.result() for task in tasks]
