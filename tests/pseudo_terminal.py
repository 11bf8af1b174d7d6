"""A command in a terminal of a given size, and what a person sees there."""

import asyncio
import fcntl
import os
import pty
import struct
import sys
import termios
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from waiting import PATIENCE, eventually


class PseudoTerminal:
    """`text` is all that was written, with its colours."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.raw = b""

    @property
    def text(self) -> str:
        return self.raw.decode(errors="replace").replace("\r\n", "\n")

    async def shows(self, words: str) -> None:
        """Wait for them."""
        await eventually(lambda: words in self.text)

    async def ended(self) -> int:
        """Its exit status."""
        return await asyncio.wait_for(self.process.wait(), PATIENCE)


@asynccontextmanager
async def in_terminal(
    *words: str,
    environment: Mapping[str, str],
    columns: int = 80,
    lines: int = 24,
    term: str = "xterm-256color",
) -> AsyncIterator[PseudoTerminal]:
    """`python -m relay WORDS` with standard output and error in one terminal."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "relay", *words, stdin=asyncio.subprocess.DEVNULL, stdout=slave, stderr=slave,
        env={**os.environ, "TERM": term, **environment},
    )  # fmt: skip
    os.close(slave)
    os.set_blocking(master, False)
    terminal = PseudoTerminal(process)

    def read() -> None:
        try:
            data = os.read(master, 1 << 16)
        except OSError:  # EIO: nobody writes any more
            data = b""
        if data:
            terminal.raw += data
        else:
            asyncio.get_running_loop().remove_reader(master)

    asyncio.get_running_loop().add_reader(master, read)
    try:
        yield terminal
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        asyncio.get_running_loop().remove_reader(master)
        os.close(master)
