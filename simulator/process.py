"""A part of the product as a process of its own, started by its public command and read by what it prints."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
import time
from calendar import timegm
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from simulator.journal import Journal
from simulator.loopback import HOST, free_port

_LINE = re.compile(
    r"^(?P<date>\S+)\.(?P<ms>\d{3})Z (?P<level>[A-Z]+) (?P<logger>[\w.]+) (?P<what>[^=]*?)(?P<fields>(?: [\w-]+=.*)?)$"
)
_FIELD = re.compile(r'([\w-]+)=("(?:[^"\\]|\\.)*"|\S*)')


class LogLine(NamedTuple):
    """One line: when (UNIX seconds), its level, the part of the program, what happened, and the fields as text."""

    at: float
    level: str
    logger: str
    what: str
    fields: dict[str, str]


def parse(line: str) -> LogLine | None:
    """The parts of a log line; None for anything else, such as a traceback."""
    match = _LINE.match(line.rstrip("\n"))
    if match is None:
        return None
    fields = {name: _value(text) for name, text in _FIELD.findall(match["fields"])}
    at = timegm(time.strptime(match["date"], "%Y-%m-%dT%H:%M:%S")) + int(match["ms"]) / 1000
    return LogLine(at, match["level"], match["logger"], match["what"].strip(), fields)


def _value(text: str) -> str:
    return str(json.loads(text)) if text.startswith('"') else text


START_SECONDS = 60.0
"""A process that is not up after so long never will be, however busy the machine is."""
STOP_SECONDS = 15.0
KEPT_LINES = 200
LINE_LIMIT = 1 << 20


class CommandError(Exception):
    """A command ended, or did not come up, when it should have; the text holds its last words."""


class Command:
    """`relay serve`, `relay bridge`: start, wait for a line, stop, kill, start again.

    Its log lines go into the journal: `where` is the name given here, `what` and the fields come from the line.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        journal: Journal,
        *,
        environment: Mapping[str, str],
        folder: Path,
    ) -> None:
        self.name = name
        self._arguments, self._environment, self._folder = arguments, environment, folder
        self._journal = journal
        self._process: asyncio.subprocess.Process | None = None
        self._readers: list[asyncio.Task[None]] = []
        self._printed = asyncio.Event()
        self.output: list[str] = []
        self.log: deque[str] = deque(maxlen=KEPT_LINES)

    async def start(self) -> None:
        """Start the process. It inherits nothing but what it needs, so that a run is the same everywhere."""
        self.output.clear()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "relay", *self._arguments,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env=_inherited() | dict(self._environment), cwd=self._folder, limit=LINE_LIMIT, start_new_session=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._readers = [
            asyncio.create_task(self._read_output(self._process.stdout), name=f"{self.name}-stdout"),
            asyncio.create_task(self._read_log(self._process.stderr), name=f"{self.name}-stderr"),
        ]
        self._journal.record(self.name, "process started", pid=self._process.pid)

    async def printed(self, pattern: str, within: float | None) -> str:
        """The first line on its standard output that matches. Raises CommandError if it ends or takes too long (None: never)."""
        try:
            async with asyncio.timeout(within):
                while not (lines := [line for line in self.output if re.search(pattern, line)]):
                    await self._raise_if_output_ended()
                    self._printed.clear()
                    await self._printed.wait()
        except TimeoutError:
            raise CommandError(
                f"{self.name} did not print {pattern!r} within {within:g} s{self._last()}"
            ) from None
        return lines[0]

    @property
    def pid(self) -> int:
        """Of the process. Raises CommandError if none runs."""
        self.raise_if_ended()
        assert self._process is not None
        return self._process.pid

    async def until_ended(self) -> None:
        """Return never while it runs; then raise CommandError with its last words."""
        await asyncio.wait(self._readers)
        if self._process is not None:
            await self._process.wait()
        self.raise_if_ended()

    def raise_if_ended(self) -> None:
        """Raise CommandError with its last words if the process is not running."""
        if self._process is None or self._process.returncode is not None:
            raise CommandError(f"{self.name} ended{self._last()}")

    async def stop(self) -> int:
        """Ask it to end (SIGTERM); its exit status. Killed if it takes longer than 15 s."""
        return await self._end(signal.SIGTERM)

    async def kill(self) -> int:
        """End it without a word (SIGKILL)."""
        return await self._end(signal.SIGKILL)

    async def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        if process.returncode is None:
            # Not process.send_signal: that reaps a process which has just ended, and its status is lost.
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, number)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                status = await process.wait()
        except TimeoutError:
            process.kill()
            status = await process.wait()
        await asyncio.gather(*self._readers)
        self._journal.record(self.name, "process ended", status=status)
        return status

    async def _raise_if_output_ended(self) -> None:
        if self._process is None or self._process.stdout is None or self._process.stdout.at_eof():
            await asyncio.wait(self._readers)  # its last words are on the other pipe
            raise CommandError(f"{self.name} ended{self._last()}")

    def _last(self) -> str:
        return f": {self.log[-1]}" if self.log else ""

    async def _read_output(self, stream: asyncio.StreamReader) -> None:
        async for line in stream:
            self.output.append(line.decode(errors="replace").rstrip("\n"))
            self._printed.set()
        self._printed.set()

    async def _read_log(self, stream: asyncio.StreamReader) -> None:
        async for raw in stream:
            text = raw.decode(errors="replace").rstrip("\n")
            self.log.append(text)
            line = parse(text)
            if line is not None:
                self._journal.record_at(line.at, self.name, line.what, level=line.level, **_safe(line.fields))


class RelayProcess(Command):
    """`relay serve` on a port of its own. `environment` says where its database and its APNs are."""

    def __init__(self, journal: Journal, *, environment: Mapping[str, str], folder: Path) -> None:
        port = free_port()
        self.url = f"http://{HOST}:{port}"
        self.environment = {**environment, "PORT": str(port)}
        super().__init__("relay", ["serve"], journal, environment=self.environment, folder=folder)

    async def start(self) -> None:
        """Start it, for the first time or again; return when it answers. Raises CommandError if it does not."""
        await super().start()
        try:
            async with asyncio.timeout(START_SECONDS):
                while await self.health() is None:
                    self.raise_if_ended()
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise CommandError(f"the relay does not answer at {self.url}") from None

    async def health(self) -> dict[str, Any] | None:
        """Its answer to GET /health; None if there is none."""
        timeout = aiohttp.ClientTimeout(total=2)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as http,
                http.get(f"{self.url}/health") as response,
            ):
                found: dict[str, Any] = await response.json()
                return found if response.status == 200 else None
        except (aiohttp.ClientError, TimeoutError):
            return None


def _safe(fields: dict[str, str]) -> dict[str, str]:
    """Fields whose names would clash with those of an entry get an underscore."""
    return {f"{name}_" if name in ("where", "what", "level") else name: text for name, text in fields.items()}


def _inherited() -> dict[str, str]:
    names = (
        "PATH",
        "HOME",
        "LANG",
        "LC_ALL",
        "PYTHONPATH",
        "COVERAGE_PROCESS_START",
        "COVERAGE_PROCESS_CONFIG",
        "TMPDIR",
    )
    return {name: os.environ[name] for name in names if name in os.environ}
