"""`opencode serve` of either generation as the bridge's own child: its command line, and the process with its tools."""

import asyncio
import contextlib
import logging
import os
import re
import shutil
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from relay.bridge.address import Address, port_of
from relay.bridge.errors import OptionError, ServeError
from relay.bridge.pairing.hosts import WILDCARDS, answering_addresses
from relay.log import line
from relay.text import cut


@dataclass(frozen=True)
class Command:
    """How `opencode serve` is started, and at which `host` it answers then, on `port` unless that is 0: it chooses one."""

    words: tuple[str, ...]
    host: str
    port: int
    environment: Mapping[str, str]
    generation: int = 1

    def __repr__(self) -> str:
        return f"Command({self.words!r}, host={self.host!r})"  # the environment holds secrets


def program_in(environment: Mapping[str, str]) -> str:
    """OPENCODE_BIN, or `opencode` in PATH. Raises OptionError if there is no such program."""
    name = environment.get("OPENCODE_BIN") or "opencode"
    program = shutil.which(name, path=environment.get("PATH"))
    if program is None:
        raise OptionError(f"there is no program {name}: install OpenCode, or name it in OPENCODE_BIN")
    return program


_VERSION = re.compile(r"\d+\.\d+\.\d+")


def generation_of(said: str) -> int:
    """The generation of a program by what its `--version` prints: `1.18.33`, or `opencode v2.0.22`; betas are 0.0.0-next-…

    1 if it says nothing of the kind: that one was there first. Pure.
    """
    version = _VERSION.search(said)
    return 2 if version and (int(version[0].partition(".")[0]) >= 2 or version[0] == "0.0.0") else 1


async def ask_version(program: str, environment: Mapping[str, str], seconds: float = 20.0) -> str:
    """What `program --version` prints, on either stream; "" if it does not end in time or cannot run."""
    try:
        process = await asyncio.create_subprocess_exec(
            program, "--version", env=environment, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    except OSError:
        return ""
    try:
        async with asyncio.timeout(seconds):
            said, _ = await process.communicate()
    except TimeoutError:
        return ""
    finally:
        _signal_group(process.pid, signal.SIGKILL)
        await process.wait()
    return said.decode(errors="replace")


def serve_command(
    where: Address, arguments: Sequence[str], environment: Mapping[str, str], generation: int = 1
) -> Command:
    """`opencode serve` so that it listens at `where` unless `arguments`, its own, say otherwise.

    It gets the password that the bridge uses. Raises OptionError if there is no such program.
    """
    hostname = _argument("--hostname", arguments) or _hostname(where, arguments)
    words = [program_in(environment), "serve", *arguments]
    if not _argument("--hostname", arguments):
        words.append(f"--hostname={hostname}")
    port = _argument("--port", arguments)
    if not port:
        port = str(port_of(where.url))
        words.append(f"--port={port}")
    number = int(port) if port.isdecimal() else 0
    return Command(
        tuple(words),
        _answering(hostname),
        number,
        {**environment, **_credentials(where, generation)},
        generation,
    )


def _argument(name: str, arguments: Sequence[str]) -> str | None:
    """The value of an option, as in `--port 1` and `--port=1`."""
    for word, following in zip(arguments, [*arguments[1:], ""], strict=False):
        if word == name:
            return following
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return None


def _hostname(where: Address, arguments: Sequence[str]) -> str:
    if "--mdns" in arguments:
        return "0.0.0.0"  # noqa: S104  what OpenCode itself takes then: a name is of use only to other machines
    return where.host if where.host != "localhost" else "127.0.0.1"


def _answering(hostname: str) -> str:
    """Where a server answers that listens on `hostname`, as it stands in a URL."""
    if hostname in WILDCARDS:
        hostname = "::1" if ":" in hostname else "127.0.0.1"
    return f"[{hostname}]" if ":" in hostname else hostname


def _credentials(where: Address, generation: int) -> dict[str, str]:
    """Both generations read the variable of the first; the second asks its own first, and knows one user only."""
    if where.password is None:
        return {}
    name = {"OPENCODE_SERVER_USERNAME": where.username} if generation == 1 else {}
    return name | dict.fromkeys(("OPENCODE_SERVER_PASSWORD", "OPENCODE_PASSWORD"), where.password)


log = logging.getLogger("relay.bridge.sources.serve")

START_SECONDS = 60.0
STOP_SECONDS = 10.0
"""For SIGTERM to have its effect, before SIGKILL."""

OPEN_SECONDS = 0.25
"""Between two tries of its port."""

LAST_WORDS_SECONDS = 1.0
"""For what it said before it ended to come through the pipe."""

READY = re.compile(rb"(?:opencode )?server listening on \S*:(\d+)/?\s")
"""What `opencode serve` prints once it listens. OpenCode's own SDK waits for this line, too (observed on 1.18;
the second generation leaves out the first word, recorded on its beta)."""


class OpenCodeServe:
    """The process. It has a process group of its own, so Ctrl-C reaches the bridge alone, which then stops it."""

    def __init__(
        self, command: Command, *, start_seconds: float = START_SECONDS, stop_seconds: float = STOP_SECONDS
    ) -> None:
        self._command = command
        self._start_seconds = start_seconds
        self._stop_seconds = stop_seconds
        self._process: asyncio.subprocess.Process | None = None
        self._output = Output()

    async def start(self) -> str:
        """Where it listens, once it does. Raises ServeError if it ends before, or takes longer than `start_seconds`."""
        opens = await self._may_be_asked()
        process = self._process = await self._run()
        ended = asyncio.create_task(process.wait(), name="bridge-opencode")
        opened = asyncio.create_task(self._opened(), name="bridge-opencode-port") if opens else None
        try:
            parts = {ended, self._output.port} | ({opened} if opened else set())
            await asyncio.wait(parts, timeout=self._start_seconds, return_when=asyncio.FIRST_COMPLETED)
            if not self._output.port.done() and not (opened and opened.done()):
                raise await self._failed(ended)
        finally:
            for task in (ended, opened):
                if task:
                    task.cancel()
        port = self._output.port.result() if self._output.port.done() else self._command.port
        log.info(line("started", pid=process.pid, port=port, generation=self._command.generation))
        return f"http://{self._command.host}:{port}"

    async def _may_be_asked(self) -> bool:
        """Whether it is enough that its port opens, for releases whose words are others: nobody else has the port.

        Not of generation 1: what comes before it is ready is never answered (1.18, observed).
        """
        return self._command.generation > 1 and bool(self._command.port) and not await self._is_open()

    async def _is_open(self) -> bool:
        return bool(await answering_addresses([self._command.host.strip("[]")], self._command.port))

    async def _opened(self) -> None:
        while True:
            if await self._is_open():
                return
            await asyncio.sleep(OPEN_SECONDS)

    async def ended(self) -> None:
        """Wait until it ends by itself, and raise ServeError then."""
        assert self._process is not None
        raise ServeError(
            f"opencode serve ended with status {await self._process.wait()}; the bridge stops with it"
        )

    async def stop(self) -> None:
        """Ask it to end, and end it if it does not; nothing of its process group is left."""
        process, self._process = self._process, None
        if process is None:
            return
        _signal_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._stop_seconds):
                await process.wait()
        _signal_group(process.pid, signal.SIGKILL)  # itself, or tools that it left behind
        await process.wait()
        self._output.close()

    async def _run(self) -> asyncio.subprocess.Process:
        # A pipe of our own: asyncio's would make wait() wait for tools that hold its other end, too.
        read_end, write_end = os.pipe()
        await asyncio.get_running_loop().connect_read_pipe(lambda: self._output, os.fdopen(read_end, "rb"))
        try:
            return await asyncio.create_subprocess_exec(
                *self._command.words, env=self._command.environment, stdin=asyncio.subprocess.DEVNULL,
                stdout=write_end, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            self._output.close()
            raise ServeError(f"cannot run {self._command.words[0]}: {error.strerror}") from None
        finally:
            os.close(write_end)

    async def _failed(self, ended: asyncio.Task[int]) -> ServeError:
        if not ended.done():
            return ServeError(f"opencode serve did not listen within {self._start_seconds:g} s")
        await asyncio.wait({self._output.ended}, timeout=LAST_WORDS_SECONDS)
        words = await self._taken() or _last_words(self._output.said)
        return ServeError(f"opencode serve ended with status {ended.result()} before it listened: {words}")

    async def _taken(self) -> str:
        """What it does not say itself (1.18 calls it an unexpected error): that its port is another's."""
        host, port = self._command.host, self._command.port
        if not port or not await self._is_open():
            return ""
        return (
            f"something else listens on {host}:{port}; if that is OpenCode, leave out --start-opencode, "
            "else name another port by --opencode-url"
        )


class Output(asyncio.Protocol):
    """What it prints: `port` is known once it listens; the rest is read and dropped, for a full pipe would stop it.

    `ended`: nothing more can come.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.port: asyncio.Future[int] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.said = b""
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The pipe is open."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """It said something."""
        if self.port.done():
            return
        self.said += data
        if ready := READY.search(self.said):
            self.port.set_result(int(ready[1]))

    def connection_lost(self, _: Exception | None) -> None:
        """The pipe is closed."""
        self.ended.set_result(None)

    def close(self) -> None:
        """Read no more of it."""
        if self._transport:
            self._transport.close()


def _last_words(said: bytes) -> str:
    lines = [line for line in said.decode(errors="replace").splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith("Warning: ")]
    return cut(telling[-1].strip(), 200) if telling else "it said no reason"


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # gone; macOS: only its zombie is left
        os.killpg(group, number)
