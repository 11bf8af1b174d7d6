"""Programs of Debian's packages as `tests/install-unpacked` has them: Prometheus and Caddy, each on loopback in a folder of its own."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from simulator.loopback import free_port
from waiting import eventually

ROOT = Path(__file__).parents[1]


def installed(name: str) -> str:
    """The program of Debian's package, or as it was unpacked."""
    found = shutil.which(name) or shutil.which(ROOT / f".venv/{name}/usr/bin/{name}")
    if found is None:
        pytest.skip(f"NOT TESTED with a real {name}: it is not installed (tests/install-unpacked {name})")
    return found


@asynccontextmanager
async def _running(folder: Path, *words: str, **environment: str) -> AsyncIterator[None]:
    with (folder / f"{Path(words[0]).name}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *words, env={"PATH": os.environ["PATH"]} | environment, stdout=log, stderr=log, cwd=folder
        )
    try:
        yield
    finally:
        process.kill()
        await process.wait()


# Prometheus.


@asynccontextmanager
async def prometheus(folder: Path, config: str) -> AsyncIterator[str]:
    """A Prometheus with this configuration; its URL. Files that it names lie in the folder."""
    port = free_port()
    (folder / "prometheus.yml").write_text(config)
    options = (f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data")
    async with _running(folder, installed("prometheus"), *options, f"--web.listen-address=127.0.0.1:{port}"):
        yield f"http://127.0.0.1:{port}"


async def found(url: str, query: str) -> list[dict[str, Any]]:
    """What Prometheus answers; nothing while it starts."""
    answer = await asked(f"{url}/api/v1/query", query=query)
    result: list[dict[str, Any]] = answer["result"] if answer else []
    return result


async def asked(url: str, **parameters: str) -> dict[str, Any] | None:
    """The data that Prometheus' API answers; None while it starts."""
    try:
        async with aiohttp.ClientSession() as session, session.get(url, params=parameters) as reply:
            text = await reply.text()
    except aiohttp.ClientConnectionError:
        return None
    if reply.status == 503:
        return None
    assert reply.status == 200, (url, parameters, text)
    data: dict[str, Any] = json.loads(text)["data"]
    return data


# Caddy.


@dataclass(frozen=True, slots=True)
class Caddy:
    """One that runs: its ports with and without TLS, and the file of its own CA."""

    tls: int
    plain: int
    ca_file: Path


@asynccontextmanager
async def caddy(folder: Path, caddyfile: Path, **environment: str) -> AsyncIterator[Caddy]:
    """A Caddy with this Caddyfile, which lets RELAY_CADDY_OPTIONS move it to free ports of loopback; up when its CA and both ports are."""
    tls, plain = free_port(), free_port()
    options = f"admin off\ndefault_bind 127.0.0.1\nhttp_port {plain}\nhttps_port {tls}"
    ca_file = folder / "data/caddy/pki/authorities/local/root.crt"
    own = {"HOME": str(folder), "XDG_DATA_HOME": f"{folder}/data", "XDG_CONFIG_HOME": f"{folder}/config"}
    words = (installed("caddy"), "run", "--config", str(caddyfile), "--adapter", "caddyfile")
    async with _running(folder, *words, **own, RELAY_CADDY_OPTIONS=options, **environment):

        async def up() -> bool:
            _, writer = await asyncio.open_connection("127.0.0.1", tls)
            writer.close()
            return ca_file.exists()

        await eventually(lambda: _not_yet(up))
        yield Caddy(tls, plain, ca_file)


async def _not_yet(condition: Any) -> bool:
    try:
        return bool(await condition())
    except ConnectionError:
        return False
