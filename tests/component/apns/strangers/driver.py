"""What the Python strangers share: Apple's host names lead to the sandbox, and pushes are asked for line by line.

Standard input: one JSON object with the settings, then one object a line, `{"pushes": [push, ...], "at_once": bool}`. Each
line is answered by a JSON list on standard output, an outcome a push: `{"reason": text or null, "timestamp": ms or absent}`, in
which a failure of the library itself has its exception's name as the reason.
"""

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from tempfile import NamedTemporaryFile
from typing import Any

Json = dict[str, Any]
Outcome = dict[str, Any]
APPLE = ".push.apple.com"
APPLES_PORTS = (443, 2197)


def settings() -> Json:
    """The first line; from here on Apple's names mean the sandbox, and its CA is trusted."""
    given: Json = json.loads(sys.stdin.readline())
    for name in ("ca", "key"):
        with NamedTemporaryFile("w", suffix=".pem", delete=False) as file:
            file.write(given[name])
        given[f"{name}_file"] = file.name
    os.environ["SSL_CERT_FILE"] = given["ca_file"]
    _redirect(given["port"])
    return given


def _redirect(port: int) -> None:
    resolve, connect = socket.getaddrinfo, socket.socket.connect

    def getaddrinfo(host: Any, *more: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        return resolve("127.0.0.1" if name and name.endswith(APPLE) else host, *more, **options)

    def to_sandbox(self: socket.socket, address: Any) -> None:
        if address[0] == "127.0.0.1" and address[1] in APPLES_PORTS:
            address = ("127.0.0.1", port)
        connect(self, address)

    socket.getaddrinfo = getaddrinfo
    socket.socket.connect = to_sandbox  # type: ignore[method-assign]


def commands() -> Iterator[Json]:
    """What is asked for, until standard input ends."""
    for line in sys.stdin:
        yield json.loads(line)


async def awaited_commands() -> AsyncIterator[Json]:
    """The same for a library whose connections live on the event loop."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        yield json.loads(line)


async def serve(send: Callable[[Json], Awaitable[Outcome]]) -> None:
    """Drive a library that sends many pushes at once."""
    async for command in awaited_commands():
        if command["at_once"]:
            answer(list(await asyncio.gather(*map(send, command["pushes"]))))
        else:
            answer([await send(push) for push in command["pushes"]])


def answer(outcomes: list[Outcome]) -> None:
    """The outcomes of one command."""
    print(json.dumps(outcomes), flush=True)


def one_by_one(send: Callable[[Json], Outcome]) -> None:
    """Drive a library that sends one push at a time."""
    for command in commands():
        answer([attempt(send, push) for push in command["pushes"]])


def attempt(send: Callable[[Json], Outcome], push: Json) -> Outcome:
    """One push; whatever the library raises is its outcome."""
    try:
        return send(push)
    except Exception as error:  # the strangers have no common base
        return {"reason": type(error).__name__.removesuffix("Exception")}
