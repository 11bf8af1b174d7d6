"""The command line of the bridge's own `opencode serve`, and where it answers then. Pure but for the look into PATH."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from relay.bridge.errors import OptionError
from relay.bridge.pairing.hosts import WILDCARDS, port_of
from relay.bridge.sources.opencode1.client import Address


@dataclass(frozen=True)
class Command:
    """How `opencode serve` is started, and at which `host` it answers then, on `port` unless that is 0: it chooses one."""

    words: tuple[str, ...]
    host: str
    port: int
    environment: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Command({self.words!r}, host={self.host!r})"  # the environment holds secrets


def serve_command(where: Address, arguments: Sequence[str], environment: Mapping[str, str]) -> Command:
    """`opencode serve` so that it listens at `where` unless `arguments`, its own, say otherwise.

    The program is OPENCODE_BIN or the one in PATH; it gets the password that the bridge uses. Raises OptionError if there
    is no such program.
    """
    name = environment.get("OPENCODE_BIN") or "opencode"
    program = shutil.which(name, path=environment.get("PATH"))
    if program is None:
        raise OptionError(f"there is no program {name}: install OpenCode, or name it in OPENCODE_BIN")
    hostname = _argument("--hostname", arguments) or _hostname(where, arguments)
    words = [program, "serve", *arguments]
    if not _argument("--hostname", arguments):
        words.append(f"--hostname={hostname}")
    port = _argument("--port", arguments)
    if not port:
        port = str(port_of(where.url))
        words.append(f"--port={port}")
    number = int(port) if port.isdecimal() else 0
    return Command(tuple(words), _answering(hostname), number, {**environment, **_credentials(where)})


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


def _credentials(where: Address) -> dict[str, str]:
    if where.password is None:
        return {}
    return {"OPENCODE_SERVER_USERNAME": where.username, "OPENCODE_SERVER_PASSWORD": where.password}
